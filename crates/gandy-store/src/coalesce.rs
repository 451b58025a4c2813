//! Pushes of concurrent callers in one write.
//!
//! A push that finds nobody else on the way is sent at once, by its caller. Pushes that come while others are on their way
//! are gathered, one parcel for each queue, and sent together by a task of their own. Alone, each would pay for a channel,
//! a timer and a wake-up of the connection's task, which is most of what a push costs: 64 tasks of one client pushed
//! 147,000 jobs/s so, and Redis was idle half of the time.
//!
//! Belongs here: who is sent with whom, and who is told what. Does not belong here: the commands (`enqueue`, `parcel`).

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{Semaphore, SetOnce};

use crate::{Goal, Parcel, StoreError, enqueue::Sender};

/// Writes on the way at once. While fewer are, what is gathered leaves as soon as its task runs; else with the next reply,
/// after an eighth of a round trip on average. 2 to 32 give the same rate on a loopback (one: a fifth less), so the
/// number is for the latency of distant servers and bounds the memory.
const FLIGHTS: usize = 8;
/// What may wait to be sent, in bytes…
const ROOM: usize = 4 << 20;
/// …where each job counts for at least this many: 999 jobs.
const JOB_ROOM: usize = ROOM / 1000 + 1;

/// Where the callers of one parcel wait for what became of it.
type Outcome = Arc<SetOnce<Result<(), StoreError>>>;

/// Gathers concurrent pushes.
#[derive(Debug)]
pub(crate) struct Coalescer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    sender: Sender,
    flights: Semaphore,
    /// Callers wait here when too much is gathered; their payload is still their own.
    room: Semaphore,
    gathered: Mutex<Gathered>,
    /// The last gathering brought several together, so that the next push is hardly the only one. A push sent alone while
    /// 63 others are about to come costs as much as the 63.
    crowded: AtomicBool,
}

#[derive(Debug, Default)]
struct Gathered {
    loads: Vec<Load>,
    room: usize,
    /// A task will come and take it.
    awaited: bool,
}

/// A parcel that is being filled.
#[derive(Debug)]
struct Load {
    parcel: Parcel,
    outcome: Outcome,
}

impl Coalescer {
    pub(crate) fn new(sender: Sender) -> Self {
        let shared = Shared {
            sender,
            flights: Semaphore::new(FLIGHTS),
            room: Semaphore::new(ROOM),
            gathered: Mutex::default(),
            crowded: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(crate) fn sender(&self) -> &Sender {
        &self.shared.sender
    }

    /// Pushes one job. A caller that is dropped before its job is gathered has sent nothing; one that is dropped later
    /// has sent it whole, or its parcel was never sent.
    pub(crate) async fn push(&self, goal: Goal<'_>, payload: &str) -> Result<(), StoreError> {
        let shared = &self.shared;
        if !shared.crowded.load(Ordering::Relaxed)
            && shared.flights.available_permits() == FLIGHTS
            && let Ok(_flight) = shared.flights.try_acquire()
        {
            let mut parcel = shared.sender.parcel(goal);
            parcel.add(goal.at_ms(), &[payload]);
            return shared.sender.deliver(parcel).await;
        }
        let room = payload.len().clamp(JOB_ROOM, ROOM);
        // Never closed: an error would only mean that there is no limit.
        if let Ok(permits) = shared
            .room
            .acquire_many(u32::try_from(room).unwrap_or(u32::MAX))
            .await
        {
            permits.forget();
        }
        self.gather(goal, payload, room).wait().await.clone()
    }

    fn gather(&self, goal: Goal<'_>, payload: &str, room: usize) -> Outcome {
        let mut gathered = self.shared.gathered();
        gathered.room += room;
        let load = gathered.load(&self.shared.sender, goal);
        load.parcel.add(goal.at_ms(), &[payload]);
        let outcome = Arc::clone(&load.outcome);
        if !gathered.awaited {
            gathered.awaited = true;
            tokio::spawn(Courier::new(Arc::clone(&self.shared)).run());
        }
        outcome
    }
}

impl Gathered {
    fn jobs(&self) -> usize {
        self.loads.iter().map(|load| load.parcel.jobs()).sum()
    }

    /// The parcel in which a job for `goal` goes.
    fn load(&mut self, sender: &Sender, goal: Goal<'_>) -> &mut Load {
        let fits = |load: &Load| load.parcel.queue() == goal.queue() && load.parcel.has_room();
        // The last ones are the ones with room.
        let place = self.loads.iter().rposition(fits).unwrap_or_else(|| {
            self.loads.push(Load {
                parcel: sender.parcel(goal),
                outcome: Arc::default(),
            });
            self.loads.len() - 1
        });
        &mut self.loads[place]
    }
}

impl Shared {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<Load> {
        let mut gathered = self.gathered();
        gathered.awaited = false;
        self.crowded.store(gathered.jobs() > 1, Ordering::Relaxed);
        self.room.add_permits(std::mem::take(&mut gathered.room));
        std::mem::take(&mut gathered.loads)
    }
}

/// Takes what is gathered, once, and tells each caller what became of it. A task of its own, so that no caller's end
/// stops it.
struct Courier {
    shared: Arc<Shared>,
    sent: bool,
    outcomes: Vec<Outcome>,
}

impl Courier {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            sent: false,
            outcomes: Vec::new(),
        }
    }

    async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _flight = shared.flights.acquire().await;
        // Whoever can run now gathers too: the tasks that were just told are about to push again.
        tokio::task::yield_now().await;
        let parcels = self.take();
        self.sent = true;
        let results = shared.sender.deliver_all(parcels).await;
        for (outcome, result) in self.outcomes.iter().zip(results) {
            // Set by nobody else.
            let _ = outcome.set(result);
        }
    }

    fn take(&mut self) -> Vec<Parcel> {
        let loads = self.shared.take().into_iter();
        let (parcels, outcomes) = loads.map(|load| (load.parcel, load.outcome)).unzip();
        self.outcomes = outcomes;
        parcels
    }
}

/// Its runtime ends, or it panicked: callers in other runtimes must not wait for ever.
impl Drop for Courier {
    fn drop(&mut self) {
        let server = || self.shared.sender.line.server().address().to_owned();
        let cause = "the runtime in which jobs were sent has ended".to_owned();
        let error = if self.sent {
            if self.outcomes.iter().all(|outcome| outcome.initialized()) {
                return;
            }
            StoreError::Unknown {
                server: server(),
                cause,
            }
        } else {
            let error = StoreError::Unavailable {
                server: server(),
                cause,
            };
            self.take();
            error
        };
        for outcome in &self.outcomes {
            // One that was told keeps what it was told.
            let _ = outcome.set(Err(error.clone()));
        }
    }
}
