//! Processes, and what they run.

use std::borrow::Cow;
use std::collections::HashMap;

use axum::extract::State;
use gandy::document::{Process, Run};
use gandy::views::RunningJob;
use serde_json::json;
use serde_json::value::to_raw_value;

use super::ok;
use crate::json;
use crate::problem::Outcome;
use crate::state::{App, Shared};

pub(crate) async fn processes(State(app): State<App>) -> Outcome {
    let processes = app.watch.processes().await?;
    let running = RunningJob::all_of(&processes);
    let running: HashMap<(&str, &str), &RunningJob> = running
        .iter()
        .map(|job| ((job.identity.as_str(), job.id.as_str()), job))
        .collect();
    let shown = processes.iter().map(|process| {
        Process::of(process, |work| {
            let job = running.get(&(process.identity.as_str(), work.id.as_str()))?;
            Some(Cow::Owned(to_raw_value(&entry(&app, job)?).ok()?))
        })
    });
    ok(&shown.collect::<Vec<_>>())
}

/// In Sidekiq's own shape, a payload within a text. Made anew: what a process wrote there has the arguments.
fn entry(app: &Shared, job: &RunningJob) -> Option<serde_json::Value> {
    let payload = job.payload.as_ref()?;
    let hides = app.redaction.of(payload.class(), payload.display_class());
    Some(json!({
        "queue": job.queue,
        "payload": json::redacted(payload.raw(), &hides),
        "run_at": job.started_ms.map(|at| at / 1000),
    }))
}

pub(crate) async fn busy(State(app): State<App>) -> Outcome {
    let processes = app.watch.processes().await?;
    let running = RunningJob::all_of(&processes);
    ok(&running.iter().map(Run::from).collect::<Vec<_>>())
}
