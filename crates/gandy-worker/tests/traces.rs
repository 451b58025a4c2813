//! A job's spans, from a producer in this process through Redis, a failed and a repeated run of the real binary, to its
//! endpoint and a collector that speaks OTLP over HTTP.
#![cfg(feature = "otel")]
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use gandy::otel::Traced;
use gandy::{Client, Server};
use gandy_tests::{Proc, RedisServer, wait_until};
use nix::sys::signal::Signal;
use opentelemetry::trace::TracerProvider;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prost::Message;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(20);
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What the collector got, and what the endpoint was asked.
#[derive(Debug, Clone, Default)]
struct Seen {
    batches: Arc<Mutex<Vec<(HeaderMap, ExportTraceServiceRequest)>>>,
    asked: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Seen {
    fn spans(&self) -> Vec<Span> {
        let batches = self.batches.lock().unwrap();
        let resources = batches.iter().flat_map(|(_, batch)| &batch.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    fn headers(&self, name: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let values = asked.iter().map(|headers| headers[name].to_str().unwrap());
        values.map(str::to_owned).collect()
    }
}

/// A collector on `/v1/traces`, and an endpoint that fails once and then succeeds.
async fn serve(seen: &Seen) -> String {
    let collect = |State(seen): State<Seen>, headers: HeaderMap, body: Bytes| async move {
        let batch = ExportTraceServiceRequest::decode(body).unwrap();
        seen.batches.lock().unwrap().push((headers, batch));
    };
    let run = |State(seen): State<Seen>, headers: HeaderMap| async move {
        let mut asked = seen.asked.lock().unwrap();
        asked.push(headers);
        match asked.len() {
            1 => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::OK,
        }
    };
    let router = Router::new()
        .route("/v1/traces", post(collect))
        .route("/jobs", post(run))
        .with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn worker(redis: &RedisServer, folder: &TempDir, toml: &str, otel: &[(&str, &str)]) -> Proc {
    std::fs::write(folder.path().join("gandy.toml"), toml).unwrap();
    let mut command = Command::new(support::binary());
    command
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("GANDY_PROBES", "off")
        .env("REDIS_URL", redis.url())
        .envs(otel.iter().copied());
    Proc::spawn("gandy-worker", command)
}

fn said(attributes: &[KeyValue]) -> HashMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = attributes.iter().filter_map(|pair| {
        let value = pair.value.as_ref()?.value.as_ref()?;
        Some((pair.key.clone(), text(value)))
    });
    pairs.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_from_the_producer_through_every_run_to_the_endpoint() {
    let seen = Seen::default();
    let address = serve(&seen).await;
    let (redis, folder) = (RedisServer::start(), TempDir::new().unwrap());
    let provider = SdkTracerProvider::builder().build();
    let client = Client::builder()
        .server(Server::new(&redis.url()).unwrap())
        .middleware(Traced::with_tracer(provider.tracer("shop")))
        .build()
        .unwrap();
    let receipt = client.push_raw("Webhook", "[7]").await.unwrap();
    let payload = redis.cli(&["--raw", "LINDEX", "queue:default", "0"]);
    let payload: serde_json::Value = serde_json::from_str(&payload).unwrap();
    let parent = payload["traceparent"].as_str().unwrap().to_owned();
    let parts: Vec<&str> = parent.split('-').collect();

    let toml = format!("[jobs.Webhook]\nhttp = \"{address}/jobs\"\n");
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=k1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let worker = worker(&redis, &folder, &toml, &variables);
    wait_until(DEADLINE, "the failed run waits for its retry", || {
        redis.cli(&["ZCARD", "retry"]) == "1"
    });
    let entry = redis.cli(&["--raw", "ZRANGE", "retry", "0", "0"]);
    assert!(entry.contains(&parent), "{entry}");
    redis.cli(&["ZADD", "retry", "1", &entry]);
    wait_until(DEADLINE, "both spans have come", || seen.spans().len() == 2);
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait_exit(DEADLINE).success());

    let mut runs = seen.spans();
    runs.sort_by_key(|span| span.start_time_unix_nano);
    for (number, run) in runs.iter().enumerate() {
        assert_eq!(run.name, "process default");
        assert_eq!(hex(&run.trace_id), parts[1]);
        assert_eq!(hex(&run.parent_span_id), parts[2]);
        let said = said(&run.attributes);
        assert_eq!(said["messaging.system"], "gandy");
        assert_eq!(said["messaging.message.id"], receipt.jid);
        assert_eq!(said["gandy.job.class"], "Webhook");
        assert_eq!(said["gandy.job.attempt"], (number + 1).to_string());
        let error = said.get("error.type").map(String::as_str);
        assert_eq!(error, [Some("HttpStatus"), None][number]);
    }
    // The endpoint's own span joins the run that asks it.
    let told: Vec<String> = runs
        .iter()
        .map(|run| format!("00-{}-{}-01", parts[1], hex(&run.span_id)))
        .collect();
    assert_eq!(seen.headers("traceparent"), told);
    let batches = seen.batches.lock().unwrap();
    let (headers, batch) = &batches[0];
    assert_eq!(headers["x-key"], "k1");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let resource = batch.resource_spans[0].resource.as_ref().unwrap();
    let resource = said(&resource.attributes);
    assert_eq!(resource["service.name"], "gandy-worker");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(resource["deployment.environment"], "test");
}

/// Without a collector nothing is traced, and who asks further still knows where the job comes from.
#[test]
fn a_program_is_told_the_trace_and_no_line_break_of_it() {
    let (redis, folder) = (RedisServer::start(), TempDir::new().unwrap());
    let toml =
        "[jobs.Tell]\nexec = [\"sh\", \"-c\", 'echo \"$TRACEPARENT $TRACESTATE\" >> told']\n";
    for (jid, state) in [("a", "a=1"), ("b", r"a=1\r\nx: y")] {
        let job = format!(
            r#"{{"class":"Tell","args":[],"jid":"{jid}","retry":false,"queue":"default","traceparent":"{PARENT}","tracestate":"{state}"}}"#
        );
        redis.cli(&["LPUSH", "queue:default", &job]);
    }
    let worker = worker(&redis, &folder, &format!("concurrency = 1\n{toml}"), &[]);
    let told = || std::fs::read_to_string(folder.path().join("told")).unwrap_or_default();
    let expected = format!("{PARENT} a=1\n{PARENT} \n");
    wait_until(DEADLINE, "both have run", || told() == expected);
    worker.signal(Signal::SIGTERM);
    assert!(worker.wait_exit(DEADLINE).success());
}

#[test]
fn a_collector_that_is_away_holds_nothing_up() {
    let (redis, folder) = (RedisServer::start(), TempDir::new().unwrap());
    let job = r#"{"class":"Ok","args":[],"jid":"a","retry":false,"queue":"default"}"#;
    redis.cli(&["LPUSH", "queue:default", job]);
    // A port that nothing listens on: privileged, and of a protocol that is gone.
    let variables = [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://user:S3CR3T@127.0.0.1:1",
        ),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let worker = worker(
        &redis,
        &folder,
        "[jobs.Ok]\nexec = [\"true\"]\n",
        &variables,
    );
    worker.wait_for_log("spans are lost", DEADLINE);
    assert_eq!(redis.cli(&["GET", "stat:failed"]), "");
    worker.signal(Signal::SIGTERM);
    let began = Instant::now();
    assert!(worker.wait_exit(DEADLINE).success());
    assert!(began.elapsed() < Duration::from_secs(8));
    assert!(!worker.stderr().contains("S3CR3T"), "{}", worker.stderr());
}

#[test]
fn a_wrong_variable_is_code_78() {
    let (redis, folder) = (RedisServer::start(), TempDir::new().unwrap());
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ];
    let worker = worker(
        &redis,
        &folder,
        "[jobs.Ok]\nexec = [\"true\"]\n",
        &variables,
    );
    assert_eq!(worker.wait_exit(DEADLINE).code(), Some(78));
    let log = worker.stderr();
    assert!(log.contains("OTEL_EXPORTER_OTLP_PROTOCOL"), "{log}");
}
