//! `gandy clear`: empties a queue. It is `gandy delete` of all its jobs, and takes its name off the list.

use clap::Args;
use gandy::{Act, Place};

use super::act::{Manner, Sweeping, needed};
use crate::cli::Common;
use crate::failure::Failure;
use crate::place;

const EXAMPLES: &str = r#"EXAMPLES
  gandy clear queue:default                  it says how many jobs wait there, and asks
  gandy export queue:default > kept.jsonl && gandy clear queue:default --yes

Jobs that are pushed after it has begun stay. It works in bounded steps, may be interrupted, and run again. With nothing
left in it the queue is off the list of queues until somebody pushes, as after Sidekiq's "clear".

JSON
  {"act":"delete","matched":120,"done":120,…}        as gandy delete --help has it

Exit codes and environment: gandy --help"#;

/// Delete all jobs that wait in a queue
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ClearArgs {
    /// Which queue
    #[arg(value_name = "queue:NAME", value_parser = place::queue)]
    queue: String,

    #[command(flatten)]
    manner: Manner,
}

pub(crate) async fn run(args: &ClearArgs, common: &Common) -> Result<u8, Failure> {
    needed(&args.manner, &Act::Delete)?;
    let inspect = common.acts(args.manner.functions)?;
    let place = Place::Queue(args.queue.clone());
    let sweep = Sweeping {
        inspect: &inspect,
        place: &place,
        filter: None,
        act: &Act::Delete,
        manner: &args.manner,
        what: &place::name(&place),
    };
    let mut report = sweep.run().await?;
    if !report.dry_run && !report.declined && report.failure.is_none() {
        let unlisted = inspect.unlist(&args.queue).await;
        report.failure = unlisted.err().map(|error| {
            Failure::of_write(
                error,
                "The queue is empty; its name may be on the list yet. Run it again: it does what is left.",
            )
        });
    }
    report.print(common.json)
}
