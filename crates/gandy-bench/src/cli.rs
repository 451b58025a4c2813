//! The command line; `scripts/bench` is what people call.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures Gandy beside its peers and beside the bare protocol, in one run on one machine.
#[derive(Debug, Parser)]
#[command(name = "gandy-bench", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Measures.
    Run(Run),
    /// Writes results, plots and tables into docs/benchmarks from the files of earlier runs.
    Render {
        /// As `--json` wrote them; the rows of the first come first, and the same case of a later one takes its place.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Counts the instructions of a worker a job under valgrind and compares them with docs/benchmarks/instructions.json.
    Instructions {
        /// Keeps the new number although it rose by more than 5 %.
        #[arg(long)]
        accept: bool,
        /// Slots of the worker.
        #[arg(long, default_value_t = 100)]
        concurrency: usize,
    },
    /// Gandy as a contender, told by its environment.
    #[command(hide = true)]
    Contender {
        /// work, fill, push, push64 or pickup.
        verb: String,
    },
    /// Makes Redis far away: passes bytes on, some microseconds later each way.
    #[command(hide = true)]
    Proxy {
        /// Where to listen.
        listen: String,
        /// Where Redis is.
        upstream: String,
        /// Each way.
        delay_us: u64,
    },
    /// The bare protocol as a contender, told by its environment.
    #[command(hide = true)]
    Floor {
        /// work, fill, push, push64 or pickup.
        verb: String,
    },
}

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Small numbers, once, without an append-only file: to see a change, not to publish.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these works; all when left out: drain, sleep1, compute1, sleep10, push, push64, bulk, pickup, proxy, fail,
    /// promote, growth, idle-fleet, memory, dashboard, dashboard-live.
    #[arg(long, value_delimiter = ',', value_name = "WORK,…")]
    pub(crate) work: Vec<String>,
    /// Only these contenders; all when left out.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub(crate) only: Vec<String>,
    /// Writes the results there.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Writes results, plots and tables into docs/benchmarks; so does a run of everything without --quick.
    #[arg(long)]
    pub(crate) record: bool,
    /// So many jobs where a work does not say itself how many, instead of as many as last for a while.
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<u64>,
    /// How often each; 1 with --quick, else 5.
    #[arg(long, value_name = "N")]
    pub(crate) repeat: Option<usize>,
    /// What Redis writes to disk, each a condition of its own; `none` with --quick, else both.
    #[arg(long, value_delimiter = ',', value_name = "none,aof")]
    pub(crate) persistence: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn help_names_every_work_in_its_order() {
        let mut command = Cli::command();
        let run = command.find_subcommand_mut("run");
        let help = run.map(|run| run.render_long_help().to_string());
        let help = help.unwrap_or_default();
        let words: Vec<&str> = help.split_whitespace().collect();
        let names: Vec<&str> = crate::work::ALL.iter().map(|work| work.name).collect();
        let listed = names.join(", ");
        assert!(words.join(" ").contains(&listed), "{help}\nlacks: {listed}");
    }
}
