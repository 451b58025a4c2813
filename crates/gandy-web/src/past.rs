//! How the numbers moved in the last ten minutes. Pure.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Readings are kept for so long, and so many of them at most: one a second.
const KEPT_MS: i64 = 600_000;
const KEPT: usize = 600;
/// A reading sooner after the last one says nothing new.
const APART_MS: i64 = 900;
/// A rate is how the mean of so long differs from the mean of as long before. Processes flush their counters with their
/// heartbeats, Gandy's every 5 s, Ruby's every 10 s: between two single readings a steady fleet seems to stand still and
/// leap (19 and 36 a second by turns, seen at a constant 27).
const WINDOW_MS: i64 = 10_000;
/// Sizes of a queue that its sparkline shows, so many milliseconds apart at least: ten minutes.
const LINE: usize = 60;
const LINE_APART_MS: i64 = 10_000;
/// Queues that have a sparkline.
const LINES: usize = 500;
/// After a look of nobody for so long, or for three looks, what was seen before says nothing of what was between.
const GAP_MS: i64 = 30_000;

/// What is noted of one look.
#[derive(Debug, Clone)]
pub(crate) struct Reading<'a> {
    pub(crate) at_ms: i64,
    pub(crate) processed: u64,
    pub(crate) failed: u64,
    /// Name and size.
    pub(crate) queues: Vec<(&'a str, u64)>,
    /// Jobs that processes hold.
    pub(crate) held: u64,
}

/// Per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rate {
    pub(crate) processed: f64,
    pub(crate) failed: f64,
    /// What came into queues, retries and what was scheduled included. Nothing counts it: it is what the queues hold more,
    /// and what has left them.
    pub(crate) enqueued: f64,
    /// How much longer (below zero: shorter) the queues become.
    pub(crate) waiting: f64,
}

/// A reading of the past.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at_ms: i64,
    processed: u64,
    failed: u64,
    /// All that ever came, less what came before anybody looked.
    arrived: u64,
    waiting: u64,
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
#[derive(Debug)]
pub(crate) struct Past {
    samples: VecDeque<Sample>,
    queues: HashMap<String, VecDeque<u64>>,
    /// When each point of a line was seen.
    queues_at_ms: VecDeque<i64>,
    /// Since when looks have failed.
    pub(crate) away_since_ms: Option<i64>,
    gap_ms: i64,
    /// At least [`WINDOW_MS`], and as long as from look to look.
    window_ms: i64,
}

impl Past {
    /// Of looks so often.
    pub(crate) fn of_looks(every: Duration) -> Self {
        let every_ms = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
        Self {
            samples: VecDeque::new(),
            queues: HashMap::new(),
            queues_at_ms: VecDeque::new(),
            away_since_ms: None,
            gap_ms: every_ms.saturating_mul(3).max(GAP_MS),
            window_ms: every_ms.saturating_mul(2).max(WINDOW_MS),
        }
    }

    /// A reading; and how fast it goes by now.
    pub(crate) fn note(&mut self, reading: &Reading<'_>) -> Option<Rate> {
        let at_ms = reading.at_ms;
        let waiting = sum(reading.queues.iter().map(|(_, size)| *size));
        if let Some(last) = self.samples.back() {
            let since = at_ms - last.at_ms;
            if (0..APART_MS).contains(&since) {
                return last.rate;
            }
            // Counters that went back are those of another server, or of one that lost some.
            let other = reading.processed < last.processed || reading.failed < last.failed;
            if other || !(0..=self.gap_ms).contains(&since) {
                self.samples.clear();
                self.queues.clear();
                self.queues_at_ms.clear();
            }
        }
        // Jobs leave at once and are counted with the next heartbeat, so this dips while many leave. What came has come.
        let arrived = sum([reading.processed, waiting, reading.held]);
        let lately = self.samples.iter().rev();
        let lately = lately.take_while(|sample| at_ms - sample.at_ms <= self.window_ms);
        let mut sample = Sample {
            at_ms,
            processed: reading.processed,
            failed: reading.failed,
            arrived: lately.map(|sample| sample.arrived).fold(arrived, u64::max),
            waiting,
            rate: None,
        };
        sample.rate = self.over_window(&sample);
        self.samples.push_back(sample);
        // Two in any case: a rate is of two.
        let keeps = |oldest: &Sample| at_ms - oldest.at_ms <= KEPT_MS.max(2 * self.window_ms);
        while self.samples.len() > KEPT || self.samples.front().is_some_and(|it| !keeps(it)) {
            self.samples.pop_front();
        }
        let last = self.queues_at_ms.back();
        if last.is_none_or(|last| at_ms - last >= LINE_APART_MS) {
            self.queues_at_ms.push_back(at_ms);
            while self.queues_at_ms.len() > LINE
                || self.queues_at_ms.len() > 2
                    && self
                        .queues_at_ms
                        .front()
                        .is_some_and(|at| at_ms - at > KEPT_MS)
            {
                self.queues_at_ms.pop_front();
            }
            let points = self.queues_at_ms.len();
            let mut queues = HashMap::new();
            for (name, size) in reading.queues.iter().take(LINES) {
                let mut line = self.queues.remove(*name).unwrap_or_default();
                line.push_back(*size);
                while line.len() > points {
                    line.pop_front();
                }
                queues.insert((*name).to_owned(), line);
            }
            self.queues = queues;
        }
        sample.rate
    }

    fn over_window(&self, now: &Sample) -> Option<Rate> {
        let all: Vec<&Sample> = self.samples.iter().chain([now]).collect();
        let from = all.partition_point(|sample| now.at_ms - sample.at_ms > 2 * self.window_ms);
        let all = &all[from..];
        // In the beginning the halves are as long as there is something to halve.
        let oldest = all.first()?.at_ms;
        let middle = now.at_ms - self.window_ms.min((now.at_ms - oldest) / 2);
        let (before, since) = all.split_at(all.partition_point(|sample| sample.at_ms < middle));
        let mean = |of: &[&Sample], pick: fn(&Sample) -> f64| {
            of.iter().map(|sample| pick(sample)).sum::<f64>() / of.len() as f64
        };
        let grown = |pick: fn(&Sample) -> f64| mean(since, pick) - mean(before, pick);
        let seconds = grown(|sample| sample.at_ms as f64) / 1000.0;
        (!before.is_empty() && seconds > 0.0).then(|| Rate {
            processed: grown(|sample| sample.processed as f64) / seconds,
            failed: grown(|sample| sample.failed as f64) / seconds,
            enqueued: grown(|sample| sample.arrived as f64).max(0.0) / seconds,
            waiting: grown(|sample| sample.waiting as f64) / seconds,
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

/// Counters are whatever a program wrote there.
pub(crate) fn sum(all: impl IntoIterator<Item = u64>) -> u64 {
    all.into_iter().fold(0, u64::saturating_add)
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
            held: 0,
        }
    }

    #[test]
    fn a_rate_is_a_mean_that_leaps_of_heartbeats_do_not_show_in() {
        for every in [1, 2, 3, 5] {
            let mut past = Past::of_looks(Duration::from_secs(2));
            assert_eq!(past.note(&reading(0, 0, 5)), None);
            // 100 a second, flushed every five seconds.
            for second in (every..120).step_by(every) {
                let rate = past.note(&reading(second as i64, second as u64 / 5 * 500, 5));
                let rate = rate.unwrap();
                if second >= 30 {
                    assert!((85.0..115.0).contains(&rate.processed), "{every}: {rate:?}");
                    assert_eq!(rate.waiting, 0.0);
                }
            }
            assert_eq!(past.samples().len(), 120_usize.div_ceil(every));
        }
    }

    #[test]
    fn what_came_is_told_though_nothing_counts_it() {
        let mut past = Past::of_looks(Duration::from_secs(2));
        let mut rates = Vec::new();
        // 10,000 wait; from the 60th second on 500 leave each second, counted every five; 40 come all the time.
        for second in 0..120_u64 {
            let left = second.saturating_sub(60) * 500;
            let waiting = (10_000 + second * 40).saturating_sub(left);
            let counted = second.saturating_sub(60) / 5 * 2_500;
            let rate = past.note(&reading(
                second as i64,
                counted.min(10_000 + second * 40),
                waiting,
            ));
            rates.extend(rate.map(|rate| rate.enqueued));
        }
        assert!(
            rates.iter().all(|rate| (0.0..400.0).contains(rate)),
            "{rates:?}"
        );
        assert!((rates[50] - 40.0).abs() < 0.1, "{rates:?}");
        let all: f64 = rates.iter().sum();
        assert!((3_500.0..5_500.0).contains(&all), "{all}");
    }

    #[test]
    fn another_server_and_a_long_pause_begin_anew() {
        let mut past = Past::of_looks(Duration::from_secs(2));
        past.note(&reading(0, 1_000_000, 0));
        assert_eq!(past.note(&reading(2, 10, 0)), None);
        assert_eq!(past.note(&reading(4, 30, 0)).unwrap().processed, 10.0);
        // The same second again says nothing.
        assert_eq!(past.note(&reading(4, 99, 0)).unwrap().processed, 10.0);
        assert_eq!(past.note(&reading(400, 5_000, 0)), None);
        let mut slow = Past::of_looks(Duration::from_secs(60));
        slow.note(&reading(0, 0, 0));
        assert_eq!(slow.note(&reading(61, 610, 0)).unwrap().processed, 10.0);
        assert_eq!(past.samples().len(), 1);
    }

    #[test]
    fn a_queues_line_has_a_trend_and_forgets_queues_that_are_gone() {
        let mut past = Past::of_looks(Duration::from_secs(2));
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
