#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

/// Real bytes of Sidekiq 8.1.7.
const GOLDEN: &str = r#"{"retry":true,"queue":"default","tags":["a","b"],"args":[0,"x",{"k":[1,2.5,null,true]}],"class":"OkJob","jid":"b5de70b63090decd6440fd9e","created_at":1795398104597,"enqueued_at":1795398104597}"#;

fn parse(raw: &str) -> Payload {
    Payload::parse(raw.as_bytes().to_vec()).unwrap()
}

fn with(fields: &str) -> Payload {
    parse(&format!(r#"{{"class":"A","args":[],"jid":"1",{fields}}}"#))
}

fn reason(raw: impl AsRef<[u8]>) -> String {
    let raw = raw.as_ref();
    let error = Payload::parse(raw.to_vec()).unwrap_err();
    assert_eq!(error.raw, raw, "the bytes come back");
    error.to_string()
}

#[test]
fn sidekiqs_own_bytes_are_read() {
    let payload = parse(GOLDEN);
    assert_eq!(payload.class(), "OkJob");
    assert_eq!(payload.display_class(), "OkJob");
    assert_eq!(payload.jid(), "b5de70b63090decd6440fd9e");
    assert_eq!(payload.args(), r#"[0,"x",{"k":[1,2.5,null,true]}]"#);
    assert_eq!(payload.queue(), Some("default"));
    assert_eq!(payload.retry(), RetrySetting::Always);
    assert_eq!(payload.retry_count(), None);
    assert_eq!(payload.field("tags"), Some(r#"["a","b"]"#));
    assert_eq!(payload.field("args"), Some(payload.args()));
    assert_eq!(payload.field("nothing"), None);
    assert_eq!(
        payload.stamp("enqueued_at"),
        Some(Stamp::from_millis(1_795_398_104_597))
    );
    assert_eq!(payload.raw(), GOLDEN);
    assert_eq!(payload.as_bytes(), GOLDEN.as_bytes());
}

#[test]
fn whitespace_around_and_inside_is_kept() {
    let raw = " \r\n{ \"class\" : \"A\" ,\t\"args\" :[ 1 ] , \"jid\":\"1\" }\n ";
    let payload = parse(raw);
    assert_eq!((payload.class(), payload.args()), ("A", "[ 1 ]"));
    assert_eq!(payload.raw(), raw);
}

#[test]
fn of_a_field_given_twice_the_last_counts_as_in_ruby() {
    let payload = parse(
        r#"{"class":5,"class":"B","args":{},"args":[2],"jid":"1","jid":"2","x":1,"x":2,"retry":true,"retry":null}"#,
    );
    assert_eq!(
        (payload.class(), payload.args(), payload.jid()),
        ("B", "[2]", "2")
    );
    assert_eq!(payload.field("x"), Some("2"));
    assert_eq!(payload.retry(), RetrySetting::Absent);
    assert_eq!(
        reason(r#"{"class":"B","args":[],"jid":"1","class":5}"#),
        "`class` is a number, not a string"
    );
}

#[test]
fn escapes_are_resolved_in_keys_and_values() {
    let payload =
        parse(r#"{"\u0063lass":"A\u003a:B\n","args":[],"jid":"\ud83d\ude00","queue":"a\"b"}"#);
    assert_eq!(payload.class(), "A::B\n");
    assert_eq!(payload.jid(), "😀");
    assert_eq!(payload.queue(), Some("a\"b"));
    assert_eq!(payload.field("class"), Some(r#""A\u003a:B\n""#));
}

#[test]
fn numbers_keep_every_digit() {
    let args = "[9007199254740993,123456789012345678901234567890,1e400,-0,1.10,0.1e-7]";
    assert_eq!(
        parse(&format!(r#"{{"class":"A","args":{args},"jid":"1"}}"#)).args(),
        args
    );
}

#[test]
fn nul_lone_surrogates_and_line_separators_in_arguments_are_kept() {
    let args = r#"["\u0000","\ud800","\udc00\ud800"," "]"#;
    assert_eq!(
        parse(&format!(r#"{{"class":"A","args":{args},"jid":"1"}}"#)).args(),
        args
    );
}

#[test]
fn wrong_typed_optional_fields_count_as_absent_and_stay() {
    let fields = r#""queue":5,"retry":"x","retry_count":"3","wrapped":{},"created_at":"soon","enqueued_at":[]"#;
    let payload = with(fields);
    assert_eq!(payload.queue(), None);
    assert_eq!(payload.retry(), RetrySetting::Absent);
    assert_eq!(payload.retry_count(), None);
    assert_eq!(payload.display_class(), "A");
    assert_eq!(payload.stamp("created_at"), None);
    assert!(payload.raw().contains(fields));
    assert_eq!(with(r#""queue":"""#).queue(), None);
    assert_eq!(with(r#""queue":"\ud800""#).queue(), None);
}

#[test]
fn retry_has_five_forms() {
    let retry = |raw: &str| with(&format!(r#""retry":{raw}"#)).retry();
    assert_eq!(retry("true"), RetrySetting::Always);
    assert_eq!(retry("false"), RetrySetting::Never);
    assert_eq!(retry("0"), RetrySetting::Times(0));
    assert_eq!(retry("7"), RetrySetting::Times(7));
    assert_eq!(retry("null"), RetrySetting::Absent);
    assert_eq!(retry("18446744073709551616"), RetrySetting::Times(u32::MAX));
}

#[test]
fn retry_count_is_none_until_a_failure() {
    let count = |raw: &str| with(&format!(r#""retry_count":{raw}"#)).retry_count();
    assert_eq!(count("0"), Some(0));
    assert_eq!(count("24"), Some(24));
    assert_eq!(count("-1"), None);
    assert_eq!(count("null"), None);
    assert_eq!(count("1.0"), None);
    assert_eq!(count("99999999999999999999"), Some(u32::MAX));
}

#[test]
fn display_class_is_activejobs_real_class() {
    let payload = with(r#""wrapped":"WelcomeJob","display_class":"Label""#);
    assert_eq!(payload.display_class(), "WelcomeJob");
    assert_eq!(payload.class(), "A");
    assert_eq!(payload.field("display_class"), Some("\"Label\""));
}

#[test]
fn what_is_no_job_says_why() {
    for (raw, expect) in [
        (&b""[..], "empty"),
        (b" \n", "empty"),
        (b"\xef\xbb\xbf{}", "starts with a byte order mark"),
        (b"{\"class\":\"\xff\"}", "not UTF-8 at byte 10"),
        (b"[1]", "an array, not a JSON object"),
        (b"\"x\"", "a string, not a JSON object"),
        (b"null", "null, not a JSON object"),
        (b"17", "a number, not a JSON object"),
        (b"hello", "invalid JSON at byte 0: expected '{'"),
        (b"{", "invalid JSON at byte 1: the text ends too early"),
        (
            b"{}x",
            "invalid JSON at byte 2: text follows after the JSON value",
        ),
        (b"{}", "no `class`"),
        (br#"{"class":"A","args":[]}"#, "no `jid`"),
        (br#"{"class":"A","jid":"1"}"#, "no `args`"),
        (br#"{"class":"","args":[],"jid":"1"}"#, "`class` is empty"),
        (
            br#"{"class":null,"args":[],"jid":"1"}"#,
            "`class` is null, not a string",
        ),
        (
            br#"{"class":"\ud800","args":[],"jid":"1"}"#,
            "`class` holds half a surrogate pair",
        ),
        (
            br#"{"class":"A","args":[],"jid":12}"#,
            "`jid` is a number, not a string",
        ),
        (
            br#"{"class":"A","args":{"0":1},"jid":"1"}"#,
            "`args` is an object, not an array",
        ),
        (
            br#"{"class":"A","args":"[]","jid":"1"}"#,
            "`args` is a string, not an array",
        ),
        (
            br#"{"class":"A","args":[NaN],"jid":"1"}"#,
            "invalid JSON at byte 21: expected a value",
        ),
    ] {
        assert_eq!(reason(raw), expect, "{}", raw.escape_ascii());
    }
}

#[test]
fn a_million_levels_in_the_arguments_are_no_matter() {
    let deep = format!("[{}{}]", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let payload = parse(&format!(r#"{{"class":"A","args":{deep},"jid":"1"}}"#));
    assert_eq!(payload.args(), deep);
    let changed = payload.edit().set("retry_count", "1").finish();
    assert_eq!(parse(&changed).args(), deep);
}

/// A worker holds one for each running and each prefetched job.
#[cfg(target_pointer_width = "64")]
#[test]
fn a_payload_takes_152_bytes_beside_its_json() {
    assert_eq!(size_of::<Payload>(), 152);
}

#[test]
fn debug_shows_neither_arguments_nor_megabytes() {
    let payload = parse(r#"{"class":"A","args":["secret"],"jid":"1"}"#);
    assert_eq!(
        format!("{payload:?}"),
        r#"Payload { class: "A", jid: "1", queue: None, bytes: 41, .. }"#
    );
    let error = Payload::parse(b"secret".repeat(1_000_000)).unwrap_err();
    assert!(format!("{error:?}").len() < 200);
    assert!(!format!("{error:?} {error}").contains("secret"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_bytes_panic_and_none_are_lost(raw in any::<Vec<u8>>()) {
        match Payload::parse(raw.clone()) {
            Ok(payload) => prop_assert_eq!(payload.as_bytes(), raw),
            Err(error) => prop_assert_eq!(error.raw, raw),
        }
    }

    #[test]
    fn a_damaged_payload_never_panics(place in 0usize..GOLDEN.len(), with in any::<Vec<u8>>(), cut in 0usize..4) {
        let mut raw = GOLDEN.as_bytes().to_vec();
        raw.splice(place..(place + cut).min(GOLDEN.len()), with);
        let valid = serde_json::from_slice::<&serde_json::value::RawValue>(&raw).is_ok();
        if let Ok(payload) = Payload::parse(raw) {
            prop_assert!(valid);
            let _ = (payload.class(), payload.jid(), payload.queue(), payload.retry_count(), payload.stamp("created_at"));
        }
    }
}
