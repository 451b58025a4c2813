//! Bytes from outside never panic a reader, cost it no more memory than they have, and are judged as serde_json judges
//! them. The seeds are the payload corpus. `GANDY_FUZZ_SECONDS` says how long each target runs.
//!
//! The other targets are beside what they try: Redis' replies in `crates/gandy-store/src/resp/fuzz.rs`, the worker's
//! configuration in `crates/gandy-worker/tests/fuzz.rs`.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // The fate of each case is for the promise about payloads.
#[path = "payload_corpus/corpus.rs"]
mod corpus;

use std::fmt::Debug;

use gandy_protocol::{JobRecord, Payload, Stamp, args::from_args};
use gandy_tests::fuzz;
use proptest::prelude::*;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

/// Larger ones try limits, which have tests of their own.
const SEED_MAX: usize = 4096;

fn seeds() -> Vec<Vec<u8>> {
    let cases = corpus::cases().into_iter().map(|case| case.bytes);
    let seeds: Vec<Vec<u8>> = cases.filter(|bytes| bytes.len() <= SEED_MAX).collect();
    assert!(seeds.len() > 100, "only {} seeds", seeds.len());
    seeds
}

fn text<'a>(fields: &'a Value, name: &str) -> Option<&'a str> {
    fields[name].as_str().filter(|text| !text.is_empty())
}

#[test]
fn payloads_are_read_as_serde_json_reads_them() {
    fuzz(&seeds(), |bytes| {
        let value = serde_json::from_slice::<Value>(bytes).ok();
        let job = value.filter(|value| {
            let named = text(value, "class").is_some() && text(value, "jid").is_some();
            named && value["args"].is_array()
        });
        match Payload::parse(bytes.to_vec()) {
            Err(error) => {
                prop_assert!(job.is_none(), "a job is refused: {}", error.reason);
                prop_assert_eq!(&error.raw, bytes);
                prop_assert!(error.reason.len() < 200, "{}", error.reason);
            }
            Ok(payload) => {
                prop_assert_eq!(payload.as_bytes(), bytes);
                prop_assert!(serde_json::from_slice::<&RawValue>(bytes).is_ok());
                let _ = (
                    payload.retry(),
                    payload.retry_count(),
                    payload.display_class(),
                );
                for name in ["created_at", "enqueued_at", "failed_at", "retried_at", "at"] {
                    let _ = payload.stamp(name);
                }
                // serde_json's values do not hold every JSON: numbers beyond a float, half surrogate pairs.
                if let Some(job) = job {
                    prop_assert_eq!(Some(payload.class()), text(&job, "class"));
                    prop_assert_eq!(Some(payload.jid()), text(&job, "jid"));
                    prop_assert_eq!(payload.queue(), text(&job, "queue"));
                    let args: Value = serde_json::from_str(payload.args()).unwrap();
                    prop_assert_eq!(&args, &job["args"]);
                }
            }
        }
        Ok(())
    });
}

/// Both read the same, or both refuse; and a refusal is one short sentence.
fn same<T: DeserializeOwned + PartialEq + Debug>(text: &str) -> Result<(), TestCaseError> {
    let ours = from_args::<T>("Fuzz", text);
    let theirs = serde_json::from_str::<T>(text);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
        (Err(error), Err(_)) => prop_assert!(error.to_string().len() < 1000, "{}", error),
        // Each argument is read by itself, so the list around them does not count as a level.
        (Ok(_), Err(error)) if error.to_string().contains("recursion limit") => {}
        (ours, theirs) => prop_assert!(false, "{:?}, but serde_json: {:?}", ours, theirs),
    }
    Ok(())
}

#[derive(Debug, PartialEq, Deserialize)]
#[allow(dead_code, reason = "what is read is not looked at")]
struct Order {
    number: u64,
    address: Address,
    tags: Vec<String>,
    #[serde(default)]
    note: Option<char>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[allow(dead_code, reason = "what is read is not looked at")]
struct Address {
    zip: i32,
    lines: Option<[f64; 2]>,
}

#[test]
fn arguments_are_read_as_serde_json_reads_them() {
    let shapes = [
        r#"[1,"a"]"#,
        r#"[null,2.5,true]"#,
        r#"[[1,2],{"a":[{}]}]"#,
        r#"[7,{"zip":-1,"lines":[1.5,2e3]},["x","y"],"c"]"#,
        r#" [ 18446744073709551615 , "\u00e9\ud83d\ude00" ] "#,
    ];
    let mut seeds: Vec<Vec<u8>> = shapes.map(|text| text.as_bytes().to_vec()).into();
    for bytes in self::seeds() {
        if let Ok(payload) = Payload::parse(bytes) {
            seeds.push(payload.args().as_bytes().to_vec());
        }
    }
    fuzz(&seeds, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Ok(());
        };
        same::<Vec<Value>>(text)?;
        same::<(u64, String)>(text)?;
        same::<(Option<i64>, f64, bool)>(text)?;
        // Positions of a struct are Gandy's own way, so there is nobody to agree with.
        if let Err(error) = from_args::<Order>("Fuzz", text) {
            prop_assert!(error.to_string().len() < 1000, "{}", error);
        }
        Ok(())
    });
}

#[test]
fn lines_that_are_pushed_become_payloads_that_are_read() {
    let mut seeds = seeds();
    seeds.push(
        br#"{"class":"A","args":[1],"at":1795398104.5,"queue":"low","retry":3,"tags":["x"]}"#
            .to_vec(),
    );
    seeds.push(
        br#"{"class":"A","args":[],"at":"2026-11-23T12:00:00Z","retry_for":60,"x":{"y":1.10}}"#
            .to_vec(),
    );
    let now = Stamp::from_millis(1_795_398_104_597);
    fuzz(&seeds, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Ok(());
        };
        let jid = || "0123456789abcdef01234567".to_owned();
        if let Ok(line) = JobRecord::from_json_line(text, jid, now) {
            prop_assert_eq!(line.record.check(), Ok(()));
            let payload = Payload::parse(line.record.to_json().into_bytes());
            let payload = payload.map_err(|error| TestCaseError::fail(error.reason))?;
            prop_assert_eq!(payload.class(), line.record.class.as_str());
            prop_assert_eq!(payload.args(), line.record.args.trim());
        }
        Ok(())
    });
}
