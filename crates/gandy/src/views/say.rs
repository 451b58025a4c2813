//! Reasons and progress as sentences.

use std::fmt;

use super::reason::Reason;
use super::running::{RunningJob, Steps};
use super::words;

impl Reason {
    /// In a sentence, as seen at `now_ms`. Names come from payloads as they are: who writes to a terminal escapes them.
    #[must_use]
    pub fn text(&self, now_ms: i64) -> String {
        let relative = |at_ms: i64| words::relative(at_ms, now_ms);
        match self {
            Reason::Scheduled { at_ms } => format!("scheduled: it is due {}", relative(*at_ms)),
            Reason::Retrying {
                at_ms,
                failures,
                error,
            } => {
                let times = failures.map_or_else(String::new, |count| {
                    format!(" {}", words::count(count.into(), "time"))
                });
                let error = error
                    .as_ref()
                    .map_or_else(String::new, |error| format!(", last with {error}"));
                format!(
                    "it failed{times}{error}; it is retried {}",
                    relative(*at_ms)
                )
            }
            Reason::Overdue {
                place,
                at_ms,
                anybody,
            } => {
                let since = format!(
                    "it was due {} and still stands in {}",
                    relative(*at_ms),
                    words::place(place)
                );
                match anybody {
                    true => format!("{since}: a worker moves it to its queue in a moment"),
                    false => format!(
                        "{since}: there is no live worker that would move it to its queue; start one"
                    ),
                }
            }
            Reason::Paused { queue } => {
                format!(
                    "queue {queue} is paused; gandy unpause {queue} ends that (Ruby's free workers do not heed it)"
                )
            }
            Reason::NoWorkerForQueue { queue, living } => match living {
                0 => format!("no live worker at all, so none listens to queue {queue}; start one"),
                _ => format!(
                    "no live worker listens to queue {queue}: {} for other queues; gandy processes shows them",
                    match living {
                        1 => "1 lives".to_owned(),
                        more => format!("{more} live"),
                    }
                ),
            },
            Reason::NoWorkerForClass {
                class,
                queue,
                listening,
            } => format!(
                "no live worker that listens to queue {queue} has a handler for class {class}: {} there without one",
                match listening {
                    1 => "1 listens".to_owned(),
                    more => format!("{more} listen"),
                }
            ),
            Reason::AllQuiet { queue, quiet } => format!(
                "no live worker takes jobs from queue {queue}: all {quiet} that could run it are quiet or stopping"
            ),
            Reason::SlotsBusy { queue, slots, with } => {
                let busy: Vec<String> = with.iter().map(|job| busy(job, now_ms)).collect();
                let more = match (*slots as usize).saturating_sub(busy.len()) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let all = match slots {
                    1 => "the one slot that serves".to_owned(),
                    more => format!("all {more} slots that serve"),
                };
                format!(
                    "{all} queue {queue} {} busy: {}{more}",
                    if *slots == 1 { "is" } else { "are" },
                    busy.join(", ")
                )
            }
            Reason::Behind { queue, ahead, wait } => {
                let about = match wait {
                    Some(wait) => format!(
                        "; about {} to wait",
                        words::span(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
                    ),
                    None => String::new(),
                };
                format!(
                    "it waits in queue {queue} behind about {}{about}",
                    words::count(*ahead, "other")
                )
            }
            Reason::Next { queue } => {
                format!(
                    "nothing keeps it: it is next in queue {queue}, and a worker takes it in a moment"
                )
            }
            Reason::Running {
                identity,
                since_ms,
                steps,
            } => {
                let since = since_ms.map_or_else(String::new, |since| {
                    format!(", it began {}", relative(since))
                });
                let steps = steps
                    .as_ref()
                    .map_or_else(String::new, |steps| format!("; {}", steps));
                format!("it runs at {identity}{since}{steps}")
            }
            Reason::Claimed { identity } => format!(
                "{identity} has claimed it and begins it in a moment, or began it within the last 5 seconds"
            ),
            Reason::HolderDead { identity, anybody } => match anybody {
                true => format!(
                    "{identity} held it and is dead; a live one gives it back within 20 seconds"
                ),
                false => format!(
                    "{identity} held it and is dead, and there is no live worker that would give it back; start one"
                ),
            },
            Reason::Dead { at_ms, error } => {
                let error = error
                    .as_ref()
                    .map_or_else(String::new, |error| format!(" of {error}"));
                format!(
                    "it died {}{error}, and runs again only if somebody retries it",
                    relative(*at_ms)
                )
            }
            Reason::Ended(ended) => {
                format!(
                    "its last run ended {}: {}",
                    relative(ended.at),
                    words::ended(ended)
                )
            }
            Reason::Unknown { looked_at, gave_up } => {
                let looked = words::count(*looked_at, "job");
                match gave_up {
                    true => format!("not found among the {looked} looked at, and there are more"),
                    false => format!(
                        "unknown: it is in no queue or set and nobody runs it ({looked} looked at); it has ended, or was never pushed here"
                    ),
                }
            }
        }
    }
}

fn busy(job: &RunningJob, now_ms: i64) -> String {
    let class = job.class().unwrap_or("a job that cannot be read");
    match job.started_ms {
        Some(since) => format!(
            "{class} ({})",
            words::span(now_ms.saturating_sub(since).max(0).unsigned_abs())
        ),
        None => class.to_owned(),
    }
}

/// `3 of 10 (30 %): pages`.
impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.total {
            Some(total) if total > 0 => {
                let share = self.done as f64 / total as f64 * 100.0;
                write!(f, "{} of {total} ({share:.0} %)", self.done)?;
            }
            _ => write!(f, "{} done", self.done)?,
        }
        match self.note.is_empty() {
            true => Ok(()),
            false => write!(f, ": {}", self.note),
        }
    }
}
