//! An endpoint runs a job: what it is sent, what its answer means, and what it cannot make the worker do.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{any, post};
use gandy_worker::config::secret::{Given, Secret};
use gandy_worker::http::target::Headers;
use gandy_worker::http::{self, Hmac, Target, Trust};
use gandy_worker::outcome::{Failure, Outcome};
use support::run;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A server that answers every path `/STATUS` with that status, and remembers what it was sent.
async fn answering() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let router = Router::new()
        .route(
            "/{status}",
            any(
                |State(seen): State<Seen>,
                 axum::extract::Path(status): axum::extract::Path<u16>,
                 axum::extract::RawQuery(query): axum::extract::RawQuery,
                 headers: HeaderMap,
                 body: Bytes| async move {
                    seen.lock().unwrap().push((headers, body));
                    let mut response = Response::builder().status(status);
                    if let Some((name, value)) =
                        query.as_deref().and_then(|query| query.split_once('='))
                    {
                        response = response.header(name, value.replace('+', " "));
                    }
                    response.body(Body::from("words of the endpoint")).unwrap()
                },
            ),
        )
        .with_state(seen.clone());
    (serve(router).await, seen)
}

fn target(url: &str) -> Target {
    Target {
        url: url.parse().unwrap(),
        headers: Headers::default(),
        hmac: None,
        response_limit: http::RESPONSE_LIMIT,
        timeout: Duration::from_secs(10),
    }
}

fn provider() {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn trusting(trusted: Vec<reqwest::Certificate>) -> reqwest::Client {
    provider();
    http::client(Trust::Only(trusted)).unwrap()
}

async fn outcome_of(target: &Target) -> Outcome {
    let client = trusting(Vec::new());
    http::run(target, &client, &run("[]"), &CancellationToken::new()).await
}

fn retried(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Retry(failure) => failure,
        other => panic!("expected a retry, got {other:?}"),
    }
}

#[tokio::test]
async fn a_job_is_posted_with_its_arguments_byte_for_byte() {
    let (address, seen) = answering().await;
    let mut target = target(&format!("http://{address}/204"));
    target
        .headers
        .add("X-Token", Given::Literal, &Secret::new("S3CR3T"))
        .unwrap();
    let client = trusting(Vec::new());
    let run = run("[12345678901234567890, 1.10, \"\\u00e4\"]");
    let outcome = http::run(&target, &client, &run, &CancellationToken::new()).await;
    assert_eq!(outcome, Outcome::Done);
    let (headers, body) = seen.lock().unwrap().pop().unwrap();
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["x-token"], "S3CR3T");
    assert!(
        headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("gandy-worker/")
    );
    assert!(!headers.contains_key("gandy-signature"));
    assert_eq!(
        body,
        r#"{"jid":"0123456789abcdef01234567","class":"Test","args":[12345678901234567890, 1.10, "\u00e4"],"attempt":1,"queue":"default"}"#
    );
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    let (address, _) = answering().await;
    let named = |outcome| match outcome {
        Outcome::Done => ("done".to_owned(), String::new()),
        Outcome::Bury(failure) => ("bury".to_owned(), failure.message),
        Outcome::Retry(failure) => ("retry".to_owned(), failure.message),
        Outcome::RetryIn(delay, failure) => (format!("retry in {delay:?}"), failure.message),
        Outcome::Discard(failure) => ("discard".to_owned(), failure.message),
    };
    for (path, kind, status) in [
        ("200", "done", ""),
        ("404", "bury", "404 Not Found"),
        ("429", "retry", "429 Too Many Requests"),
        ("429?retry-after=7", "retry in 7s", "429 Too Many Requests"),
        (
            "503?retry-after=120",
            "retry in 120s",
            "503 Service Unavailable",
        ),
        (
            "503?retry-after=Wed,+23+Nov+1994+12:00:00+GMT",
            "retry in 0ns",
            "503 Service Unavailable",
        ),
        ("500", "retry", "500 Internal Server Error"),
    ] {
        let (found, message) =
            named(outcome_of(&target(&format!("http://{address}/{path}"))).await);
        assert_eq!(found, kind, "{path}");
        if !status.is_empty() {
            assert_eq!(
                message,
                format!("HTTP status {status}: words of the endpoint"),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (inside, seen) = answering().await;
    let (address, _) = answering().await;
    for status in [301, 302, 303, 307, 308] {
        let url = format!("http://{address}/{status}?location=http://{inside}/200");
        let failure = retried(outcome_of(&target(&url)).await);
        assert!(failure.message.contains(&status.to_string()), "{failure:?}");
    }
    assert_eq!(seen.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let endless = || async {
        let chunks = tokio_stream_of(Bytes::from(vec![b'x'; 64 * 1024]));
        Response::builder()
            .status(StatusCode::BAD_GATEWAY)
            .body(chunks)
            .unwrap()
    };
    let address = serve(Router::new().route("/", post(endless))).await;
    let began = Instant::now();
    let failure = retried(outcome_of(&target(&format!("http://{address}/"))).await);
    assert!(
        failure
            .message
            .starts_with("HTTP status 502 Bad Gateway: xxx")
    );
    assert!(failure.message.len() < 3_000);
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "read until the timeout"
    );
}

/// A body that repeats `chunk` for ever.
fn tokio_stream_of(chunk: Bytes) -> Body {
    Body::from_stream(futures_util::stream::repeat_with(move || {
        Ok::<_, std::io::Error>(chunk.clone())
    }))
}

#[tokio::test]
async fn a_slow_endpoint_is_a_retry_after_the_timeout_and_a_cancelled_one_at_once() {
    let never = || async { std::future::pending::<StatusCode>().await };
    let address = serve(Router::new().route("/", post(never))).await;
    let mut target = target(&format!("http://{address}/"));
    target.timeout = Duration::from_millis(100);
    let failure = retried(outcome_of(&target).await);
    assert!(failure.message.contains("timed out"), "{}", failure.message);

    target.timeout = Duration::from_secs(60);
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let client = trusting(Vec::new());
    let outcome = http::run(&target, &client, &run("[]"), &cancelled).await;
    assert_eq!(retried(outcome).class, "Cancelled");
}

#[tokio::test]
async fn an_unreachable_endpoint_is_retried_with_the_cause_and_without_the_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure = retried(outcome_of(&target(&format!("http://{address}/?token=S3CR3T"))).await);
    assert_eq!(failure.class, "HttpRequest");
    assert!(
        failure.message.contains("Connection refused"),
        "{}",
        failure.message
    );
    assert!(!failure.message.contains("S3CR3T"), "{}", failure.message);
}

#[tokio::test]
async fn a_signed_request_can_be_verified_by_its_endpoint() {
    let (address, seen) = answering().await;
    let mut target = target(&format!("http://{address}/200"));
    target.hmac = Some(Hmac {
        secret: Secret::new("S3CR3T"),
        given: Given::Environment("KEY".into()),
        header: Hmac::default_header(),
    });
    assert!(!format!("{target:?}").contains("S3CR3T"));
    assert_eq!(outcome_of(&target).await, Outcome::Done);
    let (headers, body) = seen.lock().unwrap().pop().unwrap();
    let header = headers["gandy-signature"].to_str().unwrap();
    let parts: BTreeMap<_, _> = header
        .split(',')
        .filter_map(|part| part.split_once('='))
        .collect();
    let now = chrono::Utc::now().timestamp();
    let signed_at: i64 = parts["t"].parse().unwrap();
    assert!((now - signed_at).abs() <= 60);
    assert_eq!(
        http::signature::header_value("S3CR3T", signed_at, &body).unwrap(),
        header
    );
    assert_ne!(
        http::signature::header_value("other", signed_at, &body).unwrap(),
        header
    );
}

#[tokio::test]
async fn https_is_spoken_to_a_trusted_server_and_refused_by_an_unknown_one() {
    provider();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    let trusted = reqwest::Certificate::from_der(cert.der()).unwrap();
    let target = target(&format!("https://localhost:{port}/"));
    let client = trusting(vec![trusted]);
    let token = CancellationToken::new();
    assert_eq!(
        http::run(&target, &client, &run("[]"), &token).await,
        Outcome::Done
    );
    let client = trusting(Vec::new());
    let failure = retried(http::run(&target, &client, &run("[]"), &token).await);
    assert!(
        failure.message.contains("certificate"),
        "{}",
        failure.message
    );
}
