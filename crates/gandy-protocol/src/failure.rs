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
        .set_str("error_class", first_chars(error.class, LONGEST_CLASS))
        .set("retry_count", count.to_string());
    let first = retry::never_failed(payload);
    // Without a readable `failed_at` the window of `retry_for` would never end.
    if first || payload.stamp("failed_at").is_none() {
        edit = edit.set("failed_at", now.as_str());
    }
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
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_795_398_164_364;
    const MS: StampFormat = StampFormat::Milliseconds;
    /// Real bytes of Sidekiq 8.1.7.
    const GOLDEN: &str = r#"{"retry":true,"queue":"default","tags":["a","b"],"args":[0,"x",{"k":[1,2.5,null,true]}],"class":"OkJob","jid":"b5de70b63090decd6440fd9e","created_at":1795398104597,"enqueued_at":1795398104597}"#;

    fn payload(raw: &str) -> Payload {
        Payload::parse(raw.as_bytes().to_vec()).unwrap()
    }

    fn error<'a>(message: &'a str, backtrace: Option<&'a [String]>) -> ErrorInfo<'a> {
        ErrorInfo {
            class: "IOError",
            message,
            backtrace,
        }
    }

    #[test]
    fn first_failure_appends_to_the_original_bytes() {
        let stored = record(
            &payload(GOLDEN),
            &error("no \"disk\"", None),
            0,
            NOW,
            MS,
            "default",
        );
        let original = GOLDEN.strip_suffix('}').unwrap();
        assert_eq!(
            stored,
            format!(
                r#"{original},"error_message":"no \"disk\"","error_class":"IOError","retry_count":0,"failed_at":1795398164364}}"#
            )
        );
    }

    #[test]
    fn later_failures_keep_failed_at_and_set_retried_at() {
        let first = record(&payload(GOLDEN), &error("one", None), 0, NOW, MS, "default");
        let second = record(
            &payload(&first),
            &error("two", None),
            1,
            NOW + 5,
            StampFormat::Seconds,
            "low",
        );
        let second = payload(&second);
        assert_eq!(second.field("failed_at"), Some("1795398164364"));
        assert_eq!(second.field("retried_at"), Some("1795398164.369"));
        assert_eq!(second.field("error_message"), Some("\"two\""));
        assert_eq!(second.retry_count(), Some(1));
        assert_eq!(second.queue(), Some("low"));
    }

    #[test]
    fn failure_after_a_manual_retry_of_the_first_keeps_failed_at() {
        let raw = r#"{"class":"A","args":[],"jid":"1","retry_count":-1,"failed_at":5}"#;
        let stored = record(&payload(raw), &error("x", None), 0, NOW, MS, "q");
        assert_eq!(payload(&stored).field("failed_at"), Some("5"));
        assert!(payload(&stored).field("retried_at").is_some());
    }

    #[test]
    fn an_unreadable_failed_at_is_set_anew() {
        let raw = r#"{"class":"A","args":[],"jid":"1","retry_count":3,"failed_at":"?"}"#;
        let stored = record(&payload(raw), &error("x", None), 4, NOW, MS, "q");
        assert_eq!(payload(&stored).stamp("failed_at").unwrap().millis(), NOW);
    }

    #[test]
    fn a_copy_of_a_failed_job_starts_with_its_own_first_failure() {
        let raw = r#"{"class":"A","args":[],"jid":"1","failed_at":5}"#;
        let stored = record(&payload(raw), &error("x", None), 0, NOW, MS, "q");
        assert_eq!(payload(&stored).stamp("failed_at").unwrap().millis(), NOW);
        assert_eq!(payload(&stored).field("retried_at"), None);
    }

    #[test]
    fn retries_go_to_retry_queue_where_it_is_a_usable_name() {
        for (retry_queue, expect) in [
            ("\"slow\"", "slow"),
            ("\"\"", "q"),
            ("5", "q"),
            ("null", "q"),
            ("\"a\\n\"", "q"),
            ("\"\\ud800\"", "q"),
        ] {
            let raw = format!(
                r#"{{"class":"A","queue":"old","args":[],"jid":"1","retry_queue":{retry_queue}}}"#
            );
            let stored = record(&payload(&raw), &error("x", None), 0, NOW, MS, "q");
            assert_eq!(payload(&stored).queue(), Some(expect), "{retry_queue}");
            assert_eq!(payload(&stored).field("retry_queue"), Some(retry_queue));
        }
    }

    #[test]
    fn a_message_is_cut_to_10_000_characters() {
        let stored = record(
            &payload(GOLDEN),
            &error(&"é".repeat(50_000_000 / 2), None),
            0,
            NOW,
            MS,
            "q",
        );
        let message = "é".repeat(10_000);
        assert_eq!(
            payload(&stored).field("error_message"),
            Some(format!("\"{message}\"").as_str())
        );
        let class = "C".repeat(1_000);
        let info = ErrorInfo {
            class: &class,
            message: "exactly",
            backtrace: None,
        };
        let stored = record(&payload(GOLDEN), &info, 0, NOW, MS, "q");
        assert_eq!(
            payload(&stored).field("error_class").unwrap().len(),
            255 + 2
        );
        assert_eq!(payload(&stored).field("error_message"), Some("\"exactly\""));
    }

    fn stored_lines(backtrace: &str, lines: Option<&[String]>) -> Option<Vec<String>> {
        let raw = format!(
            r#"{{"class":"A","args":[],"jid":"1","backtrace":{backtrace},"error_backtrace":"old"}}"#
        );
        let stored = record(&payload(&raw), &error("x", lines), 0, NOW, MS, "q");
        let stored = payload(&stored);
        let field = stored.field("error_backtrace")?;
        if field == "\"old\"" {
            return Some(vec!["old".to_owned()]);
        }
        assert!(field.starts_with("\"eJ"), "{field}");
        Some(decode_backtrace(field).unwrap())
    }

    #[test]
    fn backtrace_is_stored_as_the_payload_asks() {
        let lines = ["a.rs:1".to_owned(), "b \"é\"".to_owned(), "c".to_owned()];
        assert_eq!(stored_lines("true", Some(&lines)).unwrap(), lines);
        assert_eq!(stored_lines("2", Some(&lines)).unwrap(), lines[..2]);
        assert_eq!(stored_lines("9", Some(&lines)).unwrap(), lines);
        assert_eq!(stored_lines("true", None), None);
        for nothing in ["false", "null", "0", "-1", "\"2\"", "2.5"] {
            assert_eq!(
                stored_lines(nothing, Some(&lines)).unwrap(),
                ["old"],
                "{nothing}"
            );
        }
    }

    #[test]
    fn an_endless_backtrace_is_cut() {
        let lines = vec!["x".repeat(1_000); 5_000];
        assert_eq!(stored_lines("true", Some(&lines)).unwrap().len(), 65);
    }

    #[test]
    fn every_form_of_stored_backtrace_is_read() {
        // Written by Ruby: Base64.encode64 / strict_encode64 of Zlib::Deflate.deflate(JSON).
        let lines = ["a.rb:1:in `x'", "b.rb:2"];
        let strict = r#""eJyLVkrUK0qyMrTKzFNIqFBX0lFKAvGNlGIBZEUHOw==""#;
        assert_eq!(decode_backtrace(strict).unwrap(), lines);
        let broken = concat!(
            r#""eJxF0LkNgFAQA9FefowQtrlbQQRQAv0HBGiHbCK/1R7t6p97V+u+cEUqxoqp\n"#,
            r#"Yq5YKtaKrUIDxbYYF+tiXuwLQAiCEIYx/N+PYQxjGMMYxjCGMYIRjPxPwghG\n"#,
            r#"MIIRjGAEYxza+QKqJGDZ\n""#
        );
        let forty: Vec<String> = (1..=40).map(|n| format!("a.rb:{n}")).collect();
        assert_eq!(decode_backtrace(broken).unwrap(), forty);
        assert_eq!(
            decode_backtrace(r#" ["a.rb:1:in `x'","b.rb:2"]"#).unwrap(),
            lines
        );
        for bad in ["null", "5", "\"\"", "\"eJ\"", "\"????\"", "[1]", "{}"] {
            assert_eq!(decode_backtrace(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_bomb_in_the_backtrace_does_not_inflate() {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(b"[\"").unwrap();
        encoder.write_all(&vec![b'x'; 64 * 1024 * 1024]).unwrap();
        encoder.write_all(b"\"]").unwrap();
        let bomb = text::quoted(&STANDARD.encode(encoder.finish().unwrap()));
        assert_eq!(decode_backtrace(&bomb), None);
    }

    proptest! {
        #[test]
        fn a_failure_keeps_every_other_field(message in any::<String>(), lines in prop::collection::vec(any::<String>(), 0..5)) {
            let raw = GOLDEN.replace("\"retry\":true", "\"backtrace\":true, \"big\" : 12345678901234567890");
            let stored = record(&payload(&raw), &error(&message, Some(&lines)), 0, NOW, MS, "default");
            let (before, stored) = (payload(&raw), payload(&stored));
            for name in ["class", "args", "jid", "tags", "created_at", "enqueued_at", "big", "queue", "backtrace"] {
                prop_assert_eq!(stored.field(name), before.field(name));
            }
            prop_assert_eq!(decode_backtrace(stored.field("error_backtrace").unwrap()).unwrap(), lines);
        }
    }
}
