//! How the server does: what a person who watches it wants to see of `INFO`, and how long the answer took.
//!
//! Not here: whether it may be used at all (`check`).

use std::time::{Duration, Instant};

use crate::{Line, StoreError, check::info_field};

/// The server at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisHealth {
    /// `Redis 7.0.15`.
    pub server: String,
    /// Its process, on its machine.
    pub pid: u32,
    /// Time since its start.
    pub uptime: Duration,
    /// Bytes it uses.
    pub memory: u64,
    /// Bytes it may use; 0 without a limit.
    pub memory_max: u64,
    /// Open connections.
    pub clients: u64,
    /// Commands in the last second.
    pub commands_per_second: u64,
    /// From the question to its answer. `INFO` costs the server some 50 µs, so this is a little more than the network.
    pub round_trip: Duration,
}

impl Line {
    /// Asks the server how it does.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn health(&self) -> Result<RedisHealth, StoreError> {
        let asked = Instant::now();
        let text: String = self.query(&redis::cmd("INFO")).await?;
        Ok(RedisHealth {
            round_trip: asked.elapsed(),
            ..RedisHealth::read(&text)
        })
    }
}

impl RedisHealth {
    fn read(info: &str) -> Self {
        let field = |name: &str| info_field(info, name);
        let number = |name: &str| field(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let (name, version) = match field("valkey_version") {
            Some(version) => ("Valkey", Some(version)),
            None => ("Redis", field("redis_version")),
        };
        Self {
            server: format!("{name} {}", version.unwrap_or_default()),
            pid: u32::try_from(number("process_id")).unwrap_or(0),
            uptime: Duration::from_secs(number("uptime_in_seconds")),
            memory: number("used_memory"),
            memory_max: number("maxmemory"),
            clients: number("connected_clients"),
            commands_per_second: number("instantaneous_ops_per_sec"),
            round_trip: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_info_says_is_read_and_what_it_leaves_out_is_nothing() {
        let info = "# Server\r\nredis_version:7.0.15\r\nprocess_id:77\r\nuptime_in_seconds:90\r\nconnected_clients:3\r\n\
                    used_memory:1048576\r\nmaxmemory:0\r\ninstantaneous_ops_per_sec:12\r\n";
        let health = RedisHealth::read(info);
        assert_eq!(health.server, "Redis 7.0.15");
        assert_eq!((health.pid, health.uptime), (77, Duration::from_secs(90)));
        assert_eq!(
            (
                health.memory,
                health.memory_max,
                health.clients,
                health.commands_per_second
            ),
            (1_048_576, 0, 3, 12)
        );
        assert_eq!(
            RedisHealth::read("valkey_version:8.0.1\nredis_version:7.2.4").server,
            "Valkey 8.0.1"
        );
        assert_eq!(RedisHealth::read("").clients, 0);
    }
}
