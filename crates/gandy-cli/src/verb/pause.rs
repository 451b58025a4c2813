//! `gandy pause` and `unpause`: workers take nothing from a paused queue.

use clap::Args;
use gandy::{Inspect, QueueName};
use serde::Serialize;

use crate::cli::Common;
use crate::failure::Failure;
use crate::printable::printable;
use crate::{document, output};

const EXAMPLES: &str = r#"EXAMPLES
  gandy pause mailers                 Gandy's workers and Sidekiq Pro's take nothing from it; what runs goes on
  gandy pause mailers low
  gandy unpause mailers

The free Sidekiq's workers do not heed it. gandy queues shows what is paused; pushes go on. Doing it twice is as good.

JSON
  [{"queue":"mailers","paused":true}]

Exit codes and environment: gandy --help"#;

/// Pause queues
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    which: Which,
}

/// End the pause of queues
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UnpauseArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Which {
    /// Their names, with or without queue: before them
    #[arg(value_name = "QUEUE", required = true, value_parser = queue)]
    queues: Vec<String>,
}

#[derive(Serialize)]
struct Row<'a> {
    queue: &'a str,
    paused: bool,
}

pub(crate) async fn pause(args: &PauseArgs, common: &Common) -> Result<(), Failure> {
    run(&args.which.queues, true, common).await
}

pub(crate) async fn unpause(args: &UnpauseArgs, common: &Common) -> Result<(), Failure> {
    run(&args.which.queues, false, common).await
}

async fn run(queues: &[String], paused: bool, common: &Common) -> Result<(), Failure> {
    let inspect = common.inspect()?;
    for queue in queues {
        let done = match paused {
            true => inspect.pause(queue).await,
            false => inspect.unpause(queue).await,
        };
        done.map_err(|error| Failure::of_write(error, "Run it again: doing it twice is as good."))?;
    }
    remark_unknown(&inspect, queues).await;
    if common.json {
        let rows: Vec<_> = queues.iter().map(|queue| Row { queue, paused }).collect();
        return document::print(&rows);
    }
    let word = if paused {
        "paused"
    } else {
        "not paused any more"
    };
    let lines: Vec<String> = queues
        .iter()
        .map(|queue| format!("{} {word}", printable(queue)))
        .collect();
    output::print(&lines.join("\n"))
}

/// A name that nobody has pushed to is often a misspelt one. It is done already, so who cannot be asked is no error.
async fn remark_unknown(inspect: &Inspect, queues: &[String]) {
    let Ok(known) = inspect.queues().await else {
        return;
    };
    for queue in queues {
        if !known.iter().any(|row| row.name == *queue) {
            output::note(&printable(&format!(
                "no queue {queue} is known yet; gandy queues shows those that are"
            )));
        }
    }
}

fn queue(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("queue:").unwrap_or(text);
    QueueName::check(name).map_err(|error| error.to_string())?;
    Ok(name.to_owned())
}
