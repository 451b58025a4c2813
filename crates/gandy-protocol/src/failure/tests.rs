#![allow(clippy::unwrap_used)]

use super::*;
use crate::retry::{RetryRules, RetrySetting, Verdict};
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
            r#"{original},"error_message":"no \"disk\"","error_class":"IOError","failed_at":1795398164364,"retry_count":0}}"#
        )
    );
}

/// One job of Sidekiq 6.4.1 (`retry: 3`, `backtrace: 2`): as pushed, after each of three failures, and dead.
/// Real bytes, with times cut to milliseconds and without the backtraces, whose compression differs between zlib libraries.
const RUBY: [&str; 5] = [
    r#"{"retry":3,"queue":"default","tags":["a"],"backtrace":2,"args":[9007199254740993,1.5,{"k":null}],"class":"OkJob","jid":"e348abcd737d35b9fc266fb3","created_at":1795404992.7202234,"enqueued_at":1795404992.723671}"#,
    r#"{"retry":3,"queue":"low","tags":["a"],"backtrace":2,"args":[9007199254740993,1.5,{"k":null}],"class":"OkJob","jid":"e348abcd737d35b9fc266fb3","created_at":1795404992.7202234,"enqueued_at":1795404992.723671,"error_message":"no disk 0","error_class":"IOError","failed_at":1795404992.738,"retry_count":0}"#,
    r#"{"retry":3,"queue":"low","tags":["a"],"backtrace":2,"args":[9007199254740993,1.5,{"k":null}],"class":"OkJob","jid":"e348abcd737d35b9fc266fb3","created_at":1795404992.7202234,"enqueued_at":1795404992.723671,"error_message":"no disk 1","error_class":"IOError","failed_at":1795404992.738,"retry_count":1,"retried_at":1795404992.741}"#,
    r#"{"retry":3,"queue":"low","tags":["a"],"backtrace":2,"args":[9007199254740993,1.5,{"k":null}],"class":"OkJob","jid":"e348abcd737d35b9fc266fb3","created_at":1795404992.7202234,"enqueued_at":1795404992.723671,"error_message":"no disk 2","error_class":"IOError","failed_at":1795404992.738,"retry_count":2,"retried_at":1795404992.742}"#,
    r#"{"retry":3,"queue":"low","tags":["a"],"backtrace":2,"args":[9007199254740993,1.5,{"k":null}],"class":"OkJob","jid":"e348abcd737d35b9fc266fb3","created_at":1795404992.7202234,"enqueued_at":1795404992.723671,"error_message":"last","error_class":"IOError","failed_at":1795404992.738,"retry_count":3,"retried_at":1795404992.743}"#,
];

#[test]
fn failures_leave_the_bytes_that_ruby_leaves() {
    let mut now = [
        1_795_404_992_738,
        1_795_404_992_741,
        1_795_404_992_742,
        1_795_404_992_743,
    ]
    .into_iter();
    let mut messages = ["no disk 0", "no disk 1", "no disk 2", "last"].into_iter();
    for pair in RUBY.windows(2) {
        let before = payload(pair[0]);
        let count = retry::next_count(&before);
        let (now, message) = (now.next().unwrap(), messages.next().unwrap());
        let after = record(
            &before,
            &error(message, None),
            count,
            now,
            StampFormat::Seconds,
            "low",
        );
        assert_eq!(after, pair[1]);
        let verdict = retry::decide(
            &before,
            RetrySetting::Absent,
            &RetryRules::default(),
            now,
            None,
            0.0,
        );
        assert_eq!(verdict == Verdict::Dead, message == "last");
    }
}

#[test]
fn the_backtrace_that_ruby_stored_is_read() {
    let stored = r#""eJw1zVEKwjAMANCrlP5MwTVsiMgYXkREGxdqXNZi2gm7vU7w9/28sw1JBqfY\nNW3H0dxQ0n00m9YIvUny1nyxnzzHU2V3FuaskB9eCXTGJdCUa46FgvrCKYIX\ngRUh80Ajv+qD27sGhPEv8Ex4VSq6rOmx+aVBEnqp7OUDkzow/g==\n""#;
    let lines = decode_backtrace(stored).unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("gold.rb:"), "{lines:?}");
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
