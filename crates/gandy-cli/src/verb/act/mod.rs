//! `gandy retry`, `delete`, `bury` and `move`: acts on jobs by their ids, or on all of a set that fit a filter.
//!
//! The flags are in `chosen`; asking and pace have files of their own. Work on Redis is [`gandy::Sweep`]'s.

mod by_jid;
mod chosen;
mod pace;
mod report;

use std::time::Instant;

use clap::Args;
use gandy::{Act, Acts, Inspect, Kind, Place, Sweep};

use self::chosen::Of;
use self::report::{Report, Word};
use crate::cli::Common;
use crate::failure::{Failure, exit};
use crate::interrupt::Interrupt;
use crate::meter::Meter;
use crate::printable::printable;
use crate::verb::consent;
use crate::words::count;
use crate::{output, place};

use self::chosen::Chosen;
pub(crate) use self::chosen::Manner;

/// As many jobs in one step on the server, whatever the pace: 500 retries of a million took Redis 4 ms, 200 take less than 2.
const STEP: usize = 200;

const TAIL: &str = r#"
--from acts on all jobs of a set that a filter fits; gandy jobs --help says what filters are made of, and gandy jobs SET
FILTER shows which jobs those are. It works in steps of up to 200 jobs, each of which Redis does whole or not at all.
Ctrl-C ends it after the present step; it may be cut off at any moment and run again, and does what is left. Jobs that
come in after it has begun are left alone.

JSON
  {"act":"retry","matched":120,"done":118,"gone":2,"skipped":0,"refused":0,"newer":0,"missing":[],"dry_run":false,
    "interrupted":false,"declined":false,"error":null}
  gone: somebody else took them in between. skipped: they are no jobs, or wait in that queue already. refused: Redis
  could not write them where they should go. newer: came in meanwhile. missing: ids that were found nowhere.
  declined: a person said no; then it ends with exit code 1. error: what ended it early, in words.

Exit codes and environment: gandy --help"#;

fn with_tail(examples: &str) -> String {
    format!("EXAMPLES\n{examples}{TAIL}")
}

/// Run jobs of retry, dead or schedule now
#[derive(Debug, Args)]
#[command(after_help = with_tail("  gandy retry b5de70b63090decd6440fd9e                  this job, wherever it waits
  gandy retry --from retry --filter 'error:Timeout'     all that timed out; it asks first
  gandy retry --from dead --all --dry-run               how many that would be
  gandy retry --from retry --all --rate 50/s --yes      fifty a second, without asking
A retry by hand spends no attempt, as in Sidekiq.
"))]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    of: Chosen,
}

/// Delete jobs
#[derive(Debug, Args)]
#[command(after_help = with_tail("  gandy delete b5de70b63090decd6440fd9e
  gandy export dead > dead.jsonl && gandy delete --from dead --all
  gandy delete --from queue:default --filter 'class:Import arg:42'
What workers hold is not deleted; gandy clear empties a queue.
"))]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    of: Chosen,
}

/// Put jobs into dead, where they wait for a person
#[derive(Debug, Args)]
#[command(after_help = with_tail("  gandy bury b5de70b63090decd6440fd9e
  gandy bury --from retry --filter 'class:Import attempt>5'
Where dead holds 9,999 entries or more, each job that is buried takes the place of the oldest one there.
"))]
pub(crate) struct BuryArgs {
    #[command(flatten)]
    of: Chosen,
}

/// Move jobs to another queue, to run there now
#[derive(Debug, Args)]
#[command(after_help = with_tail("  gandy move b5de70b63090decd6440fd9e --to queue:low
  gandy move --from queue:default --filter 'class:Import' --to queue:low
  gandy move --from dead --filter 'tag:eu' --to queue:quarantine
They keep their order, and name the new queue from then on, so that their retries go there too.
"))]
pub(crate) struct MoveArgs {
    #[command(flatten)]
    of: Chosen,

    /// Where to
    #[arg(long, value_name = "queue:NAME", value_parser = place::queue)]
    to: String,
}

pub(crate) async fn retry(args: &RetryArgs, common: &Common) -> Result<u8, Failure> {
    run(&args.of, &Act::Retry, common).await
}

pub(crate) async fn delete(args: &DeleteArgs, common: &Common) -> Result<u8, Failure> {
    run(&args.of, &Act::Delete, common).await
}

pub(crate) async fn bury(args: &BuryArgs, common: &Common) -> Result<u8, Failure> {
    run(&args.of, &Act::Bury, common).await
}

pub(crate) async fn move_to(args: &MoveArgs, common: &Common) -> Result<u8, Failure> {
    run(&args.of, &Act::Move(args.to.clone()), common).await
}

async fn run(of: &Chosen, act: &Act, common: &Common) -> Result<u8, Failure> {
    match of.of()? {
        Of::Jobs(jids, from) => {
            let inspect = common.acts(of.manner.functions)?;
            let report = by_jid::run(&inspect, jids, from, act, of.manner.dry_run).await?;
            report.print(common.json)
        }
        Of::All(from, filter) => {
            let what = match filter {
                Some(filter) => format!("{} that fit {filter}", place::name(from)),
                None => place::name(from),
            };
            needed(&of.manner, act)?;
            let inspect = common.acts(of.manner.functions)?;
            let sweep = Sweeping {
                inspect: &inspect,
                place: from,
                filter,
                act,
                manner: &of.manner,
                what: &what,
            };
            let mut report = sweep.run().await?;
            report.failure = report.failure.map(|failure| {
                failure.and(
                    "Steps are done whole or not at all: run it again, and it does what is left.",
                )
            });
            report.print(common.json)
        }
    }
}

/// Told before anything is looked at: nobody is there to be asked.
pub(crate) fn needed(manner: &Manner, act: &Act) -> Result<(), Failure> {
    consent::needed(
        manner.yes || manner.dry_run,
        &format!("nothing was {}", Word::of(act).done),
        "--dry-run to see how many jobs that is",
    )
}

/// An act on all that fit.
pub(crate) struct Sweeping<'a> {
    pub(crate) inspect: &'a Inspect,
    pub(crate) place: &'a Place,
    pub(crate) filter: Option<&'a gandy::Filter>,
    pub(crate) act: &'a Act,
    pub(crate) manner: &'a Manner,
    /// In words: the set, and the filter.
    pub(crate) what: &'a str,
}

impl Sweeping<'_> {
    /// Counts, asks where a person is there to be asked, and does it.
    pub(crate) async fn run(&self) -> Result<Report, Failure> {
        let word = Word::of(self.act);
        let mut report = Report::new(word);
        // A wrong wish is told before anything is counted.
        let mut sweep = self
            .inspect
            .sweep(self.place, self.filter.cloned(), self.act.clone())
            .await?;
        let size = self.inspect.size(self.place).await?;
        if self.manner.dry_run || !self.manner.yes {
            report.acts = self.count(&sweep, size).await?;
            let able = report.acts.matched - report.acts.skipped;
            warn_of_a_full_grave(self.inspect, self.act, able).await?;
            if self.manner.dry_run {
                report.dry_run = true;
                return Ok(report);
            }
            if able == 0 {
                return Ok(report);
            }
            // What comes in while a person thinks about it is beyond the bound of what was counted.
            let question = format!("{} {} of {}", word.todo, count(able, "job"), self.what);
            if !consent::ask(&question)? {
                report.declined = true;
                return Ok(report);
            }
        } else {
            warn_of_a_full_grave(self.inspect, self.act, size).await?;
        }
        let interrupt = Interrupt::listen()?;
        let mut meter = Meter::new(Some(size));
        let mut pace = pace::Pace::new(self.manner.rate);
        loop {
            if interrupt.asked() {
                report.interrupted = true;
                break;
            }
            let before = sweep.so_far();
            pace.begin(Instant::now());
            match sweep.step(pace.most(STEP)).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    let unknown = error.kind() == Kind::Unknown;
                    let failure = Failure::from(error);
                    report.failure = Some(match unknown {
                        // A view's words would say that nothing was changed.
                        true => Failure::unknown(format!(
                            "Redis did not answer; the last step of up to {STEP} jobs is done or not"
                        )),
                        false => failure,
                    });
                    break;
                }
            }
            let after = sweep.so_far();
            meter.show(sweep.examined(), after.done, word.done);
            let acted = after.done + after.gone - before.done - before.gone;
            interrupt.sleep(pace.pause(acted, Instant::now())).await;
        }
        meter.end();
        report.acts = sweep.so_far();
        Ok(report)
    }

    /// How many fit, how many of them it cannot be done with, and how many more came in since.
    async fn count(&self, sweep: &Sweep, size: u64) -> Result<Acts, Failure> {
        let mut meter = Meter::new(Some(size));
        let mut preview = sweep.preview();
        while preview.step().await? {
            meter.show(preview.examined(), preview.so_far().matched, "fit");
        }
        meter.end();
        Ok(preview.so_far())
    }
}

/// Burying where `dead` is full pushes as many out of it, and those are gone. `most` jobs are buried, or fewer.
async fn warn_of_a_full_grave(inspect: &Inspect, act: &Act, most: u64) -> Result<(), Failure> {
    if *act != Act::Bury || most == 0 {
        return Ok(());
    }
    // As Sidekiq counts: of 10,000 one place stays free.
    let room = inspect.grave().jobs_max - 1;
    let held = inspect.size(&Place::Dead).await?;
    let over = (held + most).saturating_sub(room).min(most);
    if over > 0 {
        output::note(&format!(
            "dead holds {held} entries, and {room} are its limit: up to {over} of its oldest are deleted to make room; gandy export dead keeps them"
        ));
    }
    Ok(())
}

/// Words of a filter or a set as a person may see them.
fn shown(text: &str) -> String {
    printable(text)
}

/// The exit code of what was not done whole.
fn code(report: &Report) -> u8 {
    match report {
        Report {
            interrupted: true, ..
        } => exit::INTERRUPTED,
        Report { declined: true, .. } => exit::DECLINED,
        Report { missing, acts, .. }
            if !missing.is_empty() || acts.skipped > 0 || acts.refused > 0 =>
        {
            exit::DATA
        }
        _ => exit::DONE,
    }
}
