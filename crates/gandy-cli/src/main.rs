//! The command `gandy`: pushes jobs and looks at what Redis holds.
//!
//! # Layout
//! * `cli`: the command line; `connection`, `settings`: which Redis it means; `verb/`: one file for each verb.
//! * `top/`: the full screen; `dev/`: the processes of `gandy dev`.
//! * `failure`: what went wrong, and its exit code; `output`: standard output and standard error.
//! * `table`, `words`, `pretty`, `spark`, `printable`, `style`: what people read; `document`: what programs read.
//! * `json_args`, `place`, `span`: words of the command line that become something else.
//! * `meter`, `interrupt`: what takes long shows how far it is, and ends when it is asked to.
//!
//! All work on Redis is done by [`gandy::Client`], [`gandy::Inspect`] and [`gandy::doctor`]; nothing here knows a key.

mod cli;
mod connection;
mod dev;
mod document;
mod failure;
mod interrupt;
mod json_args;
mod meter;
mod output;
mod place;
mod pretty;
mod printable;
mod settings;
mod spark;
mod style;
mod table;
mod top;
mod verb;
mod words;
mod writing;

use std::process::ExitCode;

use failure::Failure;

fn main() -> ExitCode {
    let mut cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    log(&cli.verb);
    match run(&mut cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output::complain(&failure.text);
            ExitCode::from(failure.code)
        }
    }
}

/// The library's warnings, such as a queue's name that could not be written. What runs on and takes orders also says who
/// gave which, and when.
fn log(verb: &cli::Verb) {
    use tracing_subscriber::EnvFilter;
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("warn,gandy::audit=info"))
        .with_writer(std::io::stderr)
        .with_ansi(false);
    match verb {
        cli::Verb::Web(_) => log.init(),
        _ => log.without_time().with_target(false).init(),
    }
}

fn run(cli: &mut cli::Cli) -> Result<u8, Failure> {
    if cli.verb.asks_redis() {
        cli.common.settle()?;
    }
    // It fails only when one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::bug(format!("no runtime could be started: {error}")))?;
    runtime.block_on(verb::run(cli))
}
