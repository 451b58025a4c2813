//! The span of a run: begun before inner middleware and handler, joined to where the job was made, ended however the run
//! ends.

use opentelemetry::{
    Context as Scope, KeyValue,
    trace::{FutureExt, Link, SpanContext, SpanKind, Status, TraceContextExt, Tracer},
};

use super::{Traced, attributes, field};
use crate::{Context, JobError, Middleware, Next, job_error};

/// The span in which this is called, or else the one in which the job was made, as `traceparent` and, if there is one,
/// `tracestate`: what a handler sends along to whom it asks.
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
fn made_in(ctx: &Context) -> Option<SpanContext> {
    field::read(ctx.field(field::TRACEPARENT)?, ctx.field(field::TRACESTATE))
}

impl<T> Middleware for Traced<T>
where
    T: Tracer + Send + Sync + 'static,
    T::Span: Send + Sync + 'static,
{
    async fn call(&self, ctx: &Context, next: Next<'_>) -> Result<(), JobError> {
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
struct Unfinished(Scope);

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
