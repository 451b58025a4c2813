//! What all open pages look at: one survey a tick whoever asks, and how it moved in the last ten minutes.
//!
//! Nothing runs by itself here: who looks makes it look, and where nobody does Redis is left alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gandy::doctor::{Doctor, Question, Report};
use gandy::views::{Day, Metrics, Window};
use gandy::{Inspect, ProcessInfo, RedisHealth, Survey, Surveyor};

use crate::kept::Kept;
pub(crate) use crate::past::{Line, Rate, Sample};
use crate::past::{Past, Reading};
use crate::problem::Outcome;
use crate::state::App;
use crate::words::now_ms;

/// An examination reads thousands of entries.
const EXAMINE_EVERY: Duration = Duration::from_secs(60);

/// Days that can be looked back on.
pub(crate) const HISTORY_DAYS: u32 = 180;

/// One look.
#[derive(Debug)]
pub(crate) struct Glance {
    pub(crate) survey: Survey,
    /// None until there was a look before.
    pub(crate) rate: Option<Rate>,
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
            let reading = Reading {
                at_ms: now_ms(),
                processed: survey.processed,
                failed: survey.failed,
                queues: survey
                    .queues
                    .iter()
                    .map(|queue| (queue.name.as_str(), queue.size))
                    .collect(),
            };
            let rate = self.past(|past| past.note(&reading));
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
        self.past(|past| past.samples())
    }

    /// How large a queue was, over ten minutes.
    pub(crate) fn queue_line(&self, name: &str) -> Line {
        self.past(|past| past.queue_line(name))
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
