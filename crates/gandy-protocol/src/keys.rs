//! Every key in Redis that Gandy reads or writes, and the prefix before all of them.
//!
//! Belongs here: names, and the table that documents them. Does not belong here: what is done with a key.
//! No other file builds a key's name: a key that misses the prefix would mix two applications' jobs.

use std::fmt::Write as _;

use crate::identity::Identity;
use crate::metrics;
use crate::minute::Minute;

/// Builds key names under one prefix: none (plain Sidekiq), or a namespace.
///
/// ```
/// use gandy_protocol::Keys;
/// assert_eq!(Keys::default().queue("low"), "queue:low");
/// assert_eq!(Keys::new("shop")?.queue("low"), "shop:queue:low");
/// assert_eq!(Keys::new("{gandy-0}")?.fleet(), "{gandy-0}:gandy:fleet");
/// # Ok::<(), gandy_protocol::KeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Keys {
    prefix: String,
}

/// Why a text cannot be a namespace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Whitespace or a control character.
    #[error(
        "namespace {0:?} holds whitespace or a control character; use letters, digits, `.`, `-` or `_`"
    )]
    Character(String),
    /// Longer than 128 bytes.
    #[error("namespace is {0} bytes long; at most 128 are allowed")]
    Long(usize),
    /// A brace without its partner, or nothing between the two.
    #[error(
        "namespace {0:?} has a broken hash tag: write the tag whole and not empty, as in `{{gandy-0}}`"
    )]
    HashTag(String),
}

impl Keys {
    /// Keys under a namespace: `NAME` puts `NAME:` before every key, as the redis-namespace gem did. An empty name means
    /// no prefix. A hash tag (`{gandy-0}`) keeps a full set of keys in one slot of a Redis Cluster.
    ///
    /// # Errors
    ///
    /// The name holds whitespace or control characters, is over 128 bytes long, or has a broken hash tag (the next brace
    /// in some queue's name would complete it, and keys of one job would lie in different slots).
    pub fn new(namespace: &str) -> Result<Keys, KeyError> {
        if namespace.is_empty() {
            return Ok(Keys::default());
        }
        if namespace.len() > 128 {
            return Err(KeyError::Long(namespace.len()));
        }
        if namespace.contains(|char: char| char.is_whitespace() || char.is_control()) {
            return Err(KeyError::Character(namespace.to_owned()));
        }
        let tag = namespace
            .split_once('{')
            .map(|(_, rest)| rest.split_once('}'));
        if matches!(tag, Some(None | Some(("", _)))) {
            return Err(KeyError::HashTag(namespace.to_owned()));
        }
        Ok(Keys {
            prefix: format!("{namespace}:"),
        })
    }

    /// What stands before every key: empty, or the namespace with its colon.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the prefix holds a hash tag, so that all keys lie in one slot of a Redis Cluster.
    pub fn has_hash_tag(&self) -> bool {
        self.prefix.contains('{')
    }

    fn key(&self, parts: &[&str]) -> String {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut key = String::with_capacity(self.prefix.len() + length);
        key.push_str(&self.prefix);
        key.extend(parts.iter().copied());
        key
    }

    /// Set: the names of all queues.
    pub fn queues(&self) -> String {
        self.key(&["queues"])
    }

    /// List: the jobs of a queue, newest left.
    pub fn queue(&self, name: &str) -> String {
        self.key(&[QUEUE, name])
    }

    /// Sorted set: jobs by the time they are due.
    pub fn schedule(&self) -> String {
        self.key(&["schedule"])
    }

    /// Sorted set: failed jobs by the time of their next attempt.
    pub fn retry(&self) -> String {
        self.key(&["retry"])
    }

    /// Sorted set: dead jobs by the time of their death.
    pub fn dead(&self) -> String {
        self.key(&["dead"])
    }

    /// Set: the queues that nobody shall fetch from.
    pub fn paused(&self) -> String {
        self.key(&["paused"])
    }

    /// Set: the identities of all processes.
    pub fn processes(&self) -> String {
        self.key(&["processes"])
    }

    /// Hash: a process's heartbeat.
    pub fn process(&self, id: &(impl AsRef<str> + ?Sized)) -> String {
        self.key(&[id.as_ref()])
    }

    /// Hash: what a process is running.
    pub fn work(&self, id: &(impl AsRef<str> + ?Sized)) -> String {
        self.key(&[id.as_ref(), ":work"])
    }

    /// Hash: the same under the name that Sidekiq up to 6.4.1 writes and reads.
    pub fn workers(&self, id: &(impl AsRef<str> + ?Sized)) -> String {
        self.key(&[id.as_ref(), ":workers"])
    }

    /// List: signals that the dashboard sent to a process.
    pub fn signals(&self, id: &(impl AsRef<str> + ?Sized)) -> String {
        self.key(&[id.as_ref(), "-signals"])
    }

    /// String: the lock under which dead processes are removed from `processes`.
    pub fn process_cleanup(&self) -> String {
        self.key(&["process_cleanup"])
    }

    /// Integer: runs ended since ever, failed ones included.
    pub fn stat_processed(&self) -> String {
        self.key(&["stat:processed"])
    }

    /// Integer: runs failed since ever.
    pub fn stat_failed(&self) -> String {
        self.key(&["stat:failed"])
    }

    /// Integer: runs ended on a UTC day, `YYYY-MM-DD` (see [`Minute::date`]).
    pub fn stat_processed_day(&self, day: &str) -> String {
        self.key(&["stat:processed:", day])
    }

    /// Integer: runs failed on a UTC day, `YYYY-MM-DD`.
    pub fn stat_failed_day(&self, day: &str) -> String {
        self.key(&["stat:failed:", day])
    }

    /// Hash: executions per class in one minute.
    pub fn metrics_minute(&self, minute: Minute) -> String {
        self.key(&[&metrics::minute_key(minute)])
    }

    /// Hash: executions per class in ten minutes.
    pub fn metrics_ten_minutes(&self, minute: Minute) -> String {
        self.key(&[&metrics::ten_minutes_key(minute)])
    }

    /// Bitfield: how long one class's executions of one minute took.
    pub fn metrics_histogram(&self, class: &str, minute: Minute) -> String {
        self.key(&[&metrics::histogram_key(class, minute)])
    }

    /// Hash: the deploys of a UTC day, as Sidekiq's charts show them.
    pub fn marks(&self, day: Minute) -> String {
        let Minute {
            year, month, day, ..
        } = day;
        self.key(&[&format!("{year:04}{month:02}{day:02}-marks")])
    }

    /// String with a time to live: the lock under which a label is marked at most once a minute.
    pub fn mark_lock(&self, label: &str) -> String {
        self.key(&["deploylock-", label])
    }

    /// Hash: the living processes and what recovery must know of them.
    pub fn fleet(&self) -> String {
        self.key(&["gandy:fleet"])
    }

    /// Hash: processes declared dead whose jobs are not all back.
    pub fn dying(&self) -> String {
        self.key(&["gandy:dying"])
    }

    /// String with a time to live: since when somebody has watched over the leases without a gap.
    pub fn watch(&self) -> String {
        self.key(&["gandy:watch"])
    }

    /// String with a time to live: a process's proof of life.
    pub fn lease(&self, id: &Identity) -> String {
        self.key(&["gandy:lease:", id.as_str()])
    }

    /// Hash: the jobs that a process holds, by token.
    pub fn inflight(&self, id: &Identity) -> String {
        self.key(&[INFLIGHT, id.as_str()])
    }

    /// List: where an idle fetch lands a queue's next job.
    pub fn landing(&self, queue: &str) -> String {
        self.key(&[LANDING, queue])
    }

    /// Set: the processes that died with this job aboard. Takes a [`crate::recovery_id`].
    pub fn recovered(&self, id: &str) -> String {
        self.key(&["gandy:recovered:", id])
    }

    /// String with a time to live: the jid of the job that was pushed under an idempotency key. Takes a [`crate::push_id`].
    pub fn pushed(&self, id: &str) -> String {
        self.key(&["gandy:pushed:", id])
    }

    /// String with a time to live: how the last run of a job ended whose producer waits. Takes a [`crate::notice_id`].
    pub fn outcome(&self, id: &str) -> String {
        self.key(&["gandy:outcome:", id])
    }

    /// String with a time to live: a worker's answer to the wish to cancel a job. Takes a [`crate::notice_id`].
    pub fn cancelled(&self, id: &str) -> String {
        self.key(&["gandy:cancelled:", id])
    }

    /// Hash: why a payload was buried, by its digest.
    pub fn reasons(&self) -> String {
        self.key(&["gandy:reasons"])
    }

    /// String with a time to live: the process that promotes due jobs and reaps dead ones.
    pub fn promoter(&self) -> String {
        self.key(&["gandy:promoter"])
    }

    /// The SCAN pattern that finds all in-flight hashes under this prefix and no other.
    pub fn inflight_pattern(&self) -> String {
        self.pattern(INFLIGHT)
    }

    /// The SCAN pattern that finds all landing lists under this prefix and no other.
    pub fn landing_pattern(&self) -> String {
        self.pattern(LANDING)
    }

    /// The SCAN pattern that finds all queues under this prefix and no other.
    pub fn queue_pattern(&self) -> String {
        self.pattern(QUEUE)
    }

    /// The queue in the name of a list that a scan found.
    pub fn name_of_queue<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.prefix)?.strip_prefix(QUEUE)
    }

    /// The identity in the name of an in-flight hash that a scan found.
    pub fn identity_of_inflight<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.prefix)?.strip_prefix(INFLIGHT)
    }

    /// The queue in the name of a landing list that a scan found.
    pub fn queue_of_landing<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.prefix)?.strip_prefix(LANDING)
    }

    /// A namespace may hold characters that mean something in a pattern; escaped, they mean themselves.
    fn pattern(&self, name: &str) -> String {
        let mut pattern = String::with_capacity(self.prefix.len() + name.len() + 1);
        for char in self.prefix.chars() {
            if matches!(char, '*' | '?' | '[' | ']' | '\\' | '^') {
                pattern.push('\\');
            }
            pattern.push(char);
        }
        // Writing into a String cannot fail.
        let _ = write!(pattern, "{name}*");
        pattern
    }
}

const QUEUE: &str = "queue:";
const INFLIGHT: &str = "gandy:inflight:";
const LANDING: &str = "gandy:landing:";

/// One row of the key table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRow {
    /// The key's name without prefix; what varies stands in `<>` or capitals.
    pub name: &'static str,
    /// Its Redis type.
    pub kind: &'static str,
    /// Whose key it is: `Sidekiq` or `Gandy`.
    pub owner: &'static str,
    /// What it holds.
    pub what: &'static str,
    /// When it goes away.
    pub ends: &'static str,
}

const fn row(
    owner: &'static str,
    name: &'static str,
    kind: &'static str,
    what: &'static str,
    ends: &'static str,
) -> KeyRow {
    KeyRow {
        name,
        kind,
        owner,
        what,
        ends,
    }
}

const SIDEKIQ: &str = "Sidekiq";
const GANDY: &str = "Gandy";

/// All keys that Gandy reads or writes: Sidekiq's, then Gandy's own. `docs/ARCHITECTURE.md` prints this table and a test
/// holds the two together.
#[rustfmt::skip]
pub const TABLE: &[KeyRow] = &[
    row(SIDEKIQ, "queues", "set", "names of all queues", "never"),
    row(SIDEKIQ, "queue:<queue>", "list", "waiting jobs as JSON, newest left, fetched from the right", "empty = gone"),
    row(SIDEKIQ, "schedule", "sorted set", "jobs by the time they are due, in seconds", "empty = gone"),
    row(SIDEKIQ, "retry", "sorted set", "failed jobs by the time of their next attempt, in seconds", "empty = gone"),
    row(SIDEKIQ, "dead", "sorted set", "dead jobs and unreadable payloads by the time of their death, in seconds", "trimmed by age and number"),
    row(SIDEKIQ, "paused", "set", "names of queues that nobody shall fetch from", "empty = gone"),
    row(SIDEKIQ, "processes", "set", "identities of all processes", "empty = gone"),
    row(SIDEKIQ, "<identity>", "hash", "a process's heartbeat: info, concurrency, busy, beat, rtt_us, quiet, rss", "60 s after the last beat"),
    row(SIDEKIQ, "<identity>:work", "hash", "what a process is running: queue, payload, since when", "60 s after the last beat"),
    row(SIDEKIQ, "<identity>:workers", "hash", "the same for Sidekiq up to 6.4.1; Gandy writes it where stamps are seconds", "60 s after the last beat"),
    row(SIDEKIQ, "<identity>-signals", "list", "TSTP, TERM or TTIN sent by a dashboard; for a Gandy worker also `CANCEL <jid>`", "60 s, or when obeyed"),
    row(SIDEKIQ, "process_cleanup", "string", "lock: dead processes leave `processes` at most once a minute", "60 s"),
    row(SIDEKIQ, "stat:processed", "string", "runs ended since ever, failed ones included", "never"),
    row(SIDEKIQ, "stat:failed", "string", "runs failed since ever", "never"),
    row(SIDEKIQ, "stat:processed:YYYY-MM-DD", "string", "runs ended on a UTC day", "5 years"),
    row(SIDEKIQ, "stat:failed:YYYY-MM-DD", "string", "runs failed on a UTC day", "5 years"),
    row(SIDEKIQ, "j|YYMMDD|H:MM", "hash", "executions, failures and milliseconds per class in a minute", "8 hours"),
    row(SIDEKIQ, "j|YYMMDD|H:M", "hash", "the same per ten minutes", "3 days"),
    row(SIDEKIQ, "h|<class>-D-H:M", "string", "histogram of execution times of a class in a minute: 26 counters of 16 bits", "8 hours"),
    row(SIDEKIQ, "YYYYMMDD-marks", "hash", "deploys of a UTC day: label by minute", "90 days"),
    row(SIDEKIQ, "deploylock-<label>", "string", "lock: a label is marked at most once a minute", "60 s"),
    row(GANDY, "gandy:fleet", "hash", "living processes: queues, classes, version", "moved to dying, or left at shutdown"),
    row(GANDY, "gandy:dying", "hash", "processes declared dead whose jobs are not all back", "when the last job is back"),
    row(GANDY, "gandy:lease:<identity>", "string", "a process's proof of life: id and name of the connection that renews it, the server's run id", "when not renewed for 15 s"),
    row(GANDY, "gandy:watch", "string", "since when the leases have been watched without a gap: milliseconds and the server's run id", "6 s after the last look"),
    row(GANDY, "gandy:inflight:<identity>", "hash", "the jobs that a process holds, by token `<number>:<queue>`", "empty = gone"),
    row(GANDY, "gandy:landing:<queue>", "list", "where an idle fetch lands one job before a process claims it", "empty = gone"),
    row(GANDY, "gandy:recovered:<jid>", "set", "processes that died with this job aboard; digest of the payload where it has no usable jid", "72 hours"),
    row(GANDY, "gandy:pushed:<key>", "string", "jid of the job pushed under an idempotency key; the key's digest where it is long or no plain word", "24 hours after the push, or as it said"),
    row(GANDY, "gandy:outcome:<jid>", "string", "how the last run ended of a job that was pushed with `gandy_notify`, or cancelled; digest of the jid where it is long or no plain word", "1 hour"),
    row(GANDY, "gandy:cancelled:<jid>", "string", "a worker's answer to the wish to cancel a job", "60 s"),
    row(GANDY, "gandy:reasons", "hash", "why a payload was buried, by its digest", "trimmed with `dead`"),
    row(GANDY, "gandy:promoter", "string", "the process that promotes due jobs and reaps dead ones", "1 s after its last renewal"),
];

#[cfg(test)]
mod tests;
