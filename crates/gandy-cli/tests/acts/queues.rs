//! Acts on the jobs of a queue, while others push and pop: a list has no index by value.

use std::sync::atomic::{AtomicBool, Ordering};

use gandy_tests::{Proc, RedisServer, wait_until};
use serde_json::Value;

use crate::support::{DEADLINE, command, gandy};
use crate::{entries, everywhere, load, numbers};

#[test]
fn a_queues_jobs_are_moved_in_their_order_and_the_others_stay_in_theirs() {
    let redis = RedisServer::start();
    load(&redis, "queue:default", 1, 3_000);
    load(&redis, "gandy:landing:default", 0, 0);
    redis.cli(&[
        "LMOVE",
        "queue:default",
        "gandy:landing:default",
        "RIGHT",
        "LEFT",
    ]);
    let args = [
        "move",
        "--from",
        "queue:default",
        "--filter",
        "arg:1 ",
        "--to",
        "queue:low",
        "--yes",
    ];
    assert_eq!(
        gandy(&redis, &args).done(),
        "1 job moved\n",
        "it had landed"
    );
    let args = [
        "move",
        "--from",
        "queue:default",
        "--filter",
        "jid:*00",
        "--to",
        "queue:low",
        "--yes",
    ];
    assert_eq!(gandy(&redis, &args).done(), "30 jobs moved\n");
    let hundreds = (1..=30).map(|number| number * 100);
    assert_eq!(
        numbers(&redis, "queue:low"),
        [1].into_iter().chain(hundreds).collect::<Vec<_>>()
    );
    let rest = (2..=3_000).filter(|number| number % 100 != 0);
    assert_eq!(numbers(&redis, "queue:default"), rest.collect::<Vec<_>>());
    // The same bytes twice are two jobs.
    redis.cli(&["LPUSH", "queue:twins", "twin", "twin", "twin"]);
    assert_eq!(
        gandy(&redis, &["bury", "--from", "queue:twins", "--all", "--yes"]).done(),
        "3 jobs buried\n"
    );
    assert_eq!(redis.cli(&["EXISTS", "queue:twins"]), "0");
    assert_eq!(entries(&redis, "dead"), ["twin"], "a set holds them once");
}

#[test]
fn a_queue_is_cleared_and_off_the_list() {
    let redis = RedisServer::start();
    load(&redis, "queue:default", 0, 20_000);
    redis.cli(&["SADD", "queues", "default", "low"]);
    redis.cli(&["LPUSH", "gandy:landing:default", "landed", "no job"]);
    assert_eq!(
        gandy(&redis, &["clear", "queue:default", "--dry-run"]).done(),
        "20002 jobs would be deleted\n"
    );
    let answer = gandy(&redis, &["clear", "queue:default", "--yes"]);
    assert_eq!(
        (answer.out.as_str(), answer.err.as_str()),
        ("20002 jobs deleted\n", "")
    );
    assert_eq!(redis.cli(&["KEYS", "*default*"]), "");
    assert_eq!(redis.cli(&["SMEMBERS", "queues"]), "low");
}

/// Jobs that stay put are all met, and none that does not fit is touched, whoever pushes and pops meanwhile.
#[test]
fn workers_and_producers_do_not_disturb_a_walk() {
    let redis = RedisServer::start();
    load(&redis, "queue:default", 0, 8_000);
    let stop = AtomicBool::new(false);
    let mut popped: Vec<String> = Vec::new();
    let report = std::thread::scope(|scope| {
        let popper = scope.spawn(|| {
            let mut conn = redis.conn();
            let mut popped = Vec::new();
            let mut number = 8_000;
            while !stop.load(Ordering::Acquire) {
                let some: Option<Vec<String>> = redis::cmd("RPOP")
                    .arg("queue:default")
                    .arg(4)
                    .query(&mut conn)
                    .unwrap();
                popped.extend(some.unwrap_or_default());
                load(&redis, "queue:default", number, 6);
                number += 6;
                // Faster than the walk, they would leave nothing to it.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            (popped, number)
        });
        let args = [
            "delete",
            "--from",
            "queue:default",
            "--filter",
            "jid:*7 ",
            "--yes",
            "--json",
        ];
        let report = gandy(&redis, &args).json();
        stop.store(true, Ordering::Release);
        let (some, last) = popper.join().unwrap();
        popped = some;
        (report, last)
    });
    let (report, last) = report;
    let mut left = everywhere(&redis, &["queue:default"]);
    let popped = popped.iter().map(|job| {
        job.split(r#""jid":""#).nth(1).unwrap()[..24]
            .parse::<u64>()
            .unwrap()
    });
    left.extend(popped);
    left.sort_unstable();
    let deleted = (0..last).filter(|number| left.binary_search(number).is_err());
    let deleted: Vec<u64> = deleted.collect();
    assert!(
        deleted.iter().all(|number| number % 10 == 7),
        "only those that fit"
    );
    assert_eq!(report["done"], deleted.len());
    assert!(deleted.len() > 100, "{report}");
    left.dedup();
    assert_eq!(
        left.len() + deleted.len(),
        last as usize,
        "each is there once, or gone"
    );
    // Of those that were there at the beginning none is left that fits.
    let left = everywhere(&redis, &["queue:default"]);
    assert_eq!(
        left.iter()
            .filter(|number| **number < 8_000 && **number % 10 == 7)
            .count(),
        0
    );
}

/// Workers pop what was there and producers push, so that as many jobs as there were at the beginning are others now.
#[test]
fn jobs_pushed_after_an_act_on_a_queue_had_begun_stay() {
    for act in [
        &["clear", "queue:default"][..],
        &["delete", "--from", "queue:default", "--all"],
        &[
            "move",
            "--from",
            "queue:default",
            "--all",
            "--to",
            "queue:low",
        ],
    ] {
        let redis = RedisServer::start();
        load(&redis, "queue:default", 0, 30);
        let args = [act, &["--yes", "--rate", "20/s", "--json"]].concat();
        let running = Proc::spawn("gandy", command(&[("REDIS_URL", &redis.url())], &args));
        wait_until(DEADLINE, "the first to be acted on", || {
            redis.cli(&["LLEN", "queue:default"]) != "30"
        });
        redis.cli(&["RPOP", "queue:default", "15"]);
        // A clock of theirs that is five seconds ahead spares the test those seconds.
        let later = redis
            .cli(&["TIME"])
            .lines()
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1000
            + 5_000;
        for number in 900..915 {
            let job =
                format!(r#"{{"class":"A","args":[],"jid":"{number:024}","enqueued_at":{later}}}"#);
            redis.cli(&["LPUSH", "queue:default", &job]);
        }
        assert!(
            running.wait_exit(DEADLINE).success(),
            "{}",
            running.stderr()
        );
        let report: Value = serde_json::from_str(&running.stdout()).unwrap();
        assert_eq!(
            numbers(&redis, "queue:default"),
            (900..915).collect::<Vec<_>>(),
            "{act:?} {report}"
        );
        assert!(report["newer"].as_u64() > Some(0), "{act:?} {report}");
        assert!(
            running.stderr().contains("came in after it had begun"),
            "{}",
            running.stderr()
        );
    }
}
