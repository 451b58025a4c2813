//! Bytes that are no job: why they are none, and how they begin.

use askama::Template;
use gandy::JobInfo;

use super::html;
use crate::frame::{Frame, Tab, Visitor};
use crate::json;
use crate::problem::Outcome;
use crate::spot::{Spot, place_path, place_word};
use crate::state::Shared;
use crate::words;

#[derive(Template)]
#[template(path = "raw.html")]
struct Page {
    frame: Frame,
    problem: String,
    reason: String,
    bytes: String,
    redacted: bool,
    cut: bool,
    size: String,
    place_word: String,
    place_path: String,
    spot: String,
}

/// Bytes that are no job.
pub(crate) async fn show(
    app: &Shared,
    visitor: &Visitor,
    job: &JobInfo,
    spot: &Spot,
    problem: &str,
) -> Outcome {
    let reason = app.inspect.reason(job).await.unwrap_or_default();
    let glance = app.watch.glance().await;
    let frame = Frame::new(app, visitor, Tab::Other, "No job", glance.as_deref());
    let shown = json::raw(&job.bytes, &app.redaction.of_bytes(), 16 << 10);
    html(&Page {
        problem: problem.to_owned(),
        reason: reason.unwrap_or_default(),
        bytes: shown.text(),
        redacted: shown.redacted,
        cut: shown.cut,
        size: words::bytes(job.bytes.len() as u64),
        place_word: place_word(&job.place),
        place_path: place_path(&job.place),
        spot: spot.to_string(),
        frame,
    })
}
