//! The hands at a capsule's pump: one works it and begins runs, another stands by.
//!
//! A run begins where its job was claimed if its class is known to be quick, and moves into a task of its own if it is
//! not over after one poll. (A task for each no-op job cost twice the CPU: waking another thread is dearer than the run.)
//! Should a trusted run block all the same, the other hand takes the pump over.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::{
    aside::step_aside,
    capsule::Station,
    core::Core,
    life::Leash,
    pump::{Pump, Turn},
    run::{self, Attempt, Begun, First, Seat},
};
use crate::ambient;

/// Runs are begun for this long, then it is time to look what Redis says.
const SLICE: Duration = Duration::from_micros(500);

/// One of the two.
#[derive(Clone)]
struct Hand {
    core: Arc<Core>,
    station: Arc<Station>,
    pump: Arc<Mutex<Pump>>,
}

/// Starts both hands. They end with the pump ([`Station::over`]).
pub(crate) fn start(core: &Arc<Core>, station: &Arc<Station>) {
    let hand = Hand {
        core: Arc::clone(core),
        station: Arc::clone(station),
        pump: Arc::new(Mutex::new(Pump::new(core, station))),
    };
    let first = station.shift();
    tokio::spawn(hand.clone().live(Some(first)));
    tokio::spawn(hand.live(None));
}

impl Hand {
    /// Works its shift, stands by, works again, until the pump is over.
    async fn live(self, mut shift: Option<u64>) {
        loop {
            if let Some(shift) = shift {
                self.work(shift).await;
            }
            shift = self.stand_by().await;
            if shift.is_none() {
                return;
            }
        }
    }

    /// Works the pump until it is over, or the other hand has taken it.
    async fn work(&self, shift: u64) {
        loop {
            // Handlers and logs are guarded one by one; a defect of ours must not end the claim loop either.
            let begun = catch_unwind(AssertUnwindSafe(|| self.begin_runs(shift)));
            let cut_short = begun.unwrap_or_else(|_| {
                tracing::error!("gandy panicked while it began runs");
                true
            });
            if self.station.shift() != shift {
                self.station.unblock();
                // Whoever has it now may be asleep and not know what was handed in here.
                self.station.wake.notify_one();
                return;
            }
            if cut_short {
                step_aside().await;
            }
            if self.pump.lock().await.turn(cut_short).await == Turn::Over {
                return;
            }
            // Bells that this turn woke wait for this very thread, and no other can take them: they come first, since the
            // next run may block it.
            if self.station.has_woken_bells() {
                step_aside().await;
            }
        }
    }

    /// Waits until the other hand is blocked; the number of the new shift. `None`: the pump is over.
    async fn stand_by(&self) -> Option<u64> {
        let station = &self.station;
        loop {
            tokio::select! {
                () = station.over.cancelled() => return None,
                () = station.relief.notified() => {}
            }
            // It may be free again by now.
            if station.is_inline() {
                return Some(station.change_shift());
            }
        }
    }

    /// Begins the runs of jobs that wait, while slots are free. `true`: there are more, but it took long enough.
    fn begin_runs(&self, shift: u64) -> bool {
        let station = &self.station;
        let began = Instant::now();
        let wall_ms = ambient::now_ms();
        let mut now = began;
        let mut seat: Option<Arc<Seat>> = None;
        let mut next = None;
        let mut cut_short = false;
        while station.shift() == shift {
            // A thread that the last run left behind still sits in its place.
            let taken = match seat.take().filter(|seat| Arc::strong_count(seat) == 1) {
                Some(seat) => seat,
                None => match Seat::take(station) {
                    Some(seat) => seat,
                    None => break,
                },
            };
            let Some(job) = next.take().or_else(|| station.next()) else {
                break;
            };
            let quick = job
                .context
                .as_ref()
                .and_then(|context| self.core.registry.get(context.class()))
                .is_some_and(|registered| registered.pace.is_quick());
            if !quick || station.any_blocked() {
                self.spawn(taken, First::Fresh(job));
                now = Instant::now();
                if now - began > SLICE {
                    cut_short = true;
                    break;
                }
                continue;
            }
            let elapsed = i64::try_from((now - began).as_millis()).unwrap_or(i64::MAX);
            let Some(attempt) = Attempt::start(job, &taken, now, wall_ms.saturating_add(elapsed))
            else {
                seat = Some(taken);
                continue;
            };
            station.mark_inline(Some(now));
            match attempt.begin(&self.core, station) {
                Begun::Over(ending, end) => {
                    next = match ending {
                        Some(ending) => station.exchange(ending, end - now, true),
                        None => None,
                    };
                    now = end;
                    seat = Some(taken);
                }
                Begun::Pending(attempt) => {
                    self.spawn(taken, First::Begun(attempt));
                    now = Instant::now();
                }
            }
            if now - began > SLICE {
                cut_short = true;
                break;
            }
        }
        if let Some(job) = next {
            station.put_back(job);
        }
        if station.shift() == shift {
            station.mark_inline(None);
        }
        cut_short
    }

    fn spawn(&self, seat: Arc<Seat>, first: First) {
        let leash = Arc::new(Leash::default());
        first.job().put_on(&leash);
        let (core, station) = (Arc::clone(&self.core), Arc::clone(&self.station));
        let work = run::work(core, station, seat, Arc::clone(&leash), first);
        leash.tie(tokio::spawn(work).abort_handle());
    }
}
