//! What each role has to be allowed, command by command: the rights of `deploy/acl`, as requests that Redis can be asked
//! about. A test holds the two together.

use std::fmt;
use std::str::FromStr;

/// A part that a user of Redis plays, as the users of `deploy/acl` are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Pushes jobs.
    Producer,
    /// Runs them.
    Worker,
    /// Looks.
    Dashboard,
    /// Moves jobs by hand.
    Operator,
}

/// In these, `~` stands before a key, where the namespace goes; `@` is a process as Sidekiq names it.
const PRODUCER: &[&str] = &[
    "LPUSH ~queue:default x",
    "SADD ~queues default",
    "ZADD ~schedule 1 x",
    "INFO",
];

const WORKER: &[&str] = &[
    "BLMOVE ~queue:default ~gandy:landing:default RIGHT LEFT 1",
    "LMOVE ~gandy:landing:default ~queue:default LEFT RIGHT",
    "LPUSH ~queue:default x",
    "RPUSH ~queue:default x",
    "RPOP ~@-signals",
    "LRANGE ~queue:default -1 -1",
    "LTRIM ~queue:default 0 -2",
    "LLEN ~gandy:landing:default",
    "HSET ~gandy:inflight:@ 1:default x",
    "HSET ~@ busy 0",
    "HSET ~@:work t x",
    "HSETNX ~gandy:dying @ x",
    "HGET ~gandy:fleet @",
    "HMGET ~gandy:inflight:@ 1:default",
    "HDEL ~gandy:inflight:@ 1:default",
    "HEXISTS ~gandy:fleet @",
    "HKEYS ~gandy:fleet",
    "HLEN ~gandy:inflight:@",
    "HSTRLEN ~gandy:inflight:@ 1:default",
    "HINCRBY ~j|261123|9:00 x 1",
    "ZADD ~retry 1 x",
    "ZADD ~dead 1 x",
    "ZREM ~schedule x",
    "ZCARD ~dead",
    "ZSCORE ~retry x",
    "ZRANGE ~schedule 0 0",
    "SADD ~queues default",
    "SADD ~processes @",
    "SADD ~gandy:recovered:x @",
    "SREM ~processes @",
    "SISMEMBER ~paused default",
    "SMISMEMBER ~paused default",
    "SMEMBERS ~processes",
    "SSCAN ~queues 0",
    "SCARD ~gandy:recovered:x",
    "GET ~gandy:promoter",
    "SET ~gandy:lease:@ 1 PX 15000",
    "SET ~process_cleanup 1",
    "DEL ~gandy:lease:@",
    "UNLINK ~@ ~@:work ~@:workers",
    "COPY ~@:work ~@:workers REPLACE",
    "EXISTS ~gandy:lease:@",
    "EXPIRE ~@ 60",
    "PTTL ~gandy:promoter",
    "INCRBY ~stat:processed 1",
    "BITFIELD ~h|x-1-9:0 INCRBY u16 #0 1",
    "MULTI",
    "SCAN 0",
    "TIME",
    "INFO",
];

const DASHBOARD: &[&str] = &[
    "GET ~stat:processed",
    "MGET ~h|x-1-9:0",
    "GET ~gandy:outcome:x",
    "MGET ~stat:processed:2026-11-23",
    "HGET ~@ info",
    "HGETALL ~j|261123|9:00",
    "HMGET ~j|261123|9:00 Mailer|p",
    "HGETALL ~20261123-marks",
    "HSTRLEN ~gandy:inflight:@ 1:default",
    "HGETALL ~@:work",
    "HKEYS ~gandy:fleet",
    "HLEN ~gandy:inflight:@",
    "HGET ~gandy:inflight:@ 1:default",
    "LINDEX ~queue:default -1",
    "LLEN ~queue:default",
    "LRANGE ~queue:default -1 -1",
    "PTTL ~gandy:lease:@",
    "ZCARD ~dead",
    "ZSCORE ~retry x",
    "ZRANGE ~retry 0 0",
    "ZREVRANGE ~dead 0 0",
    "ZSCAN ~schedule 0",
    "SSCAN ~queues 0",
    "SSCAN ~processes 0",
    "SISMEMBER ~paused default",
    "TIME",
    "INFO",
];

const OPERATOR: &[&str] = &[
    "LPUSH ~queue:default x",
    "LPUSH ~@-signals TERM",
    "LPOS ~queue:default x",
    "LREM ~queue:default -1 x",
    "LREM ~gandy:landing:default -1 x",
    "LSET ~queue:default -1 x",
    "LSET ~gandy:landing:default -1 x",
    "ZADD ~dead 1 x",
    "ZREM ~retry x",
    "SADD ~paused default",
    "SREM ~paused default",
    "SADD ~queues default",
    "SET ~gandy:outcome:x y",
    "HSET ~gandy:reasons x y",
    "HDEL ~gandy:reasons x",
    "EXPIRE ~@-signals 60",
];

/// Scripts are brought along, or called as installed functions: either will do.
const SCRIPTS: &[&str] = &["EVALSHA x 0", "SCRIPT LOAD x"];
const FUNCTIONS: &[&str] = &["FCALL x 0"];

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Producer,
        Self::Worker,
        Self::Dashboard,
        Self::Operator,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Worker => "worker",
            Self::Dashboard => "dashboard",
            Self::Operator => "operator",
        }
    }

    /// The requests that it sends, each with keys of that kind.
    pub(super) fn requests(self) -> Vec<&'static str> {
        match self {
            Self::Producer => PRODUCER.to_vec(),
            Self::Worker => WORKER.to_vec(),
            Self::Dashboard => DASHBOARD.to_vec(),
            // Who moves jobs looks at them first.
            Self::Operator => [DASHBOARD, OPERATOR].concat(),
        }
    }

    /// The ways in which it may run scripts, of which it needs one: none where it runs none.
    pub(super) fn scripts(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Worker | Self::Operator => &[SCRIPTS, FUNCTIONS],
            Self::Producer | Self::Dashboard => &[],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| "write producer, worker, dashboard or operator".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What every connection says, what some servers need and others do not, and what a worker does without at a price: to
    /// see connections.
    const UNASKED: [&str; 10] = [
        "auth",
        "client|id",
        "client|list",
        "client|setname",
        "exec",
        "hello",
        "ping",
        "role",
        "unwatch",
        "wait",
    ];

    #[test]
    fn the_requests_of_a_role_are_the_commands_that_its_user_is_granted() {
        let file = include_str!("../../../../deploy/acl/gandy.acl");
        for role in Role::ALL {
            let start = format!("user {role} ");
            let line = file.lines().find_map(|line| line.strip_prefix(&start));
            // A producer without idempotency keys needs neither transactions nor what stands in brackets, and an operator
            // marks no deploys without the second; the first let him write outcomes and nothing else by SET.
            let mut parts = line.unwrap().split(" (");
            let plain = parts.next().unwrap();
            let outcomes = parts.next().filter(|_| role == Role::Operator);
            let mut granted: Vec<&str> = plain
                .split(' ')
                .chain(
                    outcomes
                        .into_iter()
                        .flat_map(|part| part.trim_end_matches(')').split(' ')),
                )
                .filter_map(|rule| rule.strip_prefix('+'))
                .collect();
            let keyed = |command: &str| role == Role::Producer && command == "multi";
            granted.retain(|command| !UNASKED.contains(command) && !keyed(command));
            let scripts = role.scripts().first().copied().unwrap_or_default();
            let requests = role.requests();
            let requests = requests.iter().chain(scripts);
            let mut asked: Vec<String> = requests
                .map(|request| {
                    let mut words = request.split(' ').map(str::to_lowercase);
                    match (words.next().unwrap(), words.next()) {
                        (script, Some(verb)) if script == "script" => format!("script|{verb}"),
                        (command, _) => command,
                    }
                })
                .collect();
            granted.sort_unstable();
            asked.sort_unstable();
            asked.dedup();
            assert_eq!(asked, granted, "{role}");
        }
    }
}
