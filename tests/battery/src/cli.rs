//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Breaks Redis, processes and payloads, and checks that Gandy keeps its promises meanwhile.
#[derive(Debug, Parser)]
#[command(name = "battery", version)]
pub(crate) struct Cli {
    /// Only these scenarios; all when left out.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Small loads, a few minutes in all: what the tests run. The default.
    #[arg(long, conflicts_with = "full")]
    pub(crate) quick: bool,
    /// The loads that the published figures come from: more than an hour.
    #[arg(long)]
    pub(crate) full: bool,
    /// What the random choices of all scenarios are drawn from; a new one when left out.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Writes the results there.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Writes the results into docs/reliability.md.
    #[arg(long)]
    pub(crate) record: bool,
    /// Runs Gandy broken in several ways instead, each in the scenario that has to notice it.
    #[arg(long, conflicts_with = "names")]
    pub(crate) mutants: bool,
    /// Prints the names of the scenarios and what they do.
    #[arg(long)]
    pub(crate) list: bool,
}
