//! One file for each verb: its flags, its examples, what it does and the shape of its JSON. `bulk` is the larger half of
//! `push`: `--stdin`; `wait` is its `--wait`. `look` is what the views of single jobs share.

pub(crate) mod act;
mod bulk;
pub(crate) mod busy;
pub(crate) mod cancel;
pub(crate) mod clear;
pub(crate) mod completions;
mod consent;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod exporter;
pub(crate) mod functions;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod job;
pub(crate) mod jobs;
mod look;
pub(crate) mod man;
pub(crate) mod mark;
pub(crate) mod metrics;
pub(crate) mod pause;
pub(crate) mod processes;
pub(crate) mod push;
pub(crate) mod queues;
pub(crate) mod signal;
pub(crate) mod stats;
pub(crate) mod top;
mod wait;
pub(crate) mod web;
pub(crate) mod why;

use crate::cli::{Cli, Verb};
use crate::failure::{Failure, exit};

/// Does what the command line says, and gives the exit code.
pub(crate) async fn run(cli: &Cli) -> Result<u8, Failure> {
    let common = &cli.common;
    match &cli.verb {
        Verb::Push(args) => return push::run(args, common).await,
        Verb::Job(args) => return job::run(args, common).await,
        Verb::Why(args) => why::run(args, common).await,
        Verb::Busy(args) => busy::run(args, common).await,
        Verb::History(args) => history::run(args, common).await,
        Verb::Metrics(args) => metrics::run(args, common).await,
        Verb::Mark(args) => mark::run(args, common).await,
        Verb::Cancel(args) => return cancel::run(args, common).await,
        Verb::Stats(_) => stats::run(common).await,
        Verb::Queues(args) => queues::run(args, common).await,
        Verb::Jobs(args) => jobs::run(args, common).await,
        Verb::Processes(_) => processes::run(common).await,
        Verb::Retry(args) => return act::retry(args, common).await,
        Verb::Delete(args) => return act::delete(args, common).await,
        Verb::Bury(args) => return act::bury(args, common).await,
        Verb::Move(args) => return act::move_to(args, common).await,
        Verb::Clear(args) => return clear::run(args, common).await,
        Verb::Pause(args) => pause::pause(args, common).await,
        Verb::Unpause(args) => pause::unpause(args, common).await,
        Verb::Quiet(args) => return signal::quiet(args, common).await,
        Verb::Stop(args) => return signal::stop(args, common).await,
        Verb::Export(args) => return export::run(args, common).await,
        Verb::Import(args) => return import::run(args, common).await,
        Verb::Doctor(args) => return doctor::run(args, common).await,
        Verb::Exporter(args) => exporter::run(args, common).await,
        Verb::InstallFunctions(_) => functions::run(common).await,
        Verb::Top(_) => top::run(common).await,
        Verb::Web(args) => web::run(args, common).await,
        Verb::Dev(args) => return dev::run(args, common).await,
        Verb::Completions(args) => completions::run(args, common),
        Verb::Man(args) => man::run(args, common),
    }
    .map(|()| exit::DONE)
}
