//! `GET /search?q=…`: to the page that somebody means: a job's id, a queue, a page's name, a class.

use axum::extract::State;
use axum::response::Response;

use gandy::QueueName;

use super::queue::surveyed;
use super::see;
use crate::frame::Visitor;
use crate::param::{Query, encoded};
use crate::problem::Outcome;
use crate::state::App;

const PAGES: [(&str, &str); 9] = [
    ("overview", "/"),
    ("queues", "/queues"),
    ("busy", "/busy"),
    ("retries", "/retries"),
    ("retry", "/retries"),
    ("scheduled", "/scheduled"),
    ("dead", "/dead"),
    ("metrics", "/metrics"),
    ("doctor", "/doctor"),
];

pub(crate) async fn go(
    State(app): State<App>,
    visitor: Visitor,
    Query(query): Query,
) -> Outcome<Response> {
    let words = query.text("q", 512)?.unwrap_or_default().trim();
    if words.is_empty() {
        return Ok(see(&visitor, "/"));
    }
    let word = words.to_lowercase();
    if let Some((_, path)) = PAGES.iter().find(|(name, _)| *name == word) {
        return Ok(see(&visitor, path));
    }
    let queue = words.strip_prefix("queue:").unwrap_or(words);
    if QueueName::check(queue).is_ok()
        && let Ok(glance) = app.watch.glance().await
        && surveyed(&app, &glance, queue).await?.1
    {
        return Ok(see(&visitor, &format!("/queues/{}", encoded(queue))));
    }
    if is_jid(words) {
        return Ok(see(&visitor, &format!("/jobs/{}", encoded(words))));
    }
    // What looks like a filter is one (the colons of Billing::Invoice do not), and what failed is what people look for.
    if words
        .replace("::", "")
        .contains([':', '<', '>', '=', ' ', '*'])
    {
        return Ok(see(
            &visitor,
            &format!("/retries?filter={}", encoded(words)),
        ));
    }
    Ok(see(&visitor, &format!("/metrics/{}", encoded(words))))
}

/// Sidekiq's and ours have 24 hexadecimal digits; ActiveJob's are UUIDs.
fn is_jid(word: &str) -> bool {
    let hex = word
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    hex && (20..=40).contains(&word.len())
}
