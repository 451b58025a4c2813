#![allow(clippy::unwrap_used)]
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry::trace::{Status, TracerProvider};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter},
};

use super::*;
use crate::{
    Client, Context, HandlerOptions, JobError, RawHandler,
    testing::{Crew, collect_with},
};

/// Keeps what ended.
#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Spans {
    fn start(sampler: Sampler) -> (Self, Traced<SdkTracer>) {
        let spans = Self::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .build();
        (spans, Traced::with_tracer(provider.tracer("test")))
    }

    fn named(&self, name: &str) -> Vec<SpanData> {
        let spans = self.0.lock().unwrap();
        spans
            .iter()
            .filter(|span| span.name == name)
            .cloned()
            .collect()
    }
}

fn said(span: &SpanData, key: &str) -> Option<String> {
    let mut attributes = span.attributes.iter();
    let found = attributes.find(|attribute| attribute.key.as_str() == key);
    found.map(|attribute| attribute.value.to_string())
}

/// Succeeds, or ends as its class says.
struct Handler;

impl RawHandler for Handler {
    async fn perform(&self, _: &str, ctx: &Context) -> Result<(), JobError> {
        match ctx.class() {
            "Fails" => Err(JobError::retry("Boom", "argument 42 is wrong")),
            "Snoozes" => Err(JobError::snooze(Duration::from_secs(60))),
            "Hangs" => std::future::pending().await,
            "Panics" => panic!("on purpose"),
            _ => Ok(()),
        }
    }
}

fn crew(traced: Traced<SdkTracer>) -> Crew {
    let options = HandlerOptions {
        timeout: Some(Duration::from_millis(20)),
        ..HandlerOptions::default()
    };
    ["Works", "Fails", "Snoozes", "Hangs", "Panics"]
        .into_iter()
        .fold(Crew::new().layer(traced), |crew, class| {
            crew.raw_handler(class, options, Handler)
        })
}

#[tokio::test]
async fn a_push_and_its_run_are_one_trace() {
    let (spans, traced) = Spans::start(Sampler::AlwaysOn);
    let (client, jobs) = collect_with(Client::builder().middleware(traced.clone()));
    let receipt = client.push_raw("Works", "[1]").await.unwrap();
    jobs.drain(&crew(traced)).await;

    let [made] = &spans.named("create default")[..] else {
        panic!("{spans:?}");
    };
    let [run] = &spans.named("process default")[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(made.span_kind, SpanKind::Producer);
    assert_eq!(run.span_kind, SpanKind::Consumer);
    assert_eq!(run.span_context.trace_id(), made.span_context.trace_id());
    assert_eq!(run.parent_span_id, made.span_context.span_id());
    assert!(run.parent_span_is_remote);
    for (span, operation) in [(made, "create"), (run, "process")] {
        for (key, value) in [
            ("messaging.system", "gandy"),
            ("messaging.destination.name", "default"),
            ("messaging.operation.name", operation),
            ("messaging.operation.type", operation),
            ("messaging.message.id", receipt.jid.as_str()),
            ("gandy.job.class", "Works"),
        ] {
            assert_eq!(said(span, key).as_deref(), Some(value), "{key}");
        }
    }
    assert_eq!(said(run, "gandy.job.attempt").as_deref(), Some("1"));
    assert_eq!(run.status, Status::Unset);
}

#[tokio::test]
async fn what_a_handler_pushes_belongs_to_its_run() {
    let (spans, traced) = Spans::start(Sampler::AlwaysOn);
    let (client, jobs) = collect_with(Client::builder().middleware(traced.clone()));
    client.push_raw("Parent", "[]").await.unwrap();
    let crew = crew(traced).handler_fn("Parent", move |_: (), _| {
        let client = client.clone();
        async move {
            tokio::task::yield_now().await;
            client.push_raw("Works", "[]").await.unwrap();
            Ok(())
        }
    });
    assert_eq!(jobs.drain(&crew).await.len(), 2);
    let (made, runs) = (
        spans.named("create default"),
        spans.named("process default"),
    );
    assert_eq!(made[1].parent_span_id, runs[0].span_context.span_id());
    assert_eq!(runs[1].parent_span_id, made[1].span_context.span_id());
}

#[tokio::test]
async fn a_span_tells_how_its_run_ended_and_no_argument() {
    let (spans, traced) = Spans::start(Sampler::AlwaysOn);
    let (client, jobs) = collect_with(Client::builder().middleware(traced.clone()));
    for class in ["Works", "Fails", "Snoozes", "Hangs", "Panics"] {
        client.push_raw(class, "[42]").await.unwrap();
    }
    jobs.drain(&crew(traced)).await;
    let runs = spans.named("process default");
    let ends: Vec<_> = runs
        .iter()
        .map(|run| (said(run, "gandy.job.class"), said(run, "error.type")))
        .collect();
    let end = |class: &str, error: Option<&str>| (Some(class.into()), error.map(str::to_owned));
    assert_eq!(
        ends,
        [
            end("Works", None),
            end("Fails", Some("Boom")),
            end("Snoozes", None),
            end("Hangs", Some("Interrupted")),
            end("Panics", Some("Interrupted")),
        ]
    );
    for run in &runs {
        let failed = matches!(run.status, Status::Error { .. });
        assert_eq!(failed, said(run, "error.type").is_some());
    }
    assert!(!format!("{runs:?}").contains("42 is wrong"));
}

#[tokio::test]
async fn linked_runs_begin_traces_of_their_own() {
    let (spans, traced) = Spans::start(Sampler::AlwaysOn);
    let (client, jobs) = collect_with(Client::builder().middleware(traced.clone()));
    client.push_raw("Works", "[]").await.unwrap();
    jobs.drain(&crew(traced.linked())).await;
    let made = &spans.named("create default")[0].span_context;
    let run = &spans.named("process default")[0];
    assert_ne!(run.span_context.trace_id(), made.trace_id());
    assert_eq!(run.links.links[0].span_context.span_id(), made.span_id());
}

#[tokio::test]
async fn what_is_not_sampled_is_not_sampled_in_its_runs() {
    let (unseen, off) = Spans::start(Sampler::AlwaysOff);
    let (client, jobs) = collect_with(Client::builder().middleware(off));
    client.push_raw("Works", "[]").await.unwrap();
    let payload = jobs.all()[0].payload.clone();
    assert!(
        payload
            .field(field::TRACEPARENT)
            .unwrap()
            .ends_with("-00\"")
    );
    let (spans, on) = Spans::start(Sampler::AlwaysOn);
    jobs.drain(&crew(on)).await;
    assert!(unseen.0.lock().unwrap().is_empty() && spans.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_push_that_has_a_parent_keeps_it() {
    const PARENT: &str = r#""00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01""#;
    let (spans, traced) = Spans::start(Sampler::AlwaysOn);
    let (client, jobs) = collect_with(Client::builder().middleware(traced.clone()));
    let push = Push::raw("Works", "[]").field(field::TRACEPARENT, PARENT);
    client.send(push.unwrap()).await.unwrap();
    jobs.drain(&crew(traced)).await;
    assert!(spans.named("create default").is_empty());
    let run = &spans.named("process default")[0];
    assert_eq!(run.parent_span_id.to_string(), "b7ad6b7169203331");
}
