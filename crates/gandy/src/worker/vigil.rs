//! When a reaper may believe that a lease is gone because its holder died. Pure.
//!
//! Leases are Redis' keys: when Redis restarts, loses its data, jumps in time, or was itself out of reach, all of them
//! may be gone at once while everybody lives. After each of these nobody is declared dead for one lease (I8).

use std::time::{Duration, Instant};

use gandy_store::Sight;

/// A jump of Redis' clock against ours that is no drift.
const JUMP: Duration = Duration::from_secs(1);

/// A look that took longer than this shows nothing.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// The watcher's memory.
#[derive(Debug)]
pub(crate) struct Vigil {
    lease: Duration,
    last: Option<Look>,
    trusts_from: Option<Instant>,
}

#[derive(Debug)]
struct Look {
    sight: Sight,
    sent: Instant,
    got: Instant,
}

impl Vigil {
    pub(crate) fn new(lease: Duration) -> Self {
        Self {
            lease,
            last: None,
            trusts_from: None,
        }
    }

    /// The server could not be seen: what was seen before counts no more.
    pub(crate) fn lost_sight(&mut self) {
        self.last = None;
    }

    /// Takes in a look that was sent and answered at these instants; `true` when an expired lease may be believed, on the
    /// connection of this look alone.
    pub(crate) fn sees(&mut self, sight: Sight, sent: Instant, got: Instant) -> bool {
        if got.saturating_duration_since(sent) > LONGEST_LOOK {
            self.lost_sight();
            return false;
        }
        let look = Look { sight, sent, got };
        let calm = self
            .last
            .as_ref()
            .is_some_and(|before| before.flows_into(&look));
        if !calm {
            self.trusts_from = Some(got + self.lease);
        }
        let young = look.sight.uptime < self.lease;
        self.last = Some(look);
        !young && self.trusts_from.is_some_and(|from| got >= from)
    }
}

impl Look {
    /// The same connection to the same server, and its clock moved as ours did. Redis read its clock somewhere between our asking and our
    /// getting the answer, and a busy runtime may get it late: only what no such delay explains is a jump.
    fn flows_into(&self, next: &Self) -> bool {
        let micros = |duration: Duration| i128::try_from(duration.as_micros()).unwrap_or(i128::MAX);
        let least = micros(next.sent.saturating_duration_since(self.got)) - micros(JUMP);
        let most = micros(next.got.saturating_duration_since(self.sent)) + micros(JUMP);
        let there = i128::from(next.sight.redis_us) - i128::from(self.sight.redis_us);
        self.sight.run_id == next.sight.run_id
            && self.sight.opening == next.sight.opening
            && (least..=most).contains(&there)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LEASE: Duration = Duration::from_secs(15);

    fn at(secs: u64) -> Sight {
        Sight {
            run_id: "a".into(),
            uptime: Duration::from_secs(1000 + secs),
            redis_us: secs as i64 * 1_000_000,
            opening: 1,
        }
    }

    fn watch(vigil: &mut Vigil, start: Instant, secs: u64) -> bool {
        let now = start + Duration::from_secs(secs);
        vigil.sees(at(secs), now, now)
    }

    #[test]
    fn i8_a_new_watcher_waits_one_lease() {
        let (mut vigil, start) = (Vigil::new(LEASE), Instant::now());
        assert!(!watch(&mut vigil, start, 0));
        assert!(!watch(&mut vigil, start, 14));
        assert!(watch(&mut vigil, start, 15));
    }

    #[test]
    fn i8_a_restart_a_clock_jump_and_an_outage_each_cost_one_lease() {
        let calm = || {
            let (mut vigil, start) = (Vigil::new(LEASE), Instant::now());
            watch(&mut vigil, start, 0);
            assert!(watch(&mut vigil, start, 20));
            (vigil, start)
        };
        let (mut vigil, start) = calm();
        let restarted = Sight {
            run_id: "b".into(),
            ..at(23)
        };
        assert!(!{
            let now = start + Duration::from_secs(23);
            vigil.sees(restarted, now, now)
        });
        let (mut vigil, start) = calm();
        let jumped = Sight {
            redis_us: 3_600_000_000,
            ..at(23)
        };
        assert!(!{
            let now = start + Duration::from_secs(23);
            vigil.sees(jumped, now, now)
        });
        // Who reconnects was away for a while, and may have been for a lease.
        let (mut vigil, start) = calm();
        let reconnected = Sight {
            opening: 2,
            ..at(23)
        };
        assert!(!{
            let now = start + Duration::from_secs(23);
            vigil.sees(reconnected, now, now)
        });
        let (mut vigil, start) = calm();
        vigil.lost_sight();
        assert!(!watch(&mut vigil, start, 23));
        assert!(!watch(&mut vigil, start, 37));
        assert!(watch(&mut vigil, start, 38));
    }

    #[test]
    fn i8_a_server_younger_than_a_lease_is_not_believed() {
        let (mut vigil, start) = (Vigil::new(LEASE), Instant::now());
        for secs in [0, 14, 16] {
            let sight = Sight {
                uptime: Duration::from_secs(secs / 2),
                ..at(secs)
            };
            assert!(!{
                let now = start + Duration::from_secs(secs);
                vigil.sees(sight, now, now)
            });
        }
    }

    #[test]
    fn i8_an_answer_that_is_read_late_is_no_jump_of_the_clock() {
        let (mut vigil, start) = (Vigil::new(LEASE), Instant::now());
        for secs in (0..60).step_by(3) {
            let sent = start + Duration::from_secs(secs);
            // Every other answer waits three seconds for a blocked runtime.
            let late = Duration::from_secs(if secs % 2 == 0 { 3 } else { 0 });
            let believed = vigil.sees(at(secs), sent, sent + late);
            assert_eq!(believed, secs >= 18, "at {secs} s");
        }
    }

    #[test]
    fn a_look_without_an_end_shows_nothing() {
        let (mut vigil, start) = (Vigil::new(LEASE), Instant::now());
        watch(&mut vigil, start, 0);
        assert!(watch(&mut vigil, start, 20));
        let sent = start + Duration::from_secs(23);
        assert!(!vigil.sees(at(23), sent, sent + Duration::from_secs(6)));
        assert!(!watch(&mut vigil, start, 30));
    }
}
