//! The check at boot: is this a server on which Gandy's promises can hold?

use gandy_protocol::keys::Keys;

use crate::{Line, StoreError};

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `Redis` or `Valkey`.
    pub name: &'static str,
    /// Its version, such as `7.0.15`.
    pub version: String,
    /// Drawn anew at each start; another one after a restart or a failover.
    pub run_id: String,
    /// Seconds since it started.
    pub uptime_secs: u64,
    /// `maxmemory-policy`, where the server tells.
    pub eviction: Option<String>,
    /// Whether it writes an append-only file, where the server tells.
    pub append_only: Option<bool>,
    /// Whether it is part of a Redis Cluster.
    pub cluster: bool,
}

/// Something an operator should know, short of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caution(pub String);

impl Line {
    /// Asks the server about itself.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn facts(&self) -> Result<ServerFacts, StoreError> {
        let text: String = self.query(&redis::cmd("INFO")).await?;
        Ok(ServerFacts::read(&text))
    }

    /// Redis' clock, microseconds since the epoch.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn now_us(&self) -> Result<i64, StoreError> {
        let (seconds, micros): (i64, i64) = self.query(&redis::cmd("TIME")).await?;
        Ok(seconds * 1_000_000 + micros)
    }
}

/// A field of `INFO`.
pub(crate) fn info_field(info: &str, name: &str) -> Option<String> {
    info.lines().find_map(|line| {
        line.trim_end()
            .strip_prefix(name)?
            .strip_prefix(':')
            .map(str::to_owned)
    })
}

impl ServerFacts {
    pub(crate) fn read(info: &str) -> Self {
        let field = |name: &str| info_field(info, name);
        let valkey = field("valkey_version");
        Self {
            name: if valkey.is_some() { "Valkey" } else { "Redis" },
            version: valkey
                .or_else(|| field("redis_version"))
                .unwrap_or_default(),
            run_id: field("run_id").unwrap_or_default(),
            uptime_secs: field("uptime_in_seconds")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            eviction: field("maxmemory_policy"),
            append_only: field("aof_enabled").map(|text| text == "1"),
            cluster: field("cluster_enabled").is_some_and(|text| text == "1"),
        }
    }

    /// Whether it is new enough: Redis 7.0 or Valkey 7.2.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        let least = if self.name == "Valkey" {
            (7, 2)
        } else {
            (7, 0)
        };
        let mut parts = self
            .version
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        version >= least
    }

    /// Refuses a server on which jobs could be lost or scripts cannot run, and lists what is merely unwise.
    /// `allow_eviction` turns the refusal of an evicting server into a caution.
    ///
    /// # Errors
    /// [`StoreError::Refused`] with what to do.
    pub fn judge(
        &self,
        server: &str,
        keys: &Keys,
        allow_eviction: bool,
    ) -> Result<Vec<Caution>, StoreError> {
        let refuse = |cause: String| {
            Err(StoreError::Refused {
                server: server.to_owned(),
                cause,
            })
        };
        if !self.is_supported() {
            return refuse(format!(
                "it is {} {}; Gandy needs Redis 7.0 or Valkey 7.2 at least. Upgrade the server",
                self.name, self.version
            ));
        }
        if self.cluster && !keys.has_hash_tag() {
            return refuse(
                "it runs in cluster mode, where Sidekiq's keys fall into different slots; \
                 use a namespace with a hash tag, such as --namespace '{gandy}'"
                    .into(),
            );
        }
        let mut cautions = Vec::new();
        if let Some(policy) = self
            .eviction
            .as_deref()
            .filter(|policy| *policy != "noeviction")
        {
            let words = format!(
                "maxmemory-policy is {policy}: Redis may silently delete jobs when memory is full"
            );
            if !allow_eviction {
                return refuse(format!(
                    "{words}. Run CONFIG SET maxmemory-policy noeviction, or start with --allow-eviction to take the risk"
                ));
            }
            cautions.push(Caution(words));
        }
        if self.append_only == Some(false) {
            cautions.push(Caution(
                "appendonly is off: a crash of Redis loses the jobs since its last snapshot. \
                 Set appendonly yes (appendfsync everysec)"
                    .into(),
            ));
        }
        Ok(cautions)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn facts(info: &str) -> ServerFacts {
        ServerFacts::read(info)
    }

    #[test]
    fn old_servers_are_refused_with_the_version_they_need() {
        let keys = Keys::default();
        for (info, fine) in [
            ("redis_version:6.2.14\r\n", false),
            ("redis_version:7.0.15\r\n", true),
            ("redis_version:8.2.0\r\n", true),
            ("redis_version:7.2.4\r\nvalkey_version:7.2.5\r\n", true),
            ("redis_version:7.2.4\r\nvalkey_version:7.0.0\r\n", false),
            ("", false),
        ] {
            let verdict = facts(info).judge("h", &keys, false);
            assert_eq!(verdict.is_ok(), fine, "{info}");
            if let Err(error) = verdict {
                assert!(
                    error.to_string().contains("Redis 7.0 or Valkey 7.2"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn eviction_is_refused_unless_allowed_and_no_aof_warns() {
        let evicting =
            facts("redis_version:7.0.15\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:0\r\n");
        let error = evicting
            .judge("h", &Keys::default(), false)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("allkeys-lru") && error.contains("--allow-eviction"),
            "{error}"
        );
        assert_eq!(
            evicting.judge("h", &Keys::default(), true).unwrap().len(),
            2
        );
    }

    #[test]
    fn a_cluster_needs_a_hash_tag() {
        let cluster = facts("redis_version:7.0.15\r\ncluster_enabled:1\r\n");
        assert!(cluster.judge("h", &Keys::default(), false).is_err());
        assert!(
            cluster
                .judge("h", &Keys::new("{gandy}").unwrap(), false)
                .is_ok()
        );
    }
}
