//! The server's state: version, memory, what it writes to disk, its clock and how far away it is.

use std::time::{Duration, Instant};

use crate::{Line, ServerFacts, StoreError, check::info_field};

/// What the server says of its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vitals {
    /// Version, policy, cluster.
    pub facts: ServerFacts,
    /// Bytes in use.
    pub used_memory: u64,
    /// `maxmemory` in bytes; 0 is no limit.
    pub maxmemory: u64,
    /// Memory of its machine in bytes, where it tells.
    pub system_memory: Option<u64>,
    /// Whether it is told to write snapshots; `None` where `CONFIG GET` is denied.
    pub snapshots: Option<bool>,
    /// Its last snapshot failed.
    pub snapshot_failed: bool,
    /// Its last write to the append-only file failed.
    pub append_failed: bool,
    /// It is another server's copy.
    pub replica: Option<Replica>,
}

/// How a replica hears from the server whose copy it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    /// Whether it is connected to it.
    pub linked: bool,
    /// For how long it has not been, where it says so: its data are that old at least.
    pub cut_off: Option<Duration>,
}

/// One look at the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Its time, microseconds since the epoch.
    pub at_us: i64,
    /// How long the answer took.
    pub took: Duration,
}

impl Line {
    /// Asks the server for its state.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn vitals(&self) -> Result<Vitals, StoreError> {
        let info: String = self.query(&redis::cmd("INFO")).await?;
        let mut ask = redis::cmd("CONFIG");
        ask.arg("GET").arg("save");
        let save: Result<Vec<String>, StoreError> = match self.query(&ask).await {
            // A map in RESP3.
            Ok(value) => Ok(pairs(value)),
            Err(error) => Err(error),
        };
        let snapshots = match save {
            Ok(pair) => Some(pair.get(1).is_some_and(|rules| !rules.trim().is_empty())),
            // Denied, or renamed by the hoster.
            Err(StoreError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Vitals::read(&info, snapshots))
    }

    /// Looks at the server's clock.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn tick(&self) -> Result<Tick, StoreError> {
        let asked = Instant::now();
        let at_us = self.now_us().await?;
        Ok(Tick {
            at_us,
            took: asked.elapsed(),
        })
    }
}

fn pairs(value: redis::Value) -> Vec<String> {
    let text = |value: redis::Value| redis::from_redis_value::<String>(value).unwrap_or_default();
    match value {
        redis::Value::Map(entries) => entries
            .into_iter()
            .flat_map(|(key, value)| [text(key), text(value)])
            .collect(),
        redis::Value::Array(items) => items.into_iter().map(text).collect(),
        _ => Vec::new(),
    }
}

impl Vitals {
    /// Without whether it is told to write snapshots.
    pub(crate) fn of_info(info: &str) -> Self {
        Self::read(info, None)
    }

    fn read(info: &str, snapshots: Option<bool>) -> Self {
        let number = |name| info_field(info, name).and_then(|text| text.parse().ok());
        let failed = |name| info_field(info, name).is_some_and(|status| status == "err");
        Self {
            facts: ServerFacts::read(info),
            used_memory: number("used_memory").unwrap_or(0),
            maxmemory: number("maxmemory").unwrap_or(0),
            system_memory: number("total_system_memory").filter(|bytes| *bytes > 0),
            snapshots,
            snapshot_failed: failed("rdb_last_bgsave_status"),
            append_failed: failed("aof_last_write_status"),
            replica: Replica::read(info),
        }
    }
}

impl Replica {
    fn read(info: &str) -> Option<Self> {
        // Valkey says `slave` too.
        info_field(info, "role").filter(|role| role == "slave")?;
        let linked = info_field(info, "master_link_status").is_some_and(|status| status == "up");
        // -1 for one that has never been connected.
        let seconds = || {
            let text = info_field(info, "master_link_down_since_seconds")?;
            text.parse::<u64>().ok()
        };
        let cut_off = match linked {
            true => None,
            false => seconds().map(Duration::from_secs),
        };
        Some(Self { linked, cut_off })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_words_are_read() {
        let info = "redis_version:7.0.15\r\nused_memory:1013848\r\nused_memory_human:990K\r\nmaxmemory:2097152\r\n\
                    total_system_memory:25276514304\r\nrdb_last_bgsave_status:err\r\naof_last_write_status:ok\r\n";
        let vitals = Vitals::read(info, Some(true));
        assert_eq!(
            (vitals.used_memory, vitals.maxmemory, vitals.system_memory),
            (1_013_848, 2_097_152, Some(25_276_514_304))
        );
        assert!(vitals.snapshot_failed && !vitals.append_failed);
        assert_eq!(vitals.replica, None);
    }

    #[test]
    fn a_replica_says_whether_it_hears_from_its_primary() {
        let read = |link: &str| Vitals::read(&format!("role:slave\r\n{link}"), None).replica;
        let replica = |linked, seconds: Option<u64>| {
            let cut_off = seconds.map(Duration::from_secs);
            Some(Replica { linked, cut_off })
        };
        let since = "master_link_status:down\r\nmaster_link_down_since_seconds:";
        assert_eq!(read("master_link_status:up\r\n"), replica(true, None));
        assert_eq!(read(&format!("{since}90\r\n")), replica(false, Some(90)));
        assert_eq!(read(&format!("{since}-1\r\n")), replica(false, None));
        assert_eq!(Vitals::read("role:master\r\n", None).replica, None);
    }
}
