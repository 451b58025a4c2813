//! Runs by class over a time: how many, how many failed, how long they took. From Sidekiq's own execution metrics, which
//! Ruby's workers and Gandy's write alike.

use std::{collections::HashMap, time::Duration};

use gandy_protocol::{
    Minute,
    metrics::{BUCKETS, quantile},
};
use gandy_store::{Executed, Mark, Width};

use super::{Classes, Pick};
use crate::{Error, Inspect};

const MINUTE_MS: i64 = 60_000;
/// Classes of which histograms are read at once: sixty, one after the other, were sixty round trips. Eight over eight hours are
/// 0.8 MB.
const TOGETHER: usize = 8;

/// Which time is looked at, back from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// So many minutes, 1 to 480, minute by minute.
    Minutes(u32),
    /// So many hours, 1 to 72, in steps of ten minutes.
    Hours(u32),
}

/// Runs by class.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// When the first step begins, milliseconds since the epoch.
    pub from_ms: i64,
    /// When the last one ends.
    pub to_ms: i64,
    /// How long a step is.
    pub step: Duration,
    /// Runs in each step, of all classes that fit: of those that are left out too.
    pub series: Vec<u64>,
    /// Failed runs in each step, of all classes that fit.
    pub failure_series: Vec<u64>,
    /// The classes that were picked, in the order that was asked for.
    pub classes: Vec<ClassMetrics>,
    /// How many more classes fit and ran.
    pub left_out: usize,
    /// The deploys in that time.
    pub marks: Vec<Mark>,
}

/// What one class did.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassMetrics {
    /// Its name; of ActiveJob the real class.
    pub class: String,
    /// Runs that ended, failed ones included.
    pub runs: u64,
    /// Runs that failed.
    pub failures: u64,
    /// The mean of the successful ones, in milliseconds.
    pub mean_ms: Option<f64>,
    /// About how long the faster half of the successful runs took at most, in milliseconds: from the histogram, whose steps
    /// are some 40 % apart. Histograms are kept for 8 hours, so a longer window has those of its last 8 hours.
    pub p50_ms: Option<f64>,
    /// The same of 95 in 100.
    pub p95_ms: Option<f64>,
    /// The same of 99 in 100.
    pub p99_ms: Option<f64>,
    /// Runs in each step.
    pub series: Vec<u64>,
    /// Failed runs in each step.
    pub failure_series: Vec<u64>,
    /// How many successful runs took less than each of [`BUCKET_BOUNDS_MS`](super::BUCKET_BOUNDS_MS), and no less than the one before; the last
    /// number is of those above them all. Of the last 8 hours, as the percentiles.
    pub histogram: Vec<u64>,
}

impl Window {
    /// Width, count and length in milliseconds of its steps.
    fn steps(self) -> (Width, i64, i64) {
        match self {
            Self::Minutes(minutes) => (Width::Minute, i64::from(minutes.clamp(1, 480)), MINUTE_MS),
            Self::Hours(hours) => (
                Width::TenMinutes,
                i64::from(hours.clamp(1, 72)) * 6,
                10 * MINUTE_MS,
            ),
        }
    }
}

impl Inspect {
    /// What the classes did, all that fit together and those that are picked each.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn metrics(&self, window: Window, pick: Pick<'_>) -> Result<Metrics, Error> {
        let now_ms = self.line.now_us().await? / 1000;
        let (width, count, step_ms) = window.steps();
        let last = now_ms - now_ms.rem_euclid(step_ms);
        let starts: Vec<i64> = (0..count)
            .map(|step| last - (count - 1 - step) * step_ms)
            .collect();
        let minutes: Vec<Minute> = starts.iter().map(|at| Minute::from_millis(*at)).collect();
        let only = match pick.classes {
            Classes::Named(class) => Some(class),
            Classes::All | Classes::Containing(_) => None,
        };
        let executed = self.line.executed(width, &minutes, only).await?;
        let mut sums = sum(&executed, pick);
        for classes in sums.classes.chunks_mut(TOGETHER) {
            self.read_histograms(classes, &starts, step_ms, now_ms)
                .await?;
        }
        let from_ms = starts.first().copied().unwrap_or(last);
        let mut days: Vec<Minute> = Vec::new();
        for minute in &minutes {
            if days.last().is_none_or(|day| day.date() != minute.date()) {
                days.push(*minute);
            }
        }
        let mut marks = self.line.marks(&days).await?;
        marks.retain(|mark| mark.at_ms >= from_ms);
        Ok(Metrics {
            from_ms,
            to_ms: last + step_ms,
            step: Duration::from_millis(step_ms.unsigned_abs()),
            series: sums.series,
            failure_series: sums.failure_series,
            classes: sums.classes,
            left_out: sums.left_out,
            marks,
        })
    }

    /// Reads the histograms of the minutes in which these classes ran.
    async fn read_histograms(
        &self,
        classes: &mut [ClassMetrics],
        starts: &[i64],
        step_ms: i64,
        now_ms: i64,
    ) -> Result<(), Error> {
        // A histogram's name has no month: an older minute's would be another month's.
        let oldest = now_ms - 8 * 60 * MINUTE_MS;
        let minutes_of = |metrics: &ClassMetrics| -> Vec<Minute> {
            let ran = starts.iter().zip(&metrics.series);
            ran.filter(|(_, runs)| **runs > 0)
                .flat_map(|(start, _)| {
                    (0..step_ms / MINUTE_MS).map(move |minute| start + minute * MINUTE_MS)
                })
                .filter(|at| (oldest..=now_ms).contains(at))
                .map(Minute::from_millis)
                .collect()
        };
        let minutes: Vec<Vec<Minute>> = classes.iter().map(minutes_of).collect();
        let wanted: Vec<(&str, Minute)> = classes
            .iter()
            .zip(&minutes)
            .flat_map(|(metrics, minutes)| {
                minutes
                    .iter()
                    .map(|minute| (metrics.class.as_str(), *minute))
            })
            .collect();
        let mut read = self.line.histograms(&wanted).await?.into_iter();
        for (metrics, minutes) in classes.iter_mut().zip(&minutes) {
            let mut whole = [0_u64; BUCKETS];
            for histogram in read.by_ref().take(minutes.len()) {
                for (sum, count) in whole.iter_mut().zip(histogram) {
                    *sum += count;
                }
            }
            metrics.p50_ms = quantile(&whole, 0.5);
            metrics.p95_ms = quantile(&whole, 0.95);
            metrics.p99_ms = quantile(&whole, 0.99);
            metrics.histogram = whole.to_vec();
        }
        Ok(())
    }

    /// The mean run of each class in about the last hour.
    pub(super) async fn mean_runs(&self) -> Result<HashMap<String, Duration>, Error> {
        let now_ms = self.line.now_us().await? / 1000;
        let (width, _, step_ms) = Window::Hours(1).steps();
        let steps: Vec<Minute> = (0..7)
            .map(|back| Minute::from_millis(now_ms - back * step_ms))
            .collect();
        let executed = self.line.executed(width, &steps, None).await?;
        let sums = sum(&executed, Pick::busiest(usize::MAX));
        Ok(sums
            .classes
            .into_iter()
            .filter_map(|metrics| {
                let mean = Duration::from_secs_f64(metrics.mean_ms? / 1000.0);
                Some((metrics.class, mean))
            })
            .collect())
    }
}

/// What all steps come to.
#[derive(Debug)]
struct Sums {
    series: Vec<u64>,
    failure_series: Vec<u64>,
    classes: Vec<ClassMetrics>,
    left_out: usize,
}

/// A line for each step is made for the picked classes only: ten thousand others over eight hours would be 80 MB of zeros.
fn sum(steps: &[HashMap<String, Executed>], pick: Pick<'_>) -> Sums {
    let fits = pick.classes.test();
    // None: it does not fit, which is looked at once and not for each step.
    let mut sums: HashMap<&str, Option<Executed>> = HashMap::new();
    let (mut series, mut failure_series) = (vec![0_u64; steps.len()], vec![0_u64; steps.len()]);
    for (place, step) in steps.iter().enumerate() {
        for (class, executed) in step {
            let sum = sums
                .entry(class)
                .or_insert_with(|| fits(class).then(Executed::default));
            let Some(sum) = sum else { continue };
            sum.runs = sum.runs.saturating_add(executed.runs);
            sum.failures = sum.failures.saturating_add(executed.failures);
            sum.millis = sum.millis.saturating_add(executed.millis);
            series[place] = series[place].saturating_add(executed.runs);
            failure_series[place] = failure_series[place].saturating_add(executed.failures);
        }
    }
    let mut found: Vec<(&str, Executed)> = sums
        .into_iter()
        .filter_map(|(class, sum)| Some((class, sum?)))
        .collect();
    pick.order.sort(&mut found);
    let left_out = found.len().saturating_sub(pick.most);
    found.truncate(pick.most);
    Sums {
        series,
        failure_series,
        classes: found
            .into_iter()
            .map(|(class, sum)| of_class(class, sum, steps))
            .collect(),
        left_out,
    }
}

fn of_class(class: &str, sum: Executed, steps: &[HashMap<String, Executed>]) -> ClassMetrics {
    let well = sum.runs.saturating_sub(sum.failures);
    let line = |what: fn(&Executed) -> u64| {
        let steps = steps.iter();
        steps
            .map(|step| step.get(class).map_or(0, what))
            .collect::<Vec<u64>>()
    };
    ClassMetrics {
        class: class.to_owned(),
        runs: sum.runs,
        failures: sum.failures,
        mean_ms: (well > 0).then(|| sum.millis as f64 / well as f64),
        p50_ms: None,
        p95_ms: None,
        p99_ms: None,
        series: line(|executed| executed.runs),
        failure_series: line(|executed| executed.failures),
        histogram: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::ClassOrder;

    fn steps() -> [HashMap<String, Executed>; 3] {
        let executed = |runs, failures, millis| Executed {
            runs,
            failures,
            millis,
        };
        [
            HashMap::from([
                ("A".to_owned(), executed(2, 1, 10)),
                ("B".to_owned(), executed(9, 0, 0)),
                ("Ab".to_owned(), executed(1, 1, 0)),
            ]),
            HashMap::new(),
            HashMap::from([
                ("A".to_owned(), executed(1, 0, 30)),
                ("Huge".to_owned(), executed(u64::MAX, u64::MAX, u64::MAX)),
            ]),
        ]
    }

    #[test]
    fn failed_runs_are_no_part_of_the_mean_and_the_busiest_class_comes_first() {
        let classes = sum(&steps(), Pick::busiest(9)).classes;
        assert_eq!((&*classes[0].class, classes[0].mean_ms), ("Huge", None));
        assert_eq!((&*classes[1].class, classes[1].mean_ms), ("B", Some(0.0)));
        assert_eq!((classes[2].runs, classes[2].failures), (3, 1));
        assert_eq!(classes[2].mean_ms, Some(20.0));
        assert_eq!(classes[2].series, [2, 0, 1]);
        assert_eq!(classes[2].failure_series, [1, 0, 0]);
    }

    #[test]
    fn what_does_not_fit_is_gone_before_the_cut_and_what_is_cut_is_in_the_sum() {
        let shown = |pick: Pick<'_>| {
            let sums = sum(&steps(), pick);
            let names = sums.classes.iter().map(|metrics| metrics.class.as_str());
            let names = names.collect::<Vec<_>>().join(" ");
            (names, sums.left_out, sums.series, sums.failure_series)
        };
        let ab = Pick {
            classes: Classes::Containing("a"),
            ..Pick::busiest(1)
        };
        assert_eq!(shown(ab), ("A".to_owned(), 1, vec![3, 0, 1], vec![2, 0, 0]));
        let failing = Pick {
            order: ClassOrder::Failures,
            ..ab
        };
        assert_eq!(shown(failing).0, "Ab", "one of one before one of three");
        assert_eq!(
            shown(Pick::one("B")),
            ("B".to_owned(), 0, vec![9, 0, 0], vec![0, 0, 0])
        );
        assert_eq!(
            shown(Pick::one("b")),
            (String::new(), 0, vec![0; 3], vec![0; 3])
        );
        let (_, left_out, series, _) = shown(Pick::busiest(0));
        assert_eq!((left_out, series), (4, vec![12, 0, u64::MAX]));
    }
}
