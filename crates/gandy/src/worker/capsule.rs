//! A group of queues with slots of its own, and its station in the present life.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gandy_protocol::{Payload, QueueOrder};
use gandy_store::{Claim, Exit, Grip};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    config::CapsuleConfig,
    core::Core,
    life::{Held, Life},
    slots::Slots,
};
use crate::{Context, Error};

/// Above this many queues a capsule polls: a blocking connection for each would be too many (design, section 6).
const BELLS_MAX: usize = 16;

/// A group of queues with slots of its own. It outlives lives: a run of an old life still holds its slot.
#[derive(Debug)]
pub(crate) struct Capsule {
    pub(crate) name: String,
    /// Its place among the worker's capsules.
    pub(crate) index: usize,
    pub(crate) order: QueueOrder,
    pub(crate) slots: Slots,
    /// Jobs that it may hold at once: its share of the worker's crash budget.
    pub(crate) budget: usize,
}

impl Capsule {
    pub(crate) fn new(
        index: usize,
        config: &CapsuleConfig,
        budget: usize,
    ) -> Result<Arc<Self>, Error> {
        let order = config.order()?;
        Ok(Arc::new(Self {
            name: config.name.clone(),
            index,
            order,
            slots: Slots::new(config.concurrency),
            budget,
        }))
    }

    /// Whether it waits for bells or polls.
    pub(crate) fn has_bells(&self) -> bool {
        self.order.names().len() <= BELLS_MAX
    }
}

/// How a run ended and what is to be written for it.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It succeeded.
    Done(Arc<Held>),
    /// It goes elsewhere.
    Exit(Arc<Held>, Exit),
    /// It goes back to its queue as it is: it was interrupted, or never begun.
    Return(Arc<Held>),
}

/// A capsule in one life: where its pumps, bells and runs meet.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) capsule: Arc<Capsule>,
    pub(crate) life: Arc<Life>,
    pub(crate) grip: Grip,
    /// Rings when an ending was handed in, a bell rang, or a job was taken in.
    pub(crate) wake: Notify,
    /// Calls the hand that stands by: the other is blocked.
    pub(crate) relief: Notify,
    /// Rings when a slot becomes free, for bells that did not wait for jobs because none was.
    pub(crate) freed: Notify,
    /// Cancelled when nothing is left to write.
    pub(crate) over: CancellationToken,
    /// True while the queues were empty at the last look: bells wait for jobs.
    pub(crate) idle: watch::Sender<bool>,
    /// Tells bells that their ring was answered.
    pub(crate) answered: Notify,
    bells: Vec<Bell>,
    /// Bells were woken since somebody asked.
    woken: AtomicBool,
    desk: Mutex<Desk>,
    /// Milliseconds after the life's birth at which the pump last looked.
    ticked: AtomicU64,
    /// The last look for jobs, the pump's or a bell's, was not answered.
    failing: AtomicBool,
    /// Which hand works the pump.
    shift: AtomicU64,
    /// Hands that lost their shift and are still inside the run that took it from them.
    blocked: AtomicU64,
    /// Milliseconds after the life's birth, plus one, at which the present run in the claim loop began; 0: none.
    inline_since: AtomicU64,
}

/// The state of one queue's bell.
#[derive(Debug, Default)]
struct Bell {
    rings: AtomicU64,
    answered: AtomicU64,
    /// Paused, or a key of another type: not to be blocked on.
    mute: AtomicBool,
    /// Redis refuses to block: no right to, or a proxy in between.
    refused: AtomicBool,
}

/// A ring that was not answered when somebody looked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ring {
    /// The queue's place in the grip.
    pub(crate) queue: usize,
    /// How many rings there had been: an answer to these does not answer the next.
    seen: u64,
}

/// What runs and pump hand to each other.
#[derive(Debug, Default)]
struct Desk {
    endings: Vec<Ending>,
    /// How long the runs behind these endings took together, and how many ran.
    spent: Duration,
    runs: u32,
    /// Held jobs that wait for a slot, with the time since when.
    ready: VecDeque<(Arc<Held>, Instant)>,
}

impl Station {
    pub(crate) fn new(capsule: &Arc<Capsule>, life: &Arc<Life>, core: &Core) -> Arc<Self> {
        let names = capsule.order.names();
        let names = names.iter().map(String::as_str);
        let grip = Grip::new(&core.keys, &life.identity, names.clone());
        Arc::new(Self {
            capsule: Arc::clone(capsule),
            life: Arc::clone(life),
            grip: grip.with_functions(core.config.server.functions()),
            wake: Notify::new(),
            relief: Notify::new(),
            freed: Notify::new(),
            over: CancellationToken::new(),
            ticked: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            idle: watch::Sender::new(false),
            answered: Notify::new(),
            bells: names.map(|_| Bell::default()).collect(),
            woken: AtomicBool::new(false),
            desk: Mutex::default(),
            failing: AtomicBool::new(false),
            shift: AtomicU64::new(1),
            inline_since: AtomicU64::new(0),
        })
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in how a job ended.
    pub(crate) fn hand_in(&self, ending: Ending, took: Duration) {
        let first = self.desk().add(ending, took);
        if first {
            self.wake.notify_one();
        }
    }

    /// As [`Station::hand_in`], and takes the next job for the same slot. `quietly`: the caller works the pump itself.
    pub(crate) fn exchange(
        &self,
        ending: Ending,
        took: Duration,
        quietly: bool,
    ) -> Option<Arc<Held>> {
        let (first, next) = {
            let mut desk = self.desk();
            (desk.add(ending, took), desk.ready.pop_front())
        };
        if first && !quietly {
            self.wake.notify_one();
        }
        next.map(|(job, _)| job)
    }

    /// Takes up to `most` endings; with how long their runs took together and how many there were.
    pub(crate) fn collect(&self, most: usize, into: &mut Vec<Ending>) -> (Duration, u32) {
        let mut desk = self.desk();
        if desk.endings.len() <= most {
            into.append(&mut desk.endings);
        } else {
            into.extend(desk.endings.drain(..most));
        }
        (
            std::mem::take(&mut desk.spent),
            std::mem::take(&mut desk.runs),
        )
    }

    /// Takes in what a claim brought: jobs wait for a slot from now on; what cannot be run is on its way to `dead`
    /// (I12). `range` is what the claim was awaited under.
    pub(crate) fn take_in(&self, range: &Range<u64>, claims: Vec<Claim>, limit: usize) {
        let now = Instant::now();
        let admitted: Vec<(Arc<Held>, Option<Exit>)> = claims
            .into_iter()
            .map(|claim| admit(claim, limit, self.capsule.index))
            .collect();
        let awaited = self
            .life
            .claimed(range, admitted.iter().map(|(job, _)| job));
        if !awaited {
            return;
        }
        let mut desk = self.desk();
        for (job, exit) in admitted {
            #[cfg(feature = "mutants")]
            if gandy_store::mutant::is("early-ack") {
                desk.endings.push(Ending::Done(Arc::clone(&job)));
            }
            match exit {
                None => desk.ready.push_back((job, now)),
                Some(exit) => desk.endings.push(Ending::Exit(job, exit)),
            }
        }
    }

    /// Lays a job aside until a slot is free.
    pub(crate) fn lay_aside(&self, job: Arc<Held>) {
        self.desk().ready.push_back((job, Instant::now()));
        self.wake.notify_one();
    }

    /// The job that waits longest for a slot.
    pub(crate) fn next(&self) -> Option<Arc<Held>> {
        self.desk().ready.pop_front().map(|(job, _)| job)
    }

    /// Puts one back that [`Station::next`] or [`Station::exchange`] gave.
    pub(crate) fn put_back(&self, job: Arc<Held>) {
        self.desk().ready.push_front((job, Instant::now()));
    }

    /// How many jobs wait for a slot, and since when the first of them.
    pub(crate) fn waiting(&self) -> (usize, Option<Instant>) {
        let desk = self.desk();
        (
            desk.ready.len(),
            desk.ready.front().map(|(_, since)| *since),
        )
    }

    /// Gives up all jobs that wait for a slot: they go back.
    pub(crate) fn give_up_waiting(&self) {
        let mut desk = self.desk();
        let waiting = std::mem::take(&mut desk.ready);
        let withdrawn = waiting.into_iter().filter(|(job, _)| job.withdraw());
        desk.endings
            .extend(withdrawn.map(|(job, _)| Ending::Return(job)));
    }

    /// Notes that the pump looks.
    pub(crate) fn tick(&self) {
        let now = self.life.age_ms(Instant::now());
        self.ticked.store(now, Ordering::Release);
    }

    /// Time since the pump last looked.
    pub(crate) fn tick_age(&self, now: Instant) -> Duration {
        let ticked = self.ticked.load(Ordering::Acquire);
        Duration::from_millis(self.life.age_ms(now).saturating_sub(ticked))
    }

    /// Whether any hand is inside a run that blocked it. Nothing more begins in the claim loop then: the next run might
    /// block the last hand.
    pub(crate) fn any_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire) > 0
    }

    /// A hand that lost its shift is free again.
    pub(crate) fn unblock(&self) {
        self.blocked.fetch_sub(1, Ordering::AcqRel);
    }

    /// The number of the hand that works the pump.
    pub(crate) fn shift(&self) -> u64 {
        self.shift.load(Ordering::Acquire)
    }

    /// Another hand takes the pump over from one that is blocked; its number.
    pub(crate) fn change_shift(&self) -> u64 {
        self.blocked.fetch_add(1, Ordering::AcqRel);
        self.inline_since.store(0, Ordering::Release);
        self.shift.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Notes that a run begins in the claim loop, or (`None`) that none does.
    pub(crate) fn mark_inline(&self, now: Option<Instant>) {
        let since = now.map_or(0, |now| self.life.age_ms(now) + 1);
        self.inline_since.store(since, Ordering::Release);
    }

    /// Whether a run is in the claim loop.
    pub(crate) fn is_inline(&self) -> bool {
        self.inline_since.load(Ordering::Acquire) != 0
    }

    /// How long the present run in the claim loop has held it up.
    pub(crate) fn held_up(&self, now: Instant) -> Duration {
        match self.inline_since.load(Ordering::Acquire) {
            0 => Duration::ZERO,
            since => Duration::from_millis((self.life.age_ms(now) + 1).saturating_sub(since)),
        }
    }

    pub(crate) fn set_idle(&self, idle: bool) {
        let changed = self
            .idle
            .send_if_modified(|now| std::mem::replace(now, idle) != idle);
        if changed {
            self.woken.store(true, Ordering::Release);
        }
    }

    /// A slot is free again.
    pub(crate) fn vacate(&self) {
        self.capsule.slots.leave();
        // The pump counts free slots when it claims, and jobs may wait for this one.
        self.wake.notify_one();
        if self.is_idle() {
            self.woken.store(true, Ordering::Release);
        }
        self.freed.notify_waiters();
    }

    /// Whether bells were woken since this was asked last.
    pub(crate) fn has_woken_bells(&self) -> bool {
        self.woken.load(Ordering::Acquire) && self.woken.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn is_idle(&self) -> bool {
        *self.idle.borrow()
    }

    /// A job landed for the queue at `index`.
    pub(crate) fn ring(&self, index: usize) {
        self.bells[index].rings.fetch_add(1, Ordering::AcqRel);
        self.wake.notify_one();
    }

    pub(crate) fn is_rung(&self, index: usize) -> bool {
        let bell = &self.bells[index];
        bell.rings.load(Ordering::Acquire) > bell.answered.load(Ordering::Acquire)
    }

    /// The rings that nobody has answered.
    pub(crate) fn rung(&self) -> Vec<Ring> {
        (0..self.bells.len())
            .filter(|&queue| self.is_rung(queue))
            .map(|queue| Ring {
                queue,
                seen: self.bells[queue].rings.load(Ordering::Acquire),
            })
            .collect()
    }

    /// Ends these rings: what landed was claimed or put back.
    pub(crate) fn answer(&self, rings: &[Ring]) {
        for ring in rings {
            let bell = &self.bells[ring.queue];
            bell.answered.fetch_max(ring.seen, Ordering::AcqRel);
        }
        if !rings.is_empty() {
            self.woken.store(true, Ordering::Release);
            self.answered.notify_waiters();
        }
    }

    /// Notes which queues must not be blocked on, when all were seen.
    /// Notes whether a look for jobs was answered.
    pub(crate) fn fetched(&self, answered: bool) {
        self.failing.store(!answered, Ordering::Relaxed);
    }

    /// Whether the last look for jobs was not answered.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(crate) fn mute(&self, paused: &[usize], broken: &[usize]) {
        for (index, bell) in self.bells.iter().enumerate() {
            let mute = paused.contains(&index) || broken.contains(&index);
            bell.mute.store(mute, Ordering::Release);
        }
    }

    /// Notes whether Redis refuses to block on this queue; it is polled meanwhile.
    pub(crate) fn refuse(&self, index: usize, refused: bool) {
        self.bells[index].refused.store(refused, Ordering::Release);
        self.wake.notify_one();
    }

    pub(crate) fn is_mute(&self, index: usize) -> bool {
        self.bells[index].is_mute()
    }

    pub(crate) fn any_mute(&self) -> bool {
        self.bells.iter().any(Bell::is_mute)
    }
}

impl Desk {
    /// `true`: it is the first since the last collection, and the pump may be asleep.
    fn add(&mut self, ending: Ending, took: Duration) -> bool {
        self.endings.push(ending);
        self.spent += took;
        self.runs += 1;
        self.endings.len() == 1
    }
}

/// Makes a held job of a claim; with the exit of one that cannot be run.
pub(crate) fn admit(claim: Claim, limit: usize, capsule: usize) -> (Arc<Held>, Option<Exit>) {
    let (context, reason) = match claim.payload.map(Payload::parse) {
        Some(Ok(payload)) => {
            let context = Context::new(payload, Arc::clone(&claim.token.queue));
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
        Arc::new(Held::new(claim.token, context, capsule)),
        reason.map(Exit::Raw),
    )
}

impl Bell {
    fn is_mute(&self) -> bool {
        self.mute.load(Ordering::Acquire) || self.refused.load(Ordering::Acquire)
    }
}
