//! How fast the totals move, and how they moved.

use std::collections::VecDeque;

use gandy::Totals;

/// So many readings are kept: what a wide terminal shows of a reading a second.
const KEPT: usize = 180;

/// A rate is a mean over this time. Processes flush their counters with their heartbeats, Ruby's every 10 s; over less a
/// steady fleet would seem to stand still and leap.
const WINDOW_MS: i64 = 15_000;

/// A reading.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at_ms: i64,
    processed: u64,
    failed: u64,
    enqueued: u64,
}

/// Rates as of one reading, per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rate {
    pub(crate) processed: f64,
    pub(crate) failed: f64,
    /// How much longer (or, below zero, shorter) the queues become: nothing counts pushes.
    pub(crate) enqueued: f64,
}

/// The readings of some minutes.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    samples: VecDeque<Sample>,
    rates: VecDeque<Rate>,
}

impl Rates {
    pub(crate) fn note(&mut self, at_ms: i64, totals: &Totals) {
        let sample = Sample {
            at_ms,
            processed: totals.processed,
            failed: totals.failed,
            enqueued: totals.enqueued,
        };
        if let Some(last) = self.samples.back() {
            // A page was turned: the same second again says nothing of rates.
            if at_ms - last.at_ms < 500 {
                return;
            }
            // Counters that went back are those of another server, or of one that lost some.
            if sample.processed < last.processed || sample.failed < last.failed {
                self.samples.clear();
            }
        }
        self.samples.push_back(sample);
        while self.samples.len() > KEPT {
            self.samples.pop_front();
        }
        self.rates.push_back(self.over_window(sample));
        while self.rates.len() > KEPT {
            self.rates.pop_front();
        }
    }

    fn over_window(&self, now: Sample) -> Rate {
        let mut window = self.samples.iter();
        let Some(first) = window.find(|sample| now.at_ms - sample.at_ms <= WINDOW_MS) else {
            return Rate::default();
        };
        let seconds = (now.at_ms - first.at_ms) as f64 / 1000.0;
        if seconds <= 0.0 {
            return Rate::default();
        }
        Rate {
            processed: now.processed.saturating_sub(first.processed) as f64 / seconds,
            failed: now.failed.saturating_sub(first.failed) as f64 / seconds,
            enqueued: (now.enqueued as f64 - first.enqueued as f64) / seconds,
        }
    }

    pub(crate) fn latest(&self) -> Rate {
        self.rates.back().copied().unwrap_or_default()
    }

    /// The last `count` of: runs ended a second, runs failed a second, jobs waiting.
    pub(crate) fn lines(&self, count: usize) -> [Vec<f64>; 3] {
        let from = self.rates.len().saturating_sub(count);
        let rates = self.rates.iter().skip(from);
        let from = self.samples.len().saturating_sub(count);
        let samples = self.samples.iter().skip(from);
        [
            rates.clone().map(|rate| rate.processed).collect(),
            rates.map(|rate| rate.failed).collect(),
            samples.map(|sample| sample.enqueued as f64).collect(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(processed: u64, enqueued: u64) -> Totals {
        Totals {
            processed,
            enqueued,
            ..Totals::default()
        }
    }

    #[test]
    fn a_rate_is_a_mean_that_leaps_of_heartbeats_do_not_show_in() {
        let mut rates = Rates::default();
        // 100 a second, flushed every ten seconds.
        for second in 0..60 {
            rates.note(second * 1000, &totals((second as u64 / 10) * 1000, 5));
        }
        let rate = rates.latest();
        assert!((50.0..150.0).contains(&rate.processed), "{rate:?}");
        assert_eq!(rate.enqueued, 0.0);
        assert_eq!(rates.lines(10)[2], [5.0; 10]);
    }

    #[test]
    fn another_server_begins_anew() {
        let mut rates = Rates::default();
        rates.note(0, &totals(1_000_000, 0));
        rates.note(1000, &totals(10, 0));
        assert_eq!(rates.latest(), Rate::default());
        rates.note(2000, &totals(20, 30));
        assert_eq!(
            (rates.latest().processed, rates.latest().enqueued),
            (10.0, 30.0)
        );
        assert_eq!(rates.lines(500)[0].len(), 3);
    }
}
