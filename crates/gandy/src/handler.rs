//! Who runs a job: traits for users, and the one erased form the worker calls.

use std::{
    future::Future,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use gandy_protocol::{RetrySetting, args};
use serde::de::DeserializeOwned;

use crate::{Context, Job, JobError};

/// Runs the jobs of one type and owns what it needs for that.
///
/// ```
/// use gandy::{Context, Handler, Job, JobError};
/// # #[derive(serde::Serialize, serde::Deserialize, Job)] struct Mail { user: u64 }
/// struct Mailer { from: String }
/// impl Handler<Mail> for Mailer {
///     async fn perform(&self, job: Mail, ctx: &Context) -> Result<(), JobError> {
///         println!("{}: mail from {} to {}", ctx.jid(), self.from, job.user);
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not run jobs of type `{J}`",
    label = "no `impl Handler<{J}> for {Self}`",
    note = "write `impl gandy::Handler<{J}> for {Self} {{ async fn perform(&self, job: {J}, ctx: &gandy::Context) -> Result<(), gandy::JobError> {{ … }} }}`",
    note = "the future must be Send: do not hold an Rc, a RefCell borrow or a std MutexGuard across an await"
)]
pub trait Handler<J: Job>: Send + Sync + 'static {
    /// Runs one job. An error retries it unless it says otherwise ([`JobError`]); a panic retries it too.
    fn perform(&self, job: J, ctx: &Context) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// Runs jobs that compute or block: each on a thread of its own, so that it does not hold up others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not run jobs of type `{J}` on a thread",
    note = "write `impl gandy::BlockingHandler<{J}> for {Self} {{ fn perform(&self, job: {J}, ctx: &gandy::Context) -> Result<(), gandy::JobError> {{ … }} }}`"
)]
pub trait BlockingHandler<J: Job>: Send + Sync + 'static {
    /// Runs one job. A timeout cancels [`Context::cancellation`] and settles the job, but a thread cannot be stopped:
    /// the slot stays taken until this returns.
    ///
    /// # Errors
    /// As [`Handler::perform`].
    fn perform(&self, job: J, ctx: &Context) -> Result<(), JobError>;
}

/// Runs jobs whose arguments stay raw JSON: for programs that choose their handlers at run time.
pub trait RawHandler: Send + Sync + 'static {
    /// Runs one job; `args` is its JSON array.
    fn perform(
        &self,
        args: &str,
        ctx: &Context,
    ) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// What the worker keeps beside a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HandlerOptions {
    /// The retry setting of jobs that carry none.
    pub retry: RetrySetting,
    /// After this long a run is cancelled and counts as failed. Default: no limit.
    pub timeout: Option<Duration>,
}

pub(crate) type Run<'a> = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send + 'a>>;

/// The erased form.
pub(crate) trait Perform: Send + Sync {
    /// The run of one job. It owns what it needs, so that it can go on in another task than it began in.
    fn perform(self: Arc<Self>, ctx: Context) -> Run<'static>;
}

pub(crate) struct Typed<J, H>(pub(crate) H, pub(crate) PhantomData<fn(J)>);

impl<J: Job, H: Handler<J>> Perform for Typed<J, H> {
    fn perform(self: Arc<Self>, ctx: Context) -> Run<'static> {
        Box::pin(async move {
            let job = read_args::<J>(&ctx)?;
            self.0.perform(job, &ctx).await
        })
    }
}

pub(crate) struct Blocking<J, H>(pub(crate) Arc<H>, pub(crate) PhantomData<fn(J)>);

impl<J: Job, H: BlockingHandler<J>> Perform for Blocking<J, H> {
    fn perform(self: Arc<Self>, ctx: Context) -> Run<'static> {
        Box::pin(async move {
            let job = read_args::<J>(&ctx)?;
            let (handler, context) = (Arc::clone(&self.0), ctx.clone());
            let seat = ctx.seat();
            let (done, outcome) = tokio::sync::oneshot::channel();
            let runtime = tokio::runtime::Handle::current();
            // Not the runtime's own threads: it waits for those when it ends, and a handler that heeds no
            // cancellation would hold the worker's exit long after its job was given back.
            std::thread::Builder::new()
                .name("gandy-job".into())
                .spawn(move || {
                    let _runtime = runtime.enter();
                    let result = catch_unwind(AssertUnwindSafe(|| handler.perform(job, &context)));
                    // A timeout ends the run but not this thread; more of them than slots must not pile up.
                    drop(seat);
                    let _ = done.send(result);
                })?;
            match outcome.await? {
                Ok(result) => result,
                Err(panic) => resume_unwind(panic),
            }
        })
    }
}

pub(crate) struct Raw<H>(pub(crate) H);

impl<H: RawHandler> Perform for Raw<H> {
    fn perform(self: Arc<Self>, ctx: Context) -> Run<'static> {
        Box::pin(async move { self.0.perform(ctx.args(), &ctx).await })
    }
}

pub(crate) struct Function<A, F>(pub(crate) F, pub(crate) PhantomData<fn(A)>);

impl<A, F, Fut> Perform for Function<A, F>
where
    A: DeserializeOwned + Send + 'static,
    F: Fn(A, Context) -> Fut + Send + Sync,
    Fut: Future<Output = Result<(), JobError>> + Send + 'static,
{
    fn perform(self: Arc<Self>, ctx: Context) -> Run<'static> {
        match read_args::<A>(&ctx) {
            Ok(args) => Box::pin((self.0)(args, ctx)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

fn read_args<T: DeserializeOwned>(ctx: &Context) -> Result<T, JobError> {
    args::from_args(ctx.class(), ctx.args())
        .map_err(|error| JobError::retry("ArgumentError", error.to_string()))
}
