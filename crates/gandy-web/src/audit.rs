//! A line for each act: who, what, where, how many. At the level `INFO` with the target `gandy::audit`.

use crate::frame::Visitor;
use crate::words::clipped;

/// Names come from strangers; a line stays a line.
fn tame(text: &str) -> String {
    let mut out = String::new();
    for char in clipped(text, 200).chars() {
        match char.is_control() {
            true => out.extend(char.escape_default()),
            false => out.push(char),
        }
    }
    out
}

/// It was done, or begun.
pub(crate) fn done(visitor: &Visitor, act: &str, place: &str, jobs: u64) {
    tracing::info!(target: "gandy::audit", who = %tame(&visitor.name), act, place = %tame(place), jobs, "done");
}

/// It could not be done, or not be known to be done.
pub(crate) fn failed(visitor: &Visitor, act: &str, place: &str, why: &str) {
    tracing::warn!(target: "gandy::audit", who = %tame(&visitor.name), act, place = %tame(place), why = %tame(why), "not done");
}
