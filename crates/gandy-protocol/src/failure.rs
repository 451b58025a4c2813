//! What a failed run leaves in the payload.
//!
//! Belongs here: the error fields and their limits. Does not belong here: whether the job is retried (`retry`).

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::payload::Payload;
use crate::queue_name::QueueName;
use crate::retry;
use crate::stamp::StampFormat;
use crate::text;

/// Sidekiq's cut of `error_message`, in characters.
const LONGEST_MESSAGE: usize = 10_000;
/// A class name is a word; whatever passes a whole message for one does not grow the payload.
const LONGEST_CLASS: usize = 255;
/// Lines after this many bytes are left out of a stored backtrace: endless recursion must not fill Redis.
const LONGEST_BACKTRACE: usize = 64 * 1024;
/// A stored backtrace that inflates to more than this was not made by Gandy or Sidekiq in good faith.
const LONGEST_INFLATED: u64 = 4 * 1024 * 1024;

/// The error of a failed run.
#[derive(Debug, Clone, Copy)]
pub struct ErrorInfo<'a> {
    /// Its class or type, as people know it.
    pub class: &'a str,
    /// Its text.
    pub message: &'a str,
    /// Its backtrace, innermost first, where one was taken. Stored only if the payload's `backtrace` asks for it.
    pub backtrace: Option<&'a [String]>,
}

/// The payload to store after a failed run: the original bytes with the error's fields set.
///
/// `count` is the new `retry_count` (see [`retry::next_count`]); `current_queue` is where the job was fetched from. Set
/// are, as by Sidekiq: `queue` (to `retry_queue` where that is a usable name, else to `current_queue`), `error_message`,
/// `error_class`, `retry_count`, `failed_at` at the first failure and `retried_at` at later ones, and `error_backtrace`
/// where `backtrace` is `true` (all lines) or a number (so many).
pub fn record(
    payload: &Payload,
    error: &ErrorInfo<'_>,
    count: u32,
    now_ms: i64,
    fmt: StampFormat,
    current_queue: &str,
) -> String {
    let retry_queue = payload.field("retry_queue").and_then(text::unquoted);
    let retry_queue = retry_queue.filter(|queue| QueueName::check(queue).is_ok());
    let now = fmt.write(now_ms);
    let mut edit = payload
        .edit()
        .set_str("queue", retry_queue.as_deref().unwrap_or(current_queue))
        .set_str("error_message", first_chars(error.message, LONGEST_MESSAGE))
        .set_str("error_class", first_chars(error.class, LONGEST_CLASS));
    let first = retry::never_failed(payload);
    // Without a readable `failed_at` the window of `retry_for` would never end.
    if first || payload.stamp("failed_at").is_none() {
        edit = edit.set("failed_at", now.as_str());
    }
    edit = edit.set("retry_count", count.to_string());
    if !first {
        edit = edit.set("retried_at", now);
    }
    if let Some(lines) = wanted_lines(payload) {
        edit = match error
            .backtrace
            .and_then(|trace| encode_backtrace(trace, lines))
        {
            Some(encoded) => edit.set_str("error_backtrace", &encoded),
            // The last failure's trace beside this failure's message would mislead.
            None => edit.remove("error_backtrace"),
        };
    }
    edit.finish()
}

/// How many lines of backtrace the payload asks to store.
fn wanted_lines(payload: &Payload) -> Option<usize> {
    match payload.field("backtrace")? {
        "true" => Some(usize::MAX),
        raw => raw.parse().ok().filter(|lines| *lines > 0),
    }
}

fn first_chars(text: &str, count: usize) -> &str {
    match text.char_indices().nth(count) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// Strict Base64 of zlib of a JSON array, as Sidekiq 7.3 and later write it; 6.x reads it too.
fn encode_backtrace(trace: &[String], most: usize) -> Option<String> {
    let mut room = LONGEST_BACKTRACE;
    let lines: Vec<&String> = trace
        .iter()
        .take(most)
        .take_while(|line| {
            let fits = line.len() <= room;
            room = room.saturating_sub(line.len());
            fits
        })
        .collect();
    // The default level's header makes the text begin with `eJ`, by which people recognise it.
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&serde_json::to_vec(&lines).ok()?).ok()?;
    Some(STANDARD.encode(encoder.finish().ok()?))
}

/// Reads an `error_backtrace` field from its raw JSON, in every form that Sidekiq has written: Base64 of zlib with line
/// breaks (6.x, 7.x) and without (7.3 and later), and a plain array (6.0). `None` for anything else, or over 4 MiB.
pub fn decode_backtrace(raw_json: &str) -> Option<Vec<String>> {
    if text::kind(raw_json) == "an array" {
        return serde_json::from_str(raw_json).ok();
    }
    let encoded: String = text::unquoted(raw_json.trim_ascii())?
        .chars()
        .filter(|char| !char.is_ascii_whitespace())
        .collect();
    let zlib = STANDARD.decode(encoded).ok()?;
    let mut json = Vec::new();
    let mut inflated = ZlibDecoder::new(zlib.as_slice()).take(LONGEST_INFLATED);
    inflated.read_to_end(&mut json).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests;
