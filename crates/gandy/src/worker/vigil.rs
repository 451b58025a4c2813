//! When a reaper may believe that a lease is gone because its holder died. Pure.
//!
//! Leases are Redis' keys: when Redis restarts, loses its data, jumps in time, or was itself out of reach, all of them
//! may be gone at once while everybody lives. After each of these nobody is declared dead for one lease (I8).

use std::time::{Duration, Instant};

use gandy_store::Sight;

/// A jump of Redis' clock against ours that is no drift.
const JUMP: Duration = Duration::from_secs(1);

/// The watcher's memory.
#[derive(Debug)]
pub(crate) struct Vigil {
    lease: Duration,
    last: Option<(Sight, Instant)>,
    trusts_from: Option<Instant>,
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

    /// Takes in a look; `true` when an expired lease may be believed.
    pub(crate) fn sees(&mut self, sight: Sight, now: Instant) -> bool {
        let calm = match &self.last {
            None => false,
            Some((before, then)) => {
                let here = now.saturating_duration_since(*then).as_micros() as i128;
                let there = i128::from(sight.redis_us) - i128::from(before.redis_us);
                before.run_id == sight.run_id && (there - here).unsigned_abs() < JUMP.as_micros()
            }
        };
        if !calm {
            self.trusts_from = Some(now + self.lease);
        }
        let young = sight.uptime < self.lease;
        self.last = Some((sight, now));
        !young && self.trusts_from.is_some_and(|from| now >= from)
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
        }
    }

    fn watch(vigil: &mut Vigil, start: Instant, secs: u64) -> bool {
        vigil.sees(at(secs), start + Duration::from_secs(secs))
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
        assert!(!vigil.sees(restarted, start + Duration::from_secs(23)));
        let (mut vigil, start) = calm();
        let jumped = Sight {
            redis_us: 3_600_000_000,
            ..at(23)
        };
        assert!(!vigil.sees(jumped, start + Duration::from_secs(23)));
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
            assert!(!vigil.sees(sight, start + Duration::from_secs(secs)));
        }
    }
}
