//! How many jobs to claim beyond the free slots, so that slots do not wait for Redis. Pure.
//!
//! By Little's law: while one round trip is under way, `slots × trip ÷ run` jobs end. That many claimed ahead keep the
//! slots busy; for jobs much longer than a round trip that is none. The user's crash budget is the cap: a job claimed
//! ahead waits for this process, and if it dies, for the reaper.

use std::time::{Duration, Instant};

/// Runs and trips vary: so much more than the mean is claimed ahead.
const MARGIN: f64 = 2.0;
/// How much of what was learned is kept at each new measurement.
const KEEP: f64 = 0.9;
/// A job claimed ahead that has not begun after this, or after [`STALE_TRIPS`] round trips, goes back: the slots turned
/// out to be held by long runs, and another process may be free.
const STALE: Duration = Duration::from_millis(100);
const STALE_TRIPS: u32 = 10;

/// What is known of the runs of a capsule and of the way to Redis.
#[derive(Debug)]
pub(crate) struct Prefetch {
    slots: usize,
    /// Jobs that may be held at once.
    budget: usize,
    /// Sum of run times and number of runs, older ones weighing less.
    ran: (f64, f64),
    /// When the last of them ended.
    last: Option<Instant>,
    trip: f64,
}

impl Prefetch {
    pub(crate) fn new(slots: usize, budget: usize) -> Self {
        Self {
            slots,
            budget: budget.max(slots),
            ran: (0.0, 0.0),
            last: None,
            trip: 0.0,
        }
    }

    /// Notes that `count` runs have ended by `now`, which took `spent` together.
    pub(crate) fn note_runs(&mut self, spent: Duration, count: u32, now: Instant) {
        if count > 0 {
            self.last = Some(now);
            self.ran.0 = self.ran.0 * KEEP + spent.as_secs_f64();
            self.ran.1 = self.ran.1 * KEEP + f64::from(count);
        }
    }

    /// Notes how long a round trip took.
    pub(crate) fn note_trip(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.trip = if self.trip == 0.0 {
            took
        } else {
            self.trip * KEEP + took * (1.0 - KEEP)
        };
    }

    /// Forgets what it knows of runs: what was claimed ahead went stale.
    pub(crate) fn doubt(&mut self) {
        self.ran = (0.0, 0.0);
    }

    /// How many jobs to hold at once, running ones included. When no run has ended for a while, those that go on are long
    /// ones, whatever the ones before them were.
    pub(crate) fn capacity(&self, now: Instant) -> usize {
        let (spent, count) = self.ran;
        let old = self
            .last
            .is_none_or(|last| now.saturating_duration_since(last) > self.stale_after());
        if count == 0.0 || old {
            return self.slots;
        }
        // No run is shorter than 0.1 µs; this only keeps the quotient finite.
        let run = (spent / count).max(1e-7);
        let ahead = (self.slots as f64 * MARGIN * self.trip / run) as usize;
        self.slots.saturating_add(ahead).min(self.budget)
    }

    /// After how long a job that was claimed ahead goes back.
    pub(crate) fn stale_after(&self) -> Duration {
        STALE.max(Duration::from_secs_f64(self.trip) * STALE_TRIPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(run: Duration, trip: Duration) -> usize {
        let (mut prefetch, now) = (Prefetch::new(10, 100), Instant::now());
        prefetch.note_runs(run * 50, 50, now);
        prefetch.note_trip(trip);
        prefetch.capacity(now)
    }

    #[test]
    fn what_was_learned_long_ago_says_nothing_of_the_runs_of_now() {
        let (mut prefetch, now) = (Prefetch::new(10, 100), Instant::now());
        prefetch.note_runs(Duration::from_micros(50), 50, now);
        prefetch.note_trip(Duration::from_micros(100));
        assert_eq!(prefetch.capacity(now + STALE), 100);
        assert_eq!(prefetch.capacity(now + STALE * 2), 10);
    }

    #[test]
    fn nothing_is_claimed_ahead_of_what_is_unknown_or_long() {
        assert_eq!(Prefetch::new(10, 100).capacity(Instant::now()), 10);
        let trip = Duration::from_micros(100);
        assert_eq!(after(Duration::from_secs(10), trip), 10);
        assert_eq!(after(Duration::from_millis(10), trip), 10);
    }

    #[test]
    fn the_shorter_the_runs_and_the_longer_the_way_the_more_up_to_the_budget() {
        let far = Duration::from_millis(2);
        assert_eq!(after(Duration::from_millis(10), far), 14);
        assert_eq!(after(Duration::from_millis(1), far), 50);
        assert_eq!(after(Duration::from_micros(1), far), 100);
        assert_eq!(after(Duration::ZERO, far), 100);
    }

    #[test]
    fn a_budget_below_the_slots_claims_nothing_ahead() {
        let mut prefetch = Prefetch::new(10, 0);
        let now = Instant::now();
        prefetch.note_runs(Duration::ZERO, 1, now);
        prefetch.note_trip(Duration::from_secs(1));
        assert_eq!(prefetch.capacity(now), 10);
    }

    #[test]
    fn one_long_run_among_short_ones_is_seen() {
        let mut prefetch = Prefetch::new(10, 100);
        prefetch.note_trip(Duration::from_micros(100));
        let now = Instant::now();
        prefetch.note_runs(Duration::from_micros(50), 50, now);
        assert_eq!(prefetch.capacity(now), 100);
        prefetch.note_runs(Duration::from_secs(60), 1, now);
        assert_eq!(prefetch.capacity(now), 10);
    }

    #[test]
    fn doubt_goes_back_to_the_slots() {
        let mut prefetch = Prefetch::new(10, 100);
        prefetch.note_trip(Duration::from_millis(1));
        let now = Instant::now();
        prefetch.note_runs(Duration::ZERO, 50, now);
        prefetch.doubt();
        assert_eq!(prefetch.capacity(now), 10);
    }
}
