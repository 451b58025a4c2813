//! The measuring bench: Gandy beside its peers and beside the bare protocol, in one run on one machine.
//!
//! # Layout
//! * `cli`; `bench`: the run; `work/`: what is measured; `size`: how much; `case`, `row`: conditions and results.
//! * `contender`: who is measured; `gandy_role` and `floor/`: those that are this program in another role, told by the
//!   environment in `order`; peers are folders in `contenders/`. `payload`, `task`: what all of them write and do;
//!   `told`: what they answer; `meter`: what ours measure of themselves.
//! * `stage`: one measurement's place: `server` (Redis), `child`, `probe` and `pending` (looks at Redis), `usage` (at
//!   processes), `resp` (the client of all that), `proxy`; `dashboard` (`gandy web`) and `http` (who looks at it).
//! * `instructions`: what valgrind counts.
//! * `table`, `figures`, `goals`, `plot`, `page`, `json`, `machine`: what is printed and kept.

mod bench;
mod case;
mod child;
mod cli;
mod contender;
mod dashboard;
mod figures;
mod floor;
mod gandy_role;
mod goals;
mod http;
mod instructions;
mod json;
mod machine;
mod meter;
mod order;
mod page;
mod payload;
mod pending;
mod plot;
mod probe;
mod proxy;
mod resp;
mod row;
mod server;
mod size;
mod stage;
mod table;
mod task;
mod told;
mod usage;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser as _;

use crate::bench::Bench;
use crate::cli::{Cli, Verb};
use crate::row::Results;
use crate::server::Persistence;
use crate::work::{Scope, Work};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace that `fn main() -> Result` would print: mostly it is a name that does not exist.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Run(run) => measure(run),
        Verb::Render { files } => render(&files),
        Verb::Instructions {
            accept,
            concurrency,
        } => instructions::run(accept, concurrency),
        Verb::Contender { verb } => gandy_role::run(&verb),
        Verb::Proxy {
            listen,
            upstream,
            delay_us,
        } => proxy::run(&listen, &upstream, Duration::from_micros(delay_us)),
        Verb::Floor { verb } => floor::run(&verb),
    }
}

fn measure(run: cli::Run) -> Result<()> {
    let whole = !run.quick && run.work.is_empty() && run.only.is_empty();
    let bench = Bench {
        works: works(&run.work)?,
        only: run.only,
        scope: Scope {
            quick: run.quick,
            persistence: persistence(&run.persistence, run.quick)?,
            jobs: run.jobs,
        },
        repeat: run.repeat.unwrap_or(if run.quick { 1 } else { 5 }).max(1),
        json: run.json,
        command: command(std::env::args().skip(2)),
    };
    let results = bench.run()?;
    println!(
        "{}\n\n{}\n{}",
        results.machine,
        goals::table(&results),
        table::tables(&results)
    );
    if run.record || whole {
        keep(&results)?;
    }
    Ok(())
}

/// How it was called, but for where somebody kept the results.
fn command(mut args: impl Iterator<Item = String>) -> String {
    let mut words = Vec::new();
    while let Some(word) = args.next() {
        if word == "--json" {
            args.next();
        } else if !word.starts_with("--json=") {
            words.push(word);
        }
    }
    words.join(" ")
}

/// Into docs/benchmarks.
fn keep(results: &Results) -> Result<()> {
    let folder = machine::docs();
    json::write(&folder.join("results.json"), results)?;
    page::record(&folder, results)
}

fn render(files: &[PathBuf]) -> Result<()> {
    let mut all: Option<Results> = None;
    for file in files {
        let results = json::read(file)?;
        match &mut all {
            None => all = Some(results),
            Some(all) => all.add(results),
        }
    }
    all.map_or(Ok(()), |results| keep(&results))
}

fn works(names: &[String]) -> Result<Vec<Work>> {
    if names.is_empty() {
        return Ok(work::ALL.to_vec());
    }
    let find = |name: &String| match work::ALL.iter().find(|work| work.name == *name) {
        Some(work) => Ok(*work),
        None => {
            let known: Vec<&str> = work::ALL.iter().map(|work| work.name).collect();
            bail!("--work {name}: there is only {}", known.join(", "))
        }
    };
    names.iter().map(find).collect()
}

fn persistence(names: &[String], quick: bool) -> Result<Vec<Persistence>> {
    let all = [Persistence::None, Persistence::Aof];
    if names.is_empty() {
        return Ok(all[..if quick { 1 } else { 2 }].to_vec());
    }
    let find = |name: &String| match all.into_iter().find(|known| known.name() == name) {
        Some(known) => Ok(known),
        None => bail!("--persistence {name}: it must be none or aof"),
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_somebodys_is_no_part_of_the_command() {
        let said = ["--quick", "--json", "/tmp/a.json", "--work", "drain"];
        assert_eq!(
            command(said.map(str::to_owned).into_iter()),
            "--quick --work drain"
        );
        let said = ["--json=/tmp/a.json", "--quick"];
        assert_eq!(command(said.map(str::to_owned).into_iter()), "--quick");
    }
}
