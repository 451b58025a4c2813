//! `gandy dev`: for development, everything in one command.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Common;
use crate::dev::{self, Wish};
use crate::failure::Failure;

const EXAMPLES: &str = r#"EXAMPLES
  gandy dev                                a private Redis, gandy-worker with ./gandy.toml, and the dashboard
  gandy dev --config jobs.toml             the same with another file
  gandy dev -- cargo run --bin worker      your own worker; REDIS_URL leads it to the private Redis
  gandy dev --keep .gandy --port 6390      jobs stay in .gandy, on a port that does not change

Redis is started from the PATH, on a free port of 127.0.0.1, in a temporary folder; it writes nothing unless --keep says
where. The dashboard says its address: on this machine it asks for no password. Ctrl-C, TERM and HUP end the worker,
which gives its jobs back, then the dashboard and Redis, and remove the folder; the same again kills them. When one of
the three ends by itself, that is said and the others are ended.

JSON
  none: it shows what the processes print, each line with the process' name before it

EXIT CODES
  0 ended by a signal, 1 a process ended by itself; the others and the environment: gandy --help"#;

/// Run a private Redis, a worker and the dashboard for development, until Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DevArgs {
    /// Keep what is in Redis in this folder, for the next time
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// The port of Redis [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// The port of the dashboard [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    web_port: Option<u16>,

    /// Your own worker instead of gandy-worker
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// The exit code.
pub(crate) async fn run(args: &DevArgs, common: &Common) -> Result<u8, Failure> {
    if common.json {
        return Err(Failure::usage(
            "gandy dev shows what processes print and has no --json",
        ));
    }
    if common.redis.is_some() {
        return Err(Failure::usage(
            "gandy dev starts a Redis of its own; without --redis, or use gandy-worker with the one that runs",
        ));
    }
    let wish = Wish {
        keep: args.keep.clone(),
        port: args.port,
        web_port: args.web_port,
        config: common.config.clone(),
        namespace: common.namespace.clone(),
        command: args.command.clone(),
    };
    dev::run(&wish).await
}
