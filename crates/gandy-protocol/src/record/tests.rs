#![allow(clippy::unwrap_used)]

use super::*;
use crate::Payload;
use proptest::prelude::*;

const NOW: Stamp = Stamp::from_millis(1_795_398_104_597);
const JID: &str = "b5de70b63090decd6440fd9e";

fn line(text: &str) -> Result<JobLine, RecordError> {
    JobRecord::from_json_line(text, || JID.to_owned(), NOW)
}

#[test]
fn bytes_are_those_of_sidekiqs_client() {
    // Real bytes of Sidekiq 8.1.7.
    let golden = r#"{"retry":true,"queue":"default","tags":["a","b"],"args":[0,"x",{"k":[1,2.5,null,true]}],"class":"OkJob","jid":"b5de70b63090decd6440fd9e","created_at":1795398104597,"enqueued_at":1795398104597}"#;
    let mut record = JobRecord::new("OkJob", r#"[0,"x",{"k":[1,2.5,null,true]}]"#, JID, NOW);
    record.tags = vec!["a".to_owned(), "b".to_owned()];
    record.enqueued_at = Some(NOW);
    assert_eq!(record.to_json(), golden);
    assert_eq!(record.check(), Ok(()));
}

#[test]
fn every_option_has_its_field() {
    let mut record = JobRecord::new("A", "[]", JID, NOW);
    record.queue = "low".to_owned();
    record.retry = RetrySetting::Times(3);
    record.retry_for = Some(3_600);
    record.dead = Some(false);
    record.backtrace = Some(Backtrace::Lines(10));
    record.retry_queue = Some("slow \"q\"".to_owned());
    record.stamps = StampFormat::Seconds;
    record.set_extra("bid", "\"x\"").unwrap();
    record.set_extra("n", "12345678901234567890").unwrap();
    assert_eq!(
        record.to_json(),
        r#"{"retry":3,"queue":"low","retry_for":3600,"dead":false,"backtrace":10,"retry_queue":"slow \"q\"","bid":"x","n":12345678901234567890,"args":[],"class":"A","jid":"b5de70b63090decd6440fd9e","created_at":1795398104.597}"#
    );
    record.retry = RetrySetting::Absent;
    record.backtrace = Some(Backtrace::All);
    record.remove_extra("bid");
    let json = record.to_json();
    assert!(json.starts_with(r#"{"queue":"low","#), "{json}");
    assert!(json.contains(r#""backtrace":true,"#), "{json}");
    assert!(!json.contains("bid"), "{json}");
}

#[test]
fn extra_fields_are_checked() {
    let mut record = JobRecord::new("A", "[]", JID, NOW);
    assert!(
        record
            .set_extra("x", "{")
            .unwrap_err()
            .to_string()
            .starts_with("`x`: invalid JSON at byte 1")
    );
    assert_eq!(
        record.set_extra("queue", "\"x\""),
        Err(RecordError::Reserved("queue".to_owned()))
    );
    record.set_extra("x", "1").unwrap();
    record.set_extra("x", "2").unwrap();
    assert_eq!(record.extra().collect::<Vec<_>>(), [("x", "2")]);
}

#[test]
fn a_line_is_read_and_unknown_fields_are_kept() {
    let job = line(
        r#" {"class":"A","args":[ 1, 12345678901234567890 ],"at":1795398164.5,"queue":"low","retry":2,"tags":["t"],"u" : {"a": 1.10},"enqueued_at":5,"dead":false,"backtrace":false,"retry_for":null}"#,
    )
    .unwrap();
    assert_eq!(job.at, Some(Stamp::from_millis(1_795_398_164_500)));
    assert_eq!(
        job.record.to_json(),
        r#"{"retry":2,"queue":"low","tags":["t"],"dead":false,"u":{"a": 1.10},"args":[ 1, 12345678901234567890 ],"class":"A","jid":"b5de70b63090decd6440fd9e","created_at":1795398104597}"#
    );
}

#[test]
fn what_a_line_gives_itself_is_kept() {
    let job = line(r#"{"class":"A","args":[],"jid":"mine","created_at":1795398164.364,"queue":"a","queue":"b"}"#).unwrap();
    assert_eq!(job.record.jid, "mine");
    assert_eq!(job.record.created_at.millis(), 1_795_398_164_364);
    assert_eq!(job.record.queue, "b");
    assert_eq!(job.at, None);
}

#[test]
fn at_is_in_seconds_or_iso() {
    let at =
        |raw: &str| line(&format!(r#"{{"class":"A","args":[],"at":{raw}}}"#)).map(|job| job.at);
    let expect = Ok(Some(Stamp::from_millis(1_795_398_104_000)));
    for raw in [
        "1795398104",
        "1795398104.0",
        "\"1795398104\"",
        "\"2026-11-23T01:41:44Z\"",
        "\"2026-11-23T02:41:44+01:00\"",
    ] {
        assert_eq!(at(raw), expect, "{raw}");
    }
    assert_eq!(at("null"), Ok(None));
    assert_eq!(
        at("1795398104597").unwrap_err().to_string(),
        "`at` must be a time: seconds since 1970 (not milliseconds), or an ISO-8601 string, not 1795398104597"
    );
    for raw in ["-1", "true", "\"tomorrow\"", "\"nan\"", "[]"] {
        assert!(at(raw).is_err(), "{raw}");
    }
}

#[test]
fn wrong_lines_say_what_is_wrong() {
    for (text, expect) in [
        ("", "job: invalid JSON at byte 0: the text ends too early"),
        ("[1]", "job: it is an array, not an object"),
        (
            r#"{"class":"A","args":[],}"#,
            "job: invalid JSON at byte 23: expected a key in quotes",
        ),
        (
            r#"{"class":"A","args":[],"\ud800":1}"#,
            "job: a key holds half a surrogate pair",
        ),
        (
            r#"{"args":[]}"#,
            "no `class`; a job needs at least a class and arguments, as in {\"class\":\"Mail\",\"args\":[1]}",
        ),
        (
            r#"{"class":"A"}"#,
            "no `args`; a job needs at least a class and arguments, as in {\"class\":\"Mail\",\"args\":[1]}",
        ),
        (
            r#"{"class":"A","args":{"user":1}}"#,
            "`args` must be an array, as in [1,\"two\"], not an object",
        ),
        (
            r#"{"class":"A","args":"secret"}"#,
            "`args` must be an array, as in [1,\"two\"], not a string",
        ),
        (
            r#"{"class":5,"args":[]}"#,
            "`class` must be a string that is not empty, not 5",
        ),
        (
            r#"{"class":"","args":[]}"#,
            "`class` must be a string that is not empty, not \"\"",
        ),
        (
            r#"{"class":"A","args":[],"jid":7}"#,
            "`jid` must be a string that is not empty, not 7",
        ),
        (
            r#"{"class":"A","args":[],"queue":"a\nb"}"#,
            "`queue`: queue name \"a\\nb\" holds a control character; use letters, digits, `.`, `-`, `_` or `:`",
        ),
    ] {
        assert_eq!(line(text).unwrap_err().to_string(), expect, "{text}");
    }
}

#[test]
fn wrong_options_say_what_they_must_be() {
    for (text, expect) in [
        (
            r#"{"class":"A","args":[],"retry":"5"}"#,
            "`retry` must be true, false or a number of retries from 0, not \"5\"",
        ),
        (
            r#"{"class":"A","args":[],"retry":-1}"#,
            "`retry` must be true, false or a number of retries from 0, not -1",
        ),
        (
            r#"{"class":"A","args":[],"retry_for":1000000001}"#,
            "`retry_for` must be a whole number of seconds from 0 to 1000000000, not more",
        ),
        (
            r#"{"class":"A","args":[],"retry_for":1.5}"#,
            "`retry_for` must be a whole number of seconds from 0 to 1000000000, not 1.5",
        ),
        (
            r#"{"class":"A","args":[],"dead":0}"#,
            "`dead` must be true or false, not 0",
        ),
        (
            r#"{"class":"A","args":[],"tags":"a"}"#,
            "`tags` must be an array of strings, not \"a\"",
        ),
        (
            r#"{"class":"A","args":[],"tags":[1]}"#,
            "`tags` must be an array of strings, not an array",
        ),
        (
            r#"{"class":"A","args":[],"backtrace":"all"}"#,
            "`backtrace` must be true, false or a number of lines, not \"all\"",
        ),
        (
            r#"{"class":"A","args":[],"created_at":"then"}"#,
            "`created_at` must be a time: an integer of milliseconds, seconds with a fraction, or an ISO-8601 string, not \"then\"",
        ),
    ] {
        assert_eq!(line(text).unwrap_err().to_string(), expect, "{text}");
    }
}

#[test]
fn check_finds_what_middleware_may_have_broken() {
    let good = JobRecord::new("A", "[1]", JID, NOW);
    let broken = |change: fn(&mut JobRecord)| {
        let mut record = good.clone();
        change(&mut record);
        record.check().unwrap_err().to_string()
    };
    assert_eq!(good.check(), Ok(()));
    assert!(broken(|record| record.class.clear()).starts_with("no `class`"));
    assert!(broken(|record| record.jid.clear()).starts_with("no `jid`"));
    assert!(
        broken(|record| record.args = "[1".to_owned())
            .starts_with("`args`: invalid JSON at byte 2")
    );
    assert!(broken(|record| record.args = "{}".to_owned()).ends_with("not an object"));
    assert!(broken(|record| record.queue.clear()).starts_with("`queue`: a queue needs a name"));
    assert!(
        broken(|record| record.retry_queue = Some("\0".to_owned())).starts_with("`retry_queue`")
    );
}

#[test]
fn debug_shows_no_arguments() {
    let record = JobRecord::new("A", "[\"secret\"]", JID, NOW);
    assert!(!format!("{record:?}").contains("secret"));
}

proptest! {
    #[test]
    fn what_is_built_is_read_by_the_worker(
        class in ".+", queue in "[^\\p{Cc}]{1,60}", tags in prop::collection::vec(any::<String>(), 0..4),
        names in prop::collection::vec("[a-z\"\\\\é]{1,8}", 0..5), millis in 0i64..4_000_000_000_000,
    ) {
        let mut record = JobRecord::new(class.clone(), "[1, 2.50]", JID, Stamp::from_millis(millis));
        record.queue = queue.clone();
        record.tags = tags;
        for name in &names {
            if !RESERVED.contains(&name.as_str()) {
                record.set_extra(name, "{\"a\": [1.0]}").unwrap();
            }
        }
        prop_assert_eq!(record.check(), Ok(()));
        let json = record.to_json();
        let payload = Payload::parse(json.clone().into_bytes()).unwrap();
        prop_assert_eq!(payload.class(), class);
        prop_assert_eq!(payload.queue(), Some(queue.as_str()));
        prop_assert_eq!(payload.args(), "[1, 2.50]");
        prop_assert_eq!(payload.stamp("created_at").map(Stamp::millis), Some(millis));
        let again = JobRecord::from_json_line(&json, || unreachable!(), NOW).unwrap();
        prop_assert_eq!(again.record.to_json(), json);
    }

    #[test]
    fn no_line_panics(text in any::<String>()) {
        let _ = line(&text);
    }
}
