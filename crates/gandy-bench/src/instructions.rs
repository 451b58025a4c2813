//! Instructions of a worker a job, counted by valgrind: the same on a busy machine, so that a change shows that a clock
//! would not.
//!
//! Two drains of different lengths are counted and taken from each other, so that start and end cancel out. One runtime
//! thread: which of two threads takes a job is chance.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::case::{Case, Sample};
use crate::contender::Contender;
use crate::machine;
use crate::pending::Pending;
use crate::row::median;
use crate::server::Persistence;
use crate::stage::Stage;

/// The two drains.
const JOBS: [u64; 2] = [4_000, 24_000];
/// How often both.
const ROUNDS: usize = 3;
/// A rise above this is to be explained.
const RISE_MAX: f64 = 0.05;
const FILE: &str = "instructions.json";
/// Under valgrind everything takes its time, the end too.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// What is kept in the repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    instructions_per_job: f64,
    concurrency: usize,
    drains: [u64; 2],
    machine: String,
}

/// Counts, compares with the record, and renews it; a rise above 5 % only when told to `accept` it.
pub(crate) fn run(accept: bool, slots: usize) -> Result<()> {
    let mut counts = Vec::new();
    for round in 1..=ROUNDS {
        let few = count(slots, JOBS[0])?;
        let many = count(slots, JOBS[1])?;
        let each = (many - few) / (JOBS[1] - JOBS[0]) as f64;
        eprintln!("{round}: {each:.0} instructions a job");
        counts.push(each);
    }
    let now = Record {
        instructions_per_job: median(counts).unwrap_or(0.0).round(),
        concurrency: slots,
        drains: JOBS,
        machine: machine::describe()?,
    };
    let path = machine::docs().join(FILE);
    let before = fs::read_to_string(&path).ok();
    let before: Option<Record> = before.and_then(|text| serde_json::from_str(&text).ok());
    println!("{}", verdict(before.as_ref(), &now, accept)?);
    fs::write(&path, serde_json::to_string_pretty(&now)? + "\n")
        .with_context(|| format!("cannot write {}", path.display()))
}

/// What to say; an error when the number rose too much.
fn verdict(before: Option<&Record>, now: &Record, accept: bool) -> Result<String> {
    let count = now.instructions_per_job;
    let Some(before) = before.filter(|before| before.concurrency == now.concurrency) else {
        return Ok(format!(
            "{count} instructions a job; nothing to compare with"
        ));
    };
    let rise = count / before.instructions_per_job - 1.0;
    let text = format!(
        "{count} instructions a job, {:+.1} % beside the record of {}",
        rise * 100.0,
        before.instructions_per_job
    );
    if rise > RISE_MAX + 1e-9 && !accept {
        bail!("{text}: say why in docs/benchmarks/notes.md and run this with --accept, or undo it");
    }
    Ok(text)
}

/// Instructions of a worker from its start to its end, `jobs` no-ops between.
fn count(slots: usize, jobs: u64) -> Result<f64> {
    let mut stage = Stage::start(Persistence::None, 0)?;
    let out = stage.file("callgrind.out");
    let who = Contender::gandy()?.under(&[
        "valgrind",
        "--tool=callgrind",
        &format!("--callgrind-out-file={}", out.display()),
    ]);
    let case = Case {
        concurrency: Some(slots),
        jobs,
        env: vec![("THREADS".into(), "1".into())],
        ..Case::new("instructions", |_, _| Ok(Sample::default()))
    };
    stage.fill(&who, &case)?;
    let mut pending = Pending::of(&who);
    let full = pending.read(&mut stage.probe)?;
    let mut worker = stage.spawn(&who, &case, "work")?;
    stage
        .drain(&mut worker, &mut pending, full)
        .context("is valgrind installed?")?;
    worker.stop(PATIENCE);
    total(&out)
}

/// The total that callgrind wrote.
fn total(path: &Path) -> Result<f64> {
    let text = fs::read_to_string(path).context("callgrind wrote nothing")?;
    let line = text.lines().find_map(|line| {
        line.strip_prefix("totals: ")
            .or(line.strip_prefix("summary: "))
    });
    let line = line.context("callgrind wrote no total")?;
    let total: f64 = line.trim().parse()?;
    ensure!(total > 0.0, "callgrind counted nothing");
    Ok(total)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn record(instructions_per_job: f64) -> Record {
        Record {
            instructions_per_job,
            concurrency: 100,
            drains: JOBS,
            machine: String::new(),
        }
    }

    #[test]
    fn a_rise_over_five_per_cent_is_an_error_unless_accepted() {
        let before = record(1_000.0);
        let say = |count, accept| verdict(Some(&before), &record(count), accept);
        assert!(say(1_050.0, false).unwrap().contains("+5.0 %"));
        assert!(
            say(1_051.0, false)
                .unwrap_err()
                .to_string()
                .contains("--accept")
        );
        assert!(say(1_051.0, true).is_ok());
        assert!(say(500.0, false).unwrap().contains("-50.0 %"));
        assert!(verdict(None, &record(7.0), false).is_ok());
    }

    #[test]
    fn the_total_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        fs::write(
            &path,
            "version: 1\nevents: Ir\nfn=(1)\n1 5\ntotals: 12345\n",
        )
        .unwrap();
        assert_eq!(total(&path).unwrap(), 12_345.0);
    }
}
