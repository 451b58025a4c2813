//! Sizes, runs by day and by class, and what the doctor finds.

use axum::extract::{Path, State};
use gandy::document::{ClassTable, Day, Findings, Stats};

use super::ok;
use crate::page::doctor::FRESH;
use crate::page::metrics::{CLASSES, range};
use crate::param::Query;
use crate::problem::{Outcome, Problem};
use crate::state::App;
use crate::watch::HISTORY_DAYS;

pub(crate) async fn stats(State(app): State<App>) -> Outcome {
    let glance = app.watch.glance().await?;
    ok(&Stats::from(&glance.survey))
}

pub(crate) async fn history(State(app): State<App>, Query(query): Query) -> Outcome {
    let days = query.number("days", 1, HISTORY_DAYS.into(), 14)?;
    let history = app.watch.history().await?;
    let days = usize::try_from(days).unwrap_or(usize::MAX);
    ok(&history.iter().take(days).map(Day::from).collect::<Vec<_>>())
}

pub(crate) async fn metrics(State(app): State<App>, Query(query): Query) -> Outcome {
    let (name, window) = range(&query)?;
    let wanted = query.text("filter", 200)?.unwrap_or_default();
    let wanted = wanted.trim().to_lowercase();
    let metrics = app.watch.metrics(name, window, CLASSES).await?;
    ok(&ClassTable::of(&metrics, |class| {
        class.to_lowercase().contains(&wanted)
    }))
}

pub(crate) async fn class(
    State(app): State<App>,
    Path(class): Path<String>,
    Query(query): Query,
) -> Outcome {
    if class.len() > 500 {
        return Err(Problem::param("class", "has at most 500 bytes"));
    }
    let (_, window) = range(&query)?;
    let metrics = app.inspect.metrics(window, Some(&class), 1).await?;
    ok(&ClassTable::of(&metrics, |_| true))
}

pub(crate) async fn doctor(State(app): State<App>) -> Outcome {
    let report = app.watch.report(&app.doctor, FRESH).await?;
    ok(&Findings::of(&report, &[]))
}
