//! OpenTelemetry (feature `otel`): one span where a job is made and one for each of its runs, joined by fields of the
//! payload.
//!
//! * here: the middleware, and the span where a job is made
//! * `run`: the span of a run
//! * `field`: the joint, `traceparent` and `tracestate`, as it stands in payloads
//!
//! Not here: where spans go. That is the application's tracer provider; this crate knows OpenTelemetry's API alone.

mod field;
#[cfg(feature = "worker")]
mod run;
#[cfg(all(test, feature = "worker"))]
mod tests;

use gandy_protocol::JobRecord;
use opentelemetry::{
    KeyValue,
    global::{self, BoxedTracer},
    trace::{Span, SpanKind, Tracer},
};

#[cfg(feature = "worker")]
pub use run::handed_on;

use crate::{ClientMiddleware, Flow, Push};

/// A middleware of clients and of workers: for each job that is made a span `create QUEUE` (a producer), and for each run
/// a span `process QUEUE` (a consumer), whose parent it is, in whatever process and however much later.
///
/// What joins them are the payload's fields `traceparent` and `tracestate`, in W3C's form, as OpenTelemetry's
/// instrumentation of Ruby's Sidekiq writes and reads them; so traces go on from one language to the other. They are kept
/// through every hop. A push that has a `traceparent` already keeps it and makes no span.
///
/// Names and attributes follow the conventions for messaging: `messaging.system` = `gandy`,
/// `messaging.destination.name` (the queue), `messaging.operation.name` and `.type`, `messaging.message.id` (the jid), and
/// `gandy.job.class`, `gandy.job.attempt`. A failed run has `error.type`; neither arguments nor messages of errors are
/// told. Its parent is [`opentelemetry::Context::current`], and within a run that is the run's span, so what a handler
/// pushes is joined, too. (A handler of its own thread, `handler_blocking`, is not within it.)
///
/// ```no_run
/// # fn build() -> Result<(), gandy::Error> {
/// use gandy::{Client, Worker, WorkerConfig, otel::Traced};
///
/// // Spans go to the tracer provider that the application has made the global one.
/// let client = Client::builder().middleware(Traced::new()).build()?;
/// let worker = Worker::builder(WorkerConfig::from_env()?).layer(Traced::new());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Traced<T = BoxedTracer> {
    tracer: T,
    #[cfg_attr(not(feature = "worker"), allow(dead_code))]
    linked: bool,
}

impl Traced {
    /// With the application's global tracer provider, as it is now.
    #[must_use]
    pub fn new() -> Self {
        Self::with_tracer(global::tracer("gandy"))
    }
}

impl Default for Traced {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Traced<T> {
    /// With this tracer.
    #[must_use]
    pub fn with_tracer(tracer: T) -> Self {
        Self {
            tracer,
            linked: false,
        }
    }

    /// Runs begin traces of their own, with a link to where their job was made: for jobs that wait for days, whose traces
    /// would be long over, and for one trace that makes thousands of jobs.
    #[must_use]
    pub fn linked(mut self) -> Self {
        self.linked = true;
        self
    }
}

/// What is said of a job in both spans.
fn attributes(operation: &'static str, queue: &str, jid: &str, class: &str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", "gandy"),
        KeyValue::new("messaging.operation.name", operation),
        KeyValue::new("messaging.operation.type", operation),
        KeyValue::new("messaging.destination.name", queue.to_owned()),
        KeyValue::new("messaging.message.id", short(jid)),
        KeyValue::new("gandy.job.class", short(class)),
    ]
}

/// Names out of payloads may be megabytes long.
fn short(name: &str) -> String {
    name.chars().take(255).collect()
}

impl<T> ClientMiddleware for Traced<T>
where
    T: Tracer + Send + Sync + 'static,
    T::Span: Send + Sync + 'static,
{
    fn push(&self, push: &mut Push) -> Flow {
        let record: &mut JobRecord = push.record_mut();
        if record.extra().any(|(name, _)| name == field::TRACEPARENT) {
            return Flow::Go;
        }
        let said = attributes("create", &record.queue, &record.jid, &record.class);
        let mut span = self
            .tracer
            .span_builder(format!("create {}", record.queue))
            .with_kind(SpanKind::Producer)
            .with_attributes(said)
            .start(&self.tracer);
        // Also one that is not sampled: so its runs are not sampled either.
        if span.span_context().is_valid() {
            field::write(span.span_context(), record);
        }
        span.end();
        Flow::Go
    }
}
