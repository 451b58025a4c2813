//! The payloads that are measured: about 250 bytes, as Sidekiq's.
//!
//! Not here: what a peer of another protocol writes; its own `fill` does that.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::task::Task;

/// The second argument of every job: with it a Sidekiq payload has about 250 bytes, 270 in a list of Redis.
pub(crate) fn filler() -> String {
    "x".repeat(102)
}

/// Nanoseconds of the wall clock: what a push and a handler in two processes can compare.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

/// Appends the payload of job `number`.
pub(crate) fn write(task: Task, queue: &str, number: u64, into: &mut Vec<u8>) {
    let class = task.class();
    // A write into memory does not fail.
    let _ = write!(
        into,
        r#"{{"retry":true,"queue":"{queue}","args":[{number},"{:x<102}"],"class":"{class}","jid":"{number:024x}","created_at":1795398104597,"enqueued_at":1795398104597}}"#,
        ""
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_payload_is_json_of_about_250_bytes() {
        let mut bytes = Vec::new();
        write(Task::Noop, "default", 123_456, &mut bytes);
        assert!((240..=280).contains(&bytes.len()), "{}", bytes.len());
        let job: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(job["class"], "Noop");
        assert_eq!(job["args"][1], filler());
    }
}
