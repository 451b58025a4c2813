//! `gandy quiet` and `stop`: what a worker process is told to do, ours or Ruby's.

use std::time::{Duration, Instant};

use clap::Args;
use gandy::{Inspect, span};
use serde::Serialize;

use crate::cli::Common;
use crate::failure::{Failure, exit};
use crate::printable::printable;
use crate::verb::consent;
use crate::words::parse_span;
use crate::{document, output};

const EXAMPLES: &str = r#"EXAMPLES
  gandy quiet host:1:0123456789ab                    it takes no more jobs, and goes on with those that it has
  gandy stop host:1:0123456789ab --wait              it ends; waits until it is gone
  gandy quiet --all --yes --wait --timeout 5m        before a deploy, without being asked

The signals are those of Sidekiq's Web UI. A Gandy worker obeys within a second or two, Ruby's with its next heartbeat
or the one after (20 s). There is no way back from quiet but a new process. gandy processes shows who is there.

JSON
  [{"identity":"host:1:0123456789ab","signal":"quiet","obeyed":true}]       obeyed is null without --wait

Exit codes and environment: gandy --help; 1 when the person who was asked said no (the list is empty then); 75 when the
time of --wait is over before all have obeyed"#;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Tell worker processes to take no more jobs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QuietArgs {
    #[command(flatten)]
    who: Who,
}

/// Tell worker processes to end
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Args)]
struct Who {
    /// These processes
    #[arg(
        value_name = "IDENTITY",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    identities: Vec<String>,

    /// All that show themselves
    #[arg(long)]
    all: bool,

    /// Do not ask, which --all does
    #[arg(long, short)]
    yes: bool,

    /// Wait until they are quiet, or gone
    #[arg(long)]
    wait: bool,

    /// Wait no longer than this
    #[arg(long, value_name = "SPAN", requires = "wait", default_value = "60s", value_parser = parse_span)]
    timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Quiet,
    Stop,
}

#[derive(Serialize)]
struct Row<'a> {
    identity: &'a str,
    signal: &'a str,
    obeyed: Option<bool>,
}

pub(crate) async fn quiet(args: &QuietArgs, common: &Common) -> Result<u8, Failure> {
    run(&args.who, Wish::Quiet, common).await
}

pub(crate) async fn stop(args: &StopArgs, common: &Common) -> Result<u8, Failure> {
    run(&args.who, Wish::Stop, common).await
}

impl Wish {
    fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Stop => "stop",
        }
    }

    fn question(self, processes: usize) -> String {
        let todo = match self {
            Self::Quiet => "Quiet",
            Self::Stop => "Stop",
        };
        let es = if processes == 1 { "" } else { "es" };
        format!("{todo} all that show themselves, {processes} process{es}")
    }

    fn obeyed(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Stop => "gone",
        }
    }
}

async fn run(who: &Who, wish: Wish, common: &Common) -> Result<u8, Failure> {
    // Whoever is named is meant; all of a fleet may be more than somebody thought of.
    let ask = who.all && !who.yes;
    consent::needed(
        !ask,
        "nobody was told anything",
        "look first with gandy processes",
    )?;
    let inspect = common.inspect()?;
    let identities = identities(&inspect, who).await?;
    if ask && !identities.is_empty() && !consent::ask(&wish.question(identities.len()))? {
        match common.json {
            true => document::print(&[(); 0])?,
            false => output::print("nobody was told anything")?,
        }
        return Ok(exit::DECLINED);
    }
    for identity in &identities {
        let sent = match wish {
            Wish::Quiet => inspect.quiet(identity).await,
            Wish::Stop => inspect.stop(identity).await,
        };
        sent.map_err(|error| {
            Failure::of_write(error, "Run it again: a signal may be sent twice.")
        })?;
    }
    let left = match who.wait {
        true => wait(&inspect, &identities, wish, who.timeout).await?,
        false => Vec::new(),
    };
    if common.json {
        let rows = identities.iter().map(|identity| Row {
            identity,
            signal: wish.name(),
            obeyed: who.wait.then(|| !left.contains(identity)),
        });
        // Before the failure is told: the document says who has obeyed.
        document::print(&rows.collect::<Vec<_>>())?;
    } else {
        let state = |identity: &String| match (who.wait, left.contains(identity)) {
            (false, _) => format!("{} was told", printable(identity)),
            (true, false) => format!("{} is {}", printable(identity), wish.obeyed()),
            (true, true) => format!(
                "{} was told, and is not {} yet",
                printable(identity),
                wish.obeyed()
            ),
        };
        let lines: Vec<String> = identities.iter().map(state).collect();
        if !lines.is_empty() {
            output::print(&lines.join("\n"))?;
        }
    }
    if left.is_empty() {
        return Ok(exit::DONE);
    }
    Err(Failure::unknown(format!(
        "{} of {} not {} after {}; they have the signal and may obey yet. Look with: gandy processes",
        left.len(),
        identities.len(),
        wish.obeyed(),
        span::show(who.timeout)
    )))
}

/// Who is meant. A name that nobody has would be told into the void.
async fn identities(inspect: &Inspect, who: &Who) -> Result<Vec<String>, Failure> {
    if who.all {
        let all = inspect.processes().await?;
        if all.is_empty() {
            output::note("no worker process shows itself here");
        }
        return Ok(all.into_iter().map(|process| process.identity).collect());
    }
    let there = inspect.presence(&who.identities).await?;
    for (identity, presence) in who.identities.iter().zip(there) {
        if !presence.there {
            return Err(Failure::data(format!(
                "there is no process {}; nobody was told anything. gandy processes shows who is there",
                printable(identity)
            )));
        }
    }
    Ok(who.identities.clone())
}

/// Waits, and gives those that have not obeyed in time.
async fn wait(
    inspect: &Inspect,
    identities: &[String],
    wish: Wish,
    timeout: Duration,
) -> Result<Vec<String>, Failure> {
    let began = Instant::now();
    let mut left = identities.to_vec();
    loop {
        let there = inspect.presence(&left).await?;
        let mut at = there.iter();
        left.retain(|_| {
            // As many answers as names.
            at.next().is_some_and(|presence| match wish {
                Wish::Quiet => presence.there && !presence.quiet,
                Wish::Stop => presence.there,
            })
        });
        if left.is_empty() || began.elapsed() >= timeout {
            return Ok(left);
        }
        tokio::time::sleep(LOOK).await;
    }
}
