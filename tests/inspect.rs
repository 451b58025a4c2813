//! What Gandy shows of queues, sets and processes is what Redis holds, and a job moved by hand is moved once, in its exact
//! bytes, and nothing else with it.
#![allow(clippy::unwrap_used)]

#[path = "inspect/hands.rs"]
mod hands;
#[path = "inspect/processes.rs"]
mod processes;
#[path = "inspect/repairs.rs"]
mod repairs;
#[path = "inspect/searches.rs"]
mod searches;
#[path = "inspect/sought.rs"]
mod sought;
mod support;
#[path = "inspect/survey.rs"]
mod survey;
#[path = "inspect/walks.rs"]
mod walks;

use std::time::Duration;

use gandy::{Inspect, JobInfo, Place};
use support::Site;

pub(crate) fn inspect(site: &Site) -> Inspect {
    Inspect::new(site.server(), "").unwrap()
}

pub(crate) fn queue(name: &str) -> Place {
    Place::Queue(name.to_owned())
}

pub(crate) fn job(jid: &str, more: &str) -> String {
    format!(r#"{{"class":"A","args":[],"jid":"{jid}"{more}}}"#)
}

fn jids(jobs: &[JobInfo]) -> Vec<String> {
    let jid = |job: &JobInfo| job.payload.as_ref().unwrap().jid().to_owned();
    jobs.iter().map(jid).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_count_everything_once() {
    let site = Site::start();
    let nothing = inspect(&site).totals().await.unwrap();
    assert_eq!(nothing, gandy::Totals::default());
    for number in 0..3 {
        site.push("a", job(&format!("a{number}"), ""));
    }
    site.push("b", job("b", ""));
    site.ask::<()>(redis::cmd("LPUSH").arg("gandy:landing:b").arg("landed"));
    for (set, count) in [("retry", 2), ("schedule", 3), ("dead", 4)] {
        for number in 0..count {
            site.add(set, number, job(&format!("{set}{number}"), ""));
        }
    }
    site.ask::<()>(redis::cmd("SET").arg("stat:processed").arg(12));
    site.ask::<()>(redis::cmd("SET").arg("stat:failed").arg(5));
    let identities = ["h:1:aaaaaaaaaaaa", "h:2:bbbbbbbbbbbb"];
    for (identity, kind) in identities.iter().zip(["gandy:fleet", "gandy:dying"]) {
        site.ask::<()>(redis::cmd("HSET").arg(kind).arg(identity).arg("{}"));
        site.ask::<()>(redis::cmd("SADD").arg("processes").arg(identity));
        site.ask::<()>(redis::cmd("HSET").arg(identity).arg("busy").arg(3));
        let key = format!("gandy:inflight:{identity}");
        let held = ["1:a", "x", "2:a", "y"];
        site.ask::<()>(redis::cmd("HSET").arg(key).arg(&held));
    }
    let totals = inspect(&site).totals().await.unwrap();
    let seen = (
        (totals.processed, totals.failed, totals.enqueued),
        (totals.retries, totals.scheduled, totals.dead),
        (totals.processes, totals.busy, totals.in_flight),
    );
    assert_eq!(seen, ((12, 5, 5), (2, 3, 4), (2, 6, 4)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_type_hides_nothing_else() {
    let site = Site::start();
    site.push("a", job("a", ""));
    site.ask::<()>(redis::cmd("SADD").arg("queues").arg("bad"));
    for key in ["queue:bad", "dead", "stat:failed"] {
        site.ask::<()>(redis::cmd("SET").arg(key).arg("x"));
    }
    let inspect = inspect(&site);
    let totals = inspect.totals().await.unwrap();
    assert_eq!((totals.enqueued, totals.dead, totals.failed), (1, 0, 0));
    let queues = inspect.queues().await.unwrap();
    let sizes: Vec<(&str, u64)> = queues
        .iter()
        .map(|queue| (queue.name.as_str(), queue.size))
        .collect();
    assert_eq!(sizes, [("a", 1), ("bad", 0)]);
    let error = inspect.jobs(&Place::Dead, 0, 10).await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    // `find` says what stopped it instead of saying that there is no such job.
    let error = inspect.find("nobody").await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queues_row_tells_its_size_its_age_and_whether_it_is_paused() {
    let site = Site::start();
    let now_ms = (site.clock() * 1000.0) as i64;
    let old = |seconds: i64| format!(r#","enqueued_at":{}"#, now_ms - seconds * 1000);
    site.push("milliseconds", job("1", &old(90)));
    site.push("milliseconds", job("2", &old(10)));
    let seconds = now_ms as f64 / 1000.0 - 40.0;
    site.push("seconds", job("1", &format!(r#","enqueued_at":{seconds}"#)));
    site.push("ahead", job("1", &old(-3600)));
    site.push("silent", job("1", ""));
    site.push("garbage", "{");
    site.push("landed", job("2", &old(10)));
    let landed = job("1", &old(70));
    site.ask::<()>(redis::cmd("LPUSH").arg("gandy:landing:landed").arg(landed));
    site.ask::<()>(redis::cmd("SADD").arg("queues").arg("empty"));
    let inspect = inspect(&site);
    inspect.pause("seconds").await.unwrap();
    let rows = inspect.queues().await.unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let sorted = [
        "ahead",
        "empty",
        "garbage",
        "landed",
        "milliseconds",
        "seconds",
        "silent",
    ];
    assert_eq!(names, sorted);
    let sizes: Vec<u64> = rows.iter().map(|row| row.size).collect();
    assert_eq!(sizes, [1, 0, 1, 2, 2, 1, 1]);
    let paused: Vec<bool> = rows.iter().map(|row| row.paused).collect();
    assert_eq!(paused, [false, false, false, false, false, true, false]);
    let age = |row: usize| rows[row].latency;
    assert_eq!(age(0), Some(Duration::ZERO), "a clock may be ahead");
    assert_eq!([age(1), age(2), age(6)], [None; 3]);
    for (row, seconds) in [(3, 70), (4, 90), (5, 40)] {
        let latency = age(row).unwrap().as_secs();
        assert!(
            (seconds..seconds + 20).contains(&latency),
            "{}: {latency} s",
            names[row]
        );
    }
    inspect.unpause("seconds").await.unwrap();
    inspect.unpause("never paused").await.unwrap();
    let rows = inspect.queues().await.unwrap();
    assert!(rows.iter().all(|row| !row.paused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_stand_in_the_order_of_their_place_page_by_page() {
    let site = Site::start();
    for number in 0..7 {
        // Pushed first, popped first.
        site.push("q", job(&format!("j{number}"), ""));
        let later = 1000 - number;
        site.add("retry", later, job(&format!("j{later}"), ""));
        site.add("schedule", later, job(&format!("j{later}"), ""));
        site.add("dead", later, job(&format!("j{later}"), ""));
    }
    let inspect = inspect(&site);
    let names = |numbers: &mut dyn Iterator<Item = i32>| -> Vec<String> {
        numbers.map(|number| format!("j{number}")).collect()
    };
    let cases = [
        (queue("q"), names(&mut (0..7))),
        (Place::Retry, names(&mut (994..=1000))),
        (Place::Schedule, names(&mut (994..=1000))),
        (Place::Dead, names(&mut (994..=1000).rev())),
    ];
    for (place, expected) in cases {
        assert_eq!(inspect.size(&place).await.unwrap(), 7);
        let all = inspect.jobs(&place, 0, 1000).await.unwrap();
        assert_eq!(jids(&all), expected, "{place:?}");
        assert!(all.iter().all(|job| job.place == place));
        let mut paged = Vec::new();
        for from in (0..9).step_by(3) {
            paged.extend(jids(&inspect.jobs(&place, from, 3).await.unwrap()));
        }
        assert_eq!(paged, expected, "{place:?} in pages of 3");
        for (from, count) in [
            (7, 3),
            (0, 0),
            (usize::MAX, 1),
            (usize::MAX - 1, usize::MAX),
        ] {
            let page = inspect.jobs(&place, from, count).await.unwrap();
            assert!(page.is_empty(), "{place:?} from {from}");
        }
        let rest = inspect.jobs(&place, 5, usize::MAX).await.unwrap();
        assert_eq!(jids(&rest), expected[5..]);
        let times = all.iter().map(|job| job.at_ms.is_some());
        assert!(times.eq((0..7).map(|_| !matches!(place, Place::Queue(_)))));
    }
    assert_eq!(
        inspect.jobs(&Place::Retry, 0, 1).await.unwrap()[0].at_ms,
        Some(994_000)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_has_at_most_1000_jobs() {
    let site = Site::start();
    let jobs: Vec<String> = (0..1500).map(|n| job(&format!("j{n}"), "")).collect();
    site.ask::<()>(redis::cmd("LPUSH").arg("queue:q").arg(jobs));
    let page = inspect(&site)
        .jobs(&queue("q"), 400, 100_000)
        .await
        .unwrap();
    assert_eq!(page.len(), 1000);
    assert_eq!(jids(&page[..1]), ["j400"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_job_is_shown_with_the_reason_and_its_bytes() {
    let site = Site::start();
    let bytes: [&[u8]; 4] = [b"", b"{", b"\xff\xfe", br#"{"class":"A","jid":"j"}"#];
    for bytes in bytes {
        site.push("q", bytes);
        site.add("dead", 1, bytes);
    }
    for place in [queue("q"), Place::Dead] {
        let shown = inspect(&site).jobs(&place, 0, 10).await.unwrap();
        assert_eq!(shown.len(), 4);
        for job in shown {
            assert!(bytes.contains(&job.bytes.as_slice()));
            assert!(!job.payload.unwrap_err().is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_found_by_its_id_wherever_it_waits() {
    let site = Site::start();
    site.push("first", job("in a queue", ""));
    site.add("retry", 10, job("in retry", ""));
    site.add("schedule", 20.5, job("in schedule", ""));
    site.add("dead", 30, job("in dead", ""));
    // An id in another job's arguments, or a part of an id, is no id.
    site.add("retry", 11, job("x", r#","note":"in dead","y":"nobody""#));
    site.add("retry", 12, job("in dead letters", ""));
    let inspect = inspect(&site);
    let cases = [
        ("in a queue", queue("first"), None),
        ("in retry", Place::Retry, Some(10_000)),
        ("in schedule", Place::Schedule, Some(20_500)),
        ("in dead", Place::Dead, Some(30_000)),
    ];
    for (jid, place, at_ms) in cases {
        let found = inspect.find(jid).await.unwrap().unwrap();
        assert_eq!((&found.place, found.at_ms), (&place, at_ms));
        assert_eq!(found.bytes, job(jid, "").into_bytes());
        assert_eq!(found.payload.unwrap().jid(), jid);
        assert!(inspect.find_in(&place, jid).await.unwrap().is_some());
        let elsewhere = queue("second");
        assert!(inspect.find_in(&elsewhere, jid).await.unwrap().is_none());
    }
    for nobody in ["nobody", "", "*", "?", "in"] {
        assert!(inspect.find(nobody).await.unwrap().is_none(), "{nobody:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_may_hold_what_globs_and_json_give_a_meaning() {
    let site = Site::start();
    // The id as it is, and as its producer wrote it.
    let ids = [
        ("a*b", "a*b"),
        ("a?b", "a?b"),
        ("[a-z]", "[a-z]"),
        ("a[^b]c", "a[^b]c"),
        ("]", "]"),
        ("a\\b", r"a\\b"),
        ("a\"b", r#"a\"b"#),
        ("a/b", r"a\/b"),
        ("a/c", "a/c"),
        ("é1", "é1"),
        ("é2", r"\u00e92"),
        ("a\nb", r"a\nb"),
        ("😀", r"\ud83d\ude00"),
        ("<b>&", r"\u003cb\u003e\u0026"),
    ];
    // What a pattern would find instead.
    for (number, other) in ["aXb", "aXXb", "m", "axc", "ab"].iter().enumerate() {
        site.add("retry", number, job(other, ""));
    }
    for (number, (_, written)) in ids.iter().enumerate() {
        site.add("retry", 10 + number, job(written, ""));
        site.push("q", job(written, ""));
    }
    let inspect = inspect(&site);
    for (jid, written) in ids {
        for place in [Place::Retry, queue("q")] {
            let found = inspect.find_in(&place, jid).await.unwrap();
            let found = found.unwrap_or_else(|| panic!("{jid:?}, written {written}, in {place:?}"));
            assert_eq!(found.bytes, job(written, "").into_bytes());
        }
        let found = inspect.find_in(&Place::Retry, jid).await.unwrap().unwrap();
        assert!(inspect.delete(&found).await.unwrap(), "{jid:?}");
    }
    assert_eq!(site.count("retry"), 5, "only what was meant is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_found_among_thousands() {
    let site = Site::start();
    let jobs: Vec<String> = (0..3000).map(|n| job(&format!("j{n}"), "")).collect();
    site.push("q", job("oldest", ""));
    for chunk in jobs.chunks(1000) {
        site.ask::<()>(redis::cmd("LPUSH").arg("queue:q").arg(chunk));
        let mut add = redis::cmd("ZADD");
        add.arg("dead");
        for job in chunk {
            add.arg(1).arg(job);
        }
        site.ask::<()>(&add);
    }
    let inspect = inspect(&site);
    for jid in ["j0", "j1499", "j2999", "oldest"] {
        let found = inspect.find_in(&queue("q"), jid).await.unwrap();
        assert!(found.is_some(), "{jid}");
    }
    for jid in ["j0", "j1499", "j2999"] {
        let found = inspect.find_in(&Place::Dead, jid).await.unwrap();
        assert_eq!(found.unwrap().bytes, job(jid, "").into_bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_job_is_found_while_its_queue_moves() {
    let site = Site::start();
    let fill = |from: usize, count: usize| -> Vec<String> {
        let numbers = from..from + count;
        numbers.map(|n| job(&format!("j{n}"), "")).collect()
    };
    let mut conn = site.redis.conn();
    let mut push = |jobs: Vec<String>| {
        redis::cmd("LPUSH")
            .arg("queue:q")
            .arg(jobs)
            .exec(&mut conn)
            .unwrap();
    };
    push(fill(0, 6000));
    push(vec![job("meant", "")]);
    push(fill(6000, 2000));
    let inspect = inspect(&site);
    let (mut conn, place) = (site.redis.conn(), queue("q"));
    // Workers take 6,000 jobs from one end while producers push at the other.
    let traffic = std::thread::spawn(move || {
        for round in 0..300 {
            redis::pipe()
                .cmd("RPOP")
                .arg("queue:q")
                .arg(20)
                .cmd("LPUSH")
                .arg("queue:q")
                .arg(fill(10_000 + 20 * round, 20))
                .exec(&mut conn)
                .unwrap();
            std::thread::sleep(Duration::from_micros(500)); // The pace of the traffic.
        }
    });
    let mut searches = 0;
    while !traffic.is_finished() {
        let found = inspect.find_in(&place, "meant").await.unwrap();
        assert!(found.is_some(), "missed in search {searches}");
        searches += 1;
    }
    traffic.join().unwrap();
    println!("{searches} searches");
    assert!(searches > 3);
}

/// A page by rank shows others than before when entries are taken out behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_job_is_found_while_its_set_moves() {
    let site = Site::start();
    let mut conn = site.redis.conn();
    let mut add = redis::cmd("ZADD");
    add.arg("retry");
    for number in 0..16_000 {
        add.arg(number).arg(job(&format!("j{number}"), ""));
    }
    add.arg(3_000.5)
        .arg(job("meant", ""))
        .exec(&mut conn)
        .unwrap();
    let inspect = inspect(&site);
    // At the high end, where a search begins, thousands are deleted and others come in; at the other they are due.
    let traffic = std::thread::spawn(move || {
        for round in 0..600 {
            let new = job(&format!("new{round}"), "");
            redis::pipe()
                .cmd("ZREMRANGEBYRANK")
                .arg(&["retry", "-21", "-2"])
                .cmd("ZADD")
                .arg("retry")
                .arg(20_000 + round)
                .arg(new)
                .cmd("ZPOPMIN")
                .arg(&["retry", "2"])
                .exec(&mut conn)
                .unwrap();
            std::thread::sleep(Duration::from_micros(500)); // The pace of the traffic.
        }
    });
    let mut searches = 0;
    while !traffic.is_finished() {
        let found = inspect.find_in(&Place::Retry, "meant").await.unwrap();
        let found = found.unwrap_or_else(|| panic!("missed in search {searches}"));
        assert_eq!(found.score, Some(3_000.5));
        searches += 1;
    }
    traffic.join().unwrap();
    println!("{searches} searches");
    assert!(searches > 1);
    assert!(
        inspect
            .find_in(&Place::Retry, "nobody")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_is_seen_alone() {
    let site = Site::start();
    site.push("q", job("outside", ""));
    let inside = Inspect::new(site.server(), "shop").unwrap();
    assert_eq!(inside.totals().await.unwrap(), gandy::Totals::default());
    assert!(inside.find("outside").await.unwrap().is_none());
    site.ask::<()>(
        redis::cmd("ZADD")
            .arg("shop:dead")
            .arg(1)
            .arg(job("in", "")),
    );
    let found = inside.find("in").await.unwrap().unwrap();
    assert!(inside.retry(&found).await.unwrap());
    assert_eq!(site.redis.cli(&["LLEN", "shop:queue:default"]), "1");
    assert_eq!(site.redis.cli(&["SMEMBERS", "shop:queues"]), "default");
    let error = Inspect::new(site.server(), "a b").unwrap_err();
    assert!(error.to_string().contains("namespace"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_may_lose_jobs_is_told() {
    let site = Site::start();
    site.redis
        .cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let cautions = inspect(&site).check().await.unwrap();
    assert!(cautions.iter().any(|text| text.contains("allkeys-lru")));
    assert!(cautions.iter().any(|text| text.contains("appendonly")));
}
