//! `gandy export`: the entries of a queue or a set as lines of JSON, byte for byte. `import` reads them.

use std::io::{BufWriter, ErrorKind, Write, stdout};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use gandy::{Filter, JobInfo, Place};
use serde::{Deserialize, Serialize};

use crate::cli::Common;
use crate::failure::{Failure, exit};
use crate::interrupt::Interrupt;
use crate::meter::Meter;
use crate::words::count;
use crate::{output, place, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy export dead > dead.jsonl
  gandy export retry --filter 'class:Mailer* age>1d' > old.jsonl
  gandy export queue:default | gzip > default.jsonl.gz
  gandy import dead.jsonl

JSON
  {"place":"retry","score":"1795398104.597","raw":"{\"class\":…}"}        one line for each entry, also without --json
  raw: its exact bytes as text; base64 instead where they are not UTF-8. score: exactly as Redis has it, none in a queue

A queue is written in the order in which it is popped. Nothing is changed in Redis, and no more than a page is held in
memory. It is no snapshot where workers are at work: what is popped meanwhile may be in it or not.

Exit codes and environment: gandy --help"#;

/// So many entries are asked of Redis at once, at most.
const PAGE: usize = 500;

/// Write the jobs of a queue or a set as lines of JSON that gandy import puts back
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    /// Which
    #[arg(value_name = place::WORDS, value_parser = place::parse)]
    place: Place,

    /// Only those that fit, such as 'class:Mailer* age>1h'; see gandy jobs --help
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true, value_parser = words::filter)]
    filter: Option<Filter>,
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) place: String,
    /// A text, because JSON's numbers lose digits in many readers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) score: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) raw: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base64: Option<String>,
}

impl Line {
    fn of(job: JobInfo, place: &str) -> Self {
        let (raw, base64) = match String::from_utf8(job.bytes) {
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
        };
        Self {
            place: place.to_owned(),
            score: job.score.map(|score| score.to_string()),
            raw,
            base64,
        }
    }

    /// Its exact bytes.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, String> {
        match (&self.raw, &self.base64) {
            (Some(raw), None) => Ok(raw.clone().into_bytes()),
            (None, Some(base64)) => STANDARD
                .decode(base64)
                .map_err(|error| format!("`base64` is none: {error}")),
            _ => Err("one of `raw` and `base64` is needed, and not both".to_owned()),
        }
    }
}

pub(crate) async fn run(args: &ExportArgs, common: &Common) -> Result<u8, Failure> {
    let inspect = common.inspect()?;
    let size = inspect.size(&args.place).await?;
    let mut walk = inspect
        .walk(&args.place, args.filter.clone(), false)
        .await?;
    let interrupt = Interrupt::listen()?;
    let mut meter = Meter::new(Some(size));
    let mut out = BufWriter::new(stdout().lock());
    let name = place::name(&args.place);
    let mut written = 0_u64;
    let outcome = loop {
        if interrupt.asked() {
            break Ok(exit::INTERRUPTED);
        }
        let page = match walk.next(PAGE).await {
            Ok(Some(page)) => page,
            Ok(None) => break Ok(exit::DONE),
            Err(error) => break Err(Failure::from(error)),
        };
        for job in page {
            match write(&mut out, &Line::of(job, &name)) {
                Ok(()) => written += 1,
                // Whoever reads has enough.
                Err(None) => return Ok(exit::DONE),
                Err(Some(failure)) => return Err(failure),
            }
        }
        meter.show(walk.examined(), written, "exported");
    };
    meter.end();
    let flushed = out.flush().or_else(|error| match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(unwritten(&error)),
    });
    let said = format!("{} exported", count(written, "job"));
    match outcome {
        Err(failure) => Err(failure.and(&format!("Incomplete: {said}."))),
        Ok(code) => {
            flushed?;
            match code {
                exit::DONE => output::note(&said),
                _ => output::note(&format!("interrupted, incomplete: {said}")),
            }
            Ok(code)
        }
    }
}

/// A line and its break; `None`: the reader has gone away.
fn write(out: &mut impl Write, line: &Line) -> Result<(), Option<Failure>> {
    let text = serde_json::to_string(line)
        .map_err(|error| Some(Failure::bug(format!("no JSON: {error}"))))?;
    // What a terminal obeys goes as an escape, which means the same.
    let text = crate::printable::printable_json(&text);
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"));
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => None,
        _ => Some(unwritten(&error)),
    })
}

fn unwritten(error: &std::io::Error) -> Failure {
    Failure::io(format!(
        "the lines could not be written to standard output: {error}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_byte_survives_a_line() {
        let job = |bytes: &[u8]| JobInfo {
            place: Place::Retry,
            bytes: bytes.to_vec(),
            at_ms: None,
            score: Some(1_795_398_104.597_123_4),
            payload: Err(String::new()),
        };
        for bytes in [
            &b"{\"n\":12345678901234567890,\"x\":\"\\u0000\x1b\"}"[..],
            b"\xff\xfe no UTF-8 \x00",
            "\u{202e}\u{9b}é".as_bytes(),
            b"",
        ] {
            let mut out = Vec::new();
            write(&mut out, &Line::of(job(bytes), "retry")).unwrap();
            assert!(!out.contains(&0x1b) && out.ends_with(b"\n"));
            let line: Line = serde_json::from_slice(&out).unwrap();
            assert_eq!(line.bytes().unwrap(), bytes);
            let score: f64 = line.score.unwrap().parse().unwrap();
            assert_eq!(score.to_bits(), 1_795_398_104.597_123_4_f64.to_bits());
        }
    }
}
