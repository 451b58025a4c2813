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

use tokio::{
    runtime::{Handle, Id},
    sync::{Semaphore, SetOnce},
};

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
    sender: Arc<Sender>,
    lanes: Mutex<Vec<Arc<Lane>>>,
}

/// The pushes of one runtime. A runtime that has ended, or that nobody runs at present, leaves its tasks where they are:
/// callers of another one that waited for them, or for their flights or room, would wait for ever.
#[derive(Debug)]
struct Lane {
    runtime: Id,
    sender: Arc<Sender>,
    flights: Semaphore,
    /// For the push that its caller sends. None of the flights: a caller may be left half-way, a task runs to its end.
    alone: Semaphore,
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
        Self {
            sender: Arc::new(sender),
            lanes: Mutex::default(),
        }
    }

    pub(crate) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Pushes one job. A caller that is dropped before its job is gathered has sent nothing; one that is dropped later
    /// has sent it whole, or its parcel was never sent.
    pub(crate) async fn push(&self, goal: Goal<'_>, payload: &str) -> Result<(), StoreError> {
        let runtime = Handle::current();
        let lane = self.lane(runtime.id());
        if let Some(_alone) = lane.alone() {
            let mut parcel = self.sender.parcel(goal);
            parcel.add(goal.at_ms(), &[payload]);
            return self.sender.deliver(parcel).await;
        }
        let room = payload.len().clamp(JOB_ROOM, ROOM);
        let permits = u32::try_from(room).unwrap_or(u32::MAX);
        // Never closed: an error would only mean that there is no limit.
        if let Ok(permits) = lane.room.acquire_many(permits).await {
            permits.forget();
        }
        let outcome = lane.gather(&runtime, goal, payload, room);
        outcome.wait().await.clone()
    }

    fn lane(&self, runtime: Id) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.iter().find(|lane| lane.runtime == runtime) {
            return Arc::clone(lane);
        }
        // Those of runtimes that have ended, mostly: nobody is under way on them.
        lanes.retain(|lane| Arc::strong_count(lane) > 1);
        let lane = Arc::new(Lane {
            runtime,
            sender: Arc::clone(&self.sender),
            flights: Semaphore::new(FLIGHTS),
            alone: Semaphore::new(1),
            room: Semaphore::new(ROOM),
            gathered: Mutex::default(),
            crowded: AtomicBool::new(false),
        });
        lanes.push(Arc::clone(&lane));
        lane
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

impl Lane {
    /// Leave to send one push at once, when nobody else seems to push.
    fn alone(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        let quiet =
            !self.crowded.load(Ordering::Relaxed) && self.flights.available_permits() == FLIGHTS;
        quiet.then(|| self.alone.try_acquire().ok()).flatten()
    }

    fn gather(
        self: &Arc<Self>,
        runtime: &Handle,
        goal: Goal<'_>,
        payload: &str,
        room: usize,
    ) -> Outcome {
        let mut gathered = self.gathered();
        gathered.room += room;
        let load = gathered.load(&self.sender, goal);
        load.parcel.add(goal.at_ms(), &[payload]);
        let outcome = Arc::clone(&load.outcome);
        let first = !std::mem::replace(&mut gathered.awaited, true);
        // A runtime that is ending drops the task here and now, and that takes what is gathered.
        drop(gathered);
        if first {
            runtime.spawn(Courier::new(Arc::clone(self)).run());
        }
        outcome
    }

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
    lane: Arc<Lane>,
    sent: bool,
    outcomes: Vec<Outcome>,
}

impl Courier {
    fn new(lane: Arc<Lane>) -> Self {
        Self {
            lane,
            sent: false,
            outcomes: Vec::new(),
        }
    }

    async fn run(mut self) {
        let lane = Arc::clone(&self.lane);
        let _flight = lane.flights.acquire().await;
        // Whoever can run now gathers too: the tasks that were just told are about to push again.
        tokio::task::yield_now().await;
        let parcels = self.take();
        self.sent = true;
        let results = lane.sender.deliver_all(parcels).await;
        for (outcome, result) in self.outcomes.iter().zip(results) {
            // Set by nobody else.
            let _ = outcome.set(result);
        }
    }

    fn take(&mut self) -> Vec<Parcel> {
        let loads = self.lane.take().into_iter();
        let (parcels, outcomes) = loads.map(|load| (load.parcel, load.outcome)).unzip();
        self.outcomes = outcomes;
        parcels
    }
}

/// Its runtime ends, or it panicked: callers in other runtimes must not wait for ever.
impl Drop for Courier {
    fn drop(&mut self) {
        let server = || self.lane.sender.line.server().address().to_owned();
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use gandy_protocol::Keys;
    use tokio::runtime::{Builder, Runtime};

    use super::*;
    use crate::{Kind, Line, Server};

    /// Pushes to a port where nobody listens.
    fn coalescer() -> Coalescer {
        let server = Server::new("redis://127.0.0.1:1").unwrap();
        let keys = Keys::new("").unwrap();
        let line = Line::single(server, keys, Duration::from_secs(1));
        Coalescer::new(Sender::new(line))
    }

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_push_in_a_runtime_that_has_ended_fails_at_once() {
        let coalescer = coalescer();
        let ended = runtime();
        let handle = ended.handle().clone();
        drop(ended);
        let lane = coalescer.lane(handle.id());
        for _ in 0..2 {
            let outcome = lane.gather(&handle, Goal::Queue("q"), "{}", JOB_ROOM);
            let told = outcome.get().expect("somebody waits for ever").clone();
            assert_eq!(told.unwrap_err().kind(), Kind::Retry);
        }
        assert!(lane.gathered().loads.is_empty());
    }

    #[test]
    fn a_runtime_that_nobody_runs_holds_up_no_other() {
        let coalescer = coalescer();
        let idle = runtime();
        let lane = coalescer.lane(idle.handle().id());
        let left = lane.gather(idle.handle(), Goal::Queue("q"), "{}", JOB_ROOM);
        // All its room and flights are taken, too.
        let _room = lane.room.try_acquire_many(u32::try_from(ROOM).unwrap());
        let _flights = lane.flights.try_acquire_many(8).unwrap();
        let other = runtime();
        let told = other.block_on(async {
            let push = coalescer.push(Goal::Queue("q"), "{}");
            let limit = Duration::from_secs(20);
            tokio::time::timeout(limit, push).await.expect("it hangs")
        });
        assert_eq!(told.unwrap_err().kind(), Kind::Retry);
        assert!(left.get().is_none(), "sent by another runtime");
    }

    #[test]
    fn runtimes_that_have_ended_are_forgotten() {
        let coalescer = coalescer();
        for _ in 0..20 {
            let runtime = runtime();
            let push = coalescer.push(Goal::Queue("q"), "{}");
            runtime.block_on(push).unwrap_err();
        }
        let lanes = coalescer.lanes.lock().unwrap();
        assert!(lanes.len() <= 2, "{}", lanes.len());
    }
}
