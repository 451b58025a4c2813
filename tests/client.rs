//! What a push leaves in Redis is what Sidekiq's client would have left there, and a push that fails says what happened.
#![allow(clippy::unwrap_used)]

#[path = "client/access.rs"]
mod access;
#[path = "client/bulk.rs"]
mod bulk;
#[path = "client/faults.rs"]
mod faults;
#[path = "client/site.rs"]
mod site;
mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gandy::{Backtrace, Client, Error, Flow, Job, JobOptions, Kind, Outcome, Push, StampFormat};
use serde::{Deserialize, Serialize};
use site::{calls, client, dbsize, list, members, now_ms, push_again, shape};
use support::Site;

#[derive(Serialize, Deserialize, Job)]
#[job(class = "Mail", queue = "mailers", retry = 5)]
pub(crate) struct Mail {
    pub(crate) user: u64,
    pub(crate) text: String,
}

pub(crate) fn mail(user: u64) -> Mail {
    let text = "hi".to_owned();
    Mail { user, text }
}

/// The bytes of `Mail` in a queue.
const MAIL: &str = r#"{"retry":5,"queue":"mailers","args":[42,"hi"],"class":"Mail","jid":"*","created_at":*,"enqueued_at":*}"#;
/// The bytes of `Mail` in `schedule`: without `at` and without `enqueued_at`.
const LATER: &str =
    r#"{"retry":5,"queue":"mailers","args":[42,"hi"],"class":"Mail","jid":"*","created_at":*}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_leaves_sidekiqs_bytes_on_the_left_of_its_queue() {
    let site = Site::start();
    let client = client(&site);
    let first = client.push(mail(42)).await.unwrap();
    let second = client.push(mail(7)).await.unwrap();
    assert_eq!(first.outcome, Outcome::Enqueued);
    let queue = list(&site, "queue:mailers");
    assert_eq!(queue.len(), 2);
    assert_eq!(shape(&queue[1]), (first.jid.clone(), MAIL.to_owned()));
    assert_eq!(shape(&queue[0]).0, second.jid);
    assert_eq!(members(&site, "queues"), ["mailers"]);
    assert_eq!(dbsize(&site), 2, "nothing but the queue and its name");
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    assert!(first.jid.len() == 24 && first.jid.bytes().all(hex));
    assert_ne!(first.jid, second.jid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_in_and_push_at_wait_in_schedule_under_their_time() {
    let site = Site::start();
    let client = client(&site);
    let before = now_ms();
    let soon = client
        .push_in(Duration::from_millis(90_250), mail(42))
        .await
        .unwrap();
    let after = now_ms();
    let time = UNIX_EPOCH + Duration::from_millis(4_000_000_000_123);
    let late = client.push_at(time, mail(42)).await.unwrap();
    assert_eq!(
        [soon.outcome, late.outcome],
        [Outcome::Scheduled, Outcome::Scheduled]
    );
    let entries = site.entries("schedule");
    assert_eq!(entries.len(), 2);
    let due = entries[0].score * 1000.0;
    let due_between = (before + 90_250) as f64 - 1.0..=(after + 90_250) as f64 + 1.0;
    assert!(due_between.contains(&due), "{due} {due_between:?}");
    assert_eq!(entries[1].score, 4_000_000_000.123);
    assert_eq!(shape(&entries[0].bytes), (soon.jid, LATER.to_owned()));
    assert_eq!(shape(&entries[1].bytes), (late.jid, LATER.to_owned()));
    assert_eq!(dbsize(&site), 1, "no queue is named before its job is due");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_has_passed_means_now() {
    let site = Site::start();
    let client = client(&site);
    let past = [
        UNIX_EPOCH,
        UNIX_EPOCH - Duration::from_secs(1_000_000),
        SystemTime::now() - Duration::from_millis(1),
    ];
    for time in past {
        let receipt = client.push_at(time, mail(42)).await.unwrap();
        assert_eq!(receipt.outcome, Outcome::Enqueued);
    }
    let now = client.push_in(Duration::ZERO, mail(42)).await.unwrap();
    assert_eq!(now.outcome, Outcome::Enqueued);
    for bytes in list(&site, "queue:mailers") {
        assert_eq!(shape(&bytes).1, MAIL);
    }
    assert_eq!(site.count("schedule"), 0);
    // A time that no float of seconds can hold is not turned into another one that has passed.
    let never = client.push_in(Duration::MAX, mail(42)).await.unwrap();
    assert_eq!(never.outcome, Outcome::Scheduled);
    assert!(site.entries("schedule")[0].score > 1e15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_raw_takes_any_class_and_keeps_its_arguments_byte_for_byte() {
    let site = Site::start();
    let client = client(&site);
    let args = r#"[12345678901234567890, 1.10,{"b":1,"a":[]},"\u00e9é",null,-0,1e400]"#;
    let receipt = client.push_raw("Billing::Invoice", args).await.unwrap();
    let expected = format!(
        r#"{{"retry":true,"queue":"default","args":{args},"class":"Billing::Invoice","jid":"*","created_at":*,"enqueued_at":*}}"#
    );
    assert_eq!(
        shape(&list(&site, "queue:default")[0]),
        (receipt.jid, expected)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_option_of_a_push_stands_where_sidekiq_writes_it() {
    let site = Site::start();
    let client = client(&site);
    let mut push = Push::new(&mail(42))
        .unwrap()
        .queue("low:a.b-c_d")
        .retry(false)
        .tag("import")
        .tag("näve \"x\"")
        .jid("my own id")
        .field("bid", r#"{"a": 1e2}"#)
        .unwrap()
        .field("cattr", "null")
        .unwrap();
    let record = push.record_mut();
    record.retry_for = Some(3600);
    record.dead = Some(false);
    record.backtrace = Some(Backtrace::Lines(10));
    record.retry_queue = Some("slow".into());
    client.send(push).await.unwrap();
    let expected = concat!(
        r#"{"retry":false,"queue":"low:a.b-c_d","tags":["import","näve \"x\""],"retry_for":3600,"dead":false,"#,
        r#""backtrace":10,"retry_queue":"slow","bid":{"a": 1e2},"cattr":null,"args":[42,"hi"],"class":"Mail","#,
        r#""jid":"*","created_at":*,"enqueued_at":*}"#
    );
    let (jid, bytes) = shape(&list(&site, "queue:low:a.b-c_d")[0]);
    assert_eq!((jid.as_str(), bytes.as_str()), ("my own id", expected));
    assert_eq!(members(&site, "queues"), ["low:a.b-c_d"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_types_options_are_pushed_and_a_pushs_own_win() {
    #[derive(Serialize, Deserialize)]
    struct Plain {}
    impl Job for Plain {
        const CLASS: &'static str = "Plain";
        fn options() -> JobOptions {
            JobOptions::default()
                .queue("q1")
                .retry(3)
                .tags(["x"])
                .dead(false)
                .backtrace(true)
                .retry_queue("q2")
                .retry_for(Duration::from_secs(60))
        }
    }
    let site = Site::start();
    let client = client(&site);
    client.push(Plain {}).await.unwrap();
    let all = concat!(
        r#"{"retry":3,"queue":"q1","tags":["x"],"retry_for":60,"dead":false,"backtrace":true,"retry_queue":"q2","#,
        r#""args":[],"class":"Plain","jid":"*","created_at":*,"enqueued_at":*}"#
    );
    assert_eq!(shape(&list(&site, "queue:q1")[0]).1, all);
    let push = Push::new(&Plain {}).unwrap().queue("q3").retry(true);
    client.send(push).await.unwrap();
    let own = all.replace(r#""retry":3,"queue":"q1""#, r#""retry":true,"queue":"q3""#);
    assert_eq!(shape(&list(&site, "queue:q3")[0]).1, own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_json_line_is_pushed_with_the_fields_that_nobody_knows() {
    let site = Site::start();
    let client = client(&site);
    let line = r#"{"wrapped":"W","class":"A","args":[1],"jid":"j1","queue":"q","retry":2,"big":12345678901234567890,"created_at":1795398104597}"#;
    client.send(Push::from_json(line).unwrap()).await.unwrap();
    let bytes = String::from_utf8(list(&site, "queue:q").remove(0)).unwrap();
    let start = r#"{"retry":2,"queue":"q","wrapped":"W","big":12345678901234567890,"args":[1],"class":"A","jid":"j1","created_at":1795398104597,"enqueued_at":"#;
    assert!(bytes.starts_with(start), "{bytes}");
    let later = r#"{"class":"A","args":[1],"at":4000000000.5}"#;
    client.send(Push::from_json(later).unwrap()).await.unwrap();
    let entry = &site.entries("schedule")[0];
    assert_eq!(entry.score, 4_000_000_000.5);
    assert!(!entry.text().contains(r#""at""#), "{}", entry.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stamps_are_seconds_while_an_older_ruby_reads_them() {
    let site = Site::start();
    let client = Client::builder()
        .server(site.server())
        .stamps(StampFormat::Seconds)
        .build()
        .unwrap();
    client.push(mail(42)).await.unwrap();
    let bytes = list(&site, "queue:mailers").remove(0);
    let job: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    for stamp in ["created_at", "enqueued_at"] {
        let seconds = job[stamp].as_f64().unwrap();
        assert!(job[stamp].is_f64(), "{}", job[stamp]);
        assert!((seconds * 1000.0 - now_ms() as f64).abs() < 20_000.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_stands_before_every_key() {
    let site = Site::start();
    let client = Client::builder()
        .server(site.server())
        .namespace("shop")
        .build()
        .unwrap();
    client.push(mail(42)).await.unwrap();
    client
        .push_in(Duration::from_secs(60), mail(42))
        .await
        .unwrap();
    let mut keys: Vec<String> = site.ask(redis::cmd("KEYS").arg("*"));
    keys.sort_unstable();
    assert_eq!(keys, ["shop:queue:mailers", "shop:queues", "shop:schedule"]);
    assert_eq!(members(&site, "shop:queues"), ["mailers"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_middleware_changes_and_stops_pushes_in_order() {
    let site = Site::start();
    let client = Client::builder()
        .server(site.server())
        .middleware(|push: &mut Push| {
            push.record_mut().tags.push("first".into());
            Flow::Go
        })
        .middleware(|push: &mut Push| {
            push.record_mut()
                .set_extra("traceparent", r#""00-ab""#)
                .unwrap();
            push.record_mut().tags.push("second".into());
            push.record_mut().queue = "moved".into();
            match push.class() {
                "Stop" => Flow::Stop,
                _ => Flow::Go,
            }
        })
        .middleware(|push: &mut Push| {
            assert_ne!(push.class(), "Stop", "nothing runs after a stop");
            Flow::Go
        })
        .build()
        .unwrap();
    client.push_raw("A", "[]").await.unwrap();
    let expected = r#"{"retry":true,"queue":"moved","tags":["first","second"],"traceparent":"00-ab","args":[],"class":"A","jid":"*","created_at":*,"enqueued_at":*}"#;
    assert_eq!(shape(&list(&site, "queue:moved")[0]).1, expected);
    let push = Push::raw("Stop", "[]").jid("kept");
    let stopped = client.send(push).await.unwrap();
    assert_eq!(
        (stopped.jid.as_str(), stopped.outcome),
        ("kept", Outcome::Stopped)
    );
    assert_eq!(dbsize(&site), 2);
    // A stopped job is not checked: nothing of it would be written.
    let stopped = client.push_raw("Stop", "no array").await.unwrap();
    assert_eq!(stopped.outcome, Outcome::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_middleware_spoils_is_refused_like_any_wrong_job() {
    let site = Site::start();
    let client = Client::builder()
        .server(site.server())
        .middleware(|push: &mut Push| {
            push.record_mut().class.clear();
            Flow::Go
        })
        .build()
        .unwrap();
    let error = client.push(mail(42)).await.unwrap_err();
    assert!(error.to_string().contains("class"), "{error}");
    assert_eq!(dbsize(&site), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_over_the_limit_is_a_typed_error_and_nothing_is_written() {
    let site = Site::start();
    // 1 MiB unless told otherwise. The overhead of a payload is known to the byte from a small one.
    let client = client(&site);
    client.push_raw("Big", r#"[""]"#).await.unwrap();
    let overhead = list(&site, "queue:default")[0].len();
    site.ask::<()>(&redis::cmd("FLUSHALL"));
    let args = |bytes: usize| format!(r#"["{}"]"#, "x".repeat(bytes));
    let fits = (1 << 20) - overhead;
    client.push_raw("Big", args(fits)).await.unwrap();
    assert_eq!(list(&site, "queue:default")[0].len(), 1 << 20);
    site.ask::<()>(&redis::cmd("FLUSHALL"));
    let error = client.push_raw("Big", args(fits + 1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Input);
    assert!(
        matches!(
            &error,
            Error::TooLarge { class, size, limit }
                if class == "Big" && *size == (1 << 20) + 1 && *limit == 1 << 20
        ),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("1048577 bytes") && text.contains("max_payload"),
        "{text}"
    );
    let later = Push::raw("Big", args(fits + 100)).after(Duration::from_secs(60));
    assert!(matches!(
        client.send(later).await,
        Err(Error::TooLarge { .. })
    ));
    assert_eq!(dbsize(&site), 0);
    let larger = Client::builder()
        .server(site.server())
        .max_payload(2 << 20)
        .build()
        .unwrap();
    larger.push_raw("Big", args(fits + 1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_jobs_are_refused_with_what_is_wrong_and_nothing_is_written() {
    let site = Site::start();
    let client = client(&site);
    let raw = |class: &str, args: &str| Push::raw(class, args);
    let long = "q".repeat(256);
    let cases = [
        (raw("A", r#"{"secret":1}"#), "`args` must be an array"),
        (raw("A", r#""secret""#), "`args` must be an array"),
        (raw("A", "[secret]"), "`args`: invalid JSON at byte 1"),
        (raw("A", "[1] secret"), "`args`: invalid JSON"),
        (raw("A", ""), "`args`"),
        (raw("", "[]"), "no `class`"),
        (raw("A", "[]").jid(""), "no `jid`"),
        (raw("A", "[]").queue(""), "a queue needs a name"),
        (raw("A", "[]").queue("a\nb"), "control character"),
        (raw("A", "[]").queue(&long), "256 bytes long"),
    ];
    for (push, words) in cases {
        let error = client.send(push.clone()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(words), "{words}: {text}");
        assert!(!text.contains("secret"), "arguments are quoted: {text}");
        assert_eq!(error.kind(), Kind::Input);
        assert!(matches!(error, Error::Record(_)), "{error:?}");
        // The same for a job that is to run later.
        let later = push.after(Duration::from_secs(60));
        assert!(client.send(later).await.is_err());
    }
    assert_eq!(dbsize(&site), 0);
    assert_eq!(calls(&site, "lpush") + calls(&site, "zadd"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_of_ones_own_is_checked_when_it_is_set() {
    let error = Push::raw("A", "[]").field("bid", "{").unwrap_err();
    assert!(error.to_string().contains("`bid`"), "{error}");
    let error = Push::raw("A", "[]").field("jid", "1").unwrap_err();
    assert!(error.to_string().contains("jid"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queues_name_is_written_only_when_it_may_be_missing() {
    let site = Site::start();
    let client = client(&site);
    for number in 0..30 {
        let queue = ["a", "b", "c"][number % 3];
        let push = Push::raw("A", "[]").queue(queue);
        client.send(push).await.unwrap();
    }
    assert_eq!(calls(&site, "lpush"), 30);
    assert_eq!(calls(&site, "sadd"), 3, "once for each queue");
    let later = Push::raw("A", "[]")
        .queue("d")
        .after(Duration::from_secs(9));
    client.send(later).await.unwrap();
    assert_eq!(calls(&site, "sadd"), 3, "not for what is scheduled");

    // A drained list may have been cleared, name and all.
    site.ask::<()>(redis::cmd("DEL").arg("queue:a"));
    client.push_raw("A", "[]").await.unwrap();
    client.send(Push::raw("A", "[]").queue("a")).await.unwrap();
    assert_eq!(calls(&site, "sadd"), 5, "one new, one found empty");
    assert_eq!(members(&site, "queues"), ["a", "b", "c", "default"]);

    // Ruby's "clear queue".
    site.ask::<()>(redis::cmd("UNLINK").arg("queue:b"));
    site.ask::<()>(redis::cmd("SREM").arg("queues").arg("b"));
    client.send(Push::raw("A", "[]").queue("b")).await.unwrap();
    assert_eq!(members(&site, "queues"), ["a", "b", "c", "default"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queues_name_is_written_again_after_a_reconnect() {
    let site = Site::start();
    let client = client(&site);
    client.push_raw("A", "[]").await.unwrap();
    // What is at the other end now may be another server, or an older state of this one.
    site.ask::<()>(redis::cmd("SREM").arg("queues").arg("default"));
    site::cut_connections(&site);
    push_again(&client, Push::raw("A", "[]")).await;
    assert_eq!(members(&site, "queues"), ["default"]);
    assert_eq!(list(&site, "queue:default").len(), 2);
}
