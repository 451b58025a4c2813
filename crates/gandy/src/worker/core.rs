//! What everything in one worker shares. Two workers in one process have two of these and nothing in common.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use gandy_protocol::{Identity, Keys};
use gandy_store::{Caution, Line, StoreError};
use tokio::sync::watch;

use super::{
    capsule::Capsule, config::WorkerConfig, hooks::Hooks, life::Life, meter::Meter, peers::Peers,
    pulse::Pulse, stats::Stats,
};
use crate::{Error, ambient, registry::Registry};

/// The same complaint is logged at most this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// The state of one worker.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: WorkerConfig,
    pub(crate) keys: Keys,
    pub(crate) registry: Registry,
    pub(crate) peers: Arc<Peers>,
    pub(crate) hooks: Hooks,
    pub(crate) capsules: Vec<Arc<Capsule>>,
    pub(crate) stats: Stats,
    pub(crate) meter: Meter,
    pub(crate) pulse: Pulse,
    /// For the chores, all on one connection: each checkout from a pool would add a PING and an UNWATCH, and those were a
    /// fifth of what an idle fleet sent.
    pub(crate) chores: Line,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) embedded: bool,
    pub(crate) started_ms: i64,
    host: String,
    present: Mutex<Option<Arc<Life>>>,
    complaints: Mutex<HashMap<String, Instant>>,
    pub(super) cautions: Mutex<Vec<Caution>>,
}

/// How far a worker has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It claims.
    Running,
    /// It claims no more; running jobs go on. There is no way back, as in Sidekiq.
    Quiet,
    /// It waits for its running jobs, then ends.
    Stopping,
}

impl Core {
    pub(crate) fn new(
        mut config: WorkerConfig,
        mut registry: Registry,
        hooks: Hooks,
        embedded: bool,
    ) -> Result<Arc<Self>, Error> {
        config.validate()?;
        registry.validate()?;
        let keys = config.keys()?;
        let capsules = config
            .all_capsules()
            .iter()
            .enumerate()
            .map(|(index, capsule)| Capsule::new(index, capsule, config.budget_of(capsule)))
            .collect::<Result<Vec<_>, _>>()?;
        let host = host();
        config.server = config.server.with_name(&name(&host));
        let reply = config.server.patience().reply;
        let chores = Line::single(config.server.clone(), keys.clone(), reply);
        let peers = Peers::new(chores.clone());
        registry.consult(Arc::clone(&peers));
        let queues = capsules.iter().flat_map(|capsule| capsule.order.names());
        let meter = Meter::new(&registry, queues);
        Ok(Arc::new(Self {
            config,
            keys,
            registry,
            peers,
            hooks,
            capsules,
            stats: Stats::default(),
            meter,
            pulse: Pulse::default(),
            chores,
            phase: watch::Sender::new(Phase::Running),
            embedded,
            started_ms: ambient::now_ms(),
            host,
            present: Mutex::default(),
            complaints: Mutex::default(),
            cautions: Mutex::default(),
        }))
    }

    /// A line of one's own with this reply deadline.
    pub(crate) fn line(&self, reply: Duration) -> Line {
        Line::single(self.config.server.clone(), self.keys.clone(), reply)
    }

    /// A name that nobody had before.
    pub(crate) fn draw_identity(&self) -> Identity {
        #[cfg(feature = "mutants")]
        if gandy_store::mutant::is("no-nonce") {
            // As in containers, where each process is the first of its namespace.
            return Identity::new(&self.host, 1, [0; 6]);
        }
        Identity::new(&self.host, std::process::id(), ambient::bytes())
    }

    pub(crate) fn set_present(&self, life: Option<Arc<Life>>) {
        *self.present.lock().unwrap_or_else(PoisonError::into_inner) = life;
    }

    /// The present life.
    pub(crate) fn present(&self) -> Option<Arc<Life>> {
        self.present
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Moves on; never back.
    pub(crate) fn advance(&self, to: Phase) -> bool {
        self.phase.send_if_modified(|now| {
            let moves = *now < to;
            if moves {
                *now = to;
            }
            moves
        })
    }

    /// Says loudly, but not ten times a second, that something with Redis failed.
    pub(crate) fn complain(&self, operation: &'static str, error: &StoreError) {
        if self.may_complain(operation) {
            tracing::warn!(operation, %error, "Redis operation failed; it will be tried again");
        }
    }

    /// As [`Core::complain`], for a queue whose key is of another type.
    pub(crate) fn complain_queue(&self, queue: &str) {
        if self.may_complain(queue) {
            tracing::error!(
                queue,
                "a key of this queue is not a list; the queue is skipped until that is repaired"
            );
        }
    }

    fn may_complain(&self, about: &str) -> bool {
        let mut complaints = self
            .complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if complaints
            .get(about)
            .is_some_and(|last| last.elapsed() < COMPLAIN_EVERY)
        {
            return false;
        }
        complaints.insert(about.to_owned(), Instant::now());
        true
    }
}

/// What `CLIENT LIST` calls all connections of one worker, whichever identity it has by now. Redis takes printable ASCII.
fn name(host: &str) -> String {
    let plain = |char: char| if char.is_ascii_graphic() { char } else { '-' };
    let host: String = host.chars().map(plain).collect();
    Identity::new(&host, std::process::id(), ambient::bytes()).to_string()
}

/// The host's name as Sidekiq finds it: `$DYNO` on Heroku, else the system's.
fn host() -> String {
    if let Ok(dyno) = std::env::var("DYNO") {
        return dyno;
    }
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default()
}
