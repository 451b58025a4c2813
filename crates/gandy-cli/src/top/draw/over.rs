//! What lies over a page: the help, and a line opened.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use serde::de::IgnoredAny;

use gandy::Payload;

use super::super::keys::HELP;
use super::super::rows::{Row, Target, error};
use super::super::state::State;
use super::{Look, line, text};
use crate::pretty::pretty;
use crate::printable::printable;
use crate::{place, words};

/// More of a payload is not shown.
const SHOWN: usize = 64 * 1024;

pub(super) fn help(frame: &mut Frame<'_>, area: Rect, look: Look) {
    text(frame, line(area, 0), " Keys", look.title());
    for (index, (key, what)) in HELP.iter().enumerate() {
        let below = index as u16 + 2;
        if below >= area.height {
            return;
        }
        text(
            frame,
            line(area, below),
            &format!("  {key:<21}{what}"),
            Style::new(),
        );
    }
}

/// A job, a running job, a process or a class with all that is known of it. `scrolled` lines are above the area.
pub(super) fn opened(
    row: &Row,
    scrolled: usize,
    state: &State,
    frame: &mut Frame<'_>,
    area: Rect,
    look: Look,
) {
    let (titled, body) = describe(row, state.now_ms);
    let width = usize::from(area.width.saturating_sub(2)).max(1);
    let titled = titled
        .into_iter()
        .map(|(name, said)| (format!("{name:<10}{}", printable(&said)), look.title()));
    let body = body.lines().map(|said| (printable(said), Style::new()));
    let mut lines: Vec<(String, Style)> = Vec::new();
    for (said, style) in titled.chain([(String::new(), Style::new())]).chain(body) {
        for piece in wrapped(&said, width) {
            lines.push((piece, style));
        }
    }
    let height = usize::from(area.height);
    let scrolled = scrolled.min(lines.len().saturating_sub(height));
    for (index, (said, style)) in lines.iter().skip(scrolled).take(height).enumerate() {
        let place = Rect {
            x: area.x + 1,
            width: area.width.saturating_sub(2),
            ..line(area, index as u16)
        };
        text(frame, place, said, *style);
    }
}

/// Named facts, and a text.
fn describe(row: &Row, now_ms: i64) -> (Vec<(&'static str, String)>, String) {
    match &row.target {
        Target::Job(found) => {
            let mut facts = vec![("place", place::name(&found.job.place))];
            if let Some(at_ms) = found.job.at_ms {
                let name = if found.job.place == gandy::Place::Dead {
                    "died"
                } else {
                    "due"
                };
                facts.push((name, words::relative(at_ms, now_ms)));
            }
            if let Some(error) = error(found) {
                facts.push(("error", error));
            }
            let body = match &found.job.payload {
                Ok(payload) => {
                    of_payload(payload, &mut facts, now_ms);
                    shown(payload.raw())
                }
                Err(_) => shown(&String::from_utf8_lossy(
                    &found.job.bytes[..found.job.bytes.len().min(SHOWN * 2)],
                )),
            };
            (facts, body)
        }
        Target::Running { job, raw } => {
            let cell = |index: usize| row.cells.get(index).cloned().unwrap_or_default();
            let mut facts = vec![
                ("running", format!("for {}", cell(1))),
                ("process", cell(5)),
                ("queue", cell(2)),
            ];
            match job {
                Some(payload) => {
                    of_payload(payload, &mut facts, now_ms);
                    (facts, shown(payload.raw()))
                }
                None => (facts, shown(raw)),
            }
        }
        Target::Process(process) => {
            let cell = |index: usize| row.cells.get(index).cloned().unwrap_or_default();
            let facts = vec![
                ("identity", process.identity.clone()),
                ("state", cell(1)),
                ("busy", cell(2)),
                ("heard of", cell(3)),
                ("memory", cell(5)),
                (
                    "Redis",
                    format!("{:.1} ms away", process.rtt_us as f64 / 1000.0),
                ),
            ];
            (facts, shown(&process.info))
        }
        Target::Queue { name, .. } => (vec![("queue", name.clone())], String::new()),
        Target::Class(name) => {
            let cell = |index: usize| row.cells.get(index).cloned().unwrap_or_default();
            let facts = vec![
                ("class", name.clone()),
                ("runs", cell(1)),
                ("failed", cell(2)),
                ("mean", cell(3)),
                ("p50", cell(4)),
                ("p95", cell(5)),
                ("p99", cell(6)),
            ];
            let body = format!("runs by minute, the newest at the right:\n{}", cell(7));
            (facts, body)
        }
    }
}

fn of_payload(payload: &Payload, facts: &mut Vec<(&'static str, String)>, now_ms: i64) {
    facts.insert(0, ("jid", payload.jid().to_owned()));
    facts.insert(1, ("class", payload.display_class().to_owned()));
    for (name, field) in [
        ("created", "created_at"),
        ("enqueued", "enqueued_at"),
        ("failed", "failed_at"),
        ("retried", "retried_at"),
    ] {
        if let Some(stamp) = payload.stamp(field) {
            facts.push((name, words::relative(stamp.millis(), now_ms)));
        }
    }
    if let Some(count) = payload.retry_count() {
        facts.push(("retries", count.to_string()));
    }
}

/// The document in lines, or the text as it is; cut where it is too long to be read here.
fn shown(document: &str) -> String {
    let text = match serde_json::from_str::<IgnoredAny>(document) {
        Ok(_) => pretty(document, 0),
        Err(_) => document.to_owned(),
    };
    if text.len() <= SHOWN {
        return text;
    }
    let mut end = SHOWN;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!(
        "{}\n… and {} bytes more: gandy jobs … --json has all of them",
        &text[..end],
        text.len() - end
    )
}

/// A line in pieces of this width.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    let mut buffer = [0; 4];
    for character in text.chars() {
        let wide = console::measure_text_width(character.encode_utf8(&mut buffer));
        if used + wide > width {
            pieces.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(piece) = pieces.last_mut() {
            piece.push(character);
        }
    }
    pieces
}
