//! The codes of what the doctor finds: what each means and what to do about it. `docs/doctor.md` prints this table, and a
//! test holds the two together. Codes are part of what programs read: none is renamed.

use std::fmt;
use std::str::FromStr;

/// What kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is explained in its row of CODES")]
pub enum Code {
    ServerVersion,
    ClusterWithoutHashTag,
    ReadOnlyReplica,
    EvictionPolicy,
    NoPersistence,
    AppendOnlyOff,
    PersistenceFailing,
    MemoryLow,
    NoMemoryLimit,
    ClockSkew,
    SlowRoundTrip,
    MissingRights,
    WrongType,
    OrphanedInFlight,
    NamelessInFlight,
    UnreapedWorker,
    LandedJobs,
    SilentProcess,
    UnlistedQueue,
    UnservedQueue,
    DuplicateJob,
    SharedJid,
    UnparsableJob,
    UnparsableDead,
    SuperFetchList,
    RubyMemory,
}

/// One code: its name and what there is to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRow {
    /// Which.
    pub code: Code,
    /// Its name, in kebab case.
    pub name: &'static str,
    /// `error`, `warning` or `note`, or two of them where it depends.
    pub severity: &'static str,
    /// What is wrong, and why that matters.
    pub means: &'static str,
    /// What a person does about it.
    pub remedy: &'static str,
    /// What `--fix` does; `None` where no command can.
    pub fix: Option<&'static str>,
}

impl Code {
    /// All that is known of it.
    #[must_use]
    pub fn row(self) -> &'static CodeRow {
        &CODES[self as usize]
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// Whether [`crate::doctor::Doctor::fix`] can repair it.
    #[must_use]
    pub fn is_fixable(self) -> bool {
        self.row().fix.is_some()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let row = CODES.iter().find(|row| row.name == text);
        row.map(|row| row.code)
            .ok_or_else(|| "there is no such code; docs/doctor.md lists them".to_owned())
    }
}

/// All codes, in the order of [`Code`].
#[rustfmt::skip]
pub const CODES: &[CodeRow] = &[
    CodeRow {
        code: Code::ServerVersion, name: "server-version", severity: "error",
        means: "the server is older than Redis 7.0 or Valkey 7.2: workers refuse it, and scripts cannot run while it is full",
        remedy: "upgrade the server", fix: None,
    },
    CodeRow {
        code: Code::ClusterWithoutHashTag, name: "cluster-without-hash-tag", severity: "error",
        means: "the server runs in cluster mode and the namespace has no hash tag: a job's keys lie in different slots, where no step can move it",
        remedy: "use a namespace with a hash tag everywhere, such as --namespace '{gandy}'", fix: None,
    },
    CodeRow {
        code: Code::ReadOnlyReplica, name: "read-only-replica", severity: "error",
        means: "the server is a replica of another one: what is pushed and done here is refused or lost, and what is shown is as old as its link",
        remedy: "give the address of the primary, or of the sentinels; after a failover by hand: REPLICAOF NO ONE on the server that is to be it", fix: None,
    },
    CodeRow {
        code: Code::EvictionPolicy, name: "eviction-policy", severity: "error",
        means: "the server may delete any key, jobs included, when its memory is full",
        remedy: "CONFIG SET maxmemory-policy noeviction, and the same in its configuration file", fix: None,
    },
    CodeRow {
        code: Code::NoPersistence, name: "no-persistence", severity: "error",
        means: "the server writes neither an append-only file nor snapshots: when it restarts every job is gone",
        remedy: "CONFIG SET appendonly yes (appendfsync everysec), and the same in its configuration file", fix: None,
    },
    CodeRow {
        code: Code::AppendOnlyOff, name: "append-only-off", severity: "warning",
        means: "the server writes no append-only file: a crash of it loses the jobs since its last snapshot",
        remedy: "CONFIG SET appendonly yes (appendfsync everysec), and the same in its configuration file", fix: None,
    },
    CodeRow {
        code: Code::PersistenceFailing, name: "persistence-failing", severity: "error",
        means: "the server's last write to disk failed: a restart loses jobs, and it may refuse writes (MISCONF)",
        remedy: "look at the server's log and at its disk", fix: None,
    },
    CodeRow {
        code: Code::MemoryLow, name: "memory-low", severity: "warning",
        means: "more than 80 % of the memory is used: when it is full pushes are refused, or the kernel kills the server",
        remedy: "let workers drain the queues, raise maxmemory, or look for large jobs with gandy queues and redis-cli --bigkeys", fix: None,
    },
    CodeRow {
        code: Code::NoMemoryLimit, name: "no-memory-limit", severity: "note",
        means: "maxmemory is 0: the server grows until the kernel kills it, and producers are not told before",
        remedy: "CONFIG SET maxmemory to what the machine can spare; a fork for a snapshot needs some of the rest", fix: None,
    },
    CodeRow {
        code: Code::ClockSkew, name: "clock-skew", severity: "note or warning",
        means: "this host's clock differs from the server's by more than a second (a warning from 60 s on): jobs pushed here for a time are due that much early or late. Leases do not depend on it",
        remedy: "let both keep time by NTP", fix: None,
    },
    CodeRow {
        code: Code::SlowRoundTrip, name: "slow-round-trip", severity: "note or warning",
        means: "a round trip from here to the server takes more than 10 ms (a warning from 50 ms on, as Ruby's workers warn): each push, and each job that is claimed alone, waits for one",
        remedy: "run workers near the server, and look for slow commands there (SLOWLOG GET)", fix: None,
    },
    CodeRow {
        code: Code::MissingRights, name: "missing-rights", severity: "warning",
        means: "the user of Redis may not do all that its role needs; without --role: it fills no role whole",
        remedy: "grant what is named; deploy/acl has users for each role", fix: None,
    },
    CodeRow {
        code: Code::WrongType, name: "wrong-type", severity: "error",
        means: "a key has one of our names and another type: everything that needs it fails",
        remedy: "find out who wrote it, then move it aside: redis-cli RENAME KEY KEY-aside. Give several applications namespaces", fix: None,
    },
    CodeRow {
        code: Code::OrphanedInFlight, name: "orphaned-in-flight", severity: "error",
        means: "jobs are in flight under processes that are neither living nor dying: they run again only when somebody notices. Living workers look every 10 minutes",
        remedy: "wait for the workers' next sweep, or --fix", fix: Some("enters these processes among the dying; workers give the jobs back, or this command where none lives"),
    },
    CodeRow {
        code: Code::NamelessInFlight, name: "nameless-in-flight", severity: "error",
        means: "jobs are in flight under a key that names no process, so that no worker gives them back",
        remedy: "look at them (HGETALL), push what they hold again, then UNLINK the key", fix: None,
    },
    CodeRow {
        code: Code::UnreapedWorker, name: "unreaped-worker", severity: "error",
        means: "worker processes are dead and no living one gives back what they held",
        remedy: "start a worker: it does so within 20 s; or --fix", fix: Some("watches until each lease has been gone for 15 s, declares those processes dead, gives their jobs back and forgets them"),
    },
    CodeRow {
        code: Code::LandedJobs, name: "landed-jobs", severity: "warning",
        means: "jobs lie in landing lists, where a worker was rung that died before it could claim, and no worker lives to put them back",
        remedy: "start a worker, or --fix", fix: Some("puts them back at the end of their queue that is popped next"),
    },
    CodeRow {
        code: Code::SilentProcess, name: "silent-process", severity: "warning",
        means: "processes are listed whose heartbeat has expired: they died without signing off, and dashboards count them",
        remedy: "Ruby's Sidekiq removes them when it next looks; or --fix", fix: Some("takes those off the list that still show no heartbeat"),
    },
    CodeRow {
        code: Code::UnlistedQueue, name: "unlisted-queue", severity: "warning",
        means: "queues hold jobs and are missing in `queues`: dashboards, statistics and reapers do not see them",
        remedy: "--fix, or the next push to the queue", fix: Some("writes their names there"),
    },
    CodeRow {
        code: Code::UnservedQueue, name: "unserved-queue", severity: "warning",
        means: "queues hold jobs and no living worker listens to them, Ruby's included",
        remedy: "start a worker with these queues, or correct the name where the jobs are pushed", fix: None,
    },
    CodeRow {
        code: Code::DuplicateJob, name: "duplicate-job", severity: "warning",
        means: "a job waits in more than one place, with the same jid, class and arguments: it runs once more than it should. A step that Redis did half, or a push that was repeated after a lost reply, leaves that",
        remedy: "--fix; nothing is lost if you leave it", fix: Some("keeps the copy that runs first (queue, then retry, schedule, dead) and removes the others, each only while the kept one is there"),
    },
    CodeRow {
        code: Code::SharedJid, name: "shared-jid", severity: "note",
        means: "jobs with one jid have different classes or arguments: whoever looks for a job by its jid may meet the other",
        remedy: "let whoever pushes them draw a new jid for each job", fix: None,
    },
    CodeRow {
        code: Code::UnparsableJob, name: "unparsable-job", severity: "warning",
        means: "entries in queues, `retry` or `schedule` are no jobs: no worker can run them, and who meets one buries it",
        remedy: "look at them with gandy jobs; --fix, or leave it to the workers", fix: Some("moves them to `dead` as they are"),
    },
    CodeRow {
        code: Code::UnparsableDead, name: "unparsable-dead", severity: "note",
        means: "entries in `dead` are no jobs: that is where such are put, and they cannot be retried",
        remedy: "look at them with gandy jobs dead, and find out who pushed them", fix: None,
    },
    CodeRow {
        code: Code::SuperFetchList, name: "super-fetch-list", severity: "warning",
        means: "jobs lie in private lists of Sidekiq Pro's super_fetch, which only Sidekiq Pro looks into",
        remedy: "let Sidekiq Pro run here until they are empty. Where it is gone for good: LMOVE LIST queue:NAME LEFT RIGHT until each is", fix: None,
    },
    CodeRow {
        code: Code::RubyMemory, name: "ruby-memory", severity: "note",
        means: "Ruby workers live here: what a Ruby worker or Ruby's poller has popped is in its memory only, and kill -9 loses it. Promise P1 covers what Gandy's workers claim and promote",
        remedy: "nothing, if you know; jobs that must not be lost belong on queues that only Gandy's workers listen to", fix: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_row_and_a_name_of_its_own() {
        for (at, row) in CODES.iter().enumerate() {
            assert_eq!(row.code as usize, at, "{}", row.name);
            assert_eq!(row.name.parse(), Ok(row.code));
            let kebab = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            assert!(row.name.bytes().all(kebab), "{}", row.name);
            let known = ["error", "warning", "note", "note or warning"];
            assert!(known.contains(&row.severity), "{}", row.name);
        }
        assert_eq!(Code::RubyMemory as usize + 1, CODES.len());
        assert!("no-such".parse::<Code>().is_err());
    }
}
