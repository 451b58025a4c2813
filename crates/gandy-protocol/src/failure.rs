//! What a failed run leaves in the payload.
//!
//! Belongs here: the error fields and their limits. Does not belong here: whether the job is retried (`retry`).

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::payload::{Field, Payload};
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
    let retry_queue = payload
        .known(Field::RetryQueue)
        .and_then(text::unquoted)
        .filter(|queue| QueueName::check(queue).is_ok());
    let message = first_chars(error.message, LONGEST_MESSAGE);
    let class = first_chars(error.class, LONGEST_CLASS);
    let lines = wanted_lines(payload);
    let backtrace = lines.and_then(|lines| encode_backtrace(error.backtrace?, lines));

    // All new values in one buffer, because a job may fail as often as it runs.
    let mut values = Values::default();
    let room = message.len() + class.len() + current_queue.len() + 64;
    values.raw.reserve(room);
    values.text(retry_queue.as_deref().unwrap_or(current_queue));
    values.text(message);
    values.text(class);
    values.end(|raw| fmt.push(raw, now_ms));
    values.end(|raw| raw.push_str(itoa::Buffer::new().format(count)));
    let [queue, message, class, now, count] = values.split();

    let mut edit = payload
        .edit()
        .with_room(7)
        .set_borrowed("queue", queue)
        .set_borrowed("error_message", message)
        .set_borrowed("error_class", class);
    let first = retry::never_failed(payload);
    // Without a readable `failed_at` the window of `retry_for` would never end.
    if first || payload.stamp("failed_at").is_none() {
        edit = edit.set_borrowed("failed_at", now);
    }
    edit = edit.set_borrowed("retry_count", count);
    if !first {
        edit = edit.set_borrowed("retried_at", now);
    }
    if lines.is_some() {
        edit = match &backtrace {
            Some(encoded) => edit.set_str("error_backtrace", encoded),
            // The last failure's trace beside this failure's message would mislead.
            None => edit.remove("error_backtrace"),
        };
    }
    edit.finish()
}

/// Raw JSON values, one after the other.
#[derive(Default)]
struct Values {
    raw: String,
    ends: [usize; 5],
    count: usize,
}

impl Values {
    fn text(&mut self, text: &str) {
        self.end(|raw| text::push_quoted(raw, text));
    }

    fn end(&mut self, push: impl FnOnce(&mut String)) {
        push(&mut self.raw);
        self.ends[self.count] = self.raw.len();
        self.count += 1;
    }

    fn split(&self) -> [&str; 5] {
        let mut start = 0;
        self.ends.map(|end| {
            let value = self.raw.get(start..end).unwrap_or_default();
            start = end;
            value
        })
    }
}

/// How many lines of backtrace the payload asks to store.
fn wanted_lines(payload: &Payload) -> Option<usize> {
    match payload.known(Field::Backtrace)? {
        "true" => Some(usize::MAX),
        raw => raw.parse().ok().filter(|lines| *lines > 0),
    }
}

fn first_chars(text: &str, count: usize) -> &str {
    // As many bytes hold no more characters.
    if text.len() <= count {
        return text;
    }
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
