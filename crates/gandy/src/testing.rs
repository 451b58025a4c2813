//! Testing an application that pushes jobs, without Redis.
//!
//! Three ways, as Sidekiq's fake and inline modes:
//! * **collect**: a [`Client`] whose jobs are kept; assert what was pushed.
//! * **drain**: run what was collected, and what that pushes, with real handlers.
//! * **inline**: run each job while it is pushed.
//!
//! ```
//! use gandy::{Context, Handler, Job, JobError, testing};
//! # #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize, Job)] struct Mail { user: u64 }
//! # struct Mailer;
//! # impl Handler<Mail> for Mailer {
//! #     async fn perform(&self, job: Mail, ctx: &Context) -> Result<(), JobError> { Ok(()) }
//! # }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), gandy::Error> {
//! let (client, jobs) = testing::collect();
//! client.push(Mail { user: 42 }).await?;
//! assert_eq!(jobs.of::<Mail>(), [Mail { user: 42 }]);
//!
//! let crew = testing::Crew::new().handler(Mailer);
//! assert_eq!(jobs.drain(&crew).await.len(), 1);
//! assert!(jobs.all().is_empty());
//! # Ok(()) }
//! ```

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gandy_protocol::{Payload, args};

#[cfg(feature = "worker")]
use crate::{
    BlockingHandler, Context, Handler, HandlerOptions, JobError, Middleware, RawHandler,
    registry::Registry,
};
use tokio::time::Instant;

use crate::{
    Client, Job,
    client::{ClientBuilder, Once},
};

/// A client that keeps what is pushed, and the jobs it keeps.
#[must_use]
pub fn collect() -> (Client, Jobs) {
    collect_with(Client::builder())
}

/// As [`collect`], with a client of your settings and middleware. The server it names is not used.
#[must_use]
pub fn collect_with(builder: ClientBuilder) -> (Client, Jobs) {
    let jobs = Jobs::default();
    let recorder = Recorder {
        jobs: jobs.clone(),
        #[cfg(feature = "worker")]
        crew: None,
    };
    (builder.test(recorder), jobs)
}

/// A client that runs each job while it is pushed, after a round trip through JSON, whatever time it is scheduled for.
/// Failed runs are found in [`Jobs::failures`].
#[cfg(feature = "worker")]
#[must_use]
pub fn inline(crew: Crew) -> (Client, Jobs) {
    let jobs = Jobs::default();
    let recorder = Recorder {
        jobs: jobs.clone(),
        crew: Some(crew),
    };
    (Client::builder().test(recorder), jobs)
}

/// Jobs that a test client keeps. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Jobs {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    kept: Vec<Kept>,
    /// Idempotency keys: the job's id, and when it is forgotten, on tokio's clock, so that tests can pause it.
    keys: HashMap<String, (String, Instant)>,
    #[cfg(feature = "worker")]
    failures: Vec<Failure>,
}

/// A job that a test client keeps.
#[derive(Debug, Clone)]
pub struct Kept {
    /// As it would stand in Redis.
    pub payload: Payload,
    /// When it is scheduled for, milliseconds since the epoch; none: now.
    pub at_ms: Option<i64>,
}

/// A run that failed.
#[cfg(feature = "worker")]
#[derive(Debug)]
pub struct Failure {
    /// The job.
    pub job: Kept,
    /// What its handler returned; a panic or a timeout is an error too.
    pub error: JobError,
}

impl Jobs {
    /// Everything that was pushed and not run or cleared, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Kept> {
        self.state().kept.clone()
    }

    /// The jobs of one type, oldest first. One whose arguments do not fit the type is left out.
    #[must_use]
    pub fn of<J: Job>(&self) -> Vec<J> {
        let state = self.state();
        let fitting = state
            .kept
            .iter()
            .filter(|job| job.payload.class() == J::CLASS);
        fitting
            .filter_map(|job| args::from_args(J::CLASS, job.payload.args()).ok())
            .collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().kept.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets them all, and all idempotency keys.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "worker")]
impl Jobs {
    /// Runs the oldest job, whatever time it is scheduled for. `None`: there is none.
    pub async fn run_one(&self, crew: &Crew) -> Option<Result<(), JobError>> {
        let job = {
            let mut state = self.state();
            if state.kept.is_empty() {
                return None;
            }
            state.kept.remove(0)
        };
        Some(crew.run(job.payload).await)
    }

    /// Runs jobs until none are left, those that they push included, and returns how each ended. A failed job is not
    /// retried.
    pub async fn drain(&self, crew: &Crew) -> Vec<Result<(), JobError>> {
        let mut results = Vec::new();
        while let Some(result) = self.run_one(crew).await {
            results.push(result);
        }
        results
    }

    /// The runs that failed inline since the last call; they are taken out.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        std::mem::take(&mut self.state().failures)
    }
}

/// Handlers for tests: as those of a worker, without one.
#[cfg(feature = "worker")]
#[derive(Debug, Default)]
pub struct Crew {
    registry: Registry,
}

#[cfg(feature = "worker")]
impl Crew {
    /// A crew that can run nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`crate::WorkerBuilder::handler`].
    #[must_use]
    pub fn handler<J: Job, H: Handler<J>>(mut self, handler: H) -> Self {
        self.registry.typed::<J, H>(handler);
        self
    }

    /// As [`crate::WorkerBuilder::handler_blocking`].
    #[must_use]
    pub fn handler_blocking<J: Job, H: BlockingHandler<J>>(mut self, handler: H) -> Self {
        self.registry.blocking::<J, H>(handler);
        self
    }

    /// As [`crate::WorkerBuilder::handler_fn`].
    #[must_use]
    pub fn handler_fn<A, F, Fut>(mut self, class: &str, function: F) -> Self
    where
        A: serde::de::DeserializeOwned + Send + 'static,
        F: Fn(A, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        self.registry.function(class, function);
        self
    }

    /// As [`crate::WorkerBuilder::raw_handler`].
    #[must_use]
    pub fn raw_handler(
        mut self,
        class: &str,
        options: HandlerOptions,
        handler: impl RawHandler,
    ) -> Self {
        self.registry.raw(class, options, handler);
        self
    }

    /// As [`crate::WorkerBuilder::layer`].
    #[must_use]
    pub fn layer(mut self, middleware: impl Middleware) -> Self {
        self.registry.layer(middleware);
        self
    }

    /// Runs one job: middleware, handler, timeout and panics as in a worker.
    ///
    /// # Errors
    /// What the run ended with.
    pub async fn run(&self, payload: Payload) -> Result<(), JobError> {
        let timeout = self
            .registry
            .get(payload.class())
            .and_then(|registered| registered.options.timeout);
        let queue = payload.queue().unwrap_or("default").into();
        let context = Context::new(payload, queue);
        crate::worker::run::perform(&self.registry, &context, timeout).await
    }
}

/// Where a test client's pushes go.
#[derive(Debug)]
pub(crate) struct Recorder {
    jobs: Jobs,
    #[cfg(feature = "worker")]
    crew: Option<Crew>,
}

impl Recorder {
    /// The job that has the key already; else it is this one's from now on.
    pub(crate) fn first(&self, once: &Once, jid: &str) -> Option<String> {
        let (mut state, now) = (self.jobs.state(), Instant::now());
        match state.keys.get(&once.key) {
            Some((first, until)) if *until > now => Some(first.clone()),
            _ => {
                let until = now + once.kept;
                state.keys.insert(once.key.clone(), (jid.to_owned(), until));
                None
            }
        }
    }

    pub(crate) async fn record(&self, payload: String, at_ms: Option<i64>) {
        let Ok(payload) = Payload::parse(payload.into_bytes()) else {
            return;
        };
        let job = Kept { payload, at_ms };
        #[cfg(feature = "worker")]
        if let Some(crew) = &self.crew {
            // Boxed, because a job may push the next one inline.
            let run: std::pin::Pin<Box<dyn Future<Output = _> + Send + '_>> =
                Box::pin(crew.run(job.payload.clone()));
            if let Err(error) = run.await {
                self.jobs.state().failures.push(Failure { job, error });
            }
            return;
        }
        self.jobs.state().kept.push(job);
    }
}
