//! One job: where it is, why it does not run, what it carries.

use std::time::Duration;

use axum::extract::{Path, State};
use gandy::document::{Event, Outcome as Ended, Said, Seen};
use gandy::{Hit, Sought};
use serde::Serialize;

use super::{ok, payload};
use crate::fate::{bounded, tells, without_messages};
use crate::page::job::SEARCH_S;
use crate::page::standing::{LOOKING, address};
use crate::param::Query;
use crate::problem::{Outcome, Problem};
use crate::state::App;
use crate::words;

/// What `gandy job` and `gandy why` say together.
#[derive(Serialize)]
struct Document<'a> {
    jid: &'a str,
    reasons: Vec<Said>,
    places: Vec<Seen<'a>>,
    outcome: Option<Ended<'a>>,
    died_aboard: &'a [String],
    history: Vec<Event>,
    looked_at: u64,
    gave_up: bool,
    unread: &'a [String],
}

pub(crate) async fn show(
    State(app): State<App>,
    Path(jid): Path<String>,
    Query(query): Query,
) -> Outcome {
    bounded(&jid)?;
    let within = Duration::from_secs(query.number("within", 1, 60, SEARCH_S)?);
    let seen = match query.text("at", 400)? {
        Some(at) => {
            let (place, spot) = address(at)?;
            match spot.seek(&app, &place, LOOKING).await? {
                Sought::Found(hit) => Some(*hit),
                Sought::Gone | Sought::Unseen { .. } => None,
            }
        }
        None => None,
    };
    let mut explanation = match &seen {
        Some(Hit { job, index, .. }) => {
            if let Err(why) = &job.payload {
                return Err(Problem::param("at", format!("is no job: {why}")));
            }
            app.inspect.why_of(job, *index as u64).await?
        }
        None => {
            let _hunt = app.hunt()?;
            app.inspect.why(&jid, within, &[]).await?
        }
    };
    without_messages(&app, &mut explanation);
    let report = &explanation.report;
    if report.sightings.is_empty() && report.outcome.is_none() {
        let looked_at = words::count(report.looked_at, "job");
        let problem =
            Problem::not_found(format!("this job is not among the {looked_at} looked at"));
        return Err(match report.gave_up {
            true => problem.and("The search ended early: within=60 gives it a minute."),
            false => {
                problem.and("It may have run to its end: without --wait a run leaves no outcome.")
            }
        });
    }
    ok(&Document {
        jid: &report.jid,
        reasons: Said::all_of(&explanation),
        places: report
            .sightings
            .iter()
            .map(|it| Seen::of(it, |it| payload(&app, it, usize::MAX)))
            .collect(),
        outcome: report.outcome.as_ref().map(Ended::from),
        died_aboard: &report.died_aboard,
        history: Event::all_of(report, |payload| tells(&app, payload)),
        looked_at: report.looked_at,
        gave_up: report.gave_up,
        unread: &report.unread,
    })
}
