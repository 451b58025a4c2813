//! `gandy push --stdin`: every line once, in order, in commands of a thousand, and an exact account when it stops early.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::process::{Child, Stdio};

use gandy_tests::{RedisServer, wait_eq, wait_for};
use serde_json::{Value, json};
use support::{DEADLINE, calls, cli, command, document, gandy_fed};

fn lines(numbers: std::ops::RangeInclusive<u32>) -> String {
    numbers
        .map(|number| format!("{{\"class\":\"Import\",\"args\":[{number}]}}\n"))
        .collect()
}

/// The first argument of each job of a queue, the one that is popped first at the front.
fn arguments(redis: &RedisServer, queue: &str) -> Vec<u64> {
    let mut jobs = cli(redis, &["LRANGE", &format!("queue:{queue}"), "0", "-1"]);
    jobs.reverse();
    let argument = |job: &String| {
        serde_json::from_str::<Value>(job).unwrap()["args"][0]
            .as_u64()
            .unwrap()
    };
    jobs.iter().map(argument).collect()
}

#[test]
fn all_lines_are_pushed_in_order_a_thousand_in_a_command() {
    let redis = RedisServer::start();
    let answer = gandy_fed(&redis, &["push", "--stdin"], lines(1..=2500));
    assert_eq!(
        (answer.code, answer.out.as_str(), answer.err.as_str()),
        (0, "2500 jobs acknowledged\n", "")
    );
    assert_eq!(arguments(&redis, "default"), (1..=2500).collect::<Vec<_>>());
    assert_eq!(calls(&redis, "lpush"), 3);
    assert_eq!(redis.cli(&["DBSIZE"]), "2");
}

#[test]
fn a_line_has_all_options_and_keeps_what_is_unknown() {
    let redis = RedisServer::start();
    let input = r#"
{"class":"A","args":[12345678901234567890123, 1.50],"queue":"low","retry":3,"tags":["x"],"cattr":{"n": 98765432109876543210},"jid":"mine"}

  {"class":"B","args":[],"at":4070908800.5}  "#;
    let report = gandy_fed(&redis, &["push", "--stdin", "--json"], input).json();
    assert_eq!(
        report,
        json!({"acknowledged": 2, "acknowledged_lines": 4, "unknown": 0, "first_unacknowledged_line": null, "error": null})
    );
    let job = redis.cli(&["LRANGE", "queue:low", "0", "-1"]);
    assert!(
        job.starts_with(
            r#"{"retry":3,"queue":"low","tags":["x"],"cattr":{"n": 98765432109876543210},"args":[12345678901234567890123, 1.50],"class":"A","jid":"mine","created_at":"#
        ),
        "{job}"
    );
    assert_eq!(
        redis.cli(&["ZCOUNT", "schedule", "4070908800.5", "4070908800.5"]),
        "1"
    );
    assert_eq!(cli(&redis, &["SMEMBERS", "queues"]), ["low"]);
}

#[test]
fn nothing_on_standard_input_is_no_error() {
    let redis = RedisServer::start();
    assert_eq!(
        gandy_fed(&redis, &["push", "--stdin"], "\n \n").done(),
        "0 jobs acknowledged\n"
    );
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
}

#[test]
fn a_bad_line_is_named_and_all_before_it_is_pushed_and_nothing_after() {
    let redis = RedisServer::start();
    let input = lines(1..=1500) + "{\"class\":\"Import\",\"args\":7}\n" + &lines(1502..=3000);
    let err = gandy_fed(&redis, &["push", "--stdin"], &input).failed(65);
    for said in [
        "line 1501: ",
        "`args` must be an array",
        "1500 jobs acknowledged",
        "--skip 1500",
    ] {
        assert!(err.contains(said), "{said}: {err}");
    }
    assert_eq!(arguments(&redis, "default"), (1..=1500).collect::<Vec<_>>());

    // Going on as the message says, with the line mended.
    let rest: String = input
        .lines()
        .skip(1500)
        .map(|line| line.replace(":7}", ":[1501]}") + "\n")
        .collect();
    gandy_fed(&redis, &["push", "--stdin"], rest).done();
    assert_eq!(arguments(&redis, "default"), (1..=3000).collect::<Vec<_>>());
}

#[test]
fn each_kind_of_bad_line_says_what_is_wrong() {
    let redis = RedisServer::start();
    let good = lines(1..=1);
    for (bad, said) in [
        (b"nonsense".to_vec(), "invalid JSON at byte 0"),
        (b"[1]".to_vec(), "an array, not an object"),
        (
            b"{\"class\":\"A\",\"args\":[1}".to_vec(),
            "job: invalid JSON at byte 22",
        ),
        (b"{\"class\":\"A\"}".to_vec(), "no `args`"),
        (b"{\"args\":[]}".to_vec(), "no `class`"),
        (
            b"{\"class\":5,\"args\":[]}".to_vec(),
            "`class` must be a string",
        ),
        (
            b"{\"class\":\"A\",\"args\":[],\"retry\":\"no\"}".to_vec(),
            "`retry` must be",
        ),
        (
            b"{\"class\":\"A\",\"args\":[],\"queue\":\"a\\nb\"}".to_vec(),
            "control character",
        ),
        (
            b"{\"class\":\"A\",\"args\":[],\"at\":1795398104597}".to_vec(),
            "seconds since 1970 (not milliseconds)",
        ),
        (b"\"\xff\xfe".to_vec(), "not UTF-8 at byte 1"),
        (
            format!("{{\"class\":\"A\",\"args\":[\"{}\"]}}", "x".repeat(1 << 20)).into_bytes(),
            "over the limit of 1048576",
        ),
        (vec![b'x'; 3 << 20], "longer than 2 MiB"),
    ] {
        redis.cli(&["FLUSHALL"]);
        let input = [good.as_bytes(), b"\n", &bad, b"\n", good.as_bytes()].concat();
        let err = gandy_fed(&redis, &["push", "--stdin"], input).failed(65);
        assert!(
            err.starts_with("error: line 3: ") && err.contains(said),
            "{said}: {err}"
        );
        assert!(
            err.contains("1 job acknowledged") && err.len() < 1000,
            "{err}"
        );
        assert_eq!(redis.cli(&["LLEN", "queue:default"]), "1", "{said}");
    }
}

#[test]
fn large_payloads_are_not_sent_in_one_command() {
    let redis = RedisServer::start();
    let payload = "x".repeat(900_000);
    let input: String = (0..12)
        .map(|_| format!("{{\"class\":\"Big\",\"args\":[\"{payload}\"]}}\n"))
        .collect();
    gandy_fed(&redis, &["push", "--stdin"], input).done();
    assert_eq!(redis.cli(&["LLEN", "queue:default"]), "12");
    assert_eq!(calls(&redis, "lpush"), 3, "a slice ends above 4 MiB");
}

#[test]
fn the_report_as_json_counts_what_was_pushed_before_a_bad_line() {
    let redis = RedisServer::start();
    let answer = gandy_fed(
        &redis,
        &["push", "--stdin", "--json"],
        lines(1..=3) + "{}\n",
    );
    assert_eq!(answer.code, 65);
    let report = document(&answer.out);
    assert_eq!(
        (&report["acknowledged"], &report["unknown"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(report["first_unacknowledged_line"], 4);
    assert!(
        report["error"]
            .as_str()
            .unwrap()
            .starts_with("line 4: no `class`"),
        "{report}"
    );
    assert!(
        answer.err.starts_with("error: line 4: no `class`"),
        "{}",
        answer.err
    );
}

/// `gandy push --stdin` with an input that stays open.
struct Piped(Child);

impl Piped {
    fn start(redis: &RedisServer, more: &[&str]) -> Self {
        let url = redis.url();
        let mut command = command(
            &[("REDIS_URL", &url)],
            &[&["push", "--stdin"], more].concat(),
        );
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn feed(&mut self, text: &str) {
        self.0
            .stdin
            .as_mut()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    /// Waits for its end, which the end of the input need not bring.
    fn end(mut self, close: bool) -> (i32, String, String) {
        if close {
            drop(self.0.stdin.take());
        }
        let status = wait_for(DEADLINE, "gandy to end", || self.0.try_wait().unwrap());
        let mut said = [String::new(), String::new()];
        std::io::Read::read_to_string(&mut self.0.stdout.take().unwrap(), &mut said[0]).unwrap();
        std::io::Read::read_to_string(&mut self.0.stderr.take().unwrap(), &mut said[1]).unwrap();
        let [out, err] = said;
        (status.code().unwrap_or(-1), out, err)
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_trickles_in_is_pushed_as_it_comes() {
    let redis = RedisServer::start();
    let mut gandy = Piped::start(&redis, &[]);
    for number in 1..=2 {
        gandy.feed(&lines(number..=number));
        wait_eq(
            DEADLINE,
            "the line to be in the queue",
            &number.to_string(),
            || redis.cli(&["LLEN", "queue:default"]),
        );
    }
    assert_eq!(
        gandy.end(true),
        (0, "2 jobs acknowledged\n".into(), String::new())
    );
}

#[test]
fn a_redis_that_goes_away_ends_it_with_the_count_and_the_next_line() {
    let redis = RedisServer::start();
    let mut gandy = Piped::start(&redis, &["--json"]);
    gandy.feed(&lines(1..=1200));
    wait_eq(
        DEADLINE,
        "the lines to be in the queue",
        &"1200".to_owned(),
        || redis.cli(&["LLEN", "queue:default"]),
    );
    redis.kill9();
    gandy.feed(&lines(1201..=1300));
    let (code, out, err) = gandy.end(false);
    assert_eq!(code, 69, "{err}");
    let report = document(&out);
    assert_eq!(
        (&report["acknowledged"], &report["unknown"]),
        (&json!(1200), &json!(0))
    );
    assert_eq!(report["first_unacknowledged_line"], 1201);
    for said in ["is not available", "1200 jobs acknowledged", "--skip 1200"] {
        assert!(err.contains(said), "{said}: {err}");
    }
}

#[test]
fn a_slice_without_an_answer_is_counted_as_unknown() {
    let redis = RedisServer::start();
    let mut gandy = Piped::start(&redis, &["--json"]);
    gandy.feed(&lines(1..=10));
    wait_eq(
        DEADLINE,
        "the lines to be in the queue",
        &"10".to_owned(),
        || redis.cli(&["LLEN", "queue:default"]),
    );
    redis.cli(&["CLIENT", "PAUSE", "120000", "WRITE"]);
    gandy.feed(&lines(11..=17));
    wait_for(DEADLINE, "the push to be with Redis", || {
        // The command that a connection sent last, and that it is held up.
        let clients = redis.cli(&["CLIENT", "LIST"]);
        clients
            .lines()
            .any(|line| line.contains("flags=b") && line.contains("cmd=lpush"))
            .then_some(())
    });
    redis.kill9();
    let (code, out, err) = gandy.end(false);
    assert_eq!(code, 75, "{err}");
    let report = document(&out);
    assert_eq!(
        (&report["acknowledged"], &report["unknown"]),
        (&json!(10), &json!(7))
    );
    assert_eq!(report["first_unacknowledged_line"], 11);
    assert!(
        err.contains("7 more jobs may or may not be pushed"),
        "{err}"
    );
}

#[test]
fn a_queue_that_fails_is_told_apart_from_the_others() {
    let redis = RedisServer::start();
    redis.cli(&["SET", "queue:broken", "text"]);
    let input: String = ["fine", "broken", "fine", "broken", "fine"]
        .iter()
        .map(|queue| format!("{{\"class\":\"A\",\"args\":[],\"queue\":\"{queue}\"}}\n"))
        .collect();
    let answer = gandy_fed(&redis, &["push", "--stdin", "--json"], input);
    assert_eq!(answer.code, 77, "{answer:?}");
    let report = document(&answer.out);
    assert_eq!(
        (
            &report["acknowledged"],
            &report["first_unacknowledged_line"]
        ),
        (&json!(3), &json!(2))
    );
    for said in [
        "WRONGTYPE",
        "2 of the acknowledged stand after line 2",
        "--skip 1 <",
    ] {
        assert!(answer.err.contains(said), "{said}: {}", answer.err);
    }
    assert_eq!(redis.cli(&["LLEN", "queue:fine"]), "3");
}

#[test]
fn an_input_that_cannot_be_read_is_said() {
    let redis = RedisServer::start();
    let url = redis.url();
    let mut command = command(&[("REDIS_URL", &url)], &["push", "--stdin"]);
    command.stdin(std::fs::File::open("/").unwrap());
    let output = command.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(74), "{err}");
    assert!(err.contains("standard input could not be read"), "{err}");
}
