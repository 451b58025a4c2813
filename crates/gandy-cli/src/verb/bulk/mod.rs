//! `gandy push --stdin`: reads, sends slice by slice, and says exactly how far it came.
//!
//! What is acknowledged is a prefix of the lines wherever that is possible: a bad line stops the reading, the lines
//! before it are still pushed, and nothing after it.

mod lines;
mod progress;
mod slice;

use gandy::Client;
use serde::Serialize;

use self::lines::Lines;
use self::progress::Progress;
use self::slice::Slice;
use crate::cli::Common;
use crate::failure::{Failure, exit};
use crate::words::count;
use crate::{document, output};

/// How far a push of many came.
#[derive(Debug, Default)]
struct Tally {
    /// Jobs that Redis acknowledged.
    acknowledged: u64,
    /// Jobs whose push was not answered.
    unknown: u64,
    /// Of the acknowledged, those after the first line that is not: an answer is per queue.
    beyond: u64,
}

/// Why it ended before the end of the input.
#[derive(Debug)]
struct Stop {
    /// The first line that is not acknowledged.
    line: u64,
    failure: Failure,
}

#[derive(Serialize)]
struct Report<'a> {
    acknowledged: u64,
    unknown: u64,
    first_unacknowledged_line: Option<u64>,
    error: Option<&'a str>,
}

pub(super) async fn run(common: &Common) -> Result<(), Failure> {
    // Connected before anything is read: who pipes a slow program in learns at once that Redis is not there.
    let client = common.client().await?;
    let mut progress = Progress::of_stdin();
    let mut tally = Tally::default();
    let stop = push_all(&client, &mut Lines::of_stdin(), &mut tally, &mut progress).await;
    progress.end();
    let failure = stop.as_ref().map(|stop| explain(stop, &tally));
    let shown = if common.json {
        document::print(&Report {
            acknowledged: tally.acknowledged,
            unknown: tally.unknown,
            first_unacknowledged_line: stop.map(|stop| stop.line),
            error: failure.as_ref().map(|failure| failure.text.as_str()),
        })
    } else if failure.is_none() {
        output::print(&acknowledged(&tally))
    } else {
        Ok(())
    };
    match failure {
        Some(failure) => Err(failure),
        None => shown.map_err(|failure| failure.and(&format!("{}.", acknowledged(&tally)))),
    }
}

async fn push_all(
    client: &Client,
    lines: &mut Lines,
    tally: &mut Tally,
    progress: &mut Progress,
) -> Option<Stop> {
    loop {
        let slice = Slice::gather(lines).await;
        if let Err(stop) = slice.send(client, tally).await {
            return Some(stop);
        }
        progress.show(lines.bytes_read(), tally.acknowledged);
        if slice.is_last() {
            return slice.into_bad_line();
        }
    }
}

fn acknowledged(tally: &Tally) -> String {
    format!("{} acknowledged", count(tally.acknowledged, "job"))
}

/// The failure, what was pushed in spite of it, and how to go on.
fn explain(stop: &Stop, tally: &Tally) -> Failure {
    let (line, failure) = (stop.line, &stop.failure);
    let mut said = Failure {
        code: failure.code,
        text: failure.text.clone(),
    }
    .and(&format!("{}.", acknowledged(tally)));
    if tally.unknown > 0 {
        let unknown = count(tally.unknown, "more job");
        said = said.and(&format!(
            "{unknown} may or may not be pushed: Redis got them and did not answer."
        ));
    }
    if tally.beyond > 0 {
        said = said.and(&format!(
            "{} of the acknowledged stand after line {line}, in other queues; going on from there pushes them again.",
            tally.beyond
        ));
    }
    let mend = if failure.code == exit::DATA {
        "mend it, and go"
    } else {
        "go"
    };
    said.and(&format!("Line {line} is the first that is not acknowledged; {mend} on from there: tail -n +{line} FILE | gandy push --stdin"))
}
