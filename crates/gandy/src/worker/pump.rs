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
use tokio::{sync::watch, task::JoinError};

use super::{
    Tied,
    batch::Batch,
    capsule::{Ending, Ring, Station},
    core::{Core, Phase},
    prefetch::Prefetch,
    route::{Route, Way},
};

/// Cycles under way at once.
const DEPTH: usize = 2;
/// Claimed in one cycle at most.
const CLAIM_MAX: usize = 250;
/// Endings collected at most; a script takes so many tokens (I6).
const COLLECT_MAX: usize = 500;
/// Successes finished in one cycle at most: a command has an end.
const ENDED_MAX: usize = 1000;
/// Claiming stops once a reply has this many bytes (I12).
const REPLY_MAX: usize = 4 << 20;
/// Jobs that the server may look at before it knows their size: where payloads were small of late, and else.
const LOOK_SMALL: usize = 32;
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
    /// What is being written apart from the cycles, and how many endings that is.
    writing: Option<Tied<(Batch, Result<(), StoreError>)>>,
    writing_count: usize,
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
            writing: None,
            writing_count: 0,
        }
    }

    /// Works until there are runs to begin, or the life is closed and everything that could be written was; or, when its
    /// life is dead, until its last run has ended. `send_first`: runs have had their time, now it is Redis' turn.
    pub(crate) async fn turn(&mut self, mut send_first: bool) -> Turn {
        loop {
            self.station.tick();
            self.collect();
            if self.is_over() {
                self.station.over.cancel();
                return Turn::Over;
            }
            let now = Instant::now();
            let may = self.may_claim(now);
            self.give_up_waiting(may, now);
            // A lone job begins before anything else is sent; its ending and the next look then share one trip.
            if !std::mem::take(&mut send_first) && self.has_work() {
                return Turn::Work;
            }
            self.begin_write(now);
            self.launch(may).await;
            if self.has_work() {
                return Turn::Work;
            }
            self.wait(now, may).await;
        }
    }

    /// Whether a job waits and a slot is free.
    fn has_work(&self) -> bool {
        self.station.waiting().0 > 0 && self.station.capsule.slots.any_free()
    }

    fn collect(&mut self) {
        let most = COLLECT_MAX.saturating_sub(self.batch.len());
        let (spent, runs) = self.station.collect(most, &mut self.inbox);
        self.prefetch.note_runs(spent, runs, Instant::now());
        for ending in self.inbox.drain(..) {
            self.batch.add(ending);
        }
    }

    /// Whether nothing is left to write, now or ever.
    fn is_over(&self) -> bool {
        let life = &self.station.life;
        let closed = life.closed.is_cancelled();
        if !(closed || life.dead.is_cancelled() && life.is_done()) {
            return false;
        }
        // A Redis that does not answer must not hold the exit; the reaper of another worker does the rest.
        let hopeless = |pause: &Pause| closed && pause.backoff.failures() > 1;
        let cycled = self.flights.is_empty() && self.batch.done.is_empty();
        let written = self.batch.writes() == 0 && self.writing.is_none();
        (cycled || hopeless(&self.cycles)) && (written || hopeless(&self.writes))
    }

    fn may_claim(&self, now: Instant) -> bool {
        self.core.wants_jobs() && self.station.life.may_claim(now)
    }

    /// Jobs that this worker will not begin soon go back: others may.
    fn give_up_waiting(&mut self, may: bool, now: Instant) {
        let (waiting, since) = self.station.waiting();
        if waiting == 0 {
            return;
        }
        let slots = &self.station.capsule.slots;
        let stale = since.is_some_and(|since| now - since > self.prefetch.stale_after());
        // What a bell brought when the last slot had just been taken: nobody is to wait for a long run.
        let unasked = self.prefetch.capacity(now) <= slots.total();
        // With a free slot they begin in a moment.
        if !may || ((stale || unasked) && !slots.any_free()) {
            if stale {
                self.prefetch.doubt();
            }
            self.station.give_up_waiting();
            self.collect();
        }
    }

    /// Begins to write what ended otherwise than by success; cycles go on meanwhile.
    fn begin_write(&mut self, now: Instant) {
        if self.batch.writes() == 0 || self.writing.is_some() || self.writes.is_on(now) {
            return;
        }
        let mut part = self.batch.split_writes();
        self.writing_count = part.writes();
        let (core, life) = (Arc::clone(&self.core), Arc::clone(&self.station.life));
        let line = self.line.clone();
        self.writing = Some(Tied(tokio::spawn(async move {
            let written = part.write(&core, &life, &line).await;
            (part, written)
        })));
    }

    fn end_write(&mut self, ended: Result<(Batch, Result<(), StoreError>), JoinError>) {
        self.writing = None;
        self.writing_count = 0;
        match ended {
            Ok((rest, written)) => {
                self.batch.rejoin(rest);
                match written {
                    Ok(()) => self.writes.end(),
                    Err(error) => {
                        self.core.complain("settle", &error);
                        self.writes.begin();
                    }
                }
            }
            // It was cut off with the runtime, or is a defect of ours: what it held is found by the next life.
            Err(error) => tracing::error!(%error, "endings could not be written"),
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
        // What ended well leaves with the claim itself; the rest is held until it was written.
        let ending = self.batch.writes() + self.writing_count;
        let held = self.station.capsule.slots.busy() + self.station.waiting().0 + awaited + ending;
        self.prefetch.capacity(Instant::now()).saturating_sub(held)
    }

    /// Sends what is worth a trip.
    async fn launch(&mut self, may: bool) {
        while self.flights.len() < DEPTH && !self.cycles.is_on(Instant::now()) {
            let room = self.room(may);
            let look = room > 0 && self.should_look();
            let done = self.batch.done.len();
            let capacity = self.prefetch.capacity(Instant::now());
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
        !self.station.is_idle()
            || !self.station.rung().is_empty()
            || (self.polls() && self.looked.elapsed() >= self.poll)
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
        let way = if wanted > 0 {
            self.route.choose(&self.station, &rung, self.full, now)
        } else {
            Way::default()
        };
        let station = &self.station;
        let range = station.life.await_claim(station.capsule.index, wanted);
        let most = self.batch.done.len().min(ENDED_MAX);
        let rest = self.batch.done.split_off(most);
        let ended = std::mem::replace(&mut self.batch.done, rest);
        let ask = Ask {
            ended: &ended,
            wanted,
            first: range.start,
            lists: &way.lists,
            payload_max: self.core.config.max_fetch_payload,
            reply_max: REPLY_MAX,
            look: if self.small { LOOK_SMALL } else { LOOK_UNKNOWN },
        };
        let cycle = self.station.grip.cycle(&ask);
        let flight = Flight {
            ended,
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
            ended = written(&mut self.writing) => return self.end_write(ended),
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
        if may && capsule.slots.any_free() && self.polls() {
            let due = self.poll.saturating_sub(self.looked.elapsed());
            wait = wait.min(due.max(POLL_MIN));
        }
        if let (_, Some(since)) = self.station.waiting() {
            let stale = since + self.prefetch.stale_after();
            wait = wait.min(stale.saturating_duration_since(now) + POLL_MIN);
        }
        for pause in [&self.cycles, &self.writes] {
            // One that has run out waits for something to try, and is no reason to look.
            if let Some(until) = pause.until.filter(|until| *until > now) {
                wait = wait.min(until.saturating_duration_since(now));
            }
        }
        let closed = self.station.life.closed.is_cancelled();
        tokio::select! {
            ended = written(&mut self.writing) => self.end_write(ended),
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
                self.core.meter.fetch_failed(error.kind());
                self.station.fetched(false);
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
        self.station.fetched(true);
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
        // Each of them may take as long as a reply may.
        self.station.tick();
        if let Err(error) = self.line.unland(self.station.grip.queue(index)).await {
            self.core.complain("unland", &error);
        }
    }
}

/// Waits for the end of a write under way; for ever when there is none.
async fn written<T>(writing: &mut Option<Tied<T>>) -> Result<T, JoinError> {
    match writing {
        Some(Tied(task)) => task.await,
        None => std::future::pending().await,
    }
}
