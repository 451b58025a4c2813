//! Whether a worker lives, and whether it takes work. Pure: what was seen goes in, a judgement comes out.
//!
//! The two questions have two askers. *Live* is asked by who restarts it, so it says nothing of Redis: an outage would
//! restart the whole fleet, throw away what runs, and mend nothing. *Ready* is asked by who waits for a rollout.

use std::{fmt, time::Duration};

/// A part that has not moved for this long is stuck. The claim loop looks up every second, whatever Redis does, and the
/// longest that it waits for a dead connection is some 10 s.
pub const LIVE_WITHIN: Duration = Duration::from_secs(30);

/// What can be seen of a worker, by [`crate::WorkerHandle::health`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// It has joined the fleet, once at least.
    pub started: bool,
    /// Since the runtime of the jobs last moved a task of ours; none while the worker does not run.
    pub runtime: Option<Duration>,
    /// Since the claim loop last looked, of several the one that looked longest ago; none while it has not joined.
    pub claim_loop: Option<Duration>,
    /// Since the thread that renews the lease last came round; none while it has not joined.
    pub lease_thread: Option<Duration>,
    /// Since the last renewal that Redis granted was sent; none while it has not joined.
    pub lease: Option<Duration>,
    /// Redis answered the last renewal.
    pub redis: bool,
    /// It was told to claim no more, or to end.
    pub quiet: bool,
    /// It was told to end.
    pub stopping: bool,
    /// It claims no more for a while ([`crate::WorkerHandle::hold`]).
    pub held: bool,
    /// The last look for jobs of each capsule was answered.
    pub fetches: bool,
    /// It may claim, as far as its lease goes.
    pub may_claim: bool,
}

/// Why a worker is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ailment(Vec<String>);

impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Ailment {}

impl Health {
    /// Whether runtime, claim loop and lease thread have all moved within `patience` ([`LIVE_WITHIN`]). Says nothing of
    /// Redis, and nothing against a worker that has not begun or has ended.
    ///
    /// # Errors
    /// Which part is stuck, and for how long.
    pub fn live(&self, patience: Duration) -> Result<(), Ailment> {
        let parts = [
            (
                "the runtime of the jobs",
                self.runtime,
                "handlers block all of its threads",
            ),
            (
                "the claim loop",
                self.claim_loop,
                "handlers that block keep it from running",
            ),
            ("the lease thread", self.lease_thread, "it may have ended"),
        ];
        let stuck = parts.into_iter().filter_map(|(part, age, why)| {
            let age = age.filter(|age| *age >= patience)?;
            Some(format!("{part} has not moved for {age:.1?}: {why}"))
        });
        judge(stuck.collect())
    }

    /// Whether it claims: it has joined the fleet, was not told otherwise, and Redis answers.
    ///
    /// # Errors
    /// What is in the way.
    pub fn ready(&self) -> Result<(), Ailment> {
        let mut reasons = Vec::new();
        if !self.started {
            reasons.push("it has not joined the fleet yet".to_owned());
        } else if !self.redis {
            reasons.push("Redis does not answer".to_owned());
        } else if !self.may_claim {
            reasons.push("its lease was not renewed lately".to_owned());
        } else if !self.fetches {
            reasons.push("its last look for jobs failed; its log says why".to_owned());
        }
        if self.quiet {
            reasons.push("it is quiet: it was told to claim no more".to_owned());
        }
        if self.held {
            reasons.push("it is held: memory is short".to_owned());
        }
        judge(reasons)
    }

    /// Whether it has joined the fleet, once at least: its configuration is right, and Redis took it.
    ///
    /// # Errors
    /// That it has not.
    pub fn startup(&self) -> Result<(), Ailment> {
        judge(if self.started {
            Vec::new()
        } else {
            vec!["it has not joined the fleet yet; its log says what it waits for".to_owned()]
        })
    }

    /// Whether it claims now.
    #[must_use]
    pub fn is_claiming(&self) -> bool {
        self.ready().is_ok()
    }
}

fn judge(reasons: Vec<String>) -> Result<(), Ailment> {
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(Ailment(reasons))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Health = Health {
        started: true,
        runtime: Some(Duration::ZERO),
        claim_loop: Some(Duration::ZERO),
        lease_thread: Some(Duration::ZERO),
        lease: Some(Duration::ZERO),
        redis: true,
        quiet: false,
        stopping: false,
        held: false,
        fetches: true,
        may_claim: true,
    };

    fn stuck(change: impl FnOnce(&mut Health)) -> String {
        let mut health = WELL;
        change(&mut health);
        let verdict = health.live(LIVE_WITHIN);
        verdict.map_or_else(|ailment| ailment.to_string(), |()| "live".into())
    }

    fn unready(change: impl FnOnce(&mut Health)) -> String {
        let mut health = WELL;
        change(&mut health);
        let verdict = health.ready();
        verdict.map_or_else(|ailment| ailment.to_string(), |()| "ready".into())
    }

    #[test]
    fn live_is_a_question_of_what_moves_and_never_of_redis() {
        assert_eq!(stuck(|_| {}), "live");
        assert_eq!(
            stuck(|h| (h.redis, h.may_claim, h.quiet) = (false, false, true)),
            "live"
        );
        assert_eq!(stuck(|h| h.lease = Some(LIVE_WITHIN * 9)), "live");
        assert_eq!(stuck(|h| h.claim_loop = Some(LIVE_WITHIN / 2)), "live");
        assert!(stuck(|h| h.runtime = Some(LIVE_WITHIN)).contains("runtime"));
        assert!(stuck(|h| h.claim_loop = Some(LIVE_WITHIN)).contains("claim loop"));
        assert!(stuck(|h| h.lease_thread = Some(LIVE_WITHIN)).contains("lease thread"));
    }

    #[test]
    fn a_worker_that_waits_for_redis_lives_and_is_not_ready() {
        let waiting = |h: &mut Health| {
            (h.started, h.redis, h.may_claim) = (false, false, false);
            (h.claim_loop, h.lease_thread, h.lease) = (None, None, None);
        };
        assert_eq!(stuck(waiting), "live");
        assert_eq!(unready(waiting), "it has not joined the fleet yet");
        let mut health = WELL;
        waiting(&mut health);
        assert!(health.startup().is_err() && WELL.startup().is_ok());
    }

    #[test]
    fn ready_is_claiming_not_quiet_and_redis_answers() {
        assert_eq!(unready(|_| {}), "ready");
        assert_eq!(unready(|h| h.redis = false), "Redis does not answer");
        assert!(unready(|h| h.may_claim = false).contains("lease"));
        let both = unready(|h| (h.quiet, h.held) = (true, true));
        assert!(both.contains("quiet") && both.contains("held"), "{both}");
        // What blocks is the other probe's business.
        assert_eq!(unready(|h| h.claim_loop = Some(LIVE_WITHIN)), "ready");
    }
}
