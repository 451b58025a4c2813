//! The buffer's limits: a full one is an error, and each job that is given up is reported.

use std::io::Write;
use std::sync::{Arc, Mutex};

use gandy::{Buffer, Client, DropCause, Dropped, Error, Kind, Outcome, Push};

use crate::support::Site;
use crate::{LONG, NOBODY, SECOND, builder, durable, ids, job, numbered};

/// What a buffer's hook was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Dropped>>>);

impl Told {
    fn buffer(&self) -> Buffer {
        let told = self.clone();
        Buffer::default().on_drop(move |job: &Dropped| told.0.lock().unwrap().push(job.clone()))
    }

    fn all(&self) -> Vec<Dropped> {
        self.0.lock().unwrap().clone()
    }
}

/// Logs of this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn of(act: impl FnOnce()) -> String {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, act);
        let text = log.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }
}

fn nowhere(buffer: Buffer) -> Client {
    builder(NOBODY).buffer(buffer).build().unwrap()
}

fn down(buffer: Buffer) -> (Site, Client) {
    let site = durable();
    let client = builder(&site.redis.url()).buffer(buffer).build().unwrap();
    site.redis.kill9();
    (site, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_buffer_is_an_error_that_says_its_sizes_and_loses_nothing() {
    let (site, client) = down(Buffer::default().jobs(3));
    for number in 0..3 {
        client.send(job(number)).await.unwrap();
    }
    let error = client.send(job(3)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry);
    let text = error.to_string();
    let Error::BufferFull {
        jid,
        jobs,
        max_jobs,
        bytes,
        size,
        ..
    } = error
    else {
        panic!("{text}")
    };
    assert_eq!(
        (jid.as_str(), jobs, max_jobs, bytes),
        ("j00003", 3, 3, 3 * size)
    );
    for words in ["3 of 3 jobs", "j00003", "Buffer::jobs"] {
        assert!(text.contains(words), "{text}");
    }
    site.redis.restart();
    client.flush(LONG).await.unwrap();
    let receipt = client.send(job(3)).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Enqueued);
    site.reconnect();
    assert_eq!(ids(&site, "default"), numbered(0..4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_are_bounded_too() {
    let client = nowhere(Buffer::default().bytes(4000));
    let large = |bytes: usize| Push::raw("A", format!(r#"["{}"]"#, "x".repeat(bytes)));
    client.send(large(3000)).await.unwrap();
    let error = client.send(large(3000)).await.unwrap_err();
    assert!(error.to_string().contains("of 4000 bytes"), "{error}");
    // A smaller one fits.
    client.send(large(100)).await.unwrap();
    assert_eq!(client.buffered(), 2);
}

#[test]
fn a_buffer_that_keeps_nothing_is_refused() {
    for buffer in [Buffer::default().jobs(0), Buffer::default().bytes(0)] {
        let error = builder(NOBODY).buffer(buffer).build().unwrap_err();
        assert_eq!(error.kind(), Kind::Input);
        assert!(error.to_string().contains("keeps nothing"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_that_ends_too_soon_lists_what_is_left() {
    let (site, client) = down(Buffer::default());
    client.flush(SECOND).await.unwrap();
    for number in 0..5 {
        client.send(job(number)).await.unwrap();
    }
    let error = client.flush(SECOND / 2).await.unwrap_err();
    let text = error.to_string();
    let Error::Unflushed {
        remaining, jids, ..
    } = error
    else {
        panic!("{text}")
    };
    assert_eq!(remaining, 5);
    // A batch may be on its way at this moment.
    assert!(jids.is_empty() || jids == numbered(0..5), "{jids:?}");
    assert!(
        text.contains("5 jobs are still kept") && text.contains("500 ms"),
        "{text}"
    );
    site.redis.restart();
    client.flush(LONG).await.unwrap();
    site.reconnect();
    assert_eq!(ids(&site, "default"), numbered(0..5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_job_that_redis_refuses_for_good_is_reported_and_the_others_are_pushed() {
    let told = Told::default();
    let site = durable();
    site.redis.cli(&["SET", "queue:bad", "no list"]);
    let client = builder(&site.redis.url())
        .buffer(told.buffer())
        .build()
        .unwrap();
    site.redis.kill9();
    for number in 0..6 {
        let push = match number {
            2 => job(number).queue("bad"),
            4 => job(number).queue("bad").idempotency_key("k"),
            _ => job(number),
        };
        client.send(push).await.unwrap();
    }
    site.redis.restart();
    client.flush(LONG).await.unwrap();
    site.reconnect();
    assert_eq!(
        ids(&site, "default"),
        ["j00000", "j00001", "j00003", "j00005"]
    );
    let told = told.all();
    let jids: Vec<&str> = told.iter().map(|job| job.jid.as_str()).collect();
    assert_eq!(jids, ["j00002", "j00004"]);
    for job in told {
        assert_eq!(job.queue.as_deref(), Some("bad"));
        assert!(job.payload.contains(&job.jid), "{}", job.payload);
        let DropCause::Refused(error) = job.cause else {
            panic!("{:?}", job.cause)
        };
        assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    }
    assert_eq!(
        site.redis.cli(&["EXISTS", "gandy:pushed:k"]),
        "0",
        "the key is free"
    );
}

#[tokio::test]
async fn a_client_that_goes_with_kept_jobs_says_which_in_log_and_hook_and_shows_no_arguments() {
    let told = Told::default();
    let client = nowhere(told.buffer());
    for number in 0..3 {
        let args = format!(r#"[{number},"CANARY"]"#);
        let push = Push::raw("A", args).jid(format!("j{number:05}"));
        client.send(push).await.unwrap();
    }
    let clone = client.clone();
    assert_eq!(Log::of(|| drop(client)), "");
    let log = Log::of(|| drop(clone));
    assert!(log.contains("ERROR") && log.contains("jobs=3"), "{log}");
    for jid in numbered(0..3) {
        assert!(log.contains(&jid), "{log}");
    }
    assert!(!log.contains("CANARY"), "{log}");
    let told = told.all();
    assert_eq!(told.len(), 3);
    for job in told {
        assert!(matches!(job.cause, DropCause::ClientGone));
        assert!(job.payload.contains("CANARY"), "the hook gets the job");
    }
}

#[tokio::test]
async fn a_hook_that_panics_leaves_the_others_told() {
    let told = Told::default();
    let buffer = {
        let told = told.clone();
        Buffer::default().on_drop(move |job: &Dropped| {
            told.0.lock().unwrap().push(job.clone());
            assert_ne!(job.jid, "j00000", "as the test wants it");
        })
    };
    let client = nowhere(buffer);
    for number in 0..2 {
        client.send(job(number)).await.unwrap();
    }
    let log = Log::of(|| drop(client));
    assert!(log.contains("panicked"), "{log}");
    assert_eq!(told.all().len(), 2);
}
