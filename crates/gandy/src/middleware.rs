//! What stands around every run: logging, tracing, transactions, context.

use std::{future::Future, sync::Arc};

use crate::{
    Context, JobError,
    handler::{Perform, Run},
};

/// Stands around every run of a worker.
///
/// ```
/// use gandy::{Context, JobError, Middleware, Next};
/// struct Timing;
/// impl Middleware for Timing {
///     async fn call(&self, ctx: &Context, next: Next<'_>) -> Result<(), JobError> {
///         let started = std::time::Instant::now();
///         let result = next.run(ctx).await;
///         println!("{} took {:?}", ctx.class(), started.elapsed());
///         result
///     }
/// }
/// ```
pub trait Middleware: Send + Sync + 'static {
    /// Runs around the rest of the chain. Not calling `next` ends the job as done, as in Sidekiq.
    fn call(
        &self,
        ctx: &Context,
        next: Next<'_>,
    ) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// The rest of the chain: the next middleware, at last the handler.
pub struct Next<'a> {
    rest: &'a [Arc<dyn Layer>],
    handler: &'a Arc<dyn Perform>,
}

impl<'a> Next<'a> {
    pub(crate) fn new(rest: &'a [Arc<dyn Layer>], handler: &'a Arc<dyn Perform>) -> Self {
        Self { rest, handler }
    }

    /// Runs it.
    ///
    /// # Errors
    /// What the handler or an inner middleware returns.
    pub async fn run(self, ctx: &Context) -> Result<(), JobError> {
        match self.rest.split_first() {
            Some((layer, rest)) => {
                layer
                    .call(
                        ctx,
                        Next {
                            rest,
                            handler: self.handler,
                        },
                    )
                    .await
            }
            None => Arc::clone(self.handler).perform(ctx.clone()).await,
        }
    }
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Next")
            .field("layers", &self.rest.len())
            .finish_non_exhaustive()
    }
}

/// The erased form.
pub(crate) trait Layer: Send + Sync {
    fn call<'a>(&'a self, ctx: &'a Context, next: Next<'a>) -> Run<'a>;
}

impl<M: Middleware> Layer for M {
    fn call<'a>(&'a self, ctx: &'a Context, next: Next<'a>) -> Run<'a> {
        Box::pin(Middleware::call(self, ctx, next))
    }
}
