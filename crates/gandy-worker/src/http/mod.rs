//! Sends a job to an HTTP endpoint, and reads its status as the answer.
//!
//! * `target`: the endpoint as configured; `body`: what is sent; `signature`: how it is signed
//! * `retry_after`: when the endpoint wants to be asked again
//!
//! Only the configured URL is ever asked: no redirects, no proxy from the environment, nothing of a job in
//! the URL or in a header but the trace it belongs to.

pub mod body;
pub mod retry_after;
pub mod signature;
pub mod target;

use std::fmt::Write;
use std::time::Duration;

use chrono::Utc;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::outcome::{Failure, Outcome};
use crate::run::Run;
pub use target::{Hmac, Target};

/// Bytes of an answer that are read when the configuration names no number.
pub const RESPONSE_LIMIT: usize = 64 * 1024;

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections are closed before the common 60 s of servers and balancers, or a job would now and then
/// meet a connection that was closed under it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What an endpoint says is shown up to here; the rest of the answer is read, so that the connection can be
/// used again, and forgotten.
const SHOWN: usize = 2_000;

/// Which certificate authorities are trusted.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The system's, or those of `SSL_CERT_FILE`.
    System,
    /// These alone.
    Only(Vec<Certificate>),
}

/// Makes the client that all endpoints share. A rustls provider must be installed.
///
/// # Errors
///
/// Where the system has no certificates, as in a bare container image; where no provider is installed.
pub fn client(trust: Trust) -> Result<Client, String> {
    // reqwest panics without one.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err("no rustls provider is installed".to_owned());
    }
    let builder = Client::builder()
        .user_agent(concat!("gandy-worker/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .tcp_keepalive(Duration::from_secs(15));
    let builder = match trust {
        Trust::System => builder,
        Trust::Only(certificates) => builder.tls_certs_only(certificates),
    };
    builder.build().map_err(|error| chain(&error))
}

/// Sends one job and waits for the answer, as long as the target allows. `cancelled` ends it at once.
pub async fn run(
    target: &Target,
    client: &Client,
    run: &Run<'_>,
    cancelled: &CancellationToken,
) -> Outcome {
    tokio::select! {
        outcome = send(target, client, run) => outcome,
        () = cancelled.cancelled() => Outcome::Retry(Failure::new(
            "Cancelled",
            "stopped before the answer: shutdown, lost lease or cancelled by hand",
            "",
        )),
    }
}

async fn send(target: &Target, client: &Client, run: &Run<'_>) -> Outcome {
    let body = body::json(run);
    let mut request = client
        .post(target.url.clone())
        .timeout(target.timeout)
        .headers(target.headers.for_request())
        .header(CONTENT_TYPE, "application/json");
    for (name, value) in run.trace {
        request = request.header(*name, value);
    }
    if let Some(hmac) = &target.hmac {
        let now = Utc::now().timestamp();
        match signature::header_value(hmac.secret.expose(), now, body.as_bytes()) {
            Ok(value) => request = request.header(&hmac.header, value),
            Err(why) => return Outcome::Retry(Failure::new("HttpRequest", why, "")),
        }
    }
    match request.body(body).send().await {
        Ok(response) => {
            let status = response.status();
            let delay = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| retry_after::parse(value.to_str().ok()?, Utc::now()));
            let words = read(response, target.response_limit).await;
            outcome(status, delay, &words)
        }
        // The URL may hold a token, and who reads the retry set knows it from the class.
        Err(error) => {
            let why = chain(&error.without_url());
            Outcome::Retry(Failure::new("HttpRequest", why, ""))
        }
    }
}

/// What a status means. `words` is the beginning of the answer.
fn outcome(status: StatusCode, delay: Option<Duration>, words: &str) -> Outcome {
    if status.is_success() {
        return Outcome::Done;
    }
    let failure = Failure::new("HttpStatus", format!("HTTP status {status}"), words);
    match (status.as_u16(), delay) {
        (429 | 503, Some(delay)) => Outcome::RetryIn(delay, failure),
        (429, None) => Outcome::Retry(failure),
        (400..=499, _) => Outcome::Bury(failure),
        _ => Outcome::Retry(failure),
    }
}

/// Reads at most `limit` bytes of the answer; gives their beginning. The status has said what counts, so a
/// connection that breaks here changes nothing.
async fn read(mut response: Response, limit: usize) -> String {
    let mut shown = Vec::new();
    let mut count = 0;
    while count < limit {
        let Ok(Some(chunk)) = response.chunk().await else {
            break;
        };
        count += chunk.len();
        let room = SHOWN.min(limit).saturating_sub(shown.len());
        shown.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    String::from_utf8_lossy(&shown).into_owned()
}

/// An error with its causes: reqwest's own words are "error sending request", and why is below.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(status: u16, delay: Option<u64>) -> &'static str {
        let status = StatusCode::from_u16(status).expect("status");
        match outcome(status, delay.map(Duration::from_secs), "") {
            Outcome::Done => "done",
            Outcome::Retry(_) => "retry",
            Outcome::RetryIn(..) => "retry in",
            Outcome::Bury(_) => "bury",
            Outcome::Discard(_) => "discard",
        }
    }

    #[test]
    fn each_status_has_its_meaning() {
        for (status, delay, expected) in [
            (200, None, "done"),
            (204, None, "done"),
            (301, None, "retry"),
            (400, None, "bury"),
            (404, Some(5), "bury"),
            (408, None, "bury"),
            (429, None, "retry"),
            (429, Some(5), "retry in"),
            (500, Some(5), "retry"),
            (502, None, "retry"),
            (503, None, "retry"),
            (503, Some(5), "retry in"),
        ] {
            assert_eq!(named(status, delay), expected, "{status} {delay:?}");
        }
    }
}
