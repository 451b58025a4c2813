//! The closed list of handlers (I11): a class name from Redis selects among these and nothing else.

use std::{collections::HashMap, future::Future, marker::PhantomData, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use crate::{
    BlockingHandler, Context, Error, Handler, HandlerOptions, Job, JobError, Middleware, Next,
    RawHandler,
    handler::{Blocking, Function, Perform, Raw, Run, Typed},
    middleware::Layer,
    worker::{pace::Pace, peers::Peers},
};

/// A job whose class others can run comes back after this and as much again, at random: to whoever claims it then.
const ELSEWHERE: Duration = Duration::from_secs(1);

/// Handlers by class, and the middleware around them.
#[derive(Default)]
pub(crate) struct Registry {
    handlers: HashMap<String, Registered>,
    layers: Arc<Vec<Arc<dyn Layer>>>,
    mistakes: Vec<String>,
    /// Who may have the handlers that are missing here; none without a worker.
    peers: Option<Arc<Peers>>,
}

pub(crate) struct Registered {
    perform: Arc<dyn Perform>,
    pub(crate) options: HandlerOptions,
    /// How its runs behave, as the worker has measured it.
    pub(crate) pace: Pace,
}

impl Registry {
    pub(crate) fn typed<J: Job, H: Handler<J>>(&mut self, handler: H) {
        self.add(
            J::CLASS,
            options_of::<J>(),
            Arc::new(Typed::<J, H>(handler, PhantomData)),
        );
    }

    pub(crate) fn blocking<J: Job, H: BlockingHandler<J>>(&mut self, handler: H) {
        self.add(
            J::CLASS,
            options_of::<J>(),
            Arc::new(Blocking::<J, H>(Arc::new(handler), PhantomData)),
        );
    }

    pub(crate) fn raw(&mut self, class: &str, options: HandlerOptions, handler: impl RawHandler) {
        self.add(class, options, Arc::new(Raw(handler)));
    }

    pub(crate) fn function<A, F, Fut>(&mut self, class: &str, function: F)
    where
        A: DeserializeOwned + Send + 'static,
        F: Fn(A, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        self.add(
            class,
            HandlerOptions::default(),
            Arc::new(Function::<A, F>(function, PhantomData)),
        );
    }

    pub(crate) fn layer(&mut self, middleware: impl Middleware) {
        Arc::make_mut(&mut self.layers).push(Arc::new(middleware));
    }

    fn add(&mut self, class: &str, options: HandlerOptions, perform: Arc<dyn Perform>) {
        let registered = Registered {
            perform,
            options,
            pace: Pace::default(),
        };
        if class.is_empty() {
            self.mistakes
                .push("a handler has an empty class; give it the class that jobs carry".into());
        } else if self.handlers.insert(class.to_owned(), registered).is_some() {
            self.mistakes
                .push(format!("class {class} has two handlers; register one"));
        }
    }

    /// Asks these before a class without a handler counts as a failure.
    pub(crate) fn consult(&mut self, peers: Arc<Peers>) {
        self.peers = Some(peers);
    }

    /// What was registered wrongly.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        match self.mistakes.first() {
            Some(mistake) => Err(Error::config(mistake.clone())),
            None => Ok(()),
        }
    }

    pub(crate) fn get(&self, class: &str) -> Option<&Registered> {
        self.handlers.get(class)
    }

    /// The classes, sorted.
    pub(crate) fn classes(&self) -> Vec<&str> {
        let mut classes: Vec<&str> = self.handlers.keys().map(String::as_str).collect();
        classes.sort_unstable();
        classes
    }

    /// The run of a job through middleware and handler. A class without a handler here is left, without an attempt spent,
    /// to a process of the fleet that has one: in a rolling deploy old workers meet new classes. When nobody has one it is
    /// an ordinary failure, retried as Sidekiq does.
    pub(crate) fn perform(&self, ctx: &Context) -> Run<'static> {
        let Some(registered) = self.get(ctx.class()) else {
            let error = JobError::retry(
                "UnknownClass",
                format!(
                    "this worker has no handler for class {}; it knows {}",
                    ctx.class(),
                    self.known()
                ),
            );
            let Some(peers) = self.peers.clone() else {
                return Box::pin(std::future::ready(Err(error)));
            };
            let ctx = ctx.clone();
            return Box::pin(async move { Err(leave_to(&peers, &ctx, error).await) });
        };
        let handler = Arc::clone(&registered.perform);
        if self.layers.is_empty() {
            return handler.perform(ctx.clone());
        }
        let (layers, ctx) = (Arc::clone(&self.layers), ctx.clone());
        Box::pin(async move { Next::new(&layers, &handler).run(&ctx).await })
    }

    fn known(&self) -> String {
        let classes = self.classes();
        match classes.len() {
            0 => "none".to_owned(),
            1..=20 => classes.join(", "),
            count => format!("{} and {} more", classes[..20].join(", "), count - 20),
        }
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("classes", &self.classes())
            .finish_non_exhaustive()
    }
}

/// What becomes of a job without a handler here: `error`, unless another can run it.
async fn leave_to(peers: &Peers, ctx: &Context, error: JobError) -> JobError {
    match peers.can_run(ctx.class(), ctx.queue()).await {
        Ok(false) => error,
        // Or nobody can be asked: it waits for somebody who can tell.
        Ok(true) | Err(_) => JobError::snooze(ELSEWHERE.mul_f64(1.0 + fastrand::f64())),
    }
}

fn options_of<J: Job>() -> HandlerOptions {
    let options = J::options();
    HandlerOptions {
        retry: options.get_retry(),
        timeout: options.get_timeout(),
    }
}
