//! One life of a worker: an identity, the jobs it holds, and the proof that it lives.
//!
//! A worker that was declared dead begins a new life; the old one stays until its last run has ended, so that what
//! those runs want to write is still checked against what they held (I3).

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gandy_protocol::Identity;
use gandy_store::{Token, Trace};
use tokio::{sync::Notify, task::AbortHandle};
use tokio_util::sync::CancellationToken;

use crate::Context;

/// How long a lease lasts without renewal (P2).
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed.
pub(crate) const RENEW_EVERY: Duration = Duration::from_secs(3);
/// Without a renewal for this long a worker claims no more.
pub(crate) const CLAIM_WITHIN: Duration = Duration::from_secs(10);

const _: () = assert!(
    LEASE.as_secs() > 3 * RENEW_EVERY.as_secs(),
    "a lease must survive lost renewals"
);
const _: () = assert!(
    CLAIM_WITHIN.as_secs() < LEASE.as_secs(),
    "claiming must stop before the lease is gone"
);

/// One life.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) identity: Identity,
    pub(crate) born: Instant,
    /// Declared dead: no claim is granted any more.
    pub(crate) dead: CancellationToken,
    /// Pumps write what they still have, then end.
    pub(crate) closed: CancellationToken,
    next_number: AtomicU64,
    /// Milliseconds after `born` at which the last granted renewal was sent.
    renewed: AtomicU64,
    /// The lease ran out without a renewal.
    lost: AtomicBool,
    /// Rings when a run begins and nobody watches.
    pub(crate) stirred: Notify,
    dozing: AtomicBool,
    /// How others see this worker's connections, where they do.
    trace: Mutex<Option<Trace>>,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    held: HashMap<u64, Arc<Held>, BuildHasherDefault<Sequential>>,
    awaiting: Vec<Awaited>,
}

/// A claim whose reply has not come yet.
#[derive(Debug)]
struct Awaited {
    numbers: Range<u64>,
    /// The place of the capsule that claims.
    capsule: usize,
    /// It waits for a job, behind a blocking command: nobody waits for it when its life ends.
    patient: bool,
}

/// A stray that is being read. It is a stray again when this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved<'a> {
    life: &'a Life,
    token: Token,
    taken_in: bool,
}

impl Reserved<'_> {
    /// It was read, and is a job from now on.
    pub(crate) fn take_in(mut self, job: &Arc<Held>) {
        let mut ledger = self.life.ledger();
        ledger.held.insert(self.token.number, Arc::clone(job));
        self.taken_in = true;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.taken_in {
            self.life.forget([&self.token]);
        }
    }
}

/// Token numbers are drawn one after another by us, so they need no defence against chosen keys: one multiplication
/// spreads them. (SipHash was 6 % of a no-op job's instructions.)
#[derive(Debug, Default)]
struct Sequential(u64);

impl Hasher for Sequential {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(self.0 ^ u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Ledger {
    fn knows(&self, number: u64) -> bool {
        let mut awaiting = self.awaiting.iter();
        self.held.contains_key(&number) || awaiting.any(|claim| claim.numbers.contains(&number))
    }
}

/// Ends the task in which runs go on, also when it is cut before the task is known.
#[derive(Debug, Default)]
pub(crate) struct Leash {
    task: Mutex<Option<AbortHandle>>,
    cut: AtomicBool,
}

impl Leash {
    pub(crate) fn tie(&self, task: AbortHandle) {
        let mut held = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if self.cut.load(Ordering::Acquire) {
            task.abort();
        }
        *held = Some(task);
    }

    fn cut(&self) {
        let held = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        self.cut.store(true, Ordering::Release);
        if let Some(task) = &*held {
            task.abort();
        }
    }
}

/// A job that this life holds.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) token: Token,
    /// The parsed job; none when it cannot be parsed and is on its way to `dead`.
    pub(crate) context: Option<Context>,
    /// Seconds since the epoch at which the run began.
    pub(crate) started_at: OnceLock<i64>,
    /// The place of the capsule that holds it among the worker's.
    pub(crate) capsule: usize,
    leash: OnceLock<Arc<Leash>>,
    aborted: AtomicBool,
    state: AtomicU8,
    interrupted: AtomicBool,
    cancelled: AtomicBool,
}

const WAITING: u8 = 0;
const STARTED: u8 = 1;
const RETURNED: u8 = 2;

impl Held {
    pub(crate) fn new(token: Token, context: Option<Context>, capsule: usize) -> Self {
        Self {
            token,
            context,
            started_at: OnceLock::new(),
            capsule,
            leash: OnceLock::new(),
            aborted: AtomicBool::new(false),
            state: AtomicU8::new(WAITING),
            interrupted: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
        }
    }

    /// One that goes back as it came.
    fn returning(token: Token, capsule: usize) -> Self {
        let job = Self::new(token, None, capsule);
        job.state.store(RETURNED, Ordering::Release);
        job
    }

    /// A run begins only by winning this against [`Held::withdraw`] (I9).
    pub(crate) fn start(&self) -> bool {
        self.state
            .compare_exchange(WAITING, STARTED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Takes back a job that has not started.
    pub(crate) fn withdraw(&self) -> bool {
        self.state
            .compare_exchange(WAITING, RETURNED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn is_withdrawn(&self) -> bool {
        self.state.load(Ordering::Acquire) == RETURNED
    }

    pub(crate) fn has_started(&self) -> bool {
        self.state.load(Ordering::Acquire) == STARTED
    }

    /// Asks the run to stop for a reason that is not its own, so that its error costs no attempt.
    pub(crate) fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Release);
        if let Some(context) = &self.context {
            context.cancellation().cancel();
        }
    }

    /// Ends the task in which it runs, now or as soon as it has one.
    pub(crate) fn abort(&self) {
        self.aborted.store(true, Ordering::Release);
        if let Some(leash) = self.leash.get() {
            leash.cut();
        }
    }

    /// It runs in the task at the other end of this.
    pub(crate) fn put_on(&self, leash: &Arc<Leash>) {
        let _ = self.leash.set(Arc::clone(leash));
        if self.aborted.load(Ordering::Acquire) {
            leash.cut();
        }
    }

    /// Asks the run to stop because a person wants it to: it is not retried.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        if let Some(context) = &self.context {
            context.cancellation().cancel();
        }
    }

    pub(crate) fn was_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    pub(crate) fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }
}

impl Life {
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            identity,
            born: Instant::now(),
            dead: CancellationToken::new(),
            closed: CancellationToken::new(),
            next_number: AtomicU64::new(1),
            renewed: AtomicU64::new(0),
            lost: AtomicBool::new(false),
            stirred: Notify::new(),
            dozing: AtomicBool::new(true),
            trace: Mutex::default(),
            ledger: Mutex::default(),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since its birth.
    pub(crate) fn age_ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX)
    }

    /// Notes that a renewal which was sent at `sent` was granted.
    pub(crate) fn renewed(&self, sent: Instant) {
        self.renewed.store(self.age_ms(sent), Ordering::Release);
        self.lost.store(false, Ordering::Release);
    }

    /// Notes how others see this worker's connections.
    pub(crate) fn seen(&self, trace: Option<Trace>) {
        *self.trace.lock().unwrap_or_else(PoisonError::into_inner) = trace;
    }

    /// How others see this worker's connections.
    pub(crate) fn trace(&self) -> Option<Trace> {
        let trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        trace.clone()
    }

    /// Time since the last granted renewal was sent.
    pub(crate) fn lease_age(&self, now: Instant) -> Duration {
        Duration::from_millis(
            self.age_ms(now)
                .saturating_sub(self.renewed.load(Ordering::Acquire)),
        )
    }

    /// Whether a claim may be made (I9).
    pub(crate) fn may_claim(&self, now: Instant) -> bool {
        !self.dead.is_cancelled()
            && !self.closed.is_cancelled()
            && self.lease_age(now) < CLAIM_WITHIN
    }

    /// Notes that the lease is gone. `true` the first time.
    pub(crate) fn lose(&self) -> bool {
        !self.lost.swap(true, Ordering::AcqRel)
    }

    /// A run begins: whoever watches over what it may hold up must be awake.
    pub(crate) fn stir(&self) {
        if self.dozing.load(Ordering::SeqCst) && self.dozing.swap(false, Ordering::SeqCst) {
            self.stirred.notify_one();
        }
    }

    /// Whoever watches goes to sleep, unless a run began meanwhile: what [`Life::stir`] is told after its mark was set,
    /// this asks before.
    pub(crate) fn doze(&self, quiet: impl FnOnce() -> bool) -> bool {
        self.dozing.store(true, Ordering::SeqCst);
        quiet() || !self.dozing.swap(false, Ordering::SeqCst)
    }

    /// Draws `count` token numbers for a claim of this capsule that is about to be sent.
    pub(crate) fn await_claim(&self, capsule: usize, count: usize) -> Range<u64> {
        self.draw(capsule, count, false)
    }

    /// Draws one for a claim behind a blocking command: nobody waits for it when this life ends.
    pub(crate) fn await_patiently(&self, capsule: usize) -> Range<u64> {
        self.draw(capsule, 1, true)
    }

    fn draw(&self, capsule: usize, count: usize, patient: bool) -> Range<u64> {
        let first = self.next_number.fetch_add(count as u64, Ordering::AcqRel);
        let numbers = first..first + count as u64;
        if count > 0 {
            self.ledger().awaiting.push(Awaited {
                numbers: numbers.clone(),
                capsule,
                patient,
            });
        }
        numbers
    }

    /// The reply to a claim came with these jobs, or will not come any more (`held` empty): what such a claim may still
    /// bring is a stray. `false`: it was given up before, and the jobs are not taken in.
    pub(crate) fn claimed<'a>(
        &self,
        range: &Range<u64>,
        held: impl IntoIterator<Item = &'a Arc<Held>>,
    ) -> bool {
        let mut ledger = self.ledger();
        if !range.is_empty() {
            let place = ledger.awaiting.iter().position(|it| it.numbers == *range);
            // Given up meanwhile: what it brought went back, or is a stray.
            let Some(place) = place else { return false };
            ledger.awaiting.swap_remove(place);
        }
        for job in held {
            ledger.held.insert(job.token.number, Arc::clone(job));
        }
        true
    }

    /// Gives up every claim of this capsule whose reply has not come: nobody here will read it soon.
    pub(crate) fn give_up_awaited(&self, capsule: usize) {
        self.ledger()
            .awaiting
            .retain(|claim| claim.capsule != capsule);
    }

    /// A stray is about to be read: from now on it is known, and nobody else gives it back before the reply comes (P3).
    /// `None` when it is known by now.
    pub(crate) fn reserve(&self, stray: &Token, capsule: usize) -> Option<Reserved<'_>> {
        let reserved = self.know(Held::new(stray.clone(), None, capsule));
        reserved.then(|| Reserved {
            life: self,
            token: stray.clone(),
            taken_in: false,
        })
    }

    fn know(&self, stray: Held) -> bool {
        let mut ledger = self.ledger();
        let number = stray.token.number;
        if ledger.knows(number) {
            return false;
        }
        ledger.held.insert(number, Arc::new(stray));
        true
    }

    /// A stray goes back, and is known until Redis has acknowledged that: else it could be taken in meanwhile, and run
    /// here and elsewhere (P3). `false` when it is known by now.
    pub(crate) fn turn_away(&self, stray: Token, capsule: usize) -> bool {
        self.know(Held::returning(stray, capsule))
    }

    /// What is to go back, and what went without an answer.
    pub(crate) fn withdrawn(&self) -> Vec<Token> {
        let ledger = self.ledger();
        let withdrawn = ledger.held.values().filter(|job| job.is_withdrawn());
        withdrawn.map(|job| job.token.clone()).collect()
    }

    /// Takes back what this capsule has not started; how many that are.
    pub(crate) fn withdraw_waiting(&self, capsule: usize) -> usize {
        let ledger = self.ledger();
        let waits = |job: &&Arc<Held>| job.capsule == capsule && job.context.is_some();
        let withdrawn = ledger.held.values().filter(waits);
        withdrawn.filter(|job| job.withdraw()).count()
    }

    /// The tokens among `tokens` that belong neither to a job nor to a claim still awaiting its reply (I7).
    pub(crate) fn strays(&self, tokens: Vec<Token>) -> Vec<Token> {
        let ledger = self.ledger();
        let unknown = |token: &Token| !ledger.knows(token.number);
        tokens.into_iter().filter(unknown).collect()
    }

    /// Forgets jobs whose end Redis acknowledged.
    pub(crate) fn forget<'a>(&self, tokens: impl IntoIterator<Item = &'a Token>) {
        let mut ledger = self.ledger();
        for token in tokens {
            ledger.held.remove(&token.number);
        }
    }

    /// Everything held now.
    pub(crate) fn held(&self) -> Vec<Arc<Held>> {
        self.ledger().held.values().cloned().collect()
    }

    /// Whether no run is under way or waits for its end to be written, and no claim is awaited.
    pub(crate) fn is_done(&self) -> bool {
        let ledger = self.ledger();
        ledger.awaiting.iter().all(|claim| claim.patient)
            && !ledger.held.values().any(|job| job.has_started())
    }

    /// Takes back everything that has not started, and asks the rest to stop for a reason that is not its own.
    pub(crate) fn interrupt_all(&self) {
        let mut ledger = self.ledger();
        ledger.held.retain(|_, job| {
            let withdrawn = job.context.is_some() && job.withdraw();
            if !withdrawn {
                job.interrupt();
            }
            !withdrawn
        });
    }

    /// Whether nothing is held and no claim is under way.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let ledger = self.ledger();
        ledger.held.is_empty() && ledger.awaiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn life() -> Life {
        Life::new(Identity::new("host", 1, [1; 6]))
    }

    fn token(number: u64) -> Token {
        Token {
            number,
            queue: "q".into(),
        }
    }

    #[test]
    fn i7_a_token_is_a_stray_only_when_no_job_and_no_awaited_claim_has_it() {
        let life = life();
        let first = life.await_claim(0, 2);
        assert_eq!(first, 1..3);
        assert!(life.strays(vec![token(1), token(2)]).is_empty());
        life.claimed(&first, &[Arc::new(Held::new(token(1), None, 0))]);
        assert_eq!(life.strays(vec![token(1), token(2)]), [token(2)]);
        let reserved = life.reserve(&token(2), 0).unwrap();
        assert!(life.reserve(&token(2), 0).is_none());
        reserved.take_in(&Arc::new(Held::new(token(2), None, 0)));
        assert!(life.strays(vec![token(2)]).is_empty());
        life.forget([&token(1), &token(2)]);
        assert!(life.is_empty());
    }

    #[test]
    fn p3_what_goes_back_is_known_until_that_is_acknowledged() {
        let life = life();
        assert!(life.turn_away(token(7), 0));
        assert!(life.strays(vec![token(7)]).is_empty(), "nobody takes it in");
        assert!(life.reserve(&token(7), 0).is_none() && !life.turn_away(token(7), 0));
        assert_eq!(life.withdrawn(), [token(7)]);
        life.forget([&token(7)]);
        assert!(life.is_empty());
        // What somebody reads, nobody gives back.
        let reserved = life.reserve(&token(8), 0).unwrap();
        assert!(!life.turn_away(token(8), 0) && life.withdrawn().is_empty());
        drop(reserved);
        assert_eq!(life.strays(vec![token(8)]), [token(8)], "a stray again");
    }

    #[test]
    fn i9_a_claim_that_was_given_up_brings_nothing_and_others_are_left_alone() {
        let life = life();
        let (stuck, bell) = (life.await_claim(0, 2), life.await_patiently(0));
        let well = life.await_claim(1, 1);
        life.give_up_awaited(0);
        assert_eq!(life.strays((1..=4).map(token).collect()).len(), 3);
        assert!(!life.claimed(&stuck, []) && !life.claimed(&bell, []));
        let job = Arc::new(Held::new(token(4), None, 1));
        assert!(life.claimed(&well, [&job]));
        assert!(life.strays(vec![token(4)]).is_empty());
        assert!(!life.claimed(&well, []), "a claim is answered once");
    }

    #[test]
    fn i9_a_job_either_starts_or_is_withdrawn() {
        let job = Held::new(token(1), None, 0);
        assert!(job.start());
        assert!(!job.withdraw());
        let job = Held::new(token(2), None, 0);
        assert!(job.withdraw());
        assert!(!job.start());
    }

    #[test]
    fn i9_claiming_stops_before_the_lease_is_gone() {
        let life = life();
        life.renewed(life.born);
        assert!(life.may_claim(life.born + Duration::from_secs(9)));
        assert!(!life.may_claim(life.born + Duration::from_secs(11)));
        life.renewed(life.born + Duration::from_secs(11));
        assert!(life.may_claim(life.born + Duration::from_secs(12)));
        life.dead.cancel();
        assert!(!life.may_claim(life.born + Duration::from_secs(12)));
    }
}
