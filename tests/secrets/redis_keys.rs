//! Where secrets stand in Redis: in the jobs' arguments, and in payloads that could not be read.

use std::collections::HashMap;

use redis::Connection;
use serde_json::Value;

use crate::{ARGUMENT, assert_hidden};

/// The same where every payload can be read.
pub(crate) fn assert_hidden_but_for_arguments(hand: &mut Connection) {
    assert_only_in_jobs(hand, &[], 3);
}

/// Each value of each key. Of a job the arguments are taken out, and unreadable payloads must be as they came. At least
/// `least` jobs are found.
pub(crate) fn assert_only_in_jobs(hand: &mut Connection, broken: &[Vec<u8>], least: usize) {
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(hand).unwrap();
    let mut jobs = 0;
    for key in keys {
        let name = String::from_utf8_lossy(&key).into_owned();
        assert_hidden("a key's name", &name);
        for value in values(hand, &key) {
            if broken.contains(&value) {
                continue;
            }
            let text = String::from_utf8_lossy(&value).into_owned();
            jobs += usize::from(text.contains(ARGUMENT));
            assert_hidden(&name, &without_arguments(&text));
        }
    }
    assert!(jobs >= least, "only {jobs} jobs hold their arguments");
}

fn values(hand: &mut Connection, key: &[u8]) -> Vec<Vec<u8>> {
    let kind: String = redis::cmd("TYPE").arg(key).query(hand).unwrap();
    let mut ask = |command: &str, more: &[&str]| -> Vec<Vec<u8>> {
        redis::cmd(command).arg(key).arg(more).query(hand).unwrap()
    };
    match kind.as_str() {
        "list" => ask("LRANGE", &["0", "-1"]),
        "set" => ask("SMEMBERS", &[]),
        "zset" => ask("ZRANGE", &["0", "-1"]),
        "hash" => {
            let map: HashMap<Vec<u8>, Vec<u8>> =
                redis::cmd("HGETALL").arg(key).query(hand).unwrap();
            map.into_iter()
                .flat_map(|(name, value)| [name, value])
                .collect()
        }
        "string" => vec![redis::cmd("GET").arg(key).query(hand).unwrap()],
        // It ended in between.
        _ => Vec::new(),
    }
}

/// What is left of a job, or of the row of a running one, without arguments.
fn without_arguments(text: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str::<Value>(text) else {
        return text.to_owned();
    };
    fields.remove("args");
    if let Some(payload) = fields.remove("payload") {
        let inner = payload.as_str().map_or(payload.to_string(), str::to_owned);
        return format!("{}{}", without_arguments(&inner), Value::Object(fields));
    }
    Value::Object(fields).to_string()
}
