//! OpenTelemetry (feature `otel`): one span where a job is made and one for each of its runs, joined by fields of the
//! payload.
//!
//! * here: the two spans and what they are called
//! * `field`: the joint, `traceparent` and `tracestate`, as it stands in payloads
//!
//! Not here: where spans go. That is the application's tracer provider; this crate knows OpenTelemetry's API alone.

mod field;
#[cfg(all(test, feature = "worker"))]
mod tests;

use gandy_protocol::JobRecord;
use opentelemetry::{
    Context as Scope, KeyValue,
    global::{self, BoxedTracer},
    trace::{FutureExt, Link, Span, SpanContext, SpanKind, Status, TraceContextExt, Tracer},
};

use crate::{ClientMiddleware, Flow, Push};
#[cfg(feature = "worker")]
use crate::{Context, JobError, Middleware, job_error};

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

/// The span in which this is called, or else the one in which the job was made, as `traceparent` and, if there is one,
/// `tracestate`: what a handler sends along to whom it asks.
#[cfg(feature = "worker")]
#[must_use]
pub fn handed_on(ctx: &Context) -> Vec<(&'static str, String)> {
    let current = Scope::map_current(|scope| scope.span().span_context().clone());
    let context = if current.is_valid() {
        Some(current)
    } else {
        made_in(ctx)
    };
    context.map_or_else(Vec::new, |context| field::pairs(&context))
}

/// The span in which a job was made, as its payload says.
#[cfg(feature = "worker")]
fn made_in(ctx: &Context) -> Option<SpanContext> {
    field::read(ctx.field(field::TRACEPARENT)?, ctx.field(field::TRACESTATE))
}

#[cfg(feature = "worker")]
impl<T> Middleware for Traced<T>
where
    T: Tracer + Send + Sync + 'static,
    T::Span: Send + Sync + 'static,
{
    async fn call(&self, ctx: &Context, next: crate::Next<'_>) -> Result<(), JobError> {
        let mut said = attributes("process", ctx.queue(), ctx.jid(), ctx.class());
        said.push(KeyValue::new("gandy.job.attempt", i64::from(ctx.attempt())));
        let mut span = self
            .tracer
            .span_builder(format!("process {}", ctx.queue()))
            .with_kind(SpanKind::Consumer)
            .with_attributes(said);
        let mut parent = Scope::current();
        match made_in(ctx) {
            Some(made) if self.linked => span = span.with_links(vec![Link::with_context(made)]),
            Some(made) => parent = parent.with_remote_span_context(made),
            None => {}
        }
        let scope = parent.with_span(span.start_with_context(&self.tracer, &parent));
        let unfinished = Unfinished(scope.clone());
        let result = next.run(ctx).with_context(scope).await;
        unfinished.finish(&result);
        result
    }
}

/// A run that was cut off is dropped; without this its span would look like a success.
#[cfg(feature = "worker")]
struct Unfinished(Scope);

#[cfg(feature = "worker")]
impl Unfinished {
    fn finish(self, result: &Result<(), JobError>) {
        let span = self.0.span();
        match result {
            Err(error) if !matches!(error.next(), job_error::Next::Snooze(_)) => {
                span.set_attribute(KeyValue::new("error.type", error.class().to_owned()));
                span.set_status(Status::error(""));
            }
            _ => {}
        }
        span.end();
    }
}

#[cfg(feature = "worker")]
impl Drop for Unfinished {
    fn drop(&mut self) {
        let span = self.0.span();
        if span.is_recording() {
            span.set_attribute(KeyValue::new("error.type", "Interrupted"));
            span.set_status(Status::error(
                "cut off by a timeout, a shutdown, a lost lease or a panic",
            ));
            span.end();
        }
    }
}
