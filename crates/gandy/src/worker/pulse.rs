//! When the parts of a worker last moved, as whoever watches from outside can read it without waiting for any of them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    capsule::Station,
    core::{Core, Phase},
    health::Health,
};

/// How often the runtime of the jobs shows that it moves.
const TICK: Duration = Duration::from_secs(1);

/// The signs of life of one worker.
#[derive(Debug)]
pub(crate) struct Pulse {
    born: Instant,
    /// Milliseconds after `born`, plus one; 0: it does not run.
    runtime: AtomicU64,
    lease: AtomicU64,
    /// The worker has joined the fleet once.
    started: AtomicBool,
    /// The last renewal was answered, and no connection was lost since.
    redis: AtomicBool,
    /// Microseconds of Redis' last round trip.
    round_trip: AtomicU64,
    /// Told to claim no more for a while.
    held: AtomicBool,
    /// Of the present life.
    stations: Mutex<Vec<Arc<Station>>>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            born: Instant::now(),
            runtime: AtomicU64::new(0),
            lease: AtomicU64::new(0),
            started: AtomicBool::new(false),
            redis: AtomicBool::new(false),
            round_trip: AtomicU64::new(0),
            held: AtomicBool::new(false),
            stations: Mutex::default(),
        }
    }
}

impl Pulse {
    fn mark(&self, part: &AtomicU64) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        part.store(now.saturating_add(1), Ordering::Release);
    }

    fn age(&self, part: &AtomicU64, now: Instant) -> Option<Duration> {
        let marked = part.load(Ordering::Acquire).checked_sub(1)?;
        Some(now.saturating_duration_since(self.born + Duration::from_millis(marked)))
    }

    /// The lease's thread has come round.
    pub(crate) fn tick_lease(&self) {
        self.mark(&self.lease);
    }

    /// Whether Redis answered just now.
    pub(crate) fn heard(&self, answered: bool) {
        self.redis.store(answered, Ordering::Release);
    }

    pub(crate) fn took(&self, round_trip: Duration) {
        let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        self.round_trip.store(micros, Ordering::Relaxed);
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn round_trip(&self) -> Duration {
        Duration::from_micros(self.round_trip.load(Ordering::Relaxed))
    }

    /// A life begins, with these stations.
    pub(crate) fn begin(&self, stations: &[Arc<Station>]) {
        self.tick_lease();
        self.stations().extend_from_slice(stations);
        self.started.store(true, Ordering::Release);
        self.heard(true);
    }

    /// A life is over: nothing is expected of its parts any more.
    pub(crate) fn end(&self) {
        self.lease.store(0, Ordering::Release);
        self.stations().clear();
    }

    /// The worker is over.
    pub(crate) fn rest(&self) {
        self.end();
        self.runtime.store(0, Ordering::Release);
    }

    fn stations(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Station>>> {
        self.stations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is to claim no more for a while.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// `true`: that is news.
    pub(crate) fn hold(&self, held: bool) -> bool {
        self.held.swap(held, Ordering::AcqRel) != held
    }
}

/// Shows for as long as it is polled that the runtime moves. Also while the worker still waits for a Redis.
pub(crate) async fn beat(core: Arc<Core>) {
    loop {
        core.pulse.mark(&core.pulse.runtime);
        tokio::time::sleep(TICK).await;
    }
}

impl Core {
    /// Whether the worker is to claim jobs, as far as it was told.
    pub(crate) fn wants_jobs(&self) -> bool {
        *self.phase.borrow() == Phase::Running && !self.pulse.is_held()
    }

    /// What can be seen of the worker now.
    pub(crate) fn health(&self) -> Health {
        let now = Instant::now();
        let (pulse, life) = (&self.pulse, self.present());
        let stations = pulse.stations().clone();
        let claim_loop = stations.iter().map(|station| station.tick_age(now)).max();
        Health {
            started: pulse.started.load(Ordering::Acquire),
            runtime: pulse.age(&pulse.runtime, now),
            claim_loop,
            lease_thread: pulse.age(&pulse.lease, now),
            lease: life.as_ref().map(|life| life.lease_age(now)),
            redis: pulse.redis.load(Ordering::Acquire),
            quiet: *self.phase.borrow() != Phase::Running,
            stopping: *self.phase.borrow() == Phase::Stopping,
            held: pulse.is_held(),
            fetches: !stations.iter().any(|station| station.is_failing()),
            may_claim: life.is_some_and(|life| life.may_claim(now)),
        }
    }
}
