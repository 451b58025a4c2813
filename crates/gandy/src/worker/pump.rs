//! The claim loop: cycles while there is work, a rest when there is none.
//!
//! Up to [`DEPTH`] cycles are under way at once, so that Redis and the worker are busy at the same time. The first of
//! them carries whatever there is, were it one ending; the others only what is worth a trip, so that under load many
//! jobs share one.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use gandy_store::{Ask, Backoff, Grant, Haul, Line, StoreError, Token, Wire};
use tokio::sync::watch;

use super::{
    batch::Batch,
    capsule::{Ending, Ring, Station},
    core::{Core, Phase},
    prefetch::Prefetch,
    route::{GLANCE, Route},
};

/// Cycles under way at once.
const DEPTH: usize = 2;
/// Claimed in one cycle at most.
const CLAIM_MAX: usize = 250;
/// Endings collected at most; a script takes so many tokens (I6).
const COLLECT_MAX: usize = 500;
/// Claiming stops once a reply has this many bytes (I12).
const REPLY_MAX: usize = 4 << 20;
/// Jobs that the server may look at before it knows their size: where payloads were small of late, and else.
const LOOK_SMALL: usize = 256;
const LOOK_UNKNOWN: usize = 4;
/// A payload up to this many bytes is small.
const SMALL: usize = 8 << 10;
/// A pump looks up at least this often.
const TICK: Duration = Duration::from_secs(1);
/// The polling of capsules without bells, or whose queues must not be blocked on: from this…
const POLL_MIN: Duration = Duration::from_millis(5);
/// …to this.
const POLL_MAX: Duration = Duration::from_millis(250);

/// The pump of a capsule: a line of its own into Redis, and what is under way on it.
pub(crate) struct Pump {
    core: Arc<Core>,
    station: Arc<Station>,
    /// For the cycles.
    wire: Wire,
    /// For everything else that it writes.
    line: Line,
    phase: watch::Receiver<Phase>,
    inbox: Vec<Ending>,
    batch: Batch,
    flights: VecDeque<Flight>,
    prefetch: Prefetch,
    route: Route,
    /// When a claim was last answered.
    looked: Instant,
    /// The last claim brought as many as were asked for.
    full: bool,
    /// The payloads of the last claim were small.
    small: bool,
    poll: Duration,
    cycles: Pause,
    writes: Pause,
}

/// A cycle under way.
struct Flight {
    ended: Vec<Token>,
    repeated: bool,
    range: Range<u64>,
    whole: bool,
    rung: Vec<Ring>,
    sent: Instant,
}

/// When something that failed may be tried again.
#[derive(Default)]
struct Pause {
    backoff: Backoff,
    until: Option<Instant>,
}

/// What a turn at the pump ended with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Jobs wait, and slots are free.
    Work,
    /// Nothing is left to write, now or ever.
    Over,
}

impl Pause {
    fn begin(&mut self) {
        let wait = self.backoff.next(fastrand::f64()).min(TICK);
        self.until = Some(Instant::now() + wait);
    }

    fn end(&mut self) {
        if self.until.take().is_some() {
            self.backoff.reset();
        }
    }

    fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }
}

impl Pump {
    pub(crate) fn new(core: &Arc<Core>, station: &Arc<Station>) -> Self {
        let capsule = &station.capsule;
        Self {
            core: Arc::clone(core),
            station: Arc::clone(station),
            wire: Wire::new(
                core.config.server.clone(),
                core.config.server.patience().reply,
            ),
            line: core.line(core.config.server.patience().reply),
            phase: core.phase.subscribe(),
            inbox: Vec::new(),
            batch: Batch::default(),
            flights: VecDeque::with_capacity(DEPTH),
            prefetch: Prefetch::new(capsule.slots.total(), capsule.budget),
            route: Route::new(station.grip.len()),
            looked: Instant::now(),
            full: false,
            small: false,
            poll: POLL_MIN,
            cycles: Pause::default(),
            writes: Pause::default(),
        }
    }

    /// Works until there are runs to begin, or the life is closed and everything that could be written was; or, when its
    /// life is dead, until its last run has ended.
    pub(crate) async fn turn(&mut self) -> Turn {
        loop {
            self.station.life.tick();
            self.collect();
            let closed = self.station.life.closed.is_cancelled();
            let idle = self.batch.is_empty() && self.flights.is_empty();
            // A Redis that does not answer must not hold the exit; the reaper of another worker does the rest.
            let hopeless = closed
                && self
                    .cycles
                    .backoff
                    .failures()
                    .max(self.writes.backoff.failures())
                    > 1;
            if hopeless || (idle && (closed || self.is_dead_and_done())) {
                self.station.over.cancel();
                return Turn::Over;
            }
            let now = Instant::now();
            let may = self.may_claim(now);
            self.give_up_waiting(may, now);
            if self.batch.has_writes() && !self.writes.is_on(now) {
                self.write().await;
            }
            self.launch(may).await;
            let waiting = self.station.waiting().0;
            if waiting > 0 && self.station.capsule.slots.any_free() {
                return Turn::Work;
            }
            self.wait(now, may).await;
        }
    }

    fn collect(&mut self) {
        let most = COLLECT_MAX.saturating_sub(self.batch.len());
        let (spent, runs) = self.station.collect(most, &mut self.inbox);
        self.prefetch.note_runs(spent, runs);
        for ending in self.inbox.drain(..) {
            self.batch.add(ending);
        }
    }

    /// A dead life's pump has nothing left to wait for.
    fn is_dead_and_done(&self) -> bool {
        self.station.life.dead.is_cancelled() && self.station.life.is_done()
    }

    fn may_claim(&self, now: Instant) -> bool {
        *self.phase.borrow() == Phase::Running && self.station.life.may_claim(now)
    }

    /// Jobs that this worker will not begin soon go back: others may.
    fn give_up_waiting(&mut self, may: bool, now: Instant) {
        let (waiting, since) = self.station.waiting();
        if waiting == 0 {
            return;
        }
        let stale = since.is_some_and(|since| now - since > self.prefetch.stale_after());
        // With a free slot they begin in a moment.
        if !may || (stale && !self.station.capsule.slots.any_free()) {
            self.prefetch.doubt();
            self.station.give_up_waiting();
            self.collect();
        }
    }

    async fn write(&mut self) {
        let life = Arc::clone(&self.station.life);
        match self.batch.write(&self.core, &life, &self.line).await {
            Ok(()) => self.writes.end(),
            Err(error) => {
                self.core.complain("settle", &error);
                self.writes.begin();
            }
        }
    }

    /// How many more jobs may be claimed.
    fn room(&self, may: bool) -> usize {
        if !may || self.batch.len() >= COLLECT_MAX {
            return 0;
        }
        let awaited: usize = self
            .flights
            .iter()
            .map(|flight| (flight.range.end - flight.range.start) as usize)
            .sum();
        let held = self.station.capsule.slots.busy() + self.station.waiting().0 + awaited;
        self.prefetch.capacity().saturating_sub(held)
    }

    /// Sends what is worth a trip.
    async fn launch(&mut self, may: bool) {
        while self.flights.len() < DEPTH && !self.cycles.is_on(Instant::now()) {
            let room = self.room(may);
            let look = room > 0 && self.should_look();
            let done = self.batch.done.len();
            let capacity = self.prefetch.capacity();
            if self.flights.is_empty() {
                if done == 0 && !look {
                    if room == 0 {
                        self.put_back_rung().await;
                    }
                    return;
                }
            } else if done.max(if look && self.full { room } else { 0 }) * 4 < capacity {
                return;
            }
            // Halves: one is worked on here while the other is in Redis.
            let share = capacity.div_ceil(DEPTH).max(1);
            self.send(room.min(share).min(CLAIM_MAX)).await;
        }
    }

    /// Whether a claim alone is worth a round trip.
    fn should_look(&self) -> bool {
        let wait = if self.polls() { self.poll } else { GLANCE };
        !self.station.is_idle() || !self.station.rung().is_empty() || self.looked.elapsed() >= wait
    }

    /// Whether some queue is looked at on a timer: it is paused, broken, refuses to block, or there are too many.
    fn polls(&self) -> bool {
        !self.station.capsule.has_bells() || self.station.any_mute()
    }

    async fn send(&mut self, wanted: usize) {
        let now = Instant::now();
        let rung = if wanted > 0 {
            self.station.rung()
        } else {
            Vec::new()
        };
        let way = self.route.choose(&self.station, &rung, now);
        let range = self.station.life.await_claim(wanted);
        let ask = Ask {
            ended: &self.batch.done,
            wanted,
            first: range.start,
            lists: &way.lists,
            payload_max: self.core.config.max_fetch_payload,
            reply_max: REPLY_MAX,
            look: if self.small { LOOK_SMALL } else { LOOK_UNKNOWN },
        };
        let cycle = self.station.grip.cycle(&ask);
        let flight = Flight {
            ended: std::mem::take(&mut self.batch.done),
            repeated: self.batch.repeated,
            range,
            whole: way.whole,
            rung,
            sent: now,
        };
        if self.batch.is_empty() {
            self.batch.repeated = false;
        }
        match self.wire.send(cycle).await {
            Ok(()) => self.flights.push_back(flight),
            Err(error) => self.land(flight, Err(error)).await,
        }
    }

    /// Waits for the first flight's reply, or for anything else that asks for a turn.
    async fn wait(&mut self, now: Instant, may: bool) {
        if self.flights.is_empty() {
            return self.rest(now, may).await;
        }
        let reply = tokio::select! {
            biased;
            reply = self.wire.receive() => reply,
            () = self.station.wake.notified() => return,
            _ = self.phase.changed() => return,
            () = tokio::time::sleep(TICK) => return,
        };
        if let Some(flight) = self.flights.pop_front() {
            self.land(flight, reply).await;
        }
    }

    /// Waits until something happens or, for a pump that may claim, until it is time to look.
    async fn rest(&mut self, now: Instant, may: bool) {
        let mut wait = TICK;
        let capsule = &self.station.capsule;
        if may && capsule.slots.any_free() {
            let due = if self.polls() { self.poll } else { GLANCE };
            wait = wait.min(due.saturating_sub(self.looked.elapsed()).max(POLL_MIN));
        }
        if let (_, Some(since)) = self.station.waiting() {
            let stale = since + self.prefetch.stale_after();
            wait = wait.min(stale.saturating_duration_since(now) + POLL_MIN);
        }
        for pause in [&self.cycles, &self.writes] {
            if let Some(until) = pause.until {
                wait = wait.min(until.saturating_duration_since(now));
            }
        }
        let closed = self.station.life.closed.is_cancelled();
        tokio::select! {
            () = self.station.wake.notified() => {}
            () = self.station.life.closed.cancelled(), if !closed => {}
            _ = self.phase.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// Takes a cycle's reply in.
    async fn land(&mut self, flight: Flight, reply: Result<Haul, StoreError>) {
        let life = Arc::clone(&self.station.life);
        let wanted = (flight.range.end - flight.range.start) as usize;
        let haul = match reply {
            Ok(haul) => haul,
            Err(error) => {
                self.core.complain("cycle", &error);
                // What this claim may still bring is found by the comparison with the in-flight hash (I7).
                life.claimed(&flight.range, []);
                // Where only the claim was refused, what ended was finished in front of it.
                self.batch.repeated |= !flight.ended.is_empty();
                self.batch.done.extend(flight.ended);
                self.cycles.begin();
                return;
            }
        };
        self.cycles.end();
        self.prefetch.note_trip(flight.sent.elapsed());
        if haul.finished < flight.ended.len() {
            let missing = flight.ended.len() - haul.finished;
            self.core.stats.missing(missing, flight.repeated);
        }
        life.forget(&flight.ended);
        if wanted > 0 && haul.grant != Grant::Untaught {
            self.looked = Instant::now();
            self.note(&haul, wanted, flight.whole);
            if haul.grant == Grant::Dead {
                life.dead.cancel();
            }
        }
        let unanswered: Vec<usize> = flight
            .rung
            .iter()
            .map(|ring| ring.queue)
            .filter(|&index| {
                let queue = self.station.grip.queue(index);
                !haul.claims.iter().any(|claim| claim.token.queue == *queue)
            })
            .collect();
        let limit = self.core.config.max_fetch_payload;
        self.station.take_in(&flight.range, haul.claims, limit);
        for index in unanswered {
            // Taken by a peer, or not for us to take now: it belongs where everybody sees it.
            self.unland(index).await;
        }
        self.station.answer(&flight.rung);
    }

    /// Learns from a haul where it is worth looking next.
    fn note(&mut self, haul: &Haul, wanted: usize, whole: bool) {
        let mut bytes = 0;
        let mut largest = 0;
        for claim in &haul.claims {
            let size = claim.payload.as_ref().map_or(usize::MAX, Vec::len);
            bytes += size.min(REPLY_MAX);
            largest = largest.max(size);
        }
        self.full = haul.claims.len() >= wanted;
        if !haul.claims.is_empty() {
            self.small = largest <= SMALL;
        }
        self.route.note_empty(&haul.empty, self.looked);
        let short = !self.full && bytes < REPLY_MAX;
        let dry = short && whole;
        if short && !whole {
            self.route.look_everywhere();
        }
        if dry {
            // Every queue was seen, so what is paused or broken is known.
            self.station.mute(&haul.paused, &haul.broken);
        }
        for &index in &haul.broken {
            self.core.complain_queue(self.station.grip.queue(index));
        }
        self.poll = if haul.claims.is_empty() {
            (self.poll * 2).min(POLL_MAX)
        } else {
            POLL_MIN
        };
        self.station.set_idle(dry);
    }

    /// Rung, but no slot is free or no claim may be made: the job goes back where others find it.
    async fn put_back_rung(&mut self) {
        let rung = self.station.rung();
        for ring in &rung {
            self.unland(ring.queue).await;
        }
        self.station.answer(&rung);
    }

    async fn unland(&mut self, index: usize) {
        if let Err(error) = self.line.unland(self.station.grip.queue(index)).await {
            self.core.complain("unland", &error);
        }
    }
}
