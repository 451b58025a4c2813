//! `gandy why JID`: what keeps a job from running, or what became of it, in words.

use clap::Args;
use gandy::views::{Explanation, Reason, RunningJob};
use serde::Serialize;

use super::look::{self, LookArgs};
use crate::cli::Common;
use crate::failure::Failure;
use crate::printable::printable;
use crate::{document, output, place, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy why b5de70b63090decd6440fd9e
  gandy why b5de70b63090decd6440fd9e --in queue:default    look only there, and where jobs run
  gandy why b5de70b63090decd6440fd9e --json | jq -r '.reasons[].code'

It looks as gandy job does. What holds the job now comes first, then what will hold it next. A wait is an estimate: jobs
in front of it, times how long such jobs ran in the last hour, by the slots that serve the queue.

JSON
  {"jid":"…","reasons":[{"code":"paused","text":"queue default is paused; …"}],"places":[…],"outcome":null,
    "looked_at":17,"gave_up":false,"unread":[]}     places and outcome as in gandy job --help
  code: scheduled, retrying, overdue, paused, no-worker-for-queue, no-worker-for-class, all-quiet, slots-busy, behind,
  next, running, claimed, holder-dead, dead, ended, unknown

Exit codes and environment: gandy --help; it exits 0 for a job that is nowhere, too"#;

/// Why a job does not run
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    look: LookArgs,
}

#[derive(Serialize)]
struct Document<'a> {
    jid: &'a str,
    reasons: Vec<Said>,
    places: Vec<look::Found<'a>>,
    outcome: Option<look::OutcomeJson<'a>>,
    looked_at: u64,
    gave_up: bool,
    unread: &'a [String],
}

#[derive(Serialize)]
struct Said {
    code: &'static str,
    text: String,
}

pub(crate) async fn run(args: &WhyArgs, common: &Common) -> Result<(), Failure> {
    let LookArgs { jid, r#in, within } = &args.look;
    let explanation = common.inspect()?.why(jid, *within, r#in).await?;
    let Explanation {
        report,
        now_ms,
        reasons,
    } = &explanation;
    let said = reasons.iter().map(|reason| (reason, say(reason, *now_ms)));
    if common.json {
        return document::print(&Document {
            jid,
            reasons: said
                .map(|(reason, text)| Said {
                    code: reason.code(),
                    text,
                })
                .collect(),
            places: report.sightings.iter().map(look::found).collect(),
            outcome: report.outcome.as_ref().map(look::outcome),
            looked_at: report.looked_at,
            gave_up: report.gave_up,
            unread: &report.unread,
        });
    }
    let lines: Vec<String> = said.map(|(_, text)| printable(&text)).collect();
    output::print(&lines.join("\n"))?;
    look::limits(report)
        .iter()
        .for_each(|note| output::note(note));
    Ok(())
}

fn say(reason: &Reason, now_ms: i64) -> String {
    let relative = |at_ms: i64| words::relative(at_ms, now_ms);
    match reason {
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
                place::name(place)
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
            let steps = steps.as_ref().map_or_else(String::new, |steps| {
                format!("; {}", super::busy::steps(steps))
            });
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
                "it died {}{error}; gandy retry JID runs it again",
                relative(*at_ms)
            )
        }
        Reason::Ended(ended) => {
            format!(
                "its last run ended {}: {}",
                relative(ended.at),
                look::outcome_in_words(ended)
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
