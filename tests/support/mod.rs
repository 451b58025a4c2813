//! What the promise tests with a worker in their own process share: a Redis with jobs in it, and looks at what it holds.
//!
//! Not here: starting and breaking processes (the harness), and what a worker is made of (each promise for itself).
#![allow(dead_code)] // Every file of promises takes its part of this.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use gandy::{Server, WorkerConfig};
use gandy_tests::RedisServer;
use redis::{Cmd, FromRedisValue};

/// For what takes milliseconds on a machine that has nothing else to do.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A private Redis and one connection of the test's own.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) redis: Arc<RedisServer>,
    prefix: String,
    conn: Mutex<Conn>,
}

struct Conn(redis::Connection);

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// A member of a sorted set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) bytes: Vec<u8>,
    pub(crate) score: f64,
}

impl Entry {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.bytes).expect("an entry is JSON")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Site {
    pub(crate) fn start() -> Self {
        Self::over(RedisServer::start(), "")
    }

    /// Looks at keys under `namespace` (empty: none).
    pub(crate) fn over(redis: impl Into<Arc<RedisServer>>, namespace: &str) -> Self {
        let redis = redis.into();
        let conn = Mutex::new(Conn(redis.conn()));
        let prefix = match namespace {
            "" => String::new(),
            name => format!("{name}:"),
        };
        Self {
            redis,
            prefix,
            conn,
        }
    }

    /// After a restart of the server.
    pub(crate) fn reconnect(&self) {
        *self.conn.lock().unwrap_or_else(PoisonError::into_inner) = Conn(self.redis.conn());
    }

    /// The same Redis, seen under another namespace.
    pub(crate) fn beside(&self, namespace: &str) -> Self {
        Self::over(Arc::clone(&self.redis), namespace)
    }

    pub(crate) fn server(&self) -> Server {
        Server::new(&self.redis.url()).expect("the harness gives a valid URL")
    }

    pub(crate) fn config(&self) -> WorkerConfig {
        let mut config = WorkerConfig::new(self.server());
        config.namespace = self.prefix.trim_end_matches(':').to_owned();
        config
    }

    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let mut conn = self.conn.lock().unwrap_or_else(PoisonError::into_inner);
        command.query(&mut conn.0).unwrap_or_else(|error| {
            let words: Vec<String> = command
                .args_iter()
                .map(|arg| format!("{arg:.60?}"))
                .collect();
            panic!("the test's own command failed: {error}: {words:?}")
        })
    }

    /// As a producer of any make would: the name into `queues`, the bytes to the left of the list.
    pub(crate) fn push(&self, queue: &str, payload: impl AsRef<[u8]>) {
        let mut conn = self.conn.lock().unwrap_or_else(PoisonError::into_inner);
        redis::pipe()
            .cmd("SADD")
            .arg(self.key("queues"))
            .arg(queue)
            .ignore()
            .cmd("LPUSH")
            .arg(self.key(&format!("queue:{queue}")))
            .arg(payload.as_ref())
            .ignore()
            .query::<()>(&mut conn.0)
            .expect("a push works");
    }

    pub(crate) fn add(&self, set: &str, score: impl redis::ToRedisArgs, member: impl AsRef<[u8]>) {
        self.ask(
            redis::cmd("ZADD")
                .arg(self.key(set))
                .arg(score)
                .arg(member.as_ref()),
        )
    }

    /// The time of Redis in seconds.
    pub(crate) fn clock(&self) -> f64 {
        let (seconds, micros): (f64, f64) = self.ask(&redis::cmd("TIME"));
        seconds + micros / 1e6
    }

    /// All of a sorted set, lowest score first.
    pub(crate) fn entries(&self, set: &str) -> Vec<Entry> {
        let found: Vec<(Vec<u8>, f64)> = self.ask(
            redis::cmd("ZRANGE")
                .arg(self.key(set))
                .arg(0)
                .arg(-1)
                .arg("WITHSCORES"),
        );
        found
            .into_iter()
            .map(|(bytes, score)| Entry { bytes, score })
            .collect()
    }

    /// The job with this id in a sorted set.
    pub(crate) fn entry(&self, set: &str, jid: &str) -> Option<Entry> {
        let field = format!(r#""jid":"{jid}""#);
        self.entries(set)
            .into_iter()
            .find(|entry| entry.text().contains(&field))
    }

    pub(crate) fn count(&self, set: &str) -> usize {
        self.ask(redis::cmd("ZCARD").arg(self.key(set)))
    }

    /// Makes an entry due.
    pub(crate) fn make_due(&self, set: &str, entry: &Entry) {
        self.add(set, self.clock(), &entry.bytes);
    }

    /// What stands in `gandy:reasons` for these bytes.
    pub(crate) fn reason(&self, payload: &[u8]) -> Option<String> {
        let find = "return redis.call('HGET', KEYS[1], redis.sha1hex(ARGV[1]))";
        self.ask(
            redis::cmd("EVAL")
                .arg(find)
                .arg(1)
                .arg(self.key("gandy:reasons"))
                .arg(payload),
        )
    }

    /// Whether no queue holds a job, none has landed and none is in flight. One look: a job cannot slip past it.
    pub(crate) fn is_settled(&self) -> bool {
        let count = "local n = 0
            for _, name in ipairs({'queue:*', 'gandy:landing:*', 'gandy:inflight:*'}) do
              n = n + #redis.call('KEYS', ARGV[1] .. name)
            end
            return n";
        let prefix = self.prefix.replace('{', "\\{").replace('}', "\\}");
        self.ask::<usize>(redis::cmd("EVAL").arg(count).arg(0).arg(prefix)) == 0
    }

    #[track_caller]
    pub(crate) fn settle(&self) {
        let give_up = Instant::now() + SOON;
        while !self.is_settled() {
            if Instant::now() > give_up {
                panic!("not every job has ended after {SOON:?}: {}", self.left());
            }
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// What waits or is in flight, for a failing test.
    fn left(&self) -> String {
        let mut left = String::new();
        let keys: Vec<String> = self.ask(redis::cmd("KEYS").arg(self.key("*")));
        for key in keys {
            if key.contains("queue:") || key.contains("gandy:landing:") {
                let length: usize = self.ask(redis::cmd("LLEN").arg(&key));
                left += &format!("\n  {key}: {length}");
            } else if key.contains("gandy:inflight:") {
                let held: Vec<(String, Vec<u8>)> = self.ask(redis::cmd("HGETALL").arg(&key));
                for (token, payload) in held {
                    let start =
                        String::from_utf8_lossy(&payload[..payload.len().min(120)]).into_owned();
                    left += &format!("\n  {key} {token}: {start:?} of {} bytes", payload.len());
                }
            }
        }
        left
    }
}

/// Everything that clients send to a Redis, script calls included, as MONITOR tells it.
#[derive(Debug)]
pub(crate) struct Monitor {
    stream: TcpStream,
    reader: JoinHandle<Vec<String>>,
}

impl Monitor {
    pub(crate) fn of(redis: &RedisServer) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", redis.port())).expect("redis listens");
        let mut ours = stream.try_clone().expect("a socket can be cloned");
        let mut lines = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
        ours.write_all(b"MONITOR\r\n")
            .expect("MONITOR can be asked for");
        let mut first = String::new();
        lines.read_line(&mut first).expect("MONITOR is answered");
        assert_eq!(first, "+OK\r\n");
        let reader = std::thread::spawn(move || {
            // Redis escapes what is not ASCII, so every line is text.
            lines.lines().map_while(Result::ok).collect()
        });
        Self { stream, reader }
    }

    /// The lines so far; ends it.
    pub(crate) fn stop(self) -> Vec<String> {
        self.stream
            .shutdown(Shutdown::Both)
            .expect("the socket is open");
        self.reader.join().expect("the reader ends with the socket")
    }
}

/// The words of a MONITOR line after its time and client: `1.2 [0 127.0.0.1:5] "SET" "a" "b"`.
pub(crate) fn words(line: &str) -> Vec<String> {
    let Some((_, quoted)) = line.split_once("] ") else {
        return Vec::new();
    };
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        match (&mut word, char) {
            (None, '"') => word = Some(String::new()),
            (None, _) => {}
            (Some(_), '"') => words.extend(word.take()),
            (Some(word), '\\') => match chars.next() {
                Some('n') => word.push('\n'),
                Some('r') => word.push('\r'),
                Some('t') => word.push('\t'),
                Some('x') => {
                    let digits: String = chars.by_ref().take(2).collect();
                    let byte = u8::from_str_radix(&digits, 16).unwrap_or(b'?');
                    word.push(char::from(byte));
                }
                Some(other) => word.push(other),
                None => {}
            },
            (Some(word), other) => word.push(other),
        }
    }
    words
}
