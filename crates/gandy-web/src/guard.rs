//! What every request passes before anything else happens, and every answer after: where the request came from, who sends
//! it, whether it may act; security headers, compression, and a page for what went wrong.
//!
//! Not here: which secrets are right (`access`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::access::{self, Denied, Known, Role};
use crate::assets::{gzip, takes_gzip};
use crate::audit;
use crate::frame::Visitor;
use crate::gate::{Caller, Full};
use crate::page::trouble;
use crate::param::Params;
use crate::problem::Problem;
use crate::state::{App, Shared};

/// A longer body is not read: a form may have a job of a megabyte.
const BODY_MAX: usize = (1 << 20) + (64 << 10);
/// For it to come: who sends a byte now and then keeps a connection from others.
const BODY: Duration = Duration::from_secs(10);
/// Shorter answers are not worth compressing.
const GZIP_MIN: usize = 1_000;
/// The field of a form, and the header of a script, that carries the page's token.
pub(crate) const TOKEN: &str = "_token";
const TOKEN_HEADER: &str = "x-gandy-token";
/// The cookie with which nobody waits behind those who guess at secrets. It lets nobody in.
const PASS: &str = "gandy_pass";

/// No code and no style but our own files, no frame around a page, no form to elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The layer around everything.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let base = base(&app, &parts);
    let stranger = Visitor {
        name: String::new(),
        role: Role::Viewer,
        may_act: false,
        base: base.clone(),
        theme: theme(&parts.headers),
    };
    let (wants, json) = (takes_gzip(&parts.headers), is_api(&parts.uri));
    let trusted = parts.headers.contains_key("sec-fetch-site");
    let response = match admitted(&app, parts, body, &base).await {
        Ok(admitted) => {
            let acts = !is_reading(admitted.request.method());
            let response = match acts {
                true => acted(Arc::clone(&app), admitted.request, next).await,
                false => next.run(admitted.request).await,
            };
            let mut response = match problem(&response) {
                Some(problem) => {
                    trouble::answer(&app, &admitted.visitor, &problem, json, acts).await
                }
                None => response,
            };
            if let Some(pass) = admitted.pass {
                response.headers_mut().append(header::SET_COOKIE, pass);
            }
            response
        }
        Err(Refusal { problem, bare }) => match json {
            true => trouble::answer(&app, &stranger, &problem, true, true).await,
            // Who is not let in sees no number either.
            false => trouble::bare(&problem, bare),
        },
    };
    finished(response, wants, trusted).await
}

/// An act goes on to its end and into the log, whoever hangs up: of a hundred jobs to be deleted 51 were, and no line told.
async fn acted(app: App, request: Request, next: Next) -> Response {
    let act = tokio::spawn(async move {
        let response = next.run(request).await;
        app.watch.forget();
        response
    });
    act.await.unwrap_or_else(|error| {
        Problem::bug(format!(
            "the act ended early, it may have been done: {error}"
        ))
        .into_response()
    })
}

/// A request that goes on.
struct Admitted {
    visitor: Visitor,
    request: Request,
    /// A cookie for who was let in by a secret, to be kept.
    pass: Option<HeaderValue>,
}

/// A request that goes no further.
struct Refusal {
    problem: Problem,
    /// Whether to ask for credentials.
    bare: bool,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            bare: false,
        }
    }
}

async fn admitted(
    app: &Shared,
    mut parts: Parts,
    body: Body,
    base: &str,
) -> Result<Admitted, Refusal> {
    foreign(&parts)?;
    let (known, pass) = known(app, &parts, base).await?;
    let acts = !is_reading(&parts.method);
    let body = match acts {
        true => read(body).await?,
        // What a GET brings along is not read.
        false => Bytes::new(),
    };
    let Known { role, name } = known;
    let may_act = role == Role::Operator && !app.read_only;
    if acts {
        same_origin(app, &parts, &body)?;
        if !may_act {
            let why = match app.read_only {
                true => "this dashboard is read-only",
                false => "a viewer may look and not act",
            };
            return Err(Problem::forbidden(why).into());
        }
    }
    let visitor = Visitor {
        name,
        role,
        may_act,
        base: base.to_owned(),
        theme: theme(&parts.headers),
    };
    parts.extensions.insert(visitor.clone());
    Ok(Admitted {
        visitor,
        request: Request::from_parts(parts, Body::from(body)),
        pass,
    })
}

/// Who it is. A secret that is shown passes the gate, and whoever has not shown it before is given a pass.
async fn known(
    app: &Shared,
    parts: &Parts,
    base: &str,
) -> Result<(Known, Option<HeaderValue>), Refusal> {
    let caller = parts.extensions.get::<Arc<Caller>>().map(Arc::as_ref);
    let secret = parts.headers.get(header::AUTHORIZATION);
    let Some(secret) = secret.filter(|_| app.access.asks_for_secrets()) else {
        return match app.access.check(parts) {
            Ok(known) => Ok((known, None)),
            Err(why) => Err(denied(why)),
        };
    };
    let shown = Sha256::digest(secret.as_bytes()).into();
    let pass = cookie(&parts.headers, PASS);
    let look = || {
        app.access.check(parts).inspect_err(|_| {
            let from = caller.map(|caller| caller.address.to_string());
            audit::stranger(access::claimed(&parts.headers).as_deref(), from.as_deref());
        })
    };
    match app.gate.enter(caller, shown, pass, look).await {
        Ok(Ok(known)) => {
            let has = pass.is_some_and(|pass| app.gate.is_pass_for(pass, &shown));
            let given = format!(
                "{PASS}={}; Path={}; HttpOnly; SameSite=Strict",
                app.gate.pass_for(&shown),
                if base.is_empty() { "/" } else { base },
            );
            let given = HeaderValue::try_from(given).ok().filter(|_| !has);
            Ok((known, given))
        }
        Ok(Err(why)) => Err(denied(why)),
        Err(Full) => Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many wrong credentials",
            "others are guessing at secrets; yours were not looked at. Wait a little",
        )
        .into()),
    }
}

fn denied(denied: Denied) -> Refusal {
    match denied {
        Denied::Credentials => Refusal {
            problem: Problem::new(
                StatusCode::UNAUTHORIZED,
                "Who are you?",
                "this dashboard asks for a user and a password, or a token",
            ),
            bare: true,
        },
        Denied::Host => Problem::forbidden(
            "without credentials only requests to localhost are answered, under that name",
        )
        .and("Open http://localhost and the port, or start the dashboard with credentials.")
        .into(),
        Denied::Proxy => Problem::forbidden(
            "a proxy handed this request on, and without credentials only this machine itself is answered",
        )
        .and("Start the dashboard with credentials.")
        .into(),
        Denied::Hook => Problem::forbidden("the application does not let you in here").into(),
    }
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY, to_bytes(body, BODY_MAX)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Too long",
            format!("a request has at most {BODY_MAX} bytes"),
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "Too slow",
            format!("the request did not come whole within {BODY:?}"),
        )),
    }
}

fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn is_api(uri: &Uri) -> bool {
    // Monitors read the latter.
    uri.path().starts_with("/api/") || uri.path() == "/stats"
}

/// Links from elsewhere are followed; what another site embeds, or fetches to measure how long it takes, is not answered.
fn foreign(parts: &Parts) -> Result<(), Problem> {
    let is = |name: &str, word: &str| {
        let value = parts.headers.get(name);
        value.is_some_and(|value| value.as_bytes() == word.as_bytes())
    };
    let strange = is("sec-fetch-site", "cross-site") || is("sec-fetch-site", "same-site");
    // A frame navigates as well.
    let linked = is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document");
    match strange && is_reading(&parts.method) && !linked {
        true => Err(Problem::forbidden(
            "another site's page asks for this, and not a person",
        )),
        false => Ok(()),
    }
}

/// Whether a request that acts comes from a page of ours, or from no page at all. Browsers say it in `Sec-Fetch-Site`, older
/// ones in `Origin`, and the oldest not at all: those show the token that stands in each page.
fn same_origin(app: &Shared, parts: &Parts, body: &Bytes) -> Result<(), Problem> {
    let word = |name: &str| {
        parts
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("?"))
    };
    let refused = |seen: String| {
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "Not from here",
            format!("acts are taken from this dashboard's own pages only: {seen}"),
        )
        .and("Open the dashboard itself and repeat the act there."))
    };
    match word("sec-fetch-site") {
        Some("same-origin" | "none") => return Ok(()),
        Some(_) => return refused("the request comes from another site".to_owned()),
        None => {}
    }
    // `null` says nothing: browsers send it in place of an origin that they will not tell, and over plain HTTP under any name
    // but localhost they did so for our own forms, as long as our pages sent no referrer at all.
    let origin = word("origin");
    if let Some(origin) = origin.filter(|origin| *origin != "null") {
        let host = word("host").unwrap_or_default();
        let same = origin
            .split_once("://")
            .is_some_and(|(_, authority)| !host.is_empty() && authority.eq_ignore_ascii_case(host));
        return match same {
            true => Ok(()),
            false => refused("the request's Origin is not its Host".to_owned()),
        };
    }
    // No page can make another site's browser send these without asking first, which is never granted.
    let bearer = word("authorization").is_some_and(|value| {
        value
            .get(..7)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "))
    });
    let json = word("content-type").is_some_and(|value| {
        let kind = value.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/json")
    });
    if (bearer || json) && origin.is_none() {
        return Ok(());
    }
    let shown = match word(TOKEN_HEADER) {
        Some(token) => token.to_owned(),
        None => token_of(body),
    };
    match bool::from(shown.as_bytes().ct_eq(app.token.as_bytes())) {
        true => Ok(()),
        false => {
            refused("it does not say where it comes from, and has no token of a page".to_owned())
        }
    }
}

fn token_of(form: &Bytes) -> String {
    let text = std::str::from_utf8(form).unwrap_or_default();
    let params = Params::read(text).unwrap_or_default();
    params.get(TOKEN).unwrap_or_default().to_owned()
}

/// Where the router is mounted: what stands in front of the path that it sees.
fn base(app: &Shared, parts: &Parts) -> String {
    let seen = parts.uri.path();
    let whole = parts
        .extensions
        .get::<OriginalUri>()
        .map_or(seen, |original| original.path());
    let before = match whole.strip_suffix(seen) {
        Some(before) => before,
        // Nested at `/jobs` and asked for `/jobs`, it sees `/`.
        None if seen == "/" => whole,
        None => "",
    };
    format!("{}{}", app.prefix, before.trim_end_matches('/'))
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|word| word.trim().strip_prefix(name)?.strip_prefix('='))
}

/// The visitor's own choice, in a cookie that the script sets.
fn theme(headers: &HeaderMap) -> &'static str {
    match cookie(headers, "gandy_theme") {
        Some("dark") => "dark",
        Some("light") => "light",
        _ => "",
    }
}

/// What is wrong with an answer, where it is no page yet: a handler's problem, or axum's own words.
fn problem(response: &Response) -> Option<Problem> {
    if let Some(problem) = response.extensions().get::<Problem>() {
        return Some(problem.clone());
    }
    let has_body = response.headers().contains_key(header::CONTENT_TYPE);
    match response.status() {
        StatusCode::NOT_FOUND if !has_body => Some(Problem::not_found("there is no such page")),
        StatusCode::METHOD_NOT_ALLOWED => Some(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Not that way",
            "this address does not take such a request",
        )),
        // axum's own words, such as for a path that is not UTF-8.
        status if status.is_client_error() && is_plain(response) => Some(Problem::new(
            status,
            "That request cannot be read",
            "the address or a header of the request cannot be read",
        )),
        _ => None,
    }
}

fn is_plain(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

/// With the headers that all answers have. `trusted`: over TLS or to localhost, as browsers say by sending `Sec-Fetch-Site`.
async fn finished(mut response: Response, wants_gzip: bool, trusted: bool) -> Response {
    let head = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        head.insert(name, HeaderValue::from_static(value));
    }
    // Elsewhere a browser heeds it not and says so in its console, on each page.
    if trusted {
        head.insert(
            "cross-origin-opener-policy",
            HeaderValue::from_static("same-origin"),
        );
    }
    head.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("same-origin"),
    );
    if !head.contains_key(header::CACHE_CONTROL) {
        head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let kind = head
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let texts = kind
        .is_some_and(|kind| kind.starts_with("text/html") || kind.starts_with("application/json"));
    if !texts || !wants_gzip || head.contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // Pages are made whole before they are sent, so this reads what is in memory.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let packed = match bytes.len() >= GZIP_MIN {
        true => gzip(&bytes, Compression::fast()),
        false => None,
    };
    let Some(packed) = packed else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    parts
        .headers
        .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts
        .headers
        .insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(packed))
}
