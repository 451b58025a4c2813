//! The claim loop: one cycle after another while there is work, a rest when there is none.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gandy_protocol::Payload;
use gandy_store::{
    Ask, Backoff, Claim, Exit, Grant, Guard, Haul, Line, Outcome, StoreError, Token,
};
use tokio_util::sync::CancellationToken;

use super::{
    capsule::{Ending, Station},
    core::{Core, Phase},
    life::Held,
    recovery, run,
    slots::Taken,
};
use crate::Context;

/// Claimed in one cycle at most.
const CLAIM_MAX: usize = 250;
/// Endings written in one cycle at most.
const WRITE_MAX: usize = 200;
/// Exits are written in commands of about this many bytes: many large jobs that fail together must not make one that
/// takes longer than its deadline, again and again.
const WRITE_BYTES_MAX: usize = 4 << 20;
/// Claiming stops once a reply has this many bytes (I12).
const REPLY_MAX: usize = 4 << 20;
/// A pump looks up at least this often.
const TICK: Duration = Duration::from_secs(1);
/// An idle capsule with bells still looks this often: for jobs that a dead peer left in a landing list.
const GLANCE: Duration = Duration::from_secs(5);
/// The polling of capsules without bells, or whose queues must not be blocked on: from this…
const POLL_MIN: Duration = Duration::from_millis(5);
/// …to this.
const POLL_MAX: Duration = Duration::from_millis(250);

/// One pump: a line of its own into Redis.
pub(crate) struct Pump {
    core: Arc<Core>,
    station: Arc<Station>,
    line: Line,
    batch: Batch,
    order: Vec<usize>,
    looked: Instant,
    poll: Duration,
}

/// Endings whose write was not acknowledged yet.
#[derive(Default)]
struct Batch {
    done: Vec<Token>,
    exits: Vec<(Token, Exit)>,
    returns: Vec<Token>,
    /// A write of these was sent before and its reply lost: "gone" then means unknown, not fenced (I4).
    repeated: bool,
}

impl Batch {
    fn len(&self) -> usize {
        self.done.len() + self.exits.len() + self.returns.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&mut self, ending: Ending) {
        match ending {
            Ending::Done(token) => self.done.push(token),
            Ending::Exit(token, exit) => self.exits.push((token, exit)),
            Ending::Return(token) => self.returns.push(token),
        }
    }
}

impl Pump {
    pub(crate) fn new(core: &Arc<Core>, station: &Arc<Station>) -> Self {
        Self {
            core: Arc::clone(core),
            station: Arc::clone(station),
            line: core.line(core.config.server.patience().reply),
            batch: Batch::default(),
            order: Vec::new(),
            looked: Instant::now(),
            poll: POLL_MIN,
        }
    }

    /// Runs until the life is closed and everything that could be written was; or, when its life is dead, until its
    /// last run has ended.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut inbox = Vec::new();
        loop {
            self.station.life.tick();
            self.station
                .collect(WRITE_MAX.saturating_sub(self.batch.len()), &mut inbox);
            inbox.drain(..).for_each(|ending| self.batch.add(ending));
            let closed = self.station.life.closed.is_cancelled();
            if self.batch.is_empty() && (closed || self.is_over()) {
                return;
            }
            let slots = self.free_slots();
            if self.batch.is_empty() && !self.should_look(&slots) {
                let able = slots.count() > 0;
                drop(slots);
                // Slots that the other pump's claim holds are no reason: what landed is on its way to them.
                let capsule = &self.station.capsule;
                if !self.may_claim() || capsule.slots.busy() >= capsule.slots.total() {
                    self.put_back_rung().await;
                }
                self.rest(able).await;
                continue;
            }
            match self.turn(slots).await {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    self.core.complain("cycle", &error);
                    let wait = backoff.next(fastrand::f64()).min(TICK);
                    if closed && backoff.failures() > 1 {
                        return;
                    }
                    pause(wait, &self.station.life.closed, closed).await;
                }
            }
        }
    }

    /// A dead life's pump has nothing left to wait for.
    fn is_over(&self) -> bool {
        self.station.life.dead.is_cancelled() && self.station.life.is_done()
    }

    /// The slots to claim for: none while quiet, without a lease, or when all are taken. Strays come first.
    fn free_slots(&mut self) -> Taken {
        let may = self.may_claim() && self.batch.len() < WRITE_MAX;
        if !may {
            self.give_strays_back();
        }
        let mut slots = self
            .station
            .capsule
            .slots
            .take(if may { CLAIM_MAX } else { 0 });
        while slots.count() > 0 {
            let Some(stray) = self.station.next_stray() else {
                break;
            };
            self.start(stray, &mut slots);
        }
        slots
    }

    fn may_claim(&self) -> bool {
        *self.core.phase.borrow() == Phase::Running && self.station.life.may_claim(Instant::now())
    }

    /// What was laid aside would wait for a slot that this worker will not give it.
    fn give_strays_back(&mut self) {
        while let Some(stray) = self.station.next_stray() {
            if stray.withdraw() {
                self.batch.returns.push(stray.token.clone());
            }
        }
    }

    /// Whether a claim is worth a round trip.
    fn should_look(&self, slots: &Taken) -> bool {
        let wait = if self.polls() { self.poll } else { GLANCE };
        slots.count() > 0
            && (!self.station.is_idle()
                || !self.station.rung().is_empty()
                || self.looked.elapsed() >= wait)
    }

    /// Whether some queue is looked at on a timer: it is paused, broken, refuses to block, or there are too many.
    fn polls(&self) -> bool {
        !self.station.capsule.has_bells() || self.station.any_mute()
    }

    /// Waits until something happens or, for a pump that is able to claim, until it is time to look.
    async fn rest(&self, able: bool) {
        let due = if self.polls() { self.poll } else { GLANCE };
        let wait = if able {
            due.saturating_sub(self.looked.elapsed())
                .clamp(POLL_MIN, TICK)
        } else {
            TICK
        };
        tokio::select! {
            () = self.station.wake.notified() => {}
            () = self.station.life.closed.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// One exchange with Redis: writes endings, finishes and claims.
    async fn turn(&mut self, slots: Taken) -> Result<(), StoreError> {
        // What cannot be written must not keep what can from being finished.
        let exits = self.write_exits().await;
        self.station.life.tick();
        let returns = self.write_returns().await;
        self.station.life.tick();
        if !self.batch.done.is_empty() || slots.count() > 0 {
            self.cycle(slots).await?;
        }
        exits.and(returns)
    }

    async fn cycle(&mut self, mut slots: Taken) -> Result<(), StoreError> {
        let life = Arc::clone(&self.station.life);
        let range = life.await_claim(slots.count());
        self.station
            .capsule
            .order
            .order(&mut |bound| fastrand::u32(..bound), &mut self.order);
        let rung = if slots.count() > 0 {
            self.station.rung()
        } else {
            Vec::new()
        };
        let ask = Ask {
            ended: &self.batch.done,
            wanted: slots.count(),
            first: range.start,
            order: &self.order,
            payload_max: self.core.config.max_fetch_payload,
            reply_max: REPLY_MAX,
        };
        let haul = match self.line.cycle(&self.station.grip, &ask).await {
            Ok(haul) => haul,
            Err(error) => {
                // What this claim may still bring is found by the comparison with the in-flight hash (I7).
                life.claimed(&range, &[]);
                self.batch.repeated |= matches!(error, StoreError::Unknown { .. });
                return Err(error);
            }
        };
        self.acknowledge(haul.finished);
        self.note(&haul, slots.count());
        let wanted = slots.count();
        let jobs: Vec<Arc<Held>> = haul
            .claims
            .into_iter()
            .map(|claim| self.take_in(claim))
            .collect();
        life.claimed(&range, &jobs);
        let unanswered: Vec<usize> = rung
            .iter()
            .map(|ring| ring.queue)
            .filter(|&index| {
                !jobs
                    .iter()
                    .any(|job| job.token.queue == *self.station.grip.queue(index))
            })
            .collect();
        for job in jobs {
            if job.context.is_some() {
                self.start(job, &mut slots);
            }
        }
        if wanted > 0 {
            self.looked = Instant::now();
        }
        if haul.grant == Grant::Dead && wanted > 0 {
            life.dead.cancel();
        }
        for index in unanswered {
            // Taken by a peer, or not for us to take now: it belongs where everybody sees it.
            if let Err(error) = self.line.unland(self.station.grip.queue(index)).await {
                self.core.complain("unland", &error);
            }
        }
        self.station.answer(&rung);
        Ok(())
    }

    /// Learns from a haul where it is worth looking next.
    fn note(&mut self, haul: &Haul, wanted: usize) {
        if wanted == 0 {
            return;
        }
        let payloads = haul
            .claims
            .iter()
            .filter_map(|claim| claim.payload.as_ref());
        let bytes: usize = payloads.map(Vec::len).sum();
        let dry = haul.claims.len() < wanted && bytes < REPLY_MAX;
        if dry {
            // Every queue was seen, so what is paused or broken is known.
            self.station.mute(&haul.paused, &haul.broken, &self.order);
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

    fn acknowledge(&mut self, finished: usize) {
        let asked = self.batch.done.len();
        if finished < asked {
            self.core
                .stats
                .missing(asked - finished, self.batch.repeated);
        }
        self.station.life.forget(&self.batch.done);
        self.batch.done.clear();
        if self.batch.is_empty() {
            self.batch.repeated = false;
        }
    }

    /// A claimed job enters memory; one that cannot be run is on its way to `dead` (I12).
    fn take_in(&mut self, claim: Claim) -> Arc<Held> {
        let (job, exit) = admit(claim, self.core.config.max_fetch_payload);
        if let Some(exit) = exit {
            self.batch.exits.push((job.token.clone(), exit));
        }
        job
    }

    fn start(&self, job: Arc<Held>, slots: &mut Taken) {
        let Some(slot) = slots.split_one() else {
            // More came than was asked for: it waits as a stray does.
            self.station.lay_aside(job);
            return;
        };
        let task = tokio::spawn(run::run(
            Arc::clone(&self.core),
            Arc::clone(&self.station),
            Arc::clone(&job),
            slot,
        ));
        let _ = job.task.set(task.abort_handle());
    }

    async fn write_exits(&mut self) -> Result<(), StoreError> {
        let mut stuck = Vec::new();
        let mut error = None;
        while !self.batch.exits.is_empty() && error.is_none() {
            error = self.write_some_exits(&mut stuck).await.err();
        }
        self.batch.exits.append(&mut stuck);
        if let Some(error) = error {
            return Err(error);
        }
        if self.batch.exits.is_empty() {
            return Ok(());
        }
        let keys = self.line.keys();
        Err(StoreError::Refused {
            server: self.line.server().address().to_owned(),
            cause: format!(
                "{} failed jobs cannot be written: {}, {} or {} is not a sorted set",
                self.batch.exits.len(),
                keys.retry(),
                keys.schedule(),
                keys.dead()
            ),
        })
    }

    /// Writes the first exits, as many as make one command of bounded size.
    async fn write_some_exits(&mut self, stuck: &mut Vec<(Token, Exit)>) -> Result<(), StoreError> {
        let mut bytes = 0;
        let fits = self.batch.exits.iter().take_while(|(_, exit)| {
            let fits = bytes < WRITE_BYTES_MAX;
            bytes += exit.size();
            fits
        });
        let count = fits.count();
        let life = &self.station.life;
        let outcomes = match self
            .line
            .settle(
                &life.identity,
                self.core.config.grave(),
                &self.batch.exits[..count],
            )
            .await
        {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.batch.repeated |= matches!(error, StoreError::Unknown { .. });
                return Err(error);
            }
        };
        for ((token, exit), outcome) in self.batch.exits.drain(..count).zip(outcomes) {
            match outcome {
                Outcome::Done => life.forget([&token]),
                Outcome::Gone => {
                    self.core.stats.missing(1, self.batch.repeated);
                    life.forget([&token]);
                }
                Outcome::Stuck => stuck.push((token, exit)),
            }
        }
        Ok(())
    }

    async fn write_returns(&mut self) -> Result<(), StoreError> {
        if self.batch.returns.is_empty() {
            return Ok(());
        }
        let life = &self.station.life;
        let jobs = recovery::return_all(self.batch.returns.clone());
        let grave = self.core.config.grave();
        for chunk in jobs.chunks(WRITE_MAX) {
            // When the guard does not hold, the reaper gives these back.
            self.line
                .give_back(&life.identity, Guard::Living, grave, chunk)
                .await?;
        }
        life.forget(&self.batch.returns);
        self.batch.returns.clear();
        Ok(())
    }

    /// Rung, but no slot is free or no claim may be made: the job goes back where others find it.
    async fn put_back_rung(&self) {
        let rung = self.station.rung();
        for ring in &rung {
            if let Err(error) = self.line.unland(self.station.grip.queue(ring.queue)).await {
                self.core.complain("unland", &error);
            }
        }
        self.station.answer(&rung);
    }
}

/// Makes a held job of a claim; with the exit of one that cannot be run.
pub(crate) fn admit(claim: Claim, limit: usize) -> (Arc<Held>, Option<Exit>) {
    let (context, reason) = match claim.payload.map(Payload::parse) {
        Some(Ok(payload)) => {
            let context =
                Context::new(payload, claim.token.queue.clone(), CancellationToken::new());
            (Some(context), None)
        }
        Some(Err(unparsable)) => (None, Some(format!("cannot be run: {unparsable}"))),
        None => (
            None,
            Some(format!(
                "cannot be run: larger than max_fetch_payload ({limit} bytes)"
            )),
        ),
    };
    if let Some(reason) = &reason {
        tracing::warn!(queue = &*claim.token.queue, reason, "a payload is buried");
    }
    (
        Arc::new(Held::new(claim.token, context)),
        reason.map(Exit::Raw),
    )
}

/// Sleeps, but not beyond the closing of the life.
async fn pause(wait: Duration, closed: &CancellationToken, already: bool) {
    if already {
        tokio::time::sleep(wait).await;
    } else {
        tokio::select! {
            () = closed.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}
