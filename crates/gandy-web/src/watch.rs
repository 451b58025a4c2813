//! What all open pages look at: one survey a tick whoever asks, and how it moved in the last ten minutes.
//!
//! Nothing runs by itself here: who looks makes it look, and where nobody does Redis is left alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gandy::doctor::{Doctor, Question, Report};
use gandy::views::{ClassOrder, Classes, Day, Metrics, Pick, Window};
use gandy::{Inspect, Place, ProcessInfo, RedisHealth, Survey, Surveyor};

use crate::kept::Kept;
pub(crate) use crate::past::{Line, Rate, Sample};
use crate::past::{Past, Reading, sum};
use crate::problem::Outcome;
use crate::state::App;
use crate::words::now_ms;

/// An examination reads thousands of entries.
const EXAMINE_EVERY: Duration = Duration::from_secs(60);

const EXAMINE_AFTER: Duration = Duration::from_millis(200);

/// Days that can be looked back on.
pub(crate) const HISTORY_DAYS: u32 = 180;

/// Classes that are told one by one; each costs a reading of its histograms.
const CLASSES: usize = 60;

/// Names that a field of a form offers.
pub(crate) const OFFERED: usize = 200;

/// Of all classes, by the name of the range and by order.
type MetricsKept = HashMap<(&'static str, ClassOrder), Arc<Kept<Metrics>>>;

/// One look.
#[derive(Debug)]
pub(crate) struct Glance {
    pub(crate) survey: Survey,
    /// None until there was a look before.
    pub(crate) rate: Option<Rate>,
}

impl Glance {
    /// Jobs that wait in queues.
    pub(crate) fn waiting(&self) -> u64 {
        sum(self.survey.queues.iter().map(|queue| queue.size))
    }

    /// Jobs of one of the three sets; of a queue there is more to tell.
    pub(crate) fn size(&self, set: &Place) -> u64 {
        match set {
            Place::Schedule => self.survey.schedule.size,
            Place::Dead => self.survey.dead,
            _ => self.survey.retry.size,
        }
    }

    /// The names of some other queues, to be offered.
    pub(crate) fn queues_but(&self, queue: &str) -> Vec<String> {
        let names = self.survey.queues.iter().map(|known| known.name.clone());
        names.filter(|name| name != queue).take(OFFERED).collect()
    }

    /// `+` where there are more queues than are looked at, so that a sum over them is no sum of all.
    pub(crate) fn more(&self) -> &'static str {
        match self.survey.queues_left_out {
            0 => "",
            _ => "+",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Watch {
    inspect: Inspect,
    surveyor: Surveyor,
    every: Duration,
    acts: AtomicU64,
    glance: Kept<Glance>,
    past: Mutex<Past>,
    processes: Kept<Vec<ProcessInfo>>,
    health: Kept<RedisHealth>,
    history: Kept<Vec<Day>>,
    metrics: Mutex<MetricsKept>,
    report: Kept<Report>,
    findings: Mutex<Findings>,
}

/// The last examination that the first page saw; made beside what it waits for.
#[derive(Debug, Default)]
struct Findings {
    report: Option<(Instant, Arc<Report>)>,
    /// When the last one was begun.
    begun: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(inspect: Inspect, surveyor: Surveyor, every: Duration) -> Self {
        Self {
            inspect,
            surveyor,
            every,
            acts: AtomicU64::new(0),
            glance: Kept::default(),
            past: Mutex::new(Past::of_looks(every)),
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
                held: sum(survey.queues.iter().map(|queue| queue.busy)),
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

    /// After an act: who acted sees what came of it, and not what others saw a second before.
    pub(crate) fn forget(&self) {
        self.acts.fetch_add(1, Ordering::Relaxed);
        self.glance.forget();
        self.processes.forget();
    }

    /// How often somebody has acted: what was begun before the last time is old.
    pub(crate) fn acts(&self) -> u64 {
        self.acts.load(Ordering::Relaxed)
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

    /// Runs by class over a time that has this name. Workers count every 5 s: sooner there is nothing new. Of some classes
    /// it is read for who asks and not kept: there is no end of what can be asked for.
    pub(crate) async fn metrics(
        &self,
        (name, window): (&'static str, Window),
        classes: Classes<'_>,
        order: ClassOrder,
    ) -> Outcome<Arc<Metrics>> {
        let kept = match classes {
            Classes::All => {
                let mut all = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(all.entry((name, order)).or_default())
            }
            _ => Arc::default(),
        };
        let pick = Pick {
            classes,
            order,
            most: CLASSES,
        };
        kept.get(Duration::from_secs(5), self.inspect.metrics(window, pick))
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
            // One of last night says nothing of now.
            let known = findings.report.as_ref();
            let known = known.filter(|(at, _)| at.elapsed() < 3 * EXAMINE_EVERY);
            (known.map(|(_, report)| Arc::clone(report)), due)
        };
        if due {
            let app = Arc::clone(app);
            tokio::spawn(async move {
                // The page that made it due is answered first: an examination holds up Redis by milliseconds at a time.
                tokio::time::sleep(EXAMINE_AFTER).await;
                let Ok(report) = app.watch.report(&app.doctor, EXAMINE_EVERY).await else {
                    return;
                };
                let mut slot = app
                    .watch
                    .findings
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                slot.report = Some((Instant::now(), report));
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
