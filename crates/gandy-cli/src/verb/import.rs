//! `gandy import`: puts back what `export` has written.

use std::fs::File;
use std::path::PathBuf;

use clap::Args;
use gandy::{Inspect, Kind, Place};
use serde::Serialize;

use super::bulk::lines::{self, Lines, Text};
use super::export;
use crate::cli::Common;
use crate::failure::{Failure, exit};
use crate::interrupt::Interrupt;
use crate::meter::Meter;
use crate::printable::printable;
use crate::words::count;
use crate::{document, output, place};

const EXAMPLES: &str = r#"EXAMPLES
  gandy import dead.jsonl
  gzip -dc default.jsonl.gz | gandy import -
  jq -c 'select(.place == "retry")' all.jsonl | gandy import -

Each entry goes back where it was: exact bytes, in a set with its exact score. Into sets it may be repeated as often as
you like: what is there already stays as it is. A queue cannot tell whether a job was there before, so that importing
twice enqueues twice; jobs go behind those that wait, in the order of the lines. When it stops early, it says from which
line on to go on: --skip N leaves out the first N lines.

JSON
  {"imported":2500,"already_there":0,"lines":2500,"error":null}      lines: those that are done, from the first one on

Exit codes and environment: gandy --help"#;

/// Entries in one command at most…
const JOBS_MAX: usize = 500;
/// …and no more once they have this many bytes.
const BYTES_MAX: usize = 1 << 20;
/// A longer line is no entry of ours: JSON may make six bytes of one, and workers bury what has more than 64 MiB.
const LINE_MAX: usize = 400 << 20;

/// Put exported jobs back
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// What gandy export wrote; - is standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,

    /// Leave out the first lines, which an earlier import has done
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
}

#[derive(Debug, Default)]
struct Tally {
    imported: u64,
    there: u64,
    /// Lines that are done, those left out included.
    lines: u64,
    queues: bool,
}

/// Entries of one place, to be put back by one command.
#[derive(Debug)]
struct Batch {
    place: Place,
    jobs: Vec<(Option<f64>, Vec<u8>)>,
    bytes: usize,
    last_line: u64,
}

#[derive(Serialize)]
struct Report<'a> {
    imported: u64,
    already_there: u64,
    lines: u64,
    error: Option<&'a str>,
}

pub(crate) async fn run(args: &ImportArgs, common: &Common) -> Result<u8, Failure> {
    let (lines, length) = open(args)?;
    let inspect = common.inspect()?;
    let interrupt = Interrupt::listen()?;
    let mut meter = Meter::new(length);
    let mut tally = Tally {
        lines: args.skip,
        ..Tally::default()
    };
    let outcome = put_all(&inspect, lines, &interrupt, &mut tally, &mut meter).await;
    meter.end();
    let said = format!(
        "{} imported, {} there already",
        count(tally.imported, "job"),
        tally.there
    );
    let failure = outcome.err().map(|failure| {
        failure.and(&format!(
            "{said}. Go on with: gandy import --skip {} …",
            tally.lines
        ))
    });
    let shown = if common.json {
        document::print(&Report {
            imported: tally.imported,
            already_there: tally.there,
            lines: tally.lines,
            error: failure.as_ref().map(|failure| failure.text.as_str()),
        })
    } else if failure.is_none() {
        output::print(&said)
    } else {
        Ok(())
    };
    if tally.queues {
        output::note(
            "jobs of queues are enqueued; importing those lines again would enqueue them again",
        );
    }
    if interrupt.asked() && failure.is_none() {
        output::note(&format!(
            "interrupted; go on with: gandy import --skip {} …",
            tally.lines
        ));
        return shown.map(|()| exit::INTERRUPTED);
    }
    match failure {
        Some(failure) => Err(failure),
        None => shown.map(|()| exit::DONE),
    }
}

/// The lines, and how many bytes they have where that is known.
fn open(args: &ImportArgs) -> Result<(Lines, Option<u64>), Failure> {
    if args.file.as_os_str() == "-" {
        return Ok((
            Lines::of(std::io::stdin(), LINE_MAX, args.skip),
            lines::stdin_length(),
        ));
    }
    let shown = args.file.display();
    let unread = |error| Failure::io(printable(&format!("{shown} could not be read: {error}")));
    let file = File::open(&args.file).map_err(unread)?;
    let length = file.metadata().map_err(unread)?.len();
    Ok((Lines::of(file, LINE_MAX, args.skip), Some(length)))
}

async fn put_all(
    inspect: &Inspect,
    mut lines: Lines,
    interrupt: &Interrupt,
    tally: &mut Tally,
    meter: &mut Meter,
) -> Result<(), Failure> {
    let mut batch: Option<Batch> = None;
    loop {
        let next = tokio::select! {
            next = lines.next() => next,
            () = interrupt.wait() => None,
        };
        let line = next.filter(|_| !interrupt.asked());
        let ended = line.is_none();
        let entry = match line {
            Some(line) => entry(line),
            None => Ok(None),
        };
        let full = |batch: &Batch| batch.jobs.len() >= JOBS_MAX || batch.bytes >= BYTES_MAX;
        let fits = match (&batch, &entry) {
            (Some(batch), Ok(Some((place, ..)))) => batch.place == *place && !full(batch),
            (Some(_), _) => !ended && entry.is_ok(),
            (None, _) => true,
        };
        if !fits && let Some(batch) = batch.take() {
            put(inspect, batch, tally).await?;
            meter.show(lines.bytes_read(), tally.imported, "imported");
        }
        // The lines before a wrong one are done.
        if let Some((place, number, score, bytes)) = entry? {
            let batch = batch.get_or_insert(Batch {
                place,
                jobs: Vec::new(),
                bytes: 0,
                last_line: 0,
            });
            batch.bytes += bytes.len();
            batch.last_line = number;
            batch.jobs.push((score, bytes));
        }
        if ended {
            return Ok(());
        }
    }
}

async fn put(inspect: &Inspect, batch: Batch, tally: &mut Tally) -> Result<(), Failure> {
    let count = batch.jobs.len() as u64;
    let into_queue = matches!(batch.place, Place::Queue(_));
    match inspect.put_back(&batch.place, batch.jobs).await {
        Ok(new) => {
            tally.imported += new;
            tally.there += count - new.min(count);
            tally.lines = batch.last_line;
            tally.queues |= into_queue;
            Ok(())
        }
        Err(error) if error.kind() == Kind::Unknown => {
            let failure = Failure::unknown(format!(
                "Redis did not answer: {count} jobs behind line {} are there or not",
                tally.lines
            ));
            Err(match into_queue {
                true => failure.and(&format!(
                    "Look before you go on: gandy jobs {}",
                    printable(&place::name(&batch.place))
                )),
                false => failure,
            })
        }
        Err(error) => Err(error.into()),
    }
}

type Entry = (Place, u64, Option<f64>, Vec<u8>);

/// What is in a line; none in an empty one.
fn entry(line: lines::Line) -> Result<Option<Entry>, Failure> {
    let bad = |words: &str| Failure::data(format!("line {}: {}", line.number, printable(words)));
    let bytes = match line.text {
        Text::Whole(bytes) => bytes,
        Text::TooLong => return Err(bad("is longer than any entry can be")),
        Text::Failed(error) => {
            return Err(Failure::io(format!(
                "the input could not be read at line {}: {error}",
                line.number
            )));
        }
    };
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    let read: export::Line = serde_json::from_slice(&bytes)
        .map_err(|error| bad(&format!("is none that gandy export wrote: {error}")))?;
    let place = place::parse(&read.place).map_err(|error| bad(&format!("`place`: {error}")))?;
    let score = match (&place, &read.score) {
        (Place::Queue(_), None) => None,
        (Place::Queue(_), Some(_)) => return Err(bad("a queue's entries have no `score`")),
        (_, None) => return Err(bad("`score` is missing")),
        (_, Some(score)) => match score.parse::<f64>() {
            Ok(score) if !score.is_nan() => Some(score),
            _ => return Err(bad("`score` is no number of seconds")),
        },
    };
    let bytes = read.bytes().map_err(|error| bad(&error))?;
    Ok(Some((place, line.number, score, bytes)))
}
