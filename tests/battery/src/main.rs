//! The battery: breaks Redis, the processes and the payloads in every way that is known to happen, and checks what the
//! promises say about it. `scripts/battery` is what people call.
//!
//! # Layout
//! * `cli`; `battery`: runs scenarios, those that mostly wait side by side; `page`: what is printed and kept; `record`: the
//!   table of docs/reliability.md.
//! * `scenario`: what a scenario is, and all of them; one file each in `scenarios/`.
//! * `mutants`: Gandy broken on purpose, to see whether a scenario notices.
//! * `stage`: what a scenario gets; `outcome`: what it gives: bounds beside what was measured.

mod battery;
mod cli;
mod mutants;
mod outcome;
mod page;
mod record;
mod scenario;
mod scenarios;
mod stage;

use std::process::ExitCode;

use clap::Parser as _;

use crate::battery::Battery;
use crate::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let battery = match Battery::of(&cli) {
        Ok(battery) => battery,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    let rows = battery.run();
    println!("{}", page::table(&rows));
    let mutants = match battery.mutants() {
        Ok(mutants) => mutants,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    if let Some(path) = &cli.json
        && let Err(error) = page::write(path, battery.seed(), &rows, &mutants)
    {
        eprintln!("error: cannot write {}: {error}", path.display());
        return ExitCode::from(2);
    }
    if cli.record
        && let Err(error) = record::record(cli.full, battery.seed(), &rows)
    {
        eprintln!("error: cannot write docs/reliability.md: {error}");
        return ExitCode::from(2);
    }
    let broken: Vec<_> = rows.iter().filter(|row| row.is_broken()).collect();
    if !broken.is_empty() {
        // The end of the output is what people and CI see first.
        for row in &broken {
            println!("{}: {}", row.scenario, row.why().unwrap_or_default());
        }
        println!(
            "{} of {} scenarios broke a bound; again with --seed {}",
            broken.len(),
            rows.len(),
            battery.seed()
        );
        return ExitCode::FAILURE;
    }
    if mutants.iter().any(|mutant| mutant.caught_by.is_none()) {
        println!("a mutant was not noticed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
