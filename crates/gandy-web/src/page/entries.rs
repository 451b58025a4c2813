//! Jobs as rows of a table: of sets and of queues.

use std::collections::HashMap;

use gandy::{Filter, Hit, Payload, Place};

use crate::json::{self, Shown};
use crate::param::{encoded, jid_path};
use crate::spot::{Spot, place_word};
use crate::state::Shared;
use crate::words::{When, clipped};

/// Bytes of arguments in a row.
const ARGS: usize = 240;
/// Characters of an error's message in a row.
const MESSAGE: usize = 160;
/// Terms that are offered, and bytes of a value in one.
const TERMS: usize = 24;
const TERM: usize = 100;

/// One job.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) spot: String,
    /// To its page, with where it was seen.
    pub(crate) link: String,
    pub(crate) jid: String,
    pub(crate) class: String,
    pub(crate) queue: String,
    pub(crate) queue_link: String,
    pub(crate) args: Shown,
    pub(crate) when: Option<When>,
    pub(crate) error_class: String,
    pub(crate) error_message: String,
    pub(crate) runs: u32,
    pub(crate) tags: Vec<String>,
    /// Why it is no job.
    pub(crate) problem: String,
}

/// Terms of a filter that jobs of this page fit, the commonest first: what is offered to whoever writes one. `errors`:
/// whether they may be looked for.
pub(crate) fn terms(hits: &[Hit], errors: bool) -> Vec<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for payload in hits.iter().filter_map(|hit| hit.job.payload.as_ref().ok()) {
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() && value.len() <= TERM {
                let plain = value
                    .chars()
                    .all(|char| char.is_alphanumeric() || "_:.-".contains(char));
                let value = if plain {
                    value.to_owned()
                } else {
                    Filter::quoted(value)
                };
                *counts.entry(format!("{name}={value}")).or_default() += 1;
            }
        };
        add("class", payload.display_class());
        if let Some(error) = text(payload, "error_class").filter(|_| errors) {
            add("error", &error);
        }
        if !matches!(hits[0].job.place, Place::Queue(_)) {
            add("queue", payload.queue().unwrap_or("default"));
        }
        for tag in tags(payload).iter().filter(|tag| !tag.ends_with('…')) {
            add("tag", tag);
        }
    }
    let mut terms: Vec<(String, usize)> = counts.into_iter().collect();
    terms.sort_unstable_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
    terms.truncate(TERMS);
    terms.into_iter().map(|(term, _)| term).collect()
}

/// A field of a payload as text.
pub(crate) fn text(payload: &Payload, name: &str) -> Option<String> {
    serde_json::from_str(payload.field(name)?).ok()
}

pub(crate) fn tags(payload: &Payload) -> Vec<String> {
    let raw = payload.field("tags").unwrap_or_default();
    let tags: Vec<String> = serde_json::from_str(raw).unwrap_or_default();
    tags.iter().take(10).map(|tag| clipped(tag, 40)).collect()
}

/// Runs that failed until now.
pub(crate) fn failures(payload: &Payload) -> u32 {
    payload
        .retry_count()
        .map_or(0, |count| count.saturating_add(1))
}

pub(crate) fn row(app: &Shared, hit: &Hit, now_ms: i64) -> Row {
    let spot = Spot::of(hit).to_string();
    let job = &hit.job;
    let payload = match &job.payload {
        Ok(payload) => payload,
        Err(problem) => return unreadable(app, hit, spot, problem, now_ms),
    };
    let hides = app.redaction.of(payload.class(), payload.display_class());
    let args = json::line(payload.args(), &hides, json::What::Args, ARGS);
    let since = match &job.place {
        Place::Queue(_) => payload
            .stamp("enqueued_at")
            .or_else(|| payload.stamp("created_at"))
            .map(|stamp| stamp.millis()),
        _ => job.at_ms,
    };
    let at = format!("{}:{spot}", place_word(&job.place));
    let queue = payload.queue().unwrap_or("default");
    Row {
        link: format!("/jobs/{}?at={}", jid_path(payload.jid()), encoded(&at)),
        spot,
        jid: clipped(payload.jid(), 40),
        class: clipped(payload.display_class(), 120),
        queue: clipped(queue, 60),
        queue_link: encoded(queue),
        args,
        when: since.map(|at| When::new(at, now_ms)),
        error_class: clipped(&text(payload, "error_class").unwrap_or_default(), 80),
        error_message: clipped(
            &hides.message(text(payload, "error_message").unwrap_or_default()),
            MESSAGE,
        ),
        runs: failures(payload),
        tags: tags(payload),
        problem: String::new(),
    }
}

/// Bytes that are no job: they can be looked at and deleted.
fn unreadable(app: &Shared, hit: &Hit, spot: String, problem: &str, now_ms: i64) -> Row {
    let at = format!("{}:{spot}", place_word(&hit.job.place));
    Row {
        link: format!("/jobs/-?at={}", encoded(&at)),
        spot,
        jid: String::new(),
        class: "No job".to_owned(),
        queue: String::new(),
        queue_link: String::new(),
        args: json::raw(&hit.job.bytes, &app.redaction.of_bytes(), ARGS),
        when: hit.job.at_ms.map(|at| When::new(at, now_ms)),
        error_class: String::new(),
        error_message: String::new(),
        runs: 0,
        tags: Vec::new(),
        problem: clipped(problem, MESSAGE),
    }
}
