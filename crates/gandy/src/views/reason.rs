//! Why a job does not run, from facts. Pure.

use std::time::Duration;

use gandy_protocol::{Ended, Payload};
use gandy_store::Place;

use super::{
    report::{Sighting, Whereabouts},
    running::{RunningJob, Steps},
};

/// So many of the jobs that keep slots busy are named.
const NAMED: usize = 5;

/// What an explanation needs to know.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The time now by Redis' clock, milliseconds since the epoch.
    pub now_ms: i64,
    /// Where the job was found.
    pub sightings: Vec<Sighting>,
    /// How its last run ended, where that is known.
    pub outcome: Option<Ended>,
    /// Entries that were looked at.
    pub looked_at: u64,
    /// The search did not come to its end.
    pub gave_up: bool,
    /// Queues that are paused.
    pub paused: Vec<String>,
    /// The processes that live.
    pub listeners: Vec<Listener>,
    /// The mean run of what waits in front of it.
    pub mean_run: Option<Duration>,
}

/// A process that lives.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its identity.
    pub identity: String,
    /// The classes that it has handlers for; none where it does not say, as Ruby's.
    pub classes: Option<Vec<String>>,
    /// Its groups of slots.
    pub capsules: Vec<Capsule>,
    /// Whether it has stopped claiming.
    pub quiet: bool,
    /// What it runs.
    pub running: Vec<RunningJob>,
}

/// Slots, and the queues that they serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capsule {
    /// Jobs at once.
    pub slots: u64,
    /// The queues.
    pub queues: Vec<String>,
}

/// One thing that keeps a job from running, or what became of it.
#[derive(Debug, Clone)]
pub enum Reason {
    /// It waits for its time.
    Scheduled {
        /// When, in milliseconds since the epoch.
        at_ms: i64,
    },
    /// Its last run failed, and it waits for the next one.
    Retrying {
        /// When, in milliseconds since the epoch.
        at_ms: i64,
        /// Failed runs until now.
        failures: Option<u32>,
        /// `Class: message` of the last failure.
        error: Option<String>,
    },
    /// Its time has come, and nobody has moved it to its queue.
    Overdue {
        /// The set in which it stands.
        place: Place,
        /// When it was due, in milliseconds since the epoch.
        at_ms: i64,
        /// Whether any process lives that would move it.
        anybody: bool,
    },
    /// Its queue is paused.
    Paused {
        /// The queue.
        queue: String,
    },
    /// No living process listens to its queue.
    NoWorkerForQueue {
        /// The queue.
        queue: String,
        /// How many live at all.
        living: usize,
    },
    /// No living process that listens to its queue has a handler for its class.
    NoWorkerForClass {
        /// The class.
        class: String,
        /// The queue.
        queue: String,
        /// How many listen to that queue.
        listening: usize,
    },
    /// All that could run it have stopped claiming.
    AllQuiet {
        /// The queue.
        queue: String,
        /// How many these are.
        quiet: usize,
    },
    /// All slots that could run it are taken.
    SlotsBusy {
        /// The queue.
        queue: String,
        /// How many slots.
        slots: u64,
        /// Some of what runs there, the longest run first.
        with: Vec<RunningJob>,
    },
    /// Others are taken before it.
    Behind {
        /// The queue.
        queue: String,
        /// About how many.
        ahead: u64,
        /// About how long that takes; none where nothing is known of how long such jobs run.
        wait: Option<Duration>,
    },
    /// Nothing keeps it from being taken next.
    Next {
        /// The queue.
        queue: String,
    },
    /// It runs.
    Running {
        /// At whom.
        identity: String,
        /// Since when, in milliseconds since the epoch, where its process said so.
        since_ms: Option<i64>,
        /// How far it has come, where its handler says.
        steps: Option<Steps>,
    },
    /// A living process has claimed it, and has not shown it as running.
    Claimed {
        /// Which.
        identity: String,
    },
    /// The process that held it is dead; it is given back as soon as another one sees that.
    HolderDead {
        /// Which.
        identity: String,
        /// Whether any process lives that would see it.
        anybody: bool,
    },
    /// It is dead.
    Dead {
        /// When it died, in milliseconds since the epoch.
        at_ms: i64,
        /// Why.
        error: Option<String>,
    },
    /// Its last run ended, and it is nowhere any more.
    Ended(Ended),
    /// It was not found.
    Unknown {
        /// Entries that were looked at.
        looked_at: u64,
        /// The search did not come to its end.
        gave_up: bool,
    },
}

impl Reason {
    /// Its name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Scheduled { .. } => "scheduled",
            Self::Retrying { .. } => "retrying",
            Self::Overdue { .. } => "overdue",
            Self::Paused { .. } => "paused",
            Self::NoWorkerForQueue { .. } => "no-worker-for-queue",
            Self::NoWorkerForClass { .. } => "no-worker-for-class",
            Self::AllQuiet { .. } => "all-quiet",
            Self::SlotsBusy { .. } => "slots-busy",
            Self::Behind { .. } => "behind",
            Self::Next { .. } => "next",
            Self::Running { .. } => "running",
            Self::Claimed { .. } => "claimed",
            Self::HolderDead { .. } => "holder-dead",
            Self::Dead { .. } => "dead",
            Self::Ended(_) => "ended",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// Why the job of these facts does not run: what holds it now first, then what will hold it next. Never empty.
#[must_use]
pub fn explain(facts: &Facts) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for sighting in &facts.sightings {
        explain_one(facts, sighting, &mut reasons);
    }
    if reasons.is_empty() {
        reasons.push(match &facts.outcome {
            Some(ended) => Reason::Ended(ended.clone()),
            None => Reason::Unknown {
                looked_at: facts.looked_at,
                gave_up: facts.gave_up,
            },
        });
    }
    reasons
}

fn explain_one(facts: &Facts, sighting: &Sighting, reasons: &mut Vec<Reason>) {
    let payload = &sighting.payload;
    let anybody = !facts.listeners.is_empty();
    match &sighting.whereabouts {
        Whereabouts::InFlight {
            identity,
            alive,
            since_ms,
            steps,
            ..
        } => reasons.push(match (alive, since_ms) {
            (false, _) => Reason::HolderDead {
                identity: identity.clone(),
                anybody,
            },
            (true, None) => Reason::Claimed {
                identity: identity.clone(),
            },
            (true, Some(_)) => Reason::Running {
                identity: identity.clone(),
                since_ms: *since_ms,
                steps: steps.clone(),
            },
        }),
        Whereabouts::Ruby {
            identity, since_ms, ..
        } => reasons.push(Reason::Running {
            identity: identity.clone(),
            since_ms: *since_ms,
            steps: None,
        }),
        Whereabouts::Set { place, at_ms, .. } => {
            if *place == Place::Dead {
                let error = error(payload).or_else(|| sighting.reason.clone());
                reasons.push(Reason::Dead {
                    at_ms: *at_ms,
                    error,
                });
                return;
            }
            reasons.push(if *at_ms <= facts.now_ms {
                Reason::Overdue {
                    place: place.clone(),
                    at_ms: *at_ms,
                    anybody,
                }
            } else if *place == Place::Retry {
                Reason::Retrying {
                    at_ms: *at_ms,
                    failures: payload.retry_count().map(|count| count.saturating_add(1)),
                    error: error(payload),
                }
            } else {
                Reason::Scheduled { at_ms: *at_ms }
            });
            hindrances(
                facts,
                payload,
                payload.queue().unwrap_or("default"),
                reasons,
            );
        }
        Whereabouts::Queue { name, ahead } => in_queue(facts, payload, name, *ahead, reasons),
    }
}

/// What would keep a job from being taken from this queue, whenever it gets there. The processes that could run it.
fn hindrances<'a>(
    facts: &'a Facts,
    payload: &Payload,
    queue: &str,
    reasons: &mut Vec<Reason>,
) -> Vec<&'a Listener> {
    if facts.paused.iter().any(|paused| paused == queue) {
        reasons.push(Reason::Paused {
            queue: queue.to_owned(),
        });
    }
    let listening: Vec<&Listener> = facts
        .listeners
        .iter()
        .filter(|listener| listener.slots(queue) > 0)
        .collect();
    let able: Vec<&Listener> = listening
        .iter()
        .copied()
        .filter(|listener| listener.knows(payload.class()))
        .collect();
    let quiet = able.iter().filter(|listener| listener.quiet).count();
    if listening.is_empty() {
        reasons.push(Reason::NoWorkerForQueue {
            queue: queue.to_owned(),
            living: facts.listeners.len(),
        });
    } else if able.is_empty() {
        reasons.push(Reason::NoWorkerForClass {
            class: payload.class().to_owned(),
            queue: queue.to_owned(),
            listening: listening.len(),
        });
    } else if quiet == able.len() {
        reasons.push(Reason::AllQuiet {
            queue: queue.to_owned(),
            quiet,
        });
    }
    able.into_iter()
        .filter(|listener| !listener.quiet)
        .collect()
}

fn in_queue(facts: &Facts, payload: &Payload, queue: &str, ahead: u64, reasons: &mut Vec<Reason>) {
    let before = reasons.len();
    let able = hindrances(facts, payload, queue, reasons);
    let slots: u64 = able
        .iter()
        .map(|listener| listener.slots(queue))
        .fold(0, u64::saturating_add);
    let mut busy: Vec<RunningJob> = able
        .iter()
        .flat_map(|listener| listener.busy(queue))
        .cloned()
        .collect();
    if slots > 0 && busy.len() as u64 >= slots {
        busy.sort_by_key(|job| job.started_ms.unwrap_or(i64::MAX));
        busy.truncate(NAMED);
        reasons.push(Reason::SlotsBusy {
            queue: queue.to_owned(),
            slots,
            with: busy,
        });
    }
    if ahead > 0 {
        let halted = reasons.len() > before && !matches!(reasons[before], Reason::SlotsBusy { .. });
        // Whoever stands behind a queue that does not move has no time to wait for.
        let mean = facts.mean_run.filter(|_| !halted && slots > 0);
        let wait = mean.and_then(|mean| {
            let seconds = mean.as_secs_f64() * ahead as f64 / slots as f64;
            Duration::try_from_secs_f64(seconds).ok()
        });
        reasons.push(Reason::Behind {
            queue: queue.to_owned(),
            ahead,
            wait,
        });
    } else if reasons.len() == before {
        reasons.push(Reason::Next {
            queue: queue.to_owned(),
        });
    }
}

impl Listener {
    /// Slots that serve this queue.
    fn slots(&self, queue: &str) -> u64 {
        let serving = self.capsules.iter().filter(|capsule| capsule.serves(queue));
        let slots = serving.map(|capsule| capsule.slots);
        slots.fold(0, u64::saturating_add)
    }

    /// What runs in the slots that serve this queue.
    fn busy<'a>(&'a self, queue: &str) -> impl Iterator<Item = &'a RunningJob> {
        let serving: Vec<&Capsule> = self
            .capsules
            .iter()
            .filter(|capsule| capsule.serves(queue))
            .collect();
        self.running.iter().filter(move |job| {
            // What does not say where it is from takes a slot all the same.
            job.queue
                .as_ref()
                .is_none_or(|from| serving.iter().any(|capsule| capsule.serves(from)))
        })
    }

    fn knows(&self, class: &str) -> bool {
        self.classes
            .as_ref()
            .is_none_or(|classes| classes.iter().any(|known| known == class))
    }
}

impl Capsule {
    fn serves(&self, queue: &str) -> bool {
        self.queues.iter().any(|served| served == queue)
    }
}

/// `Class: message` of the last failure.
fn error(payload: &Payload) -> Option<String> {
    let text = |name: &str| serde_json::from_str::<String>(payload.field(name)?).ok();
    match (text("error_class"), text("error_message")) {
        (Some(class), Some(message)) => Some(format!("{class}: {message}")),
        (class, message) => class.or(message),
    }
}

#[cfg(test)]
mod tests;
