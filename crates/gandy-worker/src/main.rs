//! The binary: a worker, or with a hidden first word the shim of one of its programs.

use std::io::Write;
use std::process::ExitCode;

use gandy_worker::config::environment::Environment;
use gandy_worker::exec::shim;
use gandy_worker::start::{Start, start};
use gandy_worker::{exit, worker};

fn main() -> ExitCode {
    // Before anything else: a shim needs no configuration, and must be small and quick.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == shim::WORD)
    {
        return match shim::main() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(
                    std::io::stderr(),
                    "{} is for the worker's own use: {error}",
                    shim::WORD
                );
                ExitCode::from(exit::SOFTWARE)
            }
        };
    }
    let environment = Environment::of_process();
    match start(std::env::args_os(), &environment) {
        Start::End(code) => ExitCode::from(code),
        Start::Run(ready) => ExitCode::from(worker::run(*ready, &environment)),
    }
}
