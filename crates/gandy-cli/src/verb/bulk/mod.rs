//! `gandy push --stdin`: reads, sends slice by slice, and says exactly how far it came.
//!
//! What is acknowledged is a prefix of the lines wherever that is possible: a bad line stops the reading, the lines
//! before it are still pushed, and nothing after it.

pub(super) mod lines;
mod slice;

use gandy::Client;
use serde::Serialize;

use self::lines::{LINE_MAX, Lines};
use self::slice::Slice;
use crate::cli::Common;
use crate::failure::{Failure, exit};
use crate::interrupt::Interrupt;
use crate::meter::Meter;
use crate::words::count;
use crate::{document, output};

/// How far a push of many came.
#[derive(Debug, Default)]
struct Tally {
    /// Jobs that Redis acknowledged.
    acknowledged: u64,
    /// Lines from the first one on that are done: acknowledged, empty or left out.
    lines: u64,
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
    acknowledged_lines: u64,
    unknown: u64,
    first_unacknowledged_line: Option<u64>,
    error: Option<&'a str>,
}

pub(super) async fn run(common: &Common, skip: u64) -> Result<u8, Failure> {
    // Connected before anything is read: who pipes a slow program in learns at once that Redis is not there.
    let client = common.client().await?;
    let interrupt = Interrupt::listen()?;
    let mut meter = Meter::new(lines::stdin_length());
    let mut tally = Tally::default();
    let mut lines = Lines::of(std::io::stdin(), LINE_MAX, skip);
    let stop = push_all(&client, &mut lines, &interrupt, &mut tally, &mut meter).await;
    meter.end();
    let failure = stop.as_ref().map(|stop| explain(stop, &tally));
    let interrupted = stop.is_none() && interrupt.asked();
    let shown = if common.json {
        document::print(&Report {
            acknowledged: tally.acknowledged,
            acknowledged_lines: tally.lines,
            unknown: tally.unknown,
            first_unacknowledged_line: match stop {
                None if interrupted => Some(tally.lines + 1),
                stop => stop.map(|stop| stop.line),
            },
            error: failure.as_ref().map(|failure| failure.text.as_str()),
        })
    } else if failure.is_none() {
        output::print(&acknowledged(&tally))
    } else {
        Ok(())
    };
    if interrupted {
        output::note(&format!(
            "interrupted after line {0}; go on with: gandy push --stdin --skip {0} < FILE",
            tally.lines
        ));
    }
    match failure {
        Some(failure) => Err(failure),
        None => shown
            .map(|()| {
                if interrupted {
                    exit::INTERRUPTED
                } else {
                    exit::DONE
                }
            })
            .map_err(|failure| failure.and(&format!("{}.", acknowledged(&tally)))),
    }
}

/// Ends with the input, at the first line that is not acknowledged, or after the present slice when it is asked to.
async fn push_all(
    client: &Client,
    lines: &mut Lines,
    interrupt: &Interrupt,
    tally: &mut Tally,
    meter: &mut Meter,
) -> Option<Stop> {
    loop {
        // What was read of a slice and not sent is not acknowledged.
        let slice = tokio::select! {
            slice = Slice::gather(lines) => slice,
            () = interrupt.wait() => return None,
        };
        if let Err(stop) = slice.send(client, tally).await {
            tally.lines = stop.line - 1;
            return Some(stop);
        }
        tally.lines = lines.taken();
        meter.show(lines.bytes_read(), tally.acknowledged, "acknowledged");
        if slice.is_last() {
            let stop = slice.into_bad_line();
            if let Some(stop) = &stop {
                tally.lines = stop.line - 1;
            }
            return stop;
        }
        if interrupt.asked() {
            return None;
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
    said.and(&format!(
        "Line {line} is the first that is not acknowledged; {mend} on from there: gandy push --stdin --skip {} < FILE",
        line - 1
    ))
}
