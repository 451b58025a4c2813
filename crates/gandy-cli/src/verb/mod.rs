//! One file for each verb: its flags, its examples, what it does and the shape of its JSON. `bulk` is the larger half of
//! `push`: `--stdin`.

mod bulk;
pub(crate) mod completions;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod functions;
pub(crate) mod jobs;
pub(crate) mod man;
pub(crate) mod processes;
pub(crate) mod push;
pub(crate) mod queues;
pub(crate) mod stats;
pub(crate) mod top;

use crate::cli::{Cli, Verb};
use crate::failure::{Failure, exit};

/// Does what the command line says, and gives the exit code.
pub(crate) async fn run(cli: &Cli) -> Result<u8, Failure> {
    let common = &cli.common;
    match &cli.verb {
        Verb::Push(args) => push::run(args, common).await,
        Verb::Stats(_) => stats::run(common).await,
        Verb::Queues(_) => queues::run(common).await,
        Verb::Jobs(args) => jobs::run(args, common).await,
        Verb::Processes(_) => processes::run(common).await,
        Verb::Doctor(args) => return doctor::run(args, common).await,
        Verb::InstallFunctions(_) => functions::run(common).await,
        Verb::Top(_) => top::run(common).await,
        Verb::Dev(args) => return dev::run(args, common).await,
        Verb::Completions(args) => completions::run(args, common),
        Verb::Man(args) => man::run(args, common),
    }
    .map(|()| exit::DONE)
}
