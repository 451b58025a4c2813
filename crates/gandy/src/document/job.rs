//! A job in a list.

use serde::Serialize;

use super::Shown;
use crate::{JobInfo, Payload};

/// A job where it waits or is held, as `gandy jobs --json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Job<'a> {
    place: &'a str,
    at_ms: Option<i64>,
    jid: Option<&'a str>,
    class: Option<&'a str>,
    display_class: Option<&'a str>,
    queue: Option<&'a str>,
    reason: Option<&'a str>,
    process: Option<&'a str>,
    payload: Shown<'a>,
    problem: Option<&'a str>,
    raw: Option<String>,
}

impl<'a> Job<'a> {
    /// A job at a place that has this word, with what `show` lets through of its payload, and `raw` of bytes that are no
    /// job.
    #[must_use]
    pub fn of(
        job: &'a JobInfo,
        place: &'a str,
        show: impl FnOnce(&'a Payload) -> Shown<'a>,
        raw: impl FnOnce(&'a [u8]) -> String,
    ) -> Self {
        let payload = job.payload.as_ref().ok();
        let problem = job.payload.as_ref().err();
        Self {
            place,
            at_ms: job.at_ms,
            jid: payload.map(Payload::jid),
            class: payload.map(Payload::class),
            display_class: payload.map(Payload::display_class),
            queue: payload.and_then(Payload::queue),
            reason: None,
            process: None,
            payload: payload.and_then(show),
            problem: problem.map(String::as_str),
            raw: problem.map(|_| raw(&job.bytes)),
        }
    }

    /// With why it was buried without being run.
    #[must_use]
    pub fn buried_for(mut self, reason: Option<&'a str>) -> Self {
        self.reason = reason;
        self
    }

    /// With who holds it.
    #[must_use]
    pub fn held_by(mut self, process: Option<&'a str>) -> Self {
        self.process = process;
        self
    }
}
