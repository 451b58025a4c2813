//! A line for each act: who, what, where, how many. At the level `INFO` with the target `gandy::audit`.

use crate::frame::Visitor;
use crate::words::clipped;

/// Names come from strangers; a line stays a line.
fn tame(text: &str) -> String {
    clipped(text, 200)
        .chars()
        .flat_map(char::escape_debug)
        .collect()
}

/// It was done, or begun.
pub(crate) fn done(visitor: &Visitor, act: &str, place: &str, jobs: u64) {
    tracing::info!(target: "gandy::audit", who = %tame(&visitor.name), act, place = %tame(place), jobs, "done");
}

/// It could not be done, or not be known to be done.
pub(crate) fn failed(visitor: &Visitor, act: &str, place: &str, why: &str) {
    tracing::warn!(target: "gandy::audit", who = %tame(&visitor.name), act, place = %tame(place), why = %tame(why), "not done");
}
