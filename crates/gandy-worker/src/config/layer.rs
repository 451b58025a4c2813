//! One source of settings (flags, environment or file), each key set or not, and how sources lie over each other.
//! Here: the list of top-level keys. Not here: their rules (`keys`) and their defaults (`mod`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use gandy::{StampFormat, TlsFiles};

use super::keys;
use super::probes::Probes;
use super::queue::Queue;
use super::raw::Raw;
use super::secret::Secret;

/// The rule of a key.
pub type Rule<T> = fn(Raw<'_>) -> Result<T, String>;

/// Something that has a value for some keys, and notes what is wrong with them.
pub trait Source {
    /// The value of `key`; `None` when it is not set, or wrong and noted.
    fn read<T>(&mut self, key: &'static str, rule: Rule<T>) -> Option<T>;

    /// Notes a problem that is not in one value, at the place of `key`.
    fn note(&mut self, key: &'static str, message: String);
}

/// Where the Redis URL comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redis {
    /// Written down.
    Url(Secret),
    /// In a file, whose first reading is at start.
    File(PathBuf),
}

/// A capsule as one source gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapsuleLayer {
    /// Its queues.
    pub queues: Option<Vec<Queue>>,
    /// Its jobs at once.
    pub concurrency: Option<usize>,
}

impl CapsuleLayer {
    /// Reads both keys from a source.
    pub fn read(source: &mut impl Source) -> CapsuleLayer {
        CapsuleLayer {
            queues: source.read("queues", keys::queues),
            concurrency: source.read("concurrency", keys::concurrency),
        }
    }
}

/// The settings of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each field is the key of its name (`redis_tls`: three of them), documented in `keys`"
)]
pub struct Layer {
    pub redis: Option<Redis>,
    pub redis_tls: TlsFiles,
    pub namespace: Option<String>,
    pub concurrency: Option<usize>,
    pub queues: Option<Vec<Queue>>,
    pub crash_budget: Option<usize>,
    pub timeout: Option<Duration>,
    pub stamps: Option<StampFormat>,
    pub max_retries: Option<u32>,
    pub dead_max_jobs: Option<u64>,
    pub dead_timeout: Option<Duration>,
    pub max_fetch_payload: Option<usize>,
    pub allow_eviction: Option<bool>,
    pub fail_fast: Option<bool>,
    pub functions: Option<bool>,
    pub probes: Option<Probes>,
    pub memory_guard: Option<bool>,
    pub tag: Option<String>,
    pub labels: Option<Vec<String>>,
    pub capsules: BTreeMap<String, CapsuleLayer>,
}

impl Layer {
    /// The top-level keys that file and environment share.
    pub const KEYS: [&'static str; 22] = [
        "redis_url",
        "redis_url_file",
        "redis_tls_ca",
        "redis_tls_cert",
        "redis_tls_key",
        "namespace",
        "concurrency",
        "queues",
        "crash_budget",
        "timeout",
        "stamps",
        "max_retries",
        "dead_max_jobs",
        "dead_timeout",
        "max_fetch_payload",
        "allow_eviction",
        "fail_fast",
        "functions",
        "probes",
        "memory_guard",
        "tag",
        "labels",
    ];

    /// Reads every key but the capsules, which file and environment write too differently.
    pub fn read(source: &mut impl Source) -> Layer {
        let url = source.read("redis_url", keys::redis_url);
        let file = source.read("redis_url_file", keys::path);
        let redis = match (url, file) {
            (Some(_), Some(_)) => {
                source.note(
                    "redis_url_file",
                    "is given beside redis_url: give only one of the two".to_owned(),
                );
                None
            }
            (Some(url), None) => Some(Redis::Url(url)),
            (None, Some(file)) => Some(Redis::File(file)),
            (None, None) => None,
        };
        Layer {
            redis,
            redis_tls: TlsFiles {
                ca: source.read("redis_tls_ca", keys::path),
                cert: source.read("redis_tls_cert", keys::path),
                key: source.read("redis_tls_key", keys::path),
            },
            namespace: source.read("namespace", keys::namespace),
            concurrency: source.read("concurrency", keys::concurrency),
            queues: source.read("queues", keys::queues),
            crash_budget: source.read("crash_budget", keys::crash_budget),
            timeout: source.read("timeout", keys::timeout),
            stamps: source.read("stamps", keys::stamps),
            max_retries: source.read("max_retries", keys::max_retries),
            dead_max_jobs: source.read("dead_max_jobs", keys::dead_max_jobs),
            dead_timeout: source.read("dead_timeout", keys::dead_timeout),
            max_fetch_payload: source.read("max_fetch_payload", keys::max_fetch_payload),
            allow_eviction: source.read("allow_eviction", keys::boolean),
            fail_fast: source.read("fail_fast", keys::boolean),
            functions: source.read("functions", keys::boolean),
            probes: source.read("probes", Probes::read),
            memory_guard: source.read("memory_guard", keys::boolean),
            tag: source.read("tag", keys::tag),
            labels: source.read("labels", keys::labels),
            capsules: BTreeMap::new(),
        }
    }

    /// This layer, and below it what it does not set.
    pub fn over(self, below: Layer) -> Layer {
        let mut capsules = below.capsules;
        for (name, capsule) in self.capsules {
            let lower = capsules.remove(&name).unwrap_or_default();
            let merged = CapsuleLayer {
                queues: capsule.queues.or(lower.queues),
                concurrency: capsule.concurrency.or(lower.concurrency),
            };
            capsules.insert(name, merged);
        }
        Layer {
            redis: self.redis.or(below.redis),
            redis_tls: self.redis_tls.over(below.redis_tls),
            namespace: self.namespace.or(below.namespace),
            concurrency: self.concurrency.or(below.concurrency),
            queues: self.queues.or(below.queues),
            crash_budget: self.crash_budget.or(below.crash_budget),
            timeout: self.timeout.or(below.timeout),
            stamps: self.stamps.or(below.stamps),
            max_retries: self.max_retries.or(below.max_retries),
            dead_max_jobs: self.dead_max_jobs.or(below.dead_max_jobs),
            dead_timeout: self.dead_timeout.or(below.dead_timeout),
            max_fetch_payload: self.max_fetch_payload.or(below.max_fetch_payload),
            allow_eviction: self.allow_eviction.or(below.allow_eviction),
            fail_fast: self.fail_fast.or(below.fail_fast),
            functions: self.functions.or(below.functions),
            probes: self.probes.or(below.probes),
            memory_guard: self.memory_guard.or(below.memory_guard),
            tag: self.tag.or(below.tag),
            labels: self.labels.or(below.labels),
            capsules,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_layer_wins_key_by_key_in_capsules_too() {
        let capsule = |concurrency, queue: Option<&str>| CapsuleLayer {
            concurrency,
            queues: queue.map(|name| {
                vec![Queue {
                    name: name.to_owned(),
                    weight: None,
                }]
            }),
        };
        let upper = Layer {
            concurrency: Some(1),
            capsules: BTreeMap::from([("mail".to_owned(), capsule(Some(9), None))]),
            ..Layer::default()
        };
        let lower = Layer {
            concurrency: Some(2),
            tag: Some("below".to_owned()),
            capsules: BTreeMap::from([("mail".to_owned(), capsule(Some(3), Some("mailers")))]),
            ..Layer::default()
        };
        let merged = upper.over(lower);
        assert_eq!(merged.concurrency, Some(1));
        assert_eq!(merged.tag.as_deref(), Some("below"));
        assert_eq!(merged.capsules["mail"], capsule(Some(9), Some("mailers")));
    }
}
