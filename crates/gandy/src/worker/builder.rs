//! Puts a worker together.

use std::{future::Future, time::Duration};

use serde::de::DeserializeOwned;

use super::{
    LIVE_WITHIN, Probes, Worker,
    config::{CapsuleConfig, WorkerConfig},
    core::Core,
    hooks::Hooks,
};
use crate::{
    BlockingHandler, Context, Error, Handler, HandlerOptions, Job, JobError, Listener, Middleware,
    RawHandler, registry::Registry,
};

/// Puts a [`Worker`] together; see [`Worker::builder`].
#[derive(Debug)]
pub struct WorkerBuilder {
    config: WorkerConfig,
    registry: Registry,
    hooks: Hooks,
    signals: bool,
    probes: Option<Listener>,
    live_within: Duration,
    #[cfg(feature = "metrics")]
    exposition: Option<crate::metrics::Exposition>,
}

impl WorkerBuilder {
    pub(crate) fn new(config: WorkerConfig) -> Self {
        Self {
            config,
            registry: Registry::default(),
            hooks: Hooks::default(),
            signals: true,
            probes: None,
            live_within: LIVE_WITHIN,
            #[cfg(feature = "metrics")]
            exposition: None,
        }
    }

    /// The default capsule's queues as `NAME` or `NAME,WEIGHT`, in strict order when none has a weight.
    #[must_use]
    pub fn queues<S: Into<String>>(mut self, queues: impl IntoIterator<Item = S>) -> Self {
        self.config.queues = queues.into_iter().map(Into::into).collect();
        self
    }

    /// Jobs that run at once in the default capsule.
    #[must_use]
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.config.concurrency = jobs;
        self
    }

    /// How many jobs a crash may touch, those claimed ahead included ([`WorkerConfig::crash_budget`]).
    #[must_use]
    pub fn crash_budget(mut self, jobs: usize) -> Self {
        self.config.crash_budget = jobs;
        self
    }

    /// How long running jobs may go on after a stop.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        self
    }

    /// One more group of queues with a concurrency of its own.
    #[must_use]
    pub fn capsule<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        queues: impl IntoIterator<Item = S>,
        concurrency: usize,
    ) -> Self {
        let queues = queues.into_iter().map(Into::into).collect();
        self.config.capsules.push(CapsuleConfig {
            name: name.into(),
            queues,
            concurrency,
        });
        self
    }

    /// Runs jobs of type `J` with `handler`. A handler of several types is registered once for each:
    /// `.handler::<Mail, _>(a).handler::<Sms, _>(b)`.
    #[must_use]
    pub fn handler<J: Job, H: Handler<J>>(mut self, handler: H) -> Self {
        self.registry.typed::<J, H>(handler);
        self
    }

    /// Runs jobs of type `J` on threads of their own.
    #[must_use]
    pub fn handler_blocking<J: Job, H: BlockingHandler<J>>(mut self, handler: H) -> Self {
        self.registry.blocking::<J, H>(handler);
        self
    }

    /// Runs jobs of a class with a function; its first parameter is the tuple of the arguments.
    ///
    /// ```
    /// # use gandy::{Context, Server, Worker, WorkerConfig};
    /// # fn main() -> Result<(), gandy::Error> {
    /// let worker = Worker::builder(WorkerConfig::new(Server::new("redis://127.0.0.1")?))
    ///     .handler_fn("Cleanup", |(id,): (u64,), ctx: Context| async move {
    ///         println!("{}: cleaning up after {id}", ctx.jid());
    ///         Ok(())
    ///     });
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn handler_fn<A, F, Fut>(mut self, class: &str, function: F) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        F: Fn(A, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        self.registry.function(class, function);
        self
    }

    /// Runs jobs of a class with a handler that reads the raw arguments.
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

    /// Adds a middleware; the first added is the outermost.
    #[must_use]
    pub fn layer(mut self, middleware: impl Middleware) -> Self {
        self.registry.layer(middleware);
        self
    }

    /// Whether the worker listens to TSTP, TERM, INT and TTIN. Default `true`; an application that embeds a worker has
    /// its own signals and says `false`, which also makes it ignore those that Sidekiq's Web UI leaves in Redis.
    #[must_use]
    pub fn signals(mut self, listen: bool) -> Self {
        self.signals = listen;
        self
    }

    /// Serves `/livez`, `/readyz` and `/startupz` there, from a thread of its own and for as long as the worker runs: 200
    /// and `ok`, or 503 and why not ([`crate::Health`]). With [`WorkerBuilder::metrics`] also `/metrics`. Default: none.
    ///
    /// ```no_run
    /// # fn build(config: gandy::WorkerConfig) -> Result<gandy::WorkerBuilder, Box<dyn std::error::Error>> {
    /// use gandy::{Listener, Worker};
    /// let worker = Worker::builder(config).probes(Listener::bind("0.0.0.0:7433")?);
    /// # Ok(worker) }
    /// ```
    #[must_use]
    pub fn probes(mut self, listener: Listener) -> Self {
        self.probes = Some(listener);
        self
    }

    /// How long a part may stand still before `/livez` calls the worker stuck. Default [`LIVE_WITHIN`], 30 s; above it are
    /// handlers that compute without a pause and are known to.
    #[must_use]
    pub fn live_within(mut self, patience: Duration) -> Self {
        self.live_within = patience;
        self
    }

    /// Counts runs into this, which `/metrics` shows. Without it they go to the global recorder of the `metrics` facade, if
    /// there is one: with each heartbeat, and when the worker ends.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(mut self, exposition: crate::metrics::Exposition) -> Self {
        self.exposition = Some(exposition);
        self
    }

    /// Runs when the worker has registered, before its first claim.
    #[must_use]
    pub fn on_startup(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.startup.push(Box::new(hook));
        self
    }

    /// Runs when the worker stops claiming.
    #[must_use]
    pub fn on_quiet(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.quiet.push(Box::new(hook));
        self
    }

    /// Runs when the worker begins to end.
    #[must_use]
    pub fn on_shutdown(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.shutdown.push(Box::new(hook));
        self
    }

    /// Runs at the first heartbeat and at the first one after an outage, as Sidekiq's `heartbeat` event.
    #[must_use]
    pub fn on_heartbeat(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.heartbeat.push(Box::new(hook));
        self
    }

    /// Runs after every failed run, before it is written; may run twice for one failure if the worker crashes between.
    #[must_use]
    pub fn on_error(mut self, hook: impl Fn(&Context, &JobError) + Send + Sync + 'static) -> Self {
        self.hooks.error.push(Box::new(hook));
        self
    }

    /// Runs when a job will not run again: retries used up, buried, discarded, or failed with `retry: false`. May run
    /// twice for one death if the worker crashes between.
    #[must_use]
    pub fn on_death(mut self, hook: impl Fn(&Context, &JobError) + Send + Sync + 'static) -> Self {
        self.hooks.death.push(Box::new(hook));
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting and what is allowed.
    pub fn build(self) -> Result<Worker, Error> {
        let core = Core::new(self.config, self.registry, self.hooks, !self.signals)?;
        #[cfg(feature = "metrics")]
        if let Some(exposition) = self.exposition {
            let _ = core.meter.exposition.set(exposition);
        }
        let patience = self.live_within;
        let probes = self.probes.map(|listener| Probes { listener, patience });
        Ok(Worker::new(core, self.signals, probes))
    }

    /// Builds the worker and runs it until it is stopped.
    ///
    /// # Errors
    /// As [`WorkerBuilder::build`] and [`Worker::run`].
    pub async fn run(self) -> Result<(), Error> {
        self.build()?.run().await
    }
}
