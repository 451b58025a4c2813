//! A Redis, the way to it on which replies get lost, and what happened.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gandy_faults::Proxy;
use gandy_tests::{
    Crew, EventKind, History, HistoryWriter, Holdings, RedisServer, detour, payload, push_jobs,
    wait_until,
};

use crate::stage::Stage;

pub(super) const LONG: Duration = Duration::from_secs(240);

/// What a worker or a producer asks of Redis, and which reply of it is lost for sure, whatever chance decides.
pub(super) const KINDS: [(&str, u64); 25] = [
    ("CLIENT SETINFO", 3),
    ("EXEC", 2),
    ("HDEL", 5),
    ("HELLO", 3),
    ("HKEYS", 2),
    ("INFO", 3),
    ("INCRBY", 1),
    ("LPUSH", 2),
    ("MULTI", 3),
    ("PTTL", 2),
    ("QUEUED", 20),
    ("RPOP", 2),
    ("SADD", 1),
    ("SCRIPT LOAD", 2),
    ("ZADD", 2),
    ("claim", 5),
    ("due", 5),
    ("forget", 1),
    ("land", 3),
    ("promote", 1),
    ("register", 2),
    ("renew", 2),
    ("retire", 1),
    ("return", 1),
    ("settle", 2),
];

/// See the module.
pub(super) struct Scene {
    pub(super) server: RedisServer,
    pub(super) proxy: Proxy,
    pub(super) history: History,
    pub(super) notes: HistoryWriter,
    crew: Crew,
}

impl Scene {
    pub(super) fn new(stage: &Stage) -> Self {
        let server = RedisServer::start();
        let proxy = detour(&server, stage.seed);
        let history = History::new();
        let notes = history.writer("battery");
        let crew = stage
            .crew(&server, &history)
            .set("REDIS_URL", proxy.url())
            .set("CREW_TIMEOUT_MS", 500);
        Self {
            server,
            proxy,
            history,
            notes,
            crew,
        }
    }

    /// Workers behind the proxy.
    pub(super) fn crew(&self) -> Crew {
        self.crew.clone()
    }

    pub(super) fn push(&self, tag: &str, class: &str, args: &str, count: usize) -> Vec<String> {
        push_jobs(&self.server, &self.notes, tag, class, args, count)
    }

    /// Jobs that fail and are not retried.
    pub(super) fn push_mortal(&self, tag: &str, count: usize) -> Vec<String> {
        let jids: Vec<String> = (0..count)
            .map(|number| format!("{tag}{number:06}"))
            .collect();
        let job = |jid: &String| {
            self.notes.acknowledged(jid);
            payload("Fail", "[]", jid).replace(r#""retry":true"#, r#""retry":0"#)
        };
        for chunk in jids.chunks(1000) {
            let jobs: Vec<String> = chunk.iter().map(job).collect();
            let mut push = redis::cmd("LPUSH");
            push.arg("queue:default").arg(jobs);
            push.exec(&mut self.server.conn()).expect("Redis takes it");
        }
        jids
    }

    /// Jobs that come due one after another within these seconds.
    pub(super) fn schedule(&self, count: usize, seconds: f64) {
        let from = now().as_secs_f64();
        let mut pipe = redis::pipe();
        for number in 0..count {
            let jid = format!("due{number:06}");
            let at = from + seconds * number as f64 / count as f64;
            let job = payload("Nap", "[2]", &jid);
            pipe.cmd("ZADD").arg("schedule").arg(at).arg(job);
            self.notes.acknowledged(&jid);
        }
        pipe.exec(&mut self.server.conn()).expect("Redis takes it");
    }

    /// Jobs in the in-flight hashes of everybody.
    pub(super) fn in_flight(&self) -> usize {
        gandy_tests::in_flight(&self.server)
    }

    pub(super) fn wait_for_ends(&self, count: usize) {
        wait_until(LONG, "all have ended", || {
            // The history is long: it is read when there is hope.
            let waiting =
                ["queue:default", "schedule"].map(|key| gandy_tests::length(&self.server, key));
            waiting.iter().sum::<usize>() == 0 && self.history.ended() >= count
        });
    }

    /// How often each job began, or ended.
    pub(super) fn times(&self, kind: EventKind) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for event in self.history.events() {
            if event.kind == kind {
                *times.entry(event.jid).or_default() += 1;
            }
        }
        times
    }

    /// Whether no job waits or runs.
    pub(super) fn is_settled(&self) -> bool {
        Holdings::of(&self.server).is_settled()
    }
}

/// Since 1970.
pub(super) fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
