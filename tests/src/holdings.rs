//! Everything that Redis keeps of jobs, taken in one look: no job can slip past it, none is seen twice on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::RedisServer;

/// All payloads, each after the key that holds it.
const LOOK: &str = "
local found = {}
local function add(key, values)
  for _, value in ipairs(values) do
    found[#found + 1] = key
    found[#found + 1] = value
  end
end
for _, pattern in ipairs({'queue:*', 'gandy:landing:*'}) do
  for _, key in ipairs(redis.call('KEYS', pattern)) do add(key, redis.call('LRANGE', key, 0, -1)) end
end
for _, key in ipairs(redis.call('KEYS', 'gandy:inflight:*')) do add(key, redis.call('HVALS', key)) end
for _, key in ipairs({'schedule', 'retry', 'dead'}) do add(key, redis.call('ZRANGE', key, 0, -1)) end
return found";

/// The jobs in Redis: for each jid the keys that hold it, one for each copy.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    places: BTreeMap<String, Vec<String>>,
}

impl Holdings {
    /// Looks at `server` now. Payloads without a jid are not seen.
    ///
    /// # Panics
    /// When Redis does not answer.
    #[track_caller]
    pub fn of(server: &RedisServer) -> Self {
        let found: Vec<(String, Vec<u8>)> = redis::cmd("EVAL")
            .arg(LOOK)
            .arg(0)
            .query(&mut server.conn())
            .unwrap_or_else(|error| panic!("cannot look at what Redis holds: {error}"));
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, payload) in found {
            let job: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
            if let Some(jid) = job["jid"].as_str() {
                places.entry(jid.to_owned()).or_default().push(key);
            }
        }
        Self { places }
    }

    /// All jids.
    pub fn jids(&self) -> BTreeSet<String> {
        self.places.keys().cloned().collect()
    }

    /// The keys that hold this jid.
    pub fn places(&self, jid: &str) -> &[String] {
        self.places.get(jid).map_or(&[], Vec::as_slice)
    }

    /// How many jobs the keys hold whose names begin so.
    pub fn count(&self, prefix: &str) -> usize {
        let all = self.places.values().flatten();
        all.filter(|key| key.starts_with(prefix)).count()
    }

    /// Whether every job is at rest: none waits in a queue, has landed or is in flight.
    pub fn is_settled(&self) -> bool {
        ["queue:", "gandy:landing:", "gandy:inflight:"]
            .iter()
            .all(|prefix| self.count(prefix) == 0)
    }
}

/// How many jobs each key holds.
impl fmt::Display for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for key in self.places.values().flatten() {
            *counts.entry(key).or_default() += 1;
        }
        let counts: Vec<String> = counts
            .into_iter()
            .map(|(key, count)| format!("{key} {count}"))
            .collect();
        f.write_str(&counts.join(", "))
    }
}
