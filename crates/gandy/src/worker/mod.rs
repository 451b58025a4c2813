//! Running jobs.
//!
//! # Layout
//! * `config`, `builder`, `handle`, `signals`, `hooks`: what users set and hold; `label`: names as logs show them.
//! * `core`: what one worker shares; `life`: one identity and what it holds; `capsule`, `slots`: where jobs run.
//! * The claim loop: `pump` (with `batch`, `route` and `prefetch`) and `bell`; who works it and begins runs: `hand` (with
//!   `pace`); one run: `run` and `verdict`.
//! * The proof of life: `lease`, on a thread of its own; beside it `lookout`, over the claim loops.
//! * What is told outside: `pulse`, judged by `health`, served by `probes`; `meter` (with `meter_words`) counts for Prometheus.
//! * Chores: `heartbeat`, `strays`, `promoter`, `reaper` (with `recovery`, pure), `cautions`.
//! * The end: `shutdown`.

mod aside;
mod batch;
mod bell;
mod builder;
mod cancel;
mod capsule;
mod cautions;
mod chore;
mod config;
mod core;
mod dump;
mod hand;
mod handle;
mod health;
mod heartbeat;
mod hooks;
mod label;
mod lease;
mod life;
mod lookout;
#[cfg_attr(not(feature = "metrics"), path = "no_meter.rs")]
mod meter;
mod meter_words;
mod missing;
pub(crate) mod pace;
pub(crate) mod peers;
mod prefetch;
mod probes;
mod promoter;
mod pulse;
mod pump;
mod reaper;
mod recovery;
mod route;
pub(crate) mod run;
mod shutdown;
mod signals;
mod slots;
mod stats;
mod strays;
mod verdict;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use gandy_store::{Backoff, Kind, StoreError};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use builder::WorkerBuilder;
pub use config::{CapsuleConfig, WorkerConfig};
pub use handle::{RunningWorker, WorkerHandle};
pub use health::{Ailment, Health, LIVE_WITHIN};
pub use stats::Fences;

use self::{
    capsule::Station,
    cautions::Cautions,
    core::{Core, Phase},
    heartbeat::Heartbeat,
    hooks::Hooks,
    life::Life,
    promoter::Promoter,
    reaper::Reaper,
    signals::Signals,
    strays::Strays,
};
use crate::{Error, Listener};

/// Runs jobs until it is stopped.
///
/// ```no_run
/// use gandy::{Context, Handler, Job, JobError, Worker, WorkerConfig};
/// # #[derive(serde::Serialize, serde::Deserialize, Job)] struct Mail { user: u64 }
/// # struct Mailer;
/// # impl Handler<Mail> for Mailer {
/// #     async fn perform(&self, job: Mail, ctx: &Context) -> Result<(), JobError> { Ok(()) }
/// # }
/// # #[tokio::main] async fn main() -> Result<(), gandy::Error> {
/// Worker::builder(WorkerConfig::from_env()?)
///     .queues(["critical,3", "mailers"])
///     .concurrency(25)
///     .handler(Mailer)
///     .run()
///     .await
/// # }
/// ```
#[derive(Debug)]
pub struct Worker {
    core: Arc<Core>,
    signals: bool,
    probes: Option<Probes>,
}

/// Where a worker answers probes, and how long a part may stand still.
#[derive(Debug)]
pub(crate) struct Probes {
    pub(crate) listener: Listener,
    pub(crate) patience: Duration,
}

/// Everything that runs for one life.
struct Crew {
    life: Arc<Life>,
    stations: Vec<Arc<Station>>,
    chores: Vec<JoinHandle<()>>,
    /// Ends the chores of this life, also when the worker's future is dropped.
    stop: DropGuard,
    cut: Cut,
}

/// Ends a life when the worker's future is dropped: nothing of it may go on, the lease's thread least of all. A run that
/// went on would end a job that is about to run elsewhere.
struct Cut(Option<Arc<Life>>);

impl Cut {
    /// The life ends by itself.
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        let Some(life) = &self.0 else { return };
        life.closed.cancel();
        let held = life.held();
        life.interrupt_all();
        for job in held {
            job.abort();
        }
    }
}

/// Whoever does not run is not stuck.
struct Rest(Arc<Core>);

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.pulse.rest();
    }
}

/// A task that ends with whoever holds this.
#[derive(Debug)]
struct Tied<T>(JoinHandle<T>);

impl<T> Drop for Tied<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Worker {
    /// Begins a worker.
    #[must_use]
    pub fn builder(config: WorkerConfig) -> WorkerBuilder {
        WorkerBuilder::new(config)
    }

    pub(crate) fn new(core: Arc<Core>, signals: bool, probes: Option<Probes>) -> Self {
        Self {
            core,
            signals,
            probes,
        }
    }

    /// Steers the worker while it runs.
    #[must_use]
    pub fn handle(&self) -> WorkerHandle {
        WorkerHandle::new(Arc::clone(&self.core))
    }

    /// Runs the worker as a task of the current runtime.
    #[must_use]
    pub fn start(self) -> RunningWorker {
        let handle = self.handle();
        RunningWorker::new(handle, tokio::spawn(self.run()))
    }

    /// Runs until TERM, INT or [`WorkerHandle::stop`]; returns when running jobs have ended or were given back.
    ///
    /// # Errors
    /// The server is refused (too old, may evict jobs, wrong credentials), or, with `fail_fast`, cannot be reached.
    /// Later failures of Redis end nothing: the worker waits and says so.
    ///
    /// Dropping the future stops the worker and its running jobs at once and writes nothing more: they run again elsewhere
    /// once it is known to be dead, 20 s later at most. To end in good order use [`WorkerHandle::stop`].
    pub async fn run(mut self) -> Result<(), Error> {
        let _probes = match self.probes.take() {
            Some(Probes { listener, patience }) => {
                let served = probes::start(&self.core, listener, patience);
                Some(served.map_err(|error| {
                    Error::config(format!("cannot start the thread of probes: {error}"))
                })?)
            }
            None => None,
        };
        let _pulse = Tied(tokio::spawn(pulse::beat(Arc::clone(&self.core))));
        let _rest = Rest(Arc::clone(&self.core));
        let signals = if self.signals {
            let signals = Signals::new()
                .map_err(|error| Error::config(format!("cannot listen to signals: {error}")))?;
            Some(Tied(tokio::spawn(signals.obey(Arc::clone(&self.core)))))
        } else {
            None
        };
        let outcome = self.live().await;
        drop(signals);
        outcome
    }

    async fn live(&self) -> Result<(), Error> {
        let core = &self.core;
        if !self.check().await? {
            return Ok(());
        }
        let stop = CancellationToken::new();
        let _stop_chores = stop.clone().drop_guard();
        let on_duty = Arc::new(AtomicBool::new(false));
        let chores = [
            chore::start(core, Promoter::new(core, &on_duty), stop.clone()),
            chore::start(core, Reaper::new(core, &on_duty), stop.clone()),
            chore::start(core, Cautions::new(core), stop.clone()),
        ];
        let mut announce = Tied(tokio::spawn(announce(Arc::clone(core))));
        let mut phase = core.phase.subscribe();
        while let Some(crew) = self.begin_life().await? {
            tokio::select! {
                () = crew.life.dead.cancelled() => {
                    core.pulse.end();
                    // Its pumps go on until its last run has ended; the next life begins at once.
                    crew.cut.disarm();
                    shutdown::mourn(core, &crew.life).await;
                    continue;
                }
                () = stopping(&mut phase) => {}
            }
            shutdown::drain(core, &crew.life).await;
            drop(crew.stop);
            stop.cancel();
            shutdown::end_chores(crew.chores.into_iter().chain(chores)).await;
            shutdown::last_beat(core, &crew.life).await;
            shutdown::close(core, &crew.life, &crew.stations).await;
            break;
        }
        core.set_present(None);
        core.pulse.end();
        // The hooks of shutdown run even when there was nothing to wait for.
        let _ = tokio::time::timeout(Duration::from_secs(1), &mut announce.0).await;
        Ok(())
    }

    /// Waits for a server on which the promises can hold. `false`: the worker was stopped before there was one.
    async fn check(&self) -> Result<bool, Error> {
        let core = &self.core;
        let mut backoff = Backoff::default();
        let mut phase = core.phase.subscribe();
        loop {
            let asked = tokio::select! {
                () = stopping(&mut phase) => return Ok(false),
                asked = core.chores.facts() => asked,
            };
            let error = match asked {
                Ok(facts) => {
                    let server = core.config.server.address();
                    let cautions = facts.judge(server, &core.keys, core.config.allow_eviction)?;
                    for caution in &cautions {
                        tracing::warn!("{}", caution.0);
                    }
                    core.replace_cautions(cautions);
                    return Ok(true);
                }
                Err(error) => error,
            };
            if core.config.fail_fast || error.kind() == Kind::Input || error.kind() == Kind::Bug {
                return Err(error.into());
            }
            core.complain("connect", &error);
            tokio::select! {
                () = stopping(&mut phase) => return Ok(false),
                () = tokio::time::sleep(backoff.next(fastrand::f64())) => {}
            }
        }
    }

    /// Registers under a new identity and starts everything that belongs to it. `None`: stopped before that.
    async fn begin_life(&self) -> Result<Option<Crew>, Error> {
        let core = &self.core;
        let Some(life) = self.register().await? else {
            return Ok(None);
        };
        if core.present().is_none() {
            Hooks::fire("startup", &core.hooks.startup, false);
        }
        let stop = CancellationToken::new();
        let stations: Vec<Arc<Station>> = core
            .capsules
            .iter()
            .map(|capsule| Station::new(capsule, &life, core))
            .collect();
        lease::start(core, &life, &stations)
            .map_err(|error| Error::config(format!("cannot start the lease thread: {error}")))?;
        core.set_present(Some(Arc::clone(&life)));
        core.pulse.begin(&stations);
        let chores = vec![
            chore::start(core, Heartbeat::new(core, &life), stop.clone()),
            chore::start(core, Strays::new(core, &life, &stations), stop.clone()),
        ];
        for station in &stations {
            hand::start(core, station);
            if station.capsule.has_bells() {
                for index in 0..station.grip.len() {
                    tokio::spawn(bell::ring(Arc::clone(core), Arc::clone(station), index));
                }
            }
        }
        let cut = Cut(Some(Arc::clone(&life)));
        let stop = stop.drop_guard();
        Ok(Some(Crew {
            life,
            stations,
            chores,
            stop,
            cut,
        }))
    }

    async fn register(&self) -> Result<Option<Arc<Life>>, Error> {
        let core = &self.core;
        let mut backoff = Backoff::default();
        let mut phase = core.phase.subscribe();
        let first = core.present().is_none();
        loop {
            // Each try under a new name: one whose reply was lost may have registered the old one, which then expires.
            let life = Arc::new(Life::new(core.draw_identity()));
            let asked = tokio::select! {
                () = stopping(&mut phase) => return Ok(None),
                asked = self.try_register(&life) => asked,
            };
            match asked {
                Ok(true) => {
                    life.renewed(life.born);
                    tracing::info!(identity = life.identity.as_str(), "joined the fleet");
                    return Ok(Some(life));
                }
                Ok(false) => tracing::warn!(
                    identity = life.identity.as_str(),
                    "this identity is taken; drawing another"
                ),
                // Later on a refusal may pass (a rotated password), and running jobs of the last life go on.
                Err(error) if first && error.kind() == Kind::Input => return Err(error.into()),
                Err(error) => core.complain("register", &error),
            }
            tokio::select! {
                () = stopping(&mut phase) => return Ok(None),
                () = tokio::time::sleep(backoff.next(fastrand::f64())) => {}
            }
        }
    }

    async fn try_register(&self, life: &Life) -> Result<bool, StoreError> {
        let core = &self.core;
        let mut queues: Vec<&str> = core
            .capsules
            .iter()
            .flat_map(|capsule| capsule.order.names())
            .map(String::as_str)
            .collect();
        queues.sort_unstable();
        queues.dedup();
        let published = serde_json::json!({
            "queues": queues,
            "classes": core.registry.classes(),
            "version": env!("CARGO_PKG_VERSION"),
            "started_at": core.started_ms,
        });
        core.chores
            .register(&life.identity, &published.to_string(), life::LEASE)
            .await
    }
}

/// Waits until the worker is to stop.
async fn stopping(phase: &mut watch::Receiver<Phase>) {
    // The value's guard must not be held across an await.
    drop(phase.wait_for(|phase| *phase == Phase::Stopping).await);
}

/// Runs the hooks of quiet and shutdown when their time comes.
async fn announce(core: Arc<Core>) {
    let mut phase = core.phase.subscribe();
    if phase.wait_for(|phase| *phase >= Phase::Quiet).await.is_ok() {
        tracing::info!("quiet: no more jobs are claimed");
        Hooks::fire("quiet", &core.hooks.quiet, true);
    }
    if phase
        .wait_for(|phase| *phase == Phase::Stopping)
        .await
        .is_ok()
    {
        tracing::info!(
            timeout_secs = core.config.timeout.as_secs(),
            "stopping: waiting for running jobs"
        );
        Hooks::fire("shutdown", &core.hooks.shutdown, true);
    }
}
