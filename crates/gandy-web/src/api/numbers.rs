//! Sizes, runs by day and by class, and what the doctor finds.

use axum::extract::{Path, State};
use gandy::document::{ClassTable, Day, Findings, Stats};
use gandy::views::Pick;

use super::ok;
use crate::page::doctor::FRESH;
use crate::page::metrics::{classes, order, range};
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
    let (_, order) = order(&query)?;
    let metrics = (app.watch)
        .metrics(range(&query)?, classes(&query)?, order)
        .await?;
    ok(&ClassTable::from(&*metrics))
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
    let metrics = app.inspect.metrics(window, Pick::one(&class)).await?;
    ok(&ClassTable::from(&metrics))
}

pub(crate) async fn doctor(State(app): State<App>) -> Outcome {
    let report = app.watch.report(&app.doctor, FRESH).await?;
    ok(&Findings::of(&report, &[]))
}
