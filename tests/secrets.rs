//! A password in the URL, a job's argument and a value in the environment stand in no log, no error, no `Debug`, no `ps`,
//! and in no key of Redis but the job itself. What the binaries print is looked at in their own tests.
//!
//! The log of this whole program is one buffer at the level `trace`, the client library's own lines included.
#![allow(clippy::unwrap_used)]

#[path = "secrets/process.rs"]
mod process;
#[path = "secrets/redis_keys.rs"]
mod redis_keys;
#[path = "secrets/words.rs"]
mod words;

use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use gandy::{Client, Context, JobError, Push, Server, Worker, WorkerConfig};
use gandy_tests::{RedisServer, wait_until};

pub(crate) const PASSWORD: &str = "S3CR3T-PASSWORD";
pub(crate) const ARGUMENT: &str = "S3CR3T-ARGUMENT";
pub(crate) const VARIABLE: &str = "S3CR3T-VARIABLE";
const SOON: Duration = Duration::from_secs(30);

/// Fails if `text` holds one of the secrets, as it is or as a list of bytes.
#[track_caller]
pub(crate) fn assert_hidden(what: &str, text: &str) {
    for secret in [PASSWORD, ARGUMENT, VARIABLE] {
        let bytes = format!("{:?}", secret.as_bytes());
        for shown in [secret, bytes.trim_matches(['[', ']'])] {
            if let Some(at) = text.find(shown) {
                let near = &text.as_bytes()[at.saturating_sub(300)..at + shown.len()];
                panic!("{what} shows {secret}: …{}", String::from_utf8_lossy(near));
            }
        }
    }
}

/// Everything that this program logs, panics included.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    log
});

fn worker(server: &RedisServer) -> Worker {
    let config = WorkerConfig::new(Server::new(&server.url()).unwrap());
    Worker::builder(config)
        .handler_fn("Done", |_: (String,), _: Context| async { Ok(()) })
        .handler_fn("Fail", |_: (String,), _: Context| async {
            Err(JobError::retry("E", "m"))
        })
        .handler_fn("Bury", |_: (String,), _: Context| async {
            Err(JobError::bury("E", "m"))
        })
        .handler_fn("Panic", |_: (String,), _: Context| async {
            panic!("as told")
        })
        .handler_fn("Number", |_: (u64,), _: Context| async { Ok(()) })
        .handler_fn("Nested", |_: (Vec<u64>,), _: Context| async { Ok(()) })
        .handler_fn("Hold", |_: (String,), ctx: Context| async move {
            ctx.cancellation().cancelled().await;
            Err(JobError::retry("Cancelled", "told to stop"))
        })
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_tells_its_log_and_redis_no_secret_whatever_goes_wrong() {
    let log = LOG.clone();
    let server = RedisServer::with(&["--requirepass", PASSWORD]);
    let mut hand = server.conn();
    let url = Server::new(&server.url()).unwrap();
    let client = Client::builder().server(url).build().unwrap();
    let text = format!("[{ARGUMENT:?}]");
    for class in ["Done", "Fail", "Bury", "Panic", "Number", "Unknown", "Hold"] {
        client.send(Push::raw(class, &*text)).await.unwrap();
    }
    let nested = format!("[[1,{ARGUMENT:?}]]");
    client.send(Push::raw("Nested", nested)).await.unwrap();
    let many = format!("[1,{ARGUMENT:?}]");
    client.send(Push::raw("Number", many)).await.unwrap();
    // Cut off, no job, no text; and the same in a set.
    let mut broken = vec![
        format!(r#"{{"class":"Done","args":["{ARGUMENT}""#).into_bytes(),
        format!(r#"{{"class":7,"args":["{ARGUMENT}"],"jid":"a"}}"#).into_bytes(),
        format!(r#"["{ARGUMENT}"]"#).into_bytes(),
        [ARGUMENT.as_bytes(), b"\xff"].concat(),
    ];
    for payload in &broken {
        let push = redis::cmd("LPUSH")
            .arg("queue:default")
            .arg(payload)
            .exec(&mut hand);
        push.unwrap();
    }
    let due = format!("{ARGUMENT} is no JSON");
    server.cli(&["ZADD", "schedule", "1", &due]);
    broken.push(due.into_bytes());

    let worker = worker(&server).start();
    wait_until(SOON, "all but one have ended", || {
        let count = |command: &str, key: &str| server.cli(&[command, key]).parse().unwrap_or(0);
        count("ZCARD", "retry") == 6 && count("ZCARD", "dead") == 1 + broken.len()
    });
    let identity = worker.identity().unwrap();
    server.cli(&["LPUSH", &format!("{identity}-signals"), "TTIN"]);
    wait_until(SOON, "the dump", || log.text().contains("running"));
    wait_until(SOON, "a heartbeat with the running job", || {
        server.cli(&["EXISTS", &format!("{identity}:work")]) == "1"
    });
    redis_keys::assert_only_in_jobs(&mut hand, &broken, 7);

    // A password that is right no more, then a Redis that is gone.
    for command in [
        &["CONFIG", "SET", "requirepass", "another"][..],
        &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"],
    ] {
        redis::cmd(command[0])
            .arg(&command[1..])
            .exec(&mut hand)
            .unwrap();
    }
    let refused = client.send(Push::raw("Done", &*text)).await.unwrap_err();
    assert_hidden("a push that was refused", &format!("{refused} {refused:?}"));
    wait_until(SOON, "the worker complains", || {
        log.text().contains("WRONGPASS")
    });
    server.kill9();
    let gone = client.send(Push::raw("Done", &*text)).await.unwrap_err();
    assert_hidden("a push without Redis", &format!("{gone} {gone:?}"));
    wait_until(SOON, "the worker says that Redis is gone", || {
        log.text().contains("is not available")
    });
    let shown = format!("{worker:?} {:?} {client:?}", worker.handle());
    assert_hidden("Debug of a running worker and a client", &shown);
    drop(worker);
    let told = log.text();
    assert!(told.contains("TRACE") || told.contains("DEBUG"), "{told}");
    assert_hidden("the log", &told);
}
