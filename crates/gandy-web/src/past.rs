//! How the numbers moved in the last ten minutes. Pure.

use std::collections::{HashMap, VecDeque};

/// Readings that are kept: ten minutes of one a second.
const KEPT: usize = 600;
/// A reading sooner after the last one says nothing new.
const APART_MS: i64 = 900;
/// A rate is a mean over this time. Processes flush their counters with their heartbeats, Ruby's every 10 s; over less a
/// steady fleet would seem to stand still and leap.
const WINDOW_MS: i64 = 15_000;
/// Sizes of a queue that its sparkline shows, so many milliseconds apart at least: ten minutes.
const LINE: usize = 60;
const LINE_APART_MS: i64 = 10_000;
/// Queues that have a sparkline.
const LINES: usize = 500;
/// After a look of nobody for so long, what was seen before says nothing of what was between.
const GAP_MS: i64 = 30_000;

/// What is noted of one look.
#[derive(Debug, Clone)]
pub(crate) struct Reading<'a> {
    pub(crate) at_ms: i64,
    pub(crate) processed: u64,
    pub(crate) failed: u64,
    /// Name and size.
    pub(crate) queues: Vec<(&'a str, u64)>,
}

/// Per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rate {
    pub(crate) processed: f64,
    pub(crate) failed: f64,
    /// How much longer (below zero: shorter) the queues become: nothing counts pushes.
    pub(crate) waiting: f64,
}

/// A reading of the past.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at_ms: i64,
    processed: u64,
    failed: u64,
    pub(crate) waiting: u64,
    pub(crate) rate: Option<Rate>,
}

/// A queue over ten minutes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub(crate) sizes: Vec<u64>,
    /// By how many jobs a second it grows (below 0: shrinks); none until it was seen twice.
    pub(crate) trend: Option<f64>,
}

/// What moved.
#[derive(Debug, Default)]
pub(crate) struct Past {
    samples: VecDeque<Sample>,
    queues: HashMap<String, VecDeque<u64>>,
    /// When each point of a line was seen.
    queues_at_ms: VecDeque<i64>,
    /// Since when looks have failed.
    pub(crate) away_since_ms: Option<i64>,
}

impl Past {
    /// A reading; and how fast it goes by now.
    pub(crate) fn note(&mut self, reading: &Reading<'_>) -> Option<Rate> {
        let at_ms = reading.at_ms;
        let waiting = reading.queues.iter().map(|(_, size)| size).sum();
        if let Some(last) = self.samples.back() {
            let since = at_ms - last.at_ms;
            if (0..APART_MS).contains(&since) {
                return last.rate;
            }
            // Counters that went back are those of another server, or of one that lost some.
            let other = reading.processed < last.processed || reading.failed < last.failed;
            if other || !(0..=GAP_MS).contains(&since) {
                self.samples.clear();
                self.queues.clear();
                self.queues_at_ms.clear();
            }
        }
        let mut sample = Sample {
            at_ms,
            processed: reading.processed,
            failed: reading.failed,
            waiting,
            rate: None,
        };
        sample.rate = self.over_window(&sample);
        self.samples.push_back(sample);
        while self.samples.len() > KEPT {
            self.samples.pop_front();
        }
        let last = self.queues_at_ms.back();
        if last.is_none_or(|last| at_ms - last >= LINE_APART_MS) {
            self.queues_at_ms.push_back(at_ms);
            while self.queues_at_ms.len() > LINE {
                self.queues_at_ms.pop_front();
            }
            let mut queues = HashMap::new();
            for (name, size) in reading.queues.iter().take(LINES) {
                let mut line = self.queues.remove(*name).unwrap_or_default();
                line.push_back(*size);
                while line.len() > LINE {
                    line.pop_front();
                }
                queues.insert((*name).to_owned(), line);
            }
            self.queues = queues;
        }
        sample.rate
    }

    fn over_window(&self, now: &Sample) -> Option<Rate> {
        let mut window = self.samples.iter();
        let first = window.find(|sample| now.at_ms - sample.at_ms <= WINDOW_MS);
        let first = first.or(self.samples.back())?;
        let seconds = (now.at_ms - first.at_ms) as f64 / 1000.0;
        (seconds > 0.0).then(|| Rate {
            processed: now.processed.saturating_sub(first.processed) as f64 / seconds,
            failed: now.failed.saturating_sub(first.failed) as f64 / seconds,
            waiting: (now.waiting as f64 - first.waiting as f64) / seconds,
        })
    }

    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.samples.iter().copied().collect()
    }

    /// How large a queue was.
    pub(crate) fn queue_line(&self, name: &str) -> Line {
        let Some(line) = self.queues.get(name) else {
            return Line::default();
        };
        // Over the last two steps, some 20 s.
        let ago = line.len().min(3);
        let time = |back: usize| {
            Some(
                *self
                    .queues_at_ms
                    .get(self.queues_at_ms.len().checked_sub(back)?)?,
            )
        };
        let size = |back: usize| Some(*line.get(line.len().checked_sub(back)?)? as f64);
        let trend = || {
            let seconds = (time(1)? - time(ago)?) as f64 / 1000.0;
            (seconds > 0.0).then_some((size(1)? - size(ago)?) / seconds)
        };
        Line {
            trend: trend(),
            sizes: line.iter().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reading(at_s: i64, processed: u64, waiting: u64) -> Reading<'static> {
        Reading {
            at_ms: at_s * 1000,
            processed,
            failed: 0,
            queues: vec![("q", waiting)],
        }
    }

    #[test]
    fn a_rate_is_a_mean_that_leaps_of_heartbeats_do_not_show_in() {
        let mut past = Past::default();
        assert_eq!(past.note(&reading(0, 0, 5)), None);
        let mut last = None;
        // 100 a second, flushed every ten seconds.
        for second in 1..60 {
            last = past.note(&reading(second, (second as u64 / 10) * 1000, 5));
        }
        let rate = last.unwrap();
        assert!((50.0..150.0).contains(&rate.processed), "{rate:?}");
        assert_eq!(rate.waiting, 0.0);
        assert_eq!(past.samples().len(), 60);
    }

    #[test]
    fn another_server_and_a_long_pause_begin_anew() {
        let mut past = Past::default();
        past.note(&reading(0, 1_000_000, 0));
        assert_eq!(past.note(&reading(2, 10, 0)), None);
        assert_eq!(past.note(&reading(4, 30, 0)).unwrap().processed, 10.0);
        // The same second again says nothing.
        assert_eq!(past.note(&reading(4, 99, 0)).unwrap().processed, 10.0);
        assert_eq!(past.note(&reading(400, 5_000, 0)), None);
        assert_eq!(past.samples().len(), 1);
    }

    #[test]
    fn a_queues_line_has_a_trend_and_forgets_queues_that_are_gone() {
        let mut past = Past::default();
        for step in 0..200 {
            past.note(&reading(step * 5, 0, 100 + step as u64 * 10));
        }
        let line = past.queue_line("q");
        assert_eq!((line.sizes.len(), line.trend), (LINE, Some(2.0)));
        let gone = Reading {
            queues: Vec::new(),
            ..reading(1010, 0, 0)
        };
        past.note(&gone);
        assert_eq!(past.queue_line("q").sizes.len(), 0);
    }
}
