//! What a process says about itself in Redis, in the form that Sidekiq's Web UI reads.
//!
//! Belongs here: the JSON and the hash's fields. Does not belong here: when a heartbeat is written, and the keys.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::identity::Identity;
use crate::stamp;
use crate::text;

/// A capsule as the heartbeat shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapsuleInfo {
    /// Its name; the first is `default`.
    pub name: String,
    /// How many jobs it runs at once.
    pub concurrency: u32,
    /// `strict`, `weighted` or `random`, see [`crate::QueueOrder::mode`].
    pub mode: &'static str,
    /// Its queues with their weights, 0 where the order is strict, see [`crate::QueueOrder::weights`].
    pub weights: Vec<(String, u32)>,
}

/// What does not change while a process lives.
#[derive(Debug, Clone, Copy)]
pub struct ProcessInfo<'a> {
    /// The process.
    pub identity: &'a Identity,
    /// When it started, in milliseconds since 1970.
    pub started_at_ms: i64,
    /// A name for people, such as the application's.
    pub tag: &'a str,
    /// Its capsules.
    pub capsules: &'a [CapsuleInfo],
    /// Labels for people.
    pub labels: &'a [String],
    /// The program's version.
    pub version: &'a str,
    /// Whether it runs inside another program: Sidekiq's UI then offers no stop button.
    pub embedded: bool,
}

#[derive(serde::Serialize)]
struct Info<'a> {
    hostname: &'a str,
    started_at: f64,
    pid: u32,
    tag: &'a str,
    // Readers up to 8.1.0 look for it here, later ones in the hash.
    concurrency: u32,
    capsules: Map<'a, CapsuleInfo, CapsuleJson<'a>>,
    queues: Vec<&'a str>,
    // For readers before 8.0.9, which know no capsules.
    weights: Vec<Weights<'a>>,
    labels: &'a [String],
    identity: &'a str,
    version: &'a str,
    embedded: bool,
}

#[derive(serde::Serialize)]
struct CapsuleJson<'a> {
    concurrency: u32,
    mode: &'a str,
    weights: Weights<'a>,
}

type Weights<'a> = Map<'a, (String, u32), u32>;

/// A list written as a JSON object in its own order: Ruby's hashes keep it, and people read it.
struct Map<'a, T, V> {
    items: &'a [T],
    entry: fn(&'a T) -> (&'a str, V),
}

impl<T, V: Serialize> Serialize for Map<'_, T, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.items.len()))?;
        for item in self.items {
            let (name, value) = (self.entry)(item);
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

impl CapsuleInfo {
    fn weights(&self) -> Weights<'_> {
        Map {
            items: &self.weights,
            entry: |(queue, weight)| (queue, *weight),
        }
    }
}

impl ProcessInfo<'_> {
    /// How many jobs the process runs at once, over all capsules.
    pub fn concurrency(&self) -> u32 {
        let each = self.capsules.iter().map(|capsule| capsule.concurrency);
        each.fold(0, u32::saturating_add)
    }

    /// The `info` field of the process's hash.
    pub fn to_json(&self) -> String {
        let mut queues: Vec<&str> = Vec::new();
        for (queue, _) in self.capsules.iter().flat_map(|capsule| &capsule.weights) {
            if !queues.contains(&queue.as_str()) {
                queues.push(queue);
            }
        }
        let info = Info {
            hostname: self.identity.host(),
            started_at: self.started_at_ms as f64 / 1_000.0,
            pid: self.identity.pid(),
            tag: self.tag,
            concurrency: self.concurrency(),
            capsules: Map {
                items: self.capsules,
                entry: |capsule| {
                    let json = CapsuleJson {
                        concurrency: capsule.concurrency,
                        mode: capsule.mode,
                        weights: capsule.weights(),
                    };
                    (&capsule.name, json)
                },
            },
            queues,
            weights: self.capsules.iter().map(CapsuleInfo::weights).collect(),
            labels: self.labels,
            identity: self.identity.as_str(),
            version: self.version,
            embedded: self.embedded,
        };
        // Strings, numbers and maps with string keys always serialise into memory.
        serde_json::to_string(&info).unwrap_or_default()
    }
}

/// One heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat<'a> {
    /// [`ProcessInfo::to_json`].
    pub info: &'a str,
    /// [`ProcessInfo::concurrency`].
    pub concurrency: u32,
    /// Jobs running now.
    pub busy: u32,
    /// The time of this beat in milliseconds since 1970.
    pub beat_ms: i64,
    /// Redis' round trip in microseconds.
    pub rtt_us: u64,
    /// Whether the process has stopped fetching.
    pub quiet: bool,
    /// Resident memory in KB.
    pub rss_kb: u64,
}

impl Beat<'_> {
    /// The fields of the process's hash.
    pub fn fields(&self) -> [(&'static str, String); 7] {
        [
            ("info", self.info.to_owned()),
            ("concurrency", self.concurrency.to_string()),
            ("busy", self.busy.to_string()),
            ("beat", stamp::seconds(self.beat_ms)),
            ("rtt_us", self.rtt_us.to_string()),
            ("quiet", self.quiet.to_string()),
            ("rss", self.rss_kb.to_string()),
        ]
    }
}

/// The value of one running job in `<identity>:work`. The payload is a JSON string inside the JSON, as since Sidekiq 6.0.2;
/// the time is in whole seconds.
pub fn work_value(queue: &str, payload: &str, run_at_s: i64) -> String {
    let mut out = String::with_capacity(payload.len() + payload.len() / 4 + queue.len() + 48);
    out.push_str("{\"queue\":");
    text::push_quoted(&mut out, queue);
    out.push_str(",\"payload\":");
    text::push_quoted(&mut out, payload);
    out.push_str(",\"run_at\":");
    out.push_str(&run_at_s.to_string());
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn capsule(
        name: &str,
        concurrency: u32,
        mode: &'static str,
        weights: &[(&str, u32)],
    ) -> CapsuleInfo {
        CapsuleInfo {
            name: name.to_owned(),
            concurrency,
            mode,
            weights: weights
                .iter()
                .map(|(queue, weight)| ((*queue).to_owned(), *weight))
                .collect(),
        }
    }

    #[test]
    fn info_is_that_of_sidekiq_8_with_concurrency_for_older_readers() {
        let identity: Identity = "vm:22564:a4dc4b6ef2be".parse().unwrap();
        let capsules = [
            capsule(
                "default",
                3,
                "weighted",
                &[("critical", 3), ("default", 2), ("low", 1)],
            ),
            capsule("single", 1, "strict", &[("single", 0), ("low", 0)]),
        ];
        let info = ProcessInfo {
            identity: &identity,
            started_at_ms: 1_795_398_104_751,
            tag: "cap",
            capsules: &capsules,
            labels: &["lab1".to_owned()],
            version: "8.1.7",
            embedded: false,
        };
        assert_eq!(info.concurrency(), 4);
        assert_eq!(
            info.to_json(),
            concat!(
                r#"{"hostname":"vm","started_at":1795398104.751,"pid":22564,"tag":"cap","concurrency":4,"#,
                r#""capsules":{"default":{"concurrency":3,"mode":"weighted","weights":{"critical":3,"default":2,"low":1}},"#,
                r#""single":{"concurrency":1,"mode":"strict","weights":{"single":0,"low":0}}},"#,
                r#""queues":["critical","default","low","single"],"weights":[{"critical":3,"default":2,"low":1},{"single":0,"low":0}],"#,
                r#""labels":["lab1"],"identity":"vm:22564:a4dc4b6ef2be","version":"8.1.7","embedded":false}"#
            )
        );
        let whole_second = ProcessInfo {
            started_at_ms: 1_795_398_104_000,
            ..info
        };
        assert!(
            whole_second
                .to_json()
                .contains(r#""started_at":1795398104.0,"#)
        );
    }

    #[test]
    fn beat_has_sidekiqs_fields_in_its_units() {
        let beat = Beat {
            info: "{}",
            concurrency: 4,
            busy: 1,
            beat_ms: 1_795_398_104_751,
            rtt_us: 120,
            quiet: true,
            rss_kb: 9_000,
        };
        let fields = beat.fields().map(|(name, value)| format!("{name}={value}"));
        assert_eq!(
            fields.join(" "),
            "info={} concurrency=4 busy=1 beat=1795398104.751 rtt_us=120 quiet=true rss=9000"
        );
    }

    #[test]
    fn work_holds_the_payload_as_a_string() {
        let payload = r#"{"class":"A","args":["é\n"],"jid":"1"}"#;
        let value = work_value("low", payload, 1_795_398_104);
        let read: serde_json::Value = serde_json::from_str(&value).unwrap();
        assert_eq!(read["queue"], "low");
        assert_eq!(read["payload"], payload);
        assert_eq!(read["run_at"], 1_795_398_104);
        assert!(
            value.starts_with(r#"{"queue":"low","payload":"{\"class\":"#),
            "{value}"
        );
    }
}
