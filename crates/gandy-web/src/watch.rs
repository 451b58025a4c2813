//! What all open pages look at: one survey a tick whoever asks, and how it moved in the last ten minutes.
//!
//! Nothing runs by itself here: who looks makes it look, and where nobody does Redis is left alone.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gandy::doctor::{Doctor, Question, Report};
use gandy::views::{Day, Metrics, Window};
use gandy::{Inspect, ProcessInfo, RedisHealth, Survey, Surveyor};

use crate::kept::Kept;
use crate::problem::Outcome;
use crate::state::App;
use crate::words::now_ms;

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
/// An examination reads thousands of entries.
const EXAMINE_EVERY: Duration = Duration::from_secs(60);
/// Queues that have a sparkline.
const LINES: usize = 500;
/// After a look of nobody for so long, what was seen before says nothing of what was between.
const GAP_MS: i64 = 30_000;

/// Days that can be looked back on.
pub(crate) const HISTORY_DAYS: u32 = 180;

/// One look.
#[derive(Debug)]
pub(crate) struct Glance {
    pub(crate) survey: Survey,
    /// None until there was a look before.
    pub(crate) rate: Option<Rate>,
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
struct Past {
    samples: VecDeque<Sample>,
    queues: HashMap<String, VecDeque<u64>>,
    /// When each point of a line was seen.
    queues_at_ms: VecDeque<i64>,
    /// Since when looks have failed.
    away_since_ms: Option<i64>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Watch {
    inspect: Inspect,
    surveyor: Surveyor,
    every: Duration,
    glance: Kept<Glance>,
    past: Mutex<Past>,
    processes: Kept<Vec<ProcessInfo>>,
    health: Kept<RedisHealth>,
    history: Kept<Vec<Day>>,
    metrics: Mutex<HashMap<&'static str, Arc<Kept<Metrics>>>>,
    report: Kept<Report>,
    findings: Mutex<Findings>,
}

/// The last examination that the first page saw; made beside what it waits for.
#[derive(Debug, Default)]
struct Findings {
    report: Option<Arc<Report>>,
    /// When the last one was begun.
    begun: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(inspect: Inspect, surveyor: Surveyor, every: Duration) -> Self {
        Self {
            inspect,
            surveyor,
            every,
            glance: Kept::default(),
            past: Mutex::default(),
            processes: Kept::default(),
            health: Kept::default(),
            history: Kept::default(),
            metrics: Mutex::default(),
            report: Kept::default(),
            findings: Mutex::default(),
        }
    }

    fn past<T>(&self, look: impl FnOnce(&mut Past) -> T) -> T {
        look(&mut self.past.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The whole as numbers, no older than a tick.
    pub(crate) async fn glance(&self) -> Outcome<Arc<Glance>> {
        let look = async {
            let survey = self.surveyor.survey().await?;
            let at_ms = now_ms();
            let rate = self.past(|past| past.note(at_ms, &survey));
            Ok::<_, gandy::Error>(Glance { survey, rate })
        };
        // A little less than a tick: whoever looks each tick must not see the same twice.
        let glance = self.glance.get(self.every.mul_f64(0.8), look).await;
        self.past(|past| match &glance {
            Ok(_) => past.away_since_ms = None,
            Err(_) => {
                past.away_since_ms.get_or_insert_with(now_ms);
            }
        });
        glance
    }

    /// Since when Redis has not answered.
    pub(crate) fn away_since_ms(&self) -> Option<i64> {
        self.past(|past| past.away_since_ms)
    }

    /// The readings of the last ten minutes.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.past(|past| past.samples.iter().copied().collect())
    }

    /// How large a queue was, over ten minutes.
    pub(crate) fn queue_line(&self, name: &str) -> Line {
        self.past(|past| {
            let Some(line) = past.queues.get(name) else {
                return Line::default();
            };
            // Over the last two steps, some 20 s.
            let ago = line.len().min(3);
            let time = |back: usize| {
                Some(
                    *past
                        .queues_at_ms
                        .get(past.queues_at_ms.len().checked_sub(back)?)?,
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
        })
    }

    /// The processes, no older than a tick.
    pub(crate) async fn processes(&self) -> Outcome<Arc<Vec<ProcessInfo>>> {
        self.processes
            .get(self.every.mul_f64(0.8), self.inspect.processes())
            .await
    }

    /// How the server does.
    pub(crate) async fn health(&self) -> Outcome<Arc<RedisHealth>> {
        self.health
            .get(self.every.mul_f64(0.8), self.inspect.health())
            .await
    }

    /// The last half year by day, today first.
    pub(crate) async fn history(&self) -> Outcome<Arc<Vec<Day>>> {
        self.history
            .get(Duration::from_secs(10), self.inspect.history(HISTORY_DAYS))
            .await
    }

    /// Runs by class over a time that has this name. Workers count every 5 s: sooner there is nothing new.
    pub(crate) async fn metrics(
        &self,
        name: &'static str,
        window: Window,
        most: usize,
    ) -> Outcome<Arc<Metrics>> {
        let kept = {
            let mut all = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(name).or_default())
        };
        kept.get(
            Duration::from_secs(5),
            self.inspect.metrics(window, None, most),
        )
        .await
    }

    /// What the doctor found last; somebody who looks makes it look again once a minute, and does not wait for it.
    pub(crate) fn findings(app: &App) -> Option<Arc<Report>> {
        let (known, due) = {
            let mut findings = app
                .watch
                .findings
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let due = findings
                .begun
                .is_none_or(|begun| begun.elapsed() >= EXAMINE_EVERY);
            if due {
                findings.begun = Some(Instant::now());
            }
            (findings.report.clone(), due)
        };
        if due {
            let app = Arc::clone(app);
            tokio::spawn(async move {
                let report = app.watch.report(&app.doctor, EXAMINE_EVERY).await.ok();
                let mut slot = app
                    .watch
                    .findings
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                slot.report = report;
            });
        }
        known
    }

    /// What the doctor finds, no older than this.
    pub(crate) async fn report(&self, doctor: &Doctor, age: Duration) -> Outcome<Arc<Report>> {
        self.report
            .get(age, doctor.examine(&Question::default()))
            .await
    }
}

impl Past {
    fn note(&mut self, at_ms: i64, survey: &Survey) -> Option<Rate> {
        let waiting = survey.queues.iter().map(|queue| queue.size).sum();
        if let Some(last) = self.samples.back() {
            let since = at_ms - last.at_ms;
            if (0..APART_MS).contains(&since) {
                return last.rate;
            }
            // Counters that went back are those of another server, or of one that lost some.
            let other = survey.processed < last.processed || survey.failed < last.failed;
            if other || !(0..=GAP_MS).contains(&since) {
                self.samples.clear();
                self.queues.clear();
                self.queues_at_ms.clear();
            }
        }
        let mut sample = Sample {
            at_ms,
            processed: survey.processed,
            failed: survey.failed,
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
            for queue in survey.queues.iter().take(LINES) {
                let mut line = self.queues.remove(&queue.name).unwrap_or_default();
                line.push_back(queue.size);
                while line.len() > LINE {
                    line.pop_front();
                }
                queues.insert(queue.name.clone(), line);
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
}
