//! What each job costs in this crate, for valgrind: `hot_path OPERATION TIMES`. The README says how to count and what came out.
//!
//! Each operation is a function that is not inlined, so that `callgrind --toggle-collect` sees it and nothing else.

use std::error::Error;
use std::hint::black_box;

use gandy_protocol::{
    ErrorInfo, JobRecord, Payload, RetryRules, RetrySetting, Stamp, StampFormat, Verdict, args,
    failure, jid, retry,
};

/// 300 bytes in the form of Sidekiq 8.1.7: a job before its first run.
const FRESH: &str = r#"{"retry":true,"queue":"default","tags":["a","b"],"args":[42,"kim@example.com",{"template":"welcome","locale":"de-CH","amounts":[1,2.5,null,true]},"Your order 7f3a-2101 has left our house today."],"class":"OkJob","jid":"b5de70b63090decd6440fd9e","created_at":1795398104597,"enqueued_at":1795398104597}"#;

/// 305 bytes that Sidekiq 6.4.1 wrote: a job after its first failure.
const FAILED: &str = r#"{"retry":3,"queue":"low","tags":["a"],"backtrace":2,"args":[9007199254740993,1.5,{"k":null}],"class":"OkJob","jid":"e348abcd737d35b9fc266fb3","created_at":1795404992.7202234,"enqueued_at":1795404992.723671,"error_message":"no disk 0","error_class":"IOError","failed_at":1795404992.738,"retry_count":0}"#;

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "only read")]
struct WelcomeEmail {
    user: u64,
    template: String,
    urgent: bool,
}

#[inline(never)]
fn parse(raw: Vec<u8>) -> Option<Payload> {
    Payload::parse(raw).ok()
}

#[inline(never)]
fn from_args(raw: &str) -> Option<WelcomeEmail> {
    args::from_args("WelcomeEmail", raw).ok()
}

#[inline(never)]
fn to_json(record: &JobRecord) -> String {
    record.to_json()
}

#[inline(never)]
fn new_jid(random: [u8; 12]) -> String {
    jid::jid(random)
}

/// A run that failed: what becomes of the job, and the payload that is stored then.
#[inline(never)]
fn fail(payload: &Payload) -> Option<String> {
    let now = 1_795_398_164_364;
    let rules = RetryRules::default();
    let error = ErrorInfo {
        class: "std::io::Error",
        message: "connection refused (os error 111)",
        backtrace: None,
    };
    match retry::decide(payload, RetrySetting::Absent, &rules, now, None, 0.5) {
        Verdict::Retry { count, .. } => {
            let format = StampFormat::Milliseconds;
            let stored = failure::record(payload, &error, count, now, format, "default");
            Some(stored)
        }
        Verdict::Dead | Verdict::Drop => None,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let operation = words.next().unwrap_or_default();
    let times: usize = words.next().ok_or("how often?")?.parse()?;
    let now = Stamp::from_millis(1_795_398_104_597);
    let jid = "b5de70b63090decd6440fd9e";
    let mut record = JobRecord::new("WelcomeEmail", "[42,\"welcome\",true]", jid, now);
    record.enqueued_at = Some(now);
    let random = [181, 222, 112, 182, 48, 144, 222, 205, 100, 64, 253, 158];
    let fresh = Payload::parse(FRESH.as_bytes().to_vec())?;
    let failed = Payload::parse(FAILED.as_bytes().to_vec())?;
    for _ in 0..times {
        match operation.as_str() {
            "parse" => drop(black_box(parse(black_box(FRESH.as_bytes().to_vec())))),
            "parse_failed" => drop(black_box(parse(black_box(FAILED.as_bytes().to_vec())))),
            "from_args" => drop(black_box(from_args(black_box(&record.args)))),
            "to_json" => drop(black_box(to_json(black_box(&record)))),
            "jid" => drop(black_box(new_jid(black_box(random)))),
            "fail" => drop(black_box(fail(black_box(&fresh)))),
            "fail_again" => drop(black_box(fail(black_box(&failed)))),
            _ => {
                return Err(
                    "parse, parse_failed, from_args, to_json, jid, fail, fail_again?".into(),
                );
            }
        }
    }
    Ok(())
}
