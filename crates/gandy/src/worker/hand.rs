//! The hands at a capsule's pump: one works it and begins runs, another stands by.
//!
//! A run begins where its job was claimed if its class is known to be quick, and moves into a task of its own if it is
//! not over after one poll. (A task for each no-op job cost twice the CPU: waking another thread is dearer than the run.)
//! Should a trusted run block all the same, the other hand takes the pump over.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::{
    capsule::Station,
    core::Core,
    life::Leash,
    pump::{Pump, Turn},
    run::{self, Attempt, Begun, Seat},
};
use crate::ambient;

/// Runs are begun for this long, then it is time to look what Redis says.
const SLICE: Duration = Duration::from_micros(500);
/// A run that holds up the claim loop for this long has blocked it.
const BLOCKED: Duration = Duration::from_millis(20);
/// How often the hand that stands by looks while there is work, and while there is none.
const WATCH: Duration = Duration::from_millis(20);
const WATCH_IDLE: Duration = Duration::from_secs(1);

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
            let cut_short = self.begin_runs(shift);
            if self.station.shift() != shift {
                // Whoever has it now may be asleep and not know what was handed in here.
                self.station.wake.notify_one();
                return;
            }
            if cut_short {
                tokio::task::yield_now().await;
            }
            if self.pump.lock().await.turn().await == Turn::Over {
                return;
            }
        }
    }

    /// Waits until the other hand is blocked; the number of the new shift. `None`: the pump is over.
    async fn stand_by(&self) -> Option<u64> {
        let station = &self.station;
        let mut idle = station.idle.subscribe();
        loop {
            let watch = if station.is_idle() { WATCH_IDLE } else { WATCH };
            tokio::select! {
                () = station.over.cancelled() => return None,
                _ = idle.wait_for(|idle| !*idle), if station.is_idle() => {}
                () = tokio::time::sleep(watch) => {}
            }
            if station.over.is_cancelled() {
                return None;
            }
            if station.held_up(Instant::now()) >= BLOCKED {
                tracing::debug!("a run blocks the claim loop; it goes on beside it");
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
        loop {
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
            let elapsed = i64::try_from((now - began).as_millis()).unwrap_or(i64::MAX);
            let Some(attempt) = Attempt::start(job, &taken, now, wall_ms.saturating_add(elapsed))
            else {
                seat = Some(taken);
                continue;
            };
            if !quick {
                self.spawn(taken, attempt);
                now = Instant::now();
            } else {
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
                        self.spawn(taken, attempt);
                        now = Instant::now();
                    }
                }
            }
            if now - began > SLICE || station.shift() != shift {
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

    fn spawn(&self, seat: Arc<Seat>, attempt: Attempt) {
        let leash: Leash = Arc::new(OnceLock::new());
        let work = run::work(
            Arc::clone(&self.core),
            Arc::clone(&self.station),
            seat,
            Arc::clone(&leash),
            attempt,
        );
        let _ = leash.set(tokio::spawn(work).abort_handle());
    }
}
