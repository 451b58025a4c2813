//! Moving single jobs by hand: delete, retry, bury. Found by their exact bytes, moved in one step.

use std::time::Duration;

use gandy::{Act, End, Error, Grave, Place, StampFormat, Worker};
use gandy_tests::{wait_for, wait_until};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    inspect, job, queue,
    support::{SOON, Site},
};

/// Fields that a float, a map or a rewrite would change.
const ODD: &str = r#", "big" :12345678901234567890,"f":1.10,"e":[],"u":"\u00e9","bid":null"#;

fn list(site: &Site, key: &str) -> Vec<String> {
    site.ask(redis::cmd("LRANGE").arg(key).arg(0).arg(-1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_by_hand_spends_no_attempt_and_keeps_every_other_byte() {
    let site = Site::start();
    let inspect = inspect(&site);
    // What stands there, and what is to stand in the queue before `enqueued_at`.
    let cases = [
        ("retry", r#","retry_count":4"#, r#","retry_count":3"#),
        ("retry", r#","retry_count":0"#, r#","retry_count":-1"#),
        ("dead", r#","retry_count":25"#, r#","retry_count":24"#),
        ("dead", "", ""),
        // A job that waits for its time has not failed; what it says of itself is left alone.
        ("schedule", r#","retry_count":4"#, r#","retry_count":4"#),
    ];
    for (number, (set, count, left)) in cases.into_iter().enumerate() {
        let jid = format!("j{number}");
        let rest = format!(r#"{ODD},"failed_at":1795398104597,"error_message":"x""#);
        site.add(set, 7, job(&jid, &format!(r#"{count},"queue":"q"{rest}"#)));
        let found = inspect.find(&jid).await.unwrap().unwrap();
        assert!(inspect.retry(&found).await.unwrap());
        assert_eq!(site.count(set), 0);
        let moved = list(&site, "queue:q").remove(0);
        let (kept, enqueued) = moved.rsplit_once(r#","enqueued_at":"#).unwrap();
        let expected = job(&jid, &format!(r#"{left},"queue":"q"{rest}"#));
        assert_eq!(format!("{kept}}}"), expected);
        let enqueued: i64 = enqueued.trim_end_matches('}').parse().unwrap();
        let age = (site.clock() * 1000.0) as i64 - enqueued;
        assert!((-2000..20_000).contains(&age), "{age} ms");
    }
    let names: Vec<String> = site.ask(redis::cmd("SMEMBERS").arg("queues"));
    assert_eq!(names, ["q"], "the queue is known again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_by_hand_goes_where_the_job_belongs() {
    let site = Site::start();
    let seconds = inspect(&site).with_stamps(StampFormat::Seconds);
    site.add("dead", 1, job("none", r#","at":17,"enqueued_at":5"#));
    let found = seconds.find("none").await.unwrap().unwrap();
    assert!(seconds.retry(&found).await.unwrap());
    let moved: Value = serde_json::from_str(&list(&site, "queue:default")[0]).unwrap();
    assert!(moved["enqueued_at"].is_f64(), "{moved}");
    assert!(moved.get("at").is_none());

    let inspect = inspect(&site);
    site.add("dead", 1, job("bad queue", r#","queue":"a\nb""#));
    let found = inspect.find("bad queue").await.unwrap().unwrap();
    let error = inspect.retry(&found).await.unwrap_err().to_string();
    assert!(error.contains("control character"), "{error}");
    assert_eq!(site.count("dead"), 1);

    // A key of another type: nothing moves.
    site.add("dead", 1, job("wrong", r#","queue":"wrong""#));
    site.ask::<()>(redis::cmd("SET").arg("queue:wrong").arg("x"));
    let found = inspect.find("wrong").await.unwrap().unwrap();
    let error = inspect.retry(&found).await.unwrap_err().to_string();
    assert!(error.contains("WRONGTYPE"), "{error}");
    assert_eq!(site.count("dead"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_waits_in_a_queue_is_not_retried_there() {
    let site = Site::start();
    site.push("q", job("j", ""));
    let inspect = inspect(&site);
    let found = inspect.find("j").await.unwrap().unwrap();
    let error = inspect.retry(&found).await.unwrap_err();
    assert!(matches!(error, Error::Config(_)), "{error:?}");
    assert!(error.to_string().contains("queue q already"), "{error}");
    assert_eq!(list(&site, "queue:q").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bury_keeps_the_bytes_and_dates_the_death() {
    let site = Site::start();
    let inspect = inspect(&site);
    site.push("q", job("in queue", ODD));
    site.add("retry", 4_000_000_000_i64, job("in retry", ODD));
    site.add("schedule", 4_000_000_000_i64, job("in schedule", ODD));
    for jid in ["in queue", "in retry", "in schedule"] {
        let found = inspect.find(jid).await.unwrap().unwrap();
        assert!(inspect.bury(&found).await.unwrap());
        let dead = site.entry("dead", jid).unwrap();
        assert_eq!(dead.text(), job(jid, ODD));
        assert!((site.clock() - dead.score).abs() < 20.0);
        let found = inspect.find(jid).await.unwrap().unwrap();
        assert_eq!(found.place, Place::Dead);
        // Once more changes nothing.
        assert!(inspect.bury(&found).await.unwrap());
        assert_eq!(site.entry("dead", jid).unwrap(), dead);
    }
    assert_eq!(site.count("dead"), 3);
    assert_eq!(site.count("retry") + site.count("schedule"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burial_by_hand_deletes_no_more_of_a_full_dead_than_it_brings() {
    let site = Site::start();
    let grave = Grave {
        jobs_max: 4,
        timeout: Duration::from_secs(3600),
    };
    let inspect = inspect(&site).with_grave(grave);
    let now = site.clock();
    for number in 0..6 {
        site.add(
            "dead",
            now - 10.0 + f64::from(number),
            job(&format!("d{number}"), ""),
        );
    }
    site.add("dead", now - 3700.0, job("too old", ""));
    site.push("q", job("new", ""));
    let found = inspect.find("new").await.unwrap().unwrap();
    assert!(inspect.bury(&found).await.unwrap());
    let left: Vec<String> = site.entries("dead").iter().map(|e| e.text()).collect();
    // Not Sidekiq's trim, which would leave three of eight: who buries one job did not ask for five to go.
    let expected = ["d0", "d1", "d2", "d3", "d4", "d5", "new"].map(|jid| job(jid, ""));
    assert_eq!(left, expected, "the oldest made room for the new one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_entries_with_one_score_only_the_meant_one_moves() {
    let site = Site::start();
    let inspect = inspect(&site);
    for set in ["retry", "schedule", "dead"] {
        for jid in ["a", "b", "c"] {
            site.add(set, 5.25, job(&format!("{set}-{jid}"), ODD));
        }
        let find = async |jid: &str| inspect.find(&format!("{set}-{jid}")).await.unwrap();
        assert!(inspect.delete(&find("b").await.unwrap()).await.unwrap());
        assert!(inspect.retry(&find("c").await.unwrap()).await.unwrap());
        let left = site.entries(set);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].text(), job(&format!("{set}-a"), ODD));
        assert_eq!(left[0].score, 5.25);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_jobs_with_one_id_only_the_meant_one_moves() {
    let site = Site::start();
    let inspect = inspect(&site);
    site.add("retry", 1, job("twin", r#","n":1"#));
    site.add("dead", 2, job("twin", r#","n":2"#));
    site.push("q", job("twin", r#","n":3"#));
    site.push("q", job("twin", r#","n":4"#));
    // First in `retry`, then in `schedule`, `dead` and the queues.
    let first = inspect.find("twin").await.unwrap().unwrap();
    assert_eq!(first.place, Place::Retry);
    let dead = inspect
        .find_in(&Place::Dead, "twin")
        .await
        .unwrap()
        .unwrap();
    assert!(inspect.delete(&dead).await.unwrap());
    assert_eq!((site.count("retry"), site.count("dead")), (1, 0));
    // In a queue the youngest.
    let young = inspect.find_in(&queue("q"), "twin").await.unwrap();
    let young = young.unwrap();
    assert_eq!(young.bytes, job("twin", r#","n":4"#).into_bytes());
    assert!(inspect.delete(&young).await.unwrap());
    assert_eq!(list(&site, "queue:q"), [job("twin", r#","n":3"#)]);
    assert_eq!(site.count("retry"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_same_bytes_twice_in_a_queue_one_goes() {
    let site = Site::start();
    let inspect = inspect(&site);
    for jid in ["same", "other", "same"] {
        site.push("q", job(jid, ""));
    }
    let found = inspect.find("same").await.unwrap().unwrap();
    assert!(inspect.delete(&found).await.unwrap());
    // The older of the two, which stands at the right.
    assert_eq!(list(&site, "queue:q"), [job("same", ""), job("other", "")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_has_landed_still_belongs_to_its_queue() {
    let site = Site::start();
    let inspect = inspect(&site);
    site.push("q", job("waits", ""));
    for jid in ["landed 1", "landed 2", "landed 3"] {
        site.ask::<()>(
            redis::cmd("LPUSH")
                .arg("gandy:landing:q")
                .arg(job(jid, r#","queue":"q""#)),
        );
    }
    let place = queue("q");
    assert_eq!(inspect.size(&place).await.unwrap(), 4);
    let order = ["landed 1", "landed 2", "landed 3", "waits"];
    let all = inspect.jobs(&place, 0, 10).await.unwrap();
    assert_eq!(crate::jids(&all), order);
    for from in 0..4 {
        let page = inspect.jobs(&place, from, 2).await.unwrap();
        assert_eq!(crate::jids(&page), order[from..order.len().min(from + 2)]);
    }
    let found = inspect.find("landed 2").await.unwrap().unwrap();
    assert_eq!(found.place, place);
    assert!(inspect.delete(&found).await.unwrap());
    assert!(!inspect.delete(&found).await.unwrap());
    let found = inspect.find("landed 1").await.unwrap().unwrap();
    assert!(inspect.bury(&found).await.unwrap());
    assert_eq!(site.count("dead"), 1);
    assert_eq!(inspect.size(&place).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_may_lie_in_two_places() {
    let site = Site::start();
    let inspect = inspect(&site);
    let bytes = job("both", r#","queue":"q""#);
    site.add("retry", 1, &bytes);
    site.add("dead", 2, &bytes);
    let retry = inspect
        .find_in(&Place::Retry, "both")
        .await
        .unwrap()
        .unwrap();
    assert!(inspect.delete(&retry).await.unwrap());
    assert_eq!((site.count("retry"), site.count("dead")), (0, 1));
    site.add("retry", 1, &bytes);
    assert!(inspect.bury(&retry).await.unwrap());
    assert_eq!((site.count("retry"), site.count("dead")), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_hands_one_moves_the_job_and_the_others_are_told() {
    let site = Site::start();
    let inspect = inspect(&site);
    for round in 0..20 {
        let jid = format!("j{round}");
        site.add("retry", 1, job(&jid, r#","queue":"q","retry_count":3"#));
        let found = inspect.find(&jid).await.unwrap().unwrap();
        let mut hands = JoinSet::new();
        for hand in 0..12 {
            let (inspect, job) = (inspect.clone(), found.clone());
            hands.spawn(async move {
                match hand % 3 {
                    0 => inspect.delete(&job).await.unwrap(),
                    1 => inspect.retry(&job).await.unwrap(),
                    _ => inspect.bury(&job).await.unwrap(),
                }
            });
        }
        let moved = hands.join_all().await;
        assert_eq!(moved.iter().filter(|moved| **moved).count(), 1);
        assert_eq!(site.count("retry"), 0);
        let waits: usize = site.ask(redis::cmd("LLEN").arg("queue:q"));
        assert!(waits + site.count("dead") <= 1);
        site.ask::<()>(&redis::cmd("FLUSHALL"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_was_changed_meanwhile_is_another_one() {
    let site = Site::start();
    let inspect = inspect(&site);
    site.add("retry", 1, job("j", r#","retry_count":0"#));
    let found = inspect.find("j").await.unwrap().unwrap();
    site.ask::<()>(&redis::cmd("FLUSHALL"));
    site.add("retry", 1, job("j", r#","retry_count":1"#));
    assert!(!inspect.delete(&found).await.unwrap());
    assert!(!inspect.retry(&found).await.unwrap());
    assert!(!inspect.bury(&found).await.unwrap());
    assert_eq!(site.count("retry"), 1);
    assert_eq!(site.redis.cli(&["DBSIZE"]), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_buried_unread_has_its_reason_and_can_be_deleted() {
    let site = Site::start();
    let inspect = inspect(&site);
    let payloads: [&[u8]; 3] = [b"{\"class\":", b"\xff\xfe not text", b"[]"];
    for payload in payloads {
        site.push("default", payload);
    }
    let worker = Worker::builder(site.config())
        .signals(false)
        .build()
        .unwrap()
        .start();
    wait_until(SOON, "all are buried", || site.count("dead") == 3);
    worker.stop().await.unwrap();
    let shown = inspect.jobs(&Place::Dead, 0, 10).await.unwrap();
    for job in &shown {
        assert!(payloads.contains(&job.bytes.as_slice()), "the raw bytes");
        let why = job.payload.clone().unwrap_err();
        let reason = inspect.reason(job).await.unwrap().unwrap();
        assert!(
            reason.contains("cannot be run") && reason.contains(&why),
            "{reason}"
        );
        let error = inspect.retry(job).await.unwrap_err().to_string();
        assert!(
            error.contains("cannot be run") && error.contains(&why),
            "{error}"
        );
    }
    assert_eq!(site.redis.cli(&["HLEN", "gandy:reasons"]), "3");
    for job in &shown {
        assert!(inspect.delete(job).await.unwrap());
        assert_eq!(inspect.reason(job).await.unwrap(), None);
        assert!(!inspect.delete(job).await.unwrap());
    }
    assert_eq!(site.redis.cli(&["EXISTS", "gandy:reasons", "dead"]), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_text_can_be_buried_like_any_others() {
    let site = Site::start();
    let inspect = inspect(&site);
    site.push("q", b"\xff\xfe");
    site.add("retry", 1, b"\xfe\xff");
    for place in [queue("q"), Place::Retry] {
        let job = inspect.jobs(&place, 0, 1).await.unwrap().remove(0);
        assert!(inspect.bury(&job).await.unwrap(), "{place:?}");
    }
    let dead: Vec<Vec<u8>> = site.entries("dead").into_iter().map(|e| e.bytes).collect();
    assert!(dead.contains(&b"\xff\xfe".to_vec()) && dead.contains(&b"\xfe\xff".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_by_hand_runs() {
    let site = Site::start();
    let inspect = inspect(&site);
    let worker = Worker::builder(site.config())
        .signals(false)
        .handler_fn("Flaky", |(), ctx: gandy::Context| async move {
            match ctx.field("now_it_works") {
                Some(_) => Ok(()),
                None => Err(gandy::JobError::retry("Boom", "not yet")),
            }
        })
        .build()
        .unwrap()
        .start();
    site.push(
        "default",
        r#"{"class":"Flaky","args":[],"jid":"j","queue":"default","retry":3}"#,
    );
    let failed = wait_for(SOON, "the failure is written", || site.entry("retry", "j"));
    assert_eq!(failed.json()["retry_count"], 0);
    let found = inspect.find("j").await.unwrap().unwrap();
    assert!(inspect.retry(&found).await.unwrap());
    // It fails again: the count is what it was, because the retry by hand was not charged.
    let failed = wait_for(SOON, "the second failure is written", || {
        site.entry("retry", "j")
    });
    assert_eq!(failed.json()["retry_count"], 0);
    worker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_job_that_many_acts_end_is_told_in_the_same_step() {
    let site = Site::start();
    let inspect = inspect(&site);
    let asked = r#","gandy_notify":true"#;
    for number in 0..3 {
        site.add("retry", number, job(&format!("mute{number}"), ""));
        site.add("retry", number, job(&format!("asked{number}"), asked));
    }
    site.ask::<u64>(redis::cmd("LPUSH").arg("queue:q").arg(job("queued", asked)));
    let queue = Place::Queue("q".into());
    for (from, act, done) in [
        (&Place::Retry, Act::Bury, 6),
        (&Place::Dead, Act::Delete, 6),
        (&queue, Act::Delete, 1),
    ] {
        let outcome = async |jid| Some(inspect.outcome(jid).await.unwrap()?.outcome);
        let mut sweep = inspect.sweep(from, None, act.clone()).await.unwrap();
        while sweep.step(2).await.unwrap() {}
        assert_eq!(sweep.so_far().done, done);
        let told = if act == Act::Bury {
            End::Dead
        } else {
            End::Deleted
        };
        let ended = if *from == queue { "queued" } else { "asked2" };
        assert_eq!(outcome(ended).await, Some(told));
        assert_eq!(outcome("mute2").await, None, "nobody waits for it");
    }
}
