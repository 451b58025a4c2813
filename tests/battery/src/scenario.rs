//! What a scenario is, and which there are.

use crate::outcome::Outcome;
use crate::scenarios;
use crate::stage::Stage;

/// One way to break things.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// As the command line and the documents call it.
    pub(crate) name: &'static str,
    /// Load and fault, in a line.
    pub(crate) about: &'static str,
    /// It keeps the processor busy, so it runs alone among its like.
    pub(crate) works: bool,
    /// Runs it. A panic is a broken bound with the panic's words.
    pub(crate) run: fn(&Stage) -> Outcome,
}

/// All of them, in the order of the documents.
pub(crate) const ALL: &[Scenario] = &[
    Scenario {
        name: "crash",
        about: "4 workers of 25 slots, one of them killed (SIGKILL) every 1 to 3 s",
        works: true,
        run: scenarios::crash::run,
    },
    Scenario {
        name: "freeze",
        about: "workers stopped (SIGSTOP) for two leases, then continued",
        works: false,
        run: scenarios::freeze::run,
    },
    Scenario {
        name: "starved",
        about: "handlers that block every thread of the runtime",
        works: false,
        run: scenarios::starved::run,
    },
    Scenario {
        name: "reply-loss",
        about: "1 % of the replies to every kind of command lost, and single ones of each kind",
        works: true,
        run: scenarios::reply_loss::run,
    },
    Scenario {
        name: "redis-restart",
        about: "Redis with an append-only file killed, stopped, loading slowly; its scripts flushed",
        works: true,
        run: scenarios::redis_restart::run,
    },
    Scenario {
        name: "failover",
        about: "a primary, a replica and three sentinels; the primary killed or stopped, its link to the replica cut",
        works: false,
        run: scenarios::failover::run,
    },
    Scenario {
        name: "full-redis",
        about: "producers push twice what the workers do until maxmemory is reached, and on",
        works: true,
        run: scenarios::full_redis::run,
    },
    Scenario {
        name: "eviction",
        about: "maxmemory-policy set to allkeys-lru under a running fleet",
        works: false,
        run: scenarios::eviction::run,
    },
    Scenario {
        name: "pill",
        about: "5 jobs that abort their process among many, a supervisor that restarts",
        works: false,
        run: scenarios::pill::run,
    },
    Scenario {
        name: "payloads",
        about: "what is no job: huge, deep, cut, no UTF-8, numbers beyond every type, among other jobs",
        works: true,
        run: scenarios::payloads::run,
    },
    Scenario {
        name: "clock",
        about: "the clocks of Redis and of workers hours apart, and jumping",
        works: false,
        run: scenarios::clock::run,
    },
    Scenario {
        name: "herd",
        about: "very many idle workers, Redis restarts",
        works: true,
        run: scenarios::herd::run,
    },
    Scenario {
        name: "identities",
        about: "8 processes of one host name and pid, two of them killed",
        works: false,
        run: scenarios::identities::run,
    },
    Scenario {
        name: "deploy",
        about: "one worker after another ended (SIGTERM) and replaced, under load; two releases on one queue, of which one lacks a class",
        works: true,
        run: scenarios::deploy::run,
    },
    Scenario {
        name: "acl",
        about: "workers and Redis killed in the names of the users of deploy/acl, both files",
        works: false,
        run: scenarios::acl::run,
    },
    Scenario {
        name: "partition",
        about: "one worker cut off, half-closed, in slices of a byte, 100 ms and jitter away; then healed",
        works: false,
        run: scenarios::partition::run,
    },
    Scenario {
        name: "soak",
        about: "200 jobs/s, with kills, cut connections and flushed scripts at random",
        works: false,
        run: scenarios::soak::run,
    },
];

impl Scenario {
    /// The one of this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        ALL.iter().find(|scenario| scenario.name == name).copied()
    }
}
