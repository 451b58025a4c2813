//! `gandy top`: the full screen.

use std::io::{IsTerminal, stdin, stdout};

use clap::Args;

use crate::cli::Common;
use crate::failure::Failure;
use crate::printable::printable;
use crate::style;
use crate::top::{self, Look};

const EXAMPLES: &str = r#"EXAMPLES
  gandy top
  gandy top --redis redis://10.0.0.5:6379/1 --namespace shop

It reads once a second: totals, how Redis does, and the page that is shown, never more than a page of a set. While Redis is
away it says so and goes on when Redis is back. The metrics are those of gandy metrics, of the last hour, read every five
seconds while they are shown; the bars are runs by minute, the newest at the right.

FILTER, behind the key /
  jobs          terms such as class:Mailer* error:Timeout arg:42 age>1h -queue:low, all of them in gandy jobs --help. It looks
                through the first 1,000 jobs of a queue or a set. A wrong filter says what is wrong, and filters nothing
  other lines   words that stand in the line, capital or small

KEYS
  1-8, Tab      overview, queues, busy, retries, scheduled, dead, processes, metrics
  arrows, j, k  choose; PgUp, PgDn, g, G turn pages; Enter opens a job, a process, a class, or the jobs of a queue
  r, d, b       retry, delete, bury the chosen job; p pauses a queue or ends its pause
  Q, T          tell the chosen process to stop claiming, to end
  ?             all keys; q, Esc, Ctrl-C quit

JSON
  none: it is for people. gandy stats, queues, jobs, processes and metrics have --json

Exit codes and environment: gandy --help"#;

/// Watch everything on a full screen, and act on single jobs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TopArgs {}

pub(crate) async fn run(common: &Common) -> Result<(), Failure> {
    if common.json {
        return Err(Failure::usage(
            "gandy top is a screen for people and has no --json; gandy stats --json has the totals",
        ));
    }
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err(Failure::usage(
            "gandy top needs a terminal for its keys and its screen; gandy stats, queues and jobs do without",
        ));
    }
    let inspect = common.inspect()?;
    let namespace = match common.namespace() {
        "" => String::new(),
        name => format!("  namespace {name}"),
    };
    let server = printable(&format!("{}{namespace}", inspect.address()));
    let look = Look {
        colour: style::of_stdout(),
    };
    top::run(&inspect, server, look).await
}
