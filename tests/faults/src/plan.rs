//! How a proxy treats what passes it. Pure: see `pipe` for how it is done.

use std::time::Duration;

use crate::Rule;

/// What a proxy does to its connections, those that are open and those to come. By default nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// From the clients to the server.
    pub there: Leg,
    /// From the server to the clients.
    pub back: Leg,
    /// Nobody listens: new connections are refused by the kernel. Open ones stay.
    pub refuse: bool,
    /// What is done to single requests. They are judged when they come in, by the first of these that fires.
    pub rules: Vec<Rule>,
}

/// How one direction is. By default as if there were no proxy.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Leg {
    /// So long bytes are on their way. By the clock: as many go through as else, only later.
    pub latency: Duration,
    /// Up to so much longer, drawn anew for what comes together. Nothing overtakes.
    pub jitter: Duration,
    /// At most so many bytes a second on each connection.
    pub bytes_per_second: Option<u64>,
    /// At most so many bytes in one write.
    pub slice: Option<usize>,
    /// Nothing passes, an end of the connection included, and nobody is told. What was held back comes when this is over.
    pub hole: bool,
}

impl Plan {
    /// Both ways so long, and up to `jitter` longer.
    #[must_use]
    pub fn far(latency: Duration, jitter: Duration) -> Self {
        Self::both(Leg {
            latency,
            jitter,
            ..Leg::default()
        })
    }

    /// So many bytes in one write, both ways.
    #[must_use]
    pub fn slices(bytes: usize) -> Self {
        Self::both(Leg {
            slice: Some(bytes),
            ..Leg::default()
        })
    }

    /// So many bytes a second, both ways.
    #[must_use]
    pub fn narrow(bytes_per_second: u64) -> Self {
        Self::both(Leg {
            bytes_per_second: Some(bytes_per_second),
            ..Leg::default()
        })
    }

    /// Nothing passes, either way, and nobody is told.
    #[must_use]
    pub fn blackhole() -> Self {
        Self::both(Leg {
            hole: true,
            ..Leg::default()
        })
    }

    /// Nobody listens.
    #[must_use]
    pub fn refusing() -> Self {
        Self {
            refuse: true,
            ..Self::default()
        }
    }

    /// Both directions alike.
    #[must_use]
    pub fn both(leg: Leg) -> Self {
        Self {
            there: leg,
            back: leg,
            ..Self::default()
        }
    }

    /// The same with one more rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }
}

impl Leg {
    /// How many bytes go into the next write, of so many that wait.
    pub(crate) fn share(&self, waiting: usize) -> usize {
        // In steps of 20 ms: the timer of the runtime knows no less than one.
        let by_rate = self.bytes_per_second.map_or(waiting, |rate| {
            usize::try_from(rate / 50).unwrap_or(waiting)
        });
        let by_slice = self.slice.unwrap_or(waiting);
        waiting.min(by_rate.max(1)).min(by_slice.max(1))
    }

    /// How long so many bytes take.
    pub(crate) fn time_for(&self, bytes: usize) -> Duration {
        match self.bytes_per_second {
            Some(rate) => Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_says_how_much_goes_at_once_and_how_long_that_takes() {
        let leg = |plan: Plan| plan.there;
        assert_eq!(leg(Plan::default()).share(70_000), 70_000);
        assert_eq!(leg(Plan::slices(1)).share(70_000), 1);
        let narrow = leg(Plan::narrow(10_000));
        assert_eq!(narrow.share(70_000), 200);
        assert_eq!(narrow.time_for(200), Duration::from_millis(20));
        assert_eq!(leg(Plan::narrow(3)).share(10), 1, "it always moves");
        assert_eq!(leg(Plan::slices(0)).share(10), 1);
    }
}
