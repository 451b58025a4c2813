//! A line for each act: who, what, where, how many. At the level `INFO` with the target `gandy::audit`.

use crate::frame::Visitor;
use crate::words::clipped;

/// Names come from strangers; a line stays a line, and says what it says.
fn tame(text: &str, most: usize) -> String {
    let mut out = String::new();
    for char in clipped(text, most).chars() {
        match char.is_control() {
            true => out.extend(char.escape_default()),
            false => out.push(char),
        }
    }
    out
}

/// Of a name.
const NAME: usize = 200;
/// Of a list of jobs: a hundred are selected at once.
const JOBS: usize = 4_000;

/// Somebody showed wrong credentials.
pub(crate) fn stranger(claimed: Option<&str>, from: Option<&str>) {
    let claimed = tame(claimed.unwrap_or("a token"), NAME);
    tracing::warn!(target: "gandy::audit", who = %claimed, from = from.unwrap_or("an unknown address"), "wrong credentials");
}

/// Done with jobs that were picked one by one: which.
pub(crate) fn picked(visitor: &Visitor, act: &str, place: &str, jids: &[String]) {
    let jobs = jids.len();
    tracing::info!(target: "gandy::audit", who = %tame(&visitor.name, NAME), act, place = %tame(place, NAME), jobs, jids = %tame(&jids.join(" "), JOBS), "done");
}

/// It was done, or begun.
pub(crate) fn done(visitor: &Visitor, act: &str, place: &str, jobs: u64) {
    tracing::info!(target: "gandy::audit", who = %tame(&visitor.name, NAME), act, place = %tame(place, NAME), jobs, "done");
}

/// It could not be done, or not be known to be done.
pub(crate) fn failed(visitor: &Visitor, act: &str, place: &str, why: &str) {
    tracing::warn!(target: "gandy::audit", who = %tame(&visitor.name, NAME), act, place = %tame(place, NAME), why = %tame(why, NAME), "not done");
}
