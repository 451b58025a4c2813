//! Acts on all of a set that fit a filter: who is meant, who is asked, and what is left alone.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use gandy_tests::{RedisServer, wait_until};
use nix::pty::openpty;
use serde_json::{Value, json};

use crate::support::{DEADLINE, calls, command, gandy};
use crate::{entries, load, numbers};

#[test]
fn those_that_fit_are_acted_on_in_their_order_and_no_others() {
    let redis = RedisServer::start();
    load(&redis, "retry", 1, 3_500);
    let rest = |without: &[u64]| -> Vec<u64> {
        (1..=3_500)
            .filter(|number| !without.contains(number))
            .collect()
    };
    let act = |args: &[&str]| gandy(&redis, &[args, &["--yes"]].concat());
    let answer = act(&["retry", "--from", "retry", "--filter", "class:Rare"]);
    assert_eq!(
        (answer.out.as_str(), answer.err.as_str()),
        ("3 jobs retried\n", "")
    );
    assert_eq!(numbers(&redis, "queue:default"), [1000, 2000, 3000]);
    assert!(
        entries(&redis, "queue:default")
            .iter()
            .all(|job| job.contains(r#""retry_count":2"#))
    );
    assert_eq!(numbers(&redis, "retry"), rest(&[1000, 2000, 3000]));

    load(&redis, "retry", 1_000, 1);
    load(&redis, "dead", 9_000, 9_999);
    let dry = gandy(
        &redis,
        &[
            "bury",
            "--from",
            "retry",
            "--filter",
            "class:Rare",
            "--dry-run",
        ],
    );
    assert!(
        dry.err.contains("up to 1 of its oldest are deleted"),
        "{dry:?}"
    );
    redis.cli(&["DEL", "dead"]);
    assert_eq!(
        act(&["bury", "--from", "retry", "--filter", "class:Rare"]).done(),
        "1 job buried\n"
    );
    assert_eq!(numbers(&redis, "dead"), [1000]);
    assert!(
        entries(&redis, "dead")[0].contains(r#""retry_count":3"#),
        "as it was"
    );

    let moved = act(&[
        "move",
        "--from",
        "retry",
        "--filter",
        "arg:7",
        "--to",
        "queue:low",
    ]);
    assert_eq!(moved.done(), "1 job moved\n");
    assert_eq!(numbers(&redis, "queue:low"), [7]);

    assert_eq!(
        act(&[
            "delete",
            "--from",
            "retry",
            "--filter",
            "-class:Nobody -arg:8"
        ])
        .done(),
        "3495 jobs deleted\n"
    );
    assert_eq!(numbers(&redis, "retry"), [8]);
    assert_eq!(
        act(&["delete", "--from", "retry", "--all", "--json"]).json()["done"],
        1
    );
    assert_eq!(redis.cli(&["EXISTS", "retry"]), "0");
    assert_eq!(
        act(&["delete", "--from", "retry", "--all"]).done(),
        "0 jobs deleted\n"
    );
}

#[test]
fn installed_functions_do_it_where_no_script_may_be_brought_along() {
    let redis = RedisServer::start();
    load(&redis, "retry", 1, 10);
    load(&redis, "queue:default", 11, 1);
    redis.cli(&["CONFIG", "RESETSTAT"]);
    gandy(&redis, &["install-functions"]).done();
    let by_functions =
        |args: &[&str]| gandy(&redis, &[args, &["--yes", "--functions"]].concat()).done();
    by_functions(&["retry", "--from", "retry", "--all"]);
    by_functions(&["clear", "queue:default"]);
    assert_eq!(redis.cli(&["EXISTS", "retry", "queue:default"]), "0");
    assert_eq!(calls(&redis, "fcall"), 3);
    assert_eq!(calls(&redis, "evalsha"), 0);
}

#[test]
fn what_is_no_job_can_go_and_cannot_run() {
    let redis = RedisServer::start();
    load(&redis, "dead", 1, 2);
    redis.cli(&["ZADD", "dead", "5", "garbage"]);
    redis.cli(&[
        "HSET",
        "gandy:reasons",
        "f0ce1c4e2ed5d8f4cbd3ac3b3ae4b6e1ad39e6ea",
        "x",
    ]);
    let answer = gandy(&redis, &["retry", "--from", "dead", "--all", "--yes"]);
    assert_eq!((answer.code, answer.out.as_str()), (65, "2 jobs retried\n"));
    assert!(
        answer.err.contains("1 job cannot be run and stayed"),
        "{answer:?}"
    );
    assert_eq!(entries(&redis, "dead"), ["garbage"]);
    // No filter can say what it is.
    assert_eq!(
        gandy(
            &redis,
            &["delete", "--from", "dead", "--filter", "-class:A", "--yes"]
        )
        .done(),
        "0 jobs deleted\n"
    );
    assert_eq!(
        gandy(&redis, &["delete", "--from", "dead", "--all", "--yes"]).done(),
        "1 job deleted\n"
    );
    assert_eq!(redis.cli(&["EXISTS", "dead"]), "0");
}

#[test]
fn a_target_that_cannot_be_written_loses_nothing() {
    let redis = RedisServer::start();
    load(&redis, "retry", 1, 700);
    redis.cli(&["SET", "queue:broken", "no list"]);
    let answer = gandy(
        &redis,
        &[
            "move",
            "--from",
            "retry",
            "--all",
            "--to",
            "queue:broken",
            "--yes",
            "--json",
        ],
    );
    assert_eq!(answer.code, 65);
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(
        (&report["done"], &report["refused"]),
        (&json!(0), &json!(700))
    );
    assert_eq!(numbers(&redis, "retry").len(), 700);
}

#[test]
fn wishes_that_are_not_whole_are_refused_before_anything_is_done() {
    let redis = RedisServer::start();
    load(&redis, "retry", 1, 3);
    for (args, said) in [
        (&["delete"][..], "which jobs are meant?"),
        (
            &["delete", "--from", "retry"],
            "--filter 'class:Mailer*', or --all",
        ),
        (&["delete", "--all"], "--from"),
        (
            &["delete", "--from", "retry", "--all", "--filter", "a"],
            "cannot be used with",
        ),
        (
            &["delete", "x", "--from", "retry", "--all"],
            "cannot be used with",
        ),
        (
            &["delete", "--from", "retry", "--filter", ""],
            "the filter is empty",
        ),
        (
            &["delete", "--from", "retry", "--filter", "x:y"],
            "there is no term `x`",
        ),
        (
            &["delete", "--from", "retries", "--all"],
            "did you mean retry?",
        ),
        (&["delete", "--from", "retry", "--all"], "Say --yes"),
        (&["clear", "queue:default"], "Say --yes"),
        (&["clear", "retry"], "only a queue"),
        (
            &[
                "delete", "--from", "retry", "--all", "--yes", "--rate", "fast",
            ],
            "50/s",
        ),
        (
            &["retry", "--from", "queue:default", "--all", "--yes"],
            "wait there already",
        ),
        (
            &[
                "move", "--from", "queue:a", "--all", "--yes", "--to", "queue:a",
            ],
            "are there already",
        ),
        (&["move", "--from", "retry", "--all", "--yes"], "--to"),
        (
            &["move", "--from", "retry", "--all", "--yes", "--to", "dead"],
            "only a queue",
        ),
        (
            &["bury", "--from", "dead", "--all", "--yes"],
            "are there already",
        ),
    ] {
        let err = gandy(&redis, args).failed(2);
        assert!(err.contains(said), "{args:?}: {err}");
    }
    assert_eq!(numbers(&redis, "retry").len(), 3);
    let args = [
        "delete",
        "--from",
        "retry",
        "--filter",
        "arg:1",
        "--dry-run",
    ];
    assert_eq!(gandy(&redis, &args).done(), "1 job would be deleted\n");
    let report = gandy(
        &redis,
        &["retry", "--from", "retry", "--all", "--dry-run", "--json"],
    )
    .json();
    assert_eq!(
        (&report["matched"], &report["dry_run"]),
        (&json!(3), &json!(true))
    );
    assert_eq!(numbers(&redis, "retry").len(), 3);
}

/// Runs it with a person at the terminal who answers so.
pub(crate) fn asked(redis: &RedisServer, args: &[&str], answer: &str) -> (i32, String, String) {
    asked_while(redis, args, answer, || ())
}

/// The same; this happens while the question stands.
fn asked_while(
    redis: &RedisServer,
    args: &[&str],
    answer: &str,
    meanwhile: impl FnOnce(),
) -> (i32, String, String) {
    let pty = openpty(None, None).unwrap();
    let url = redis.url();
    let mut command = command(&[("REDIS_URL", &url)], args);
    command
        .env("TERM", "xterm")
        .stdin(Stdio::from(pty.slave.try_clone().unwrap()))
        .stderr(Stdio::from(pty.slave))
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut terminal = File::from(pty.master);
    let mut shown = Vec::new();
    let mut some = [0; 4096];
    while !String::from_utf8_lossy(&shown).contains("[y/N]") {
        match terminal.read(&mut some) {
            Ok(read) if read > 0 => shown.extend_from_slice(&some[..read]),
            _ => break,
        }
    }
    meanwhile();
    let _ = terminal.write_all(answer.as_bytes());
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    let _ = terminal.read_to_end(&mut shown);
    let code = child.wait().unwrap().code().unwrap();
    (code, out, String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn a_person_is_asked_and_may_say_no() {
    let redis = RedisServer::start();
    load(&redis, "retry", 1, 2_000);
    let args = ["retry", "--from", "retry", "--filter", "class:Rare"];
    let (code, out, shown) = asked(&redis, &args, "\n");
    assert_eq!((code, out.as_str()), (1, "nothing was retried\n"));
    assert!(
        shown.contains("Retry 2 jobs of retry that fit class:Rare? [y/N]"),
        "{shown}"
    );
    assert_eq!(numbers(&redis, "retry").len(), 2_000);
    let (code, out, _) = asked(&redis, &[&args[..], &["--json"]].concat(), "n\n");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &report["declined"], &report["done"]),
        (1, &json!(true), &json!(0))
    );
    let (code, out, _) = asked(&redis, &args, "y\n");
    assert_eq!((code, out.as_str()), (0, "2 jobs retried\n"));
    let (code, out, shown) = asked(&redis, &["clear", "queue:default"], "yes\n");
    assert_eq!((code, out.as_str()), (0, "2 jobs deleted\n"), "{shown}");
    // A bar with what was done, how fast, and how long it takes.
    let (_, out, shown) = asked(&redis, &["delete", "--from", "retry", "--all"], "y\n");
    assert_eq!(out, "1998 jobs deleted\n");
    assert!(
        shown.contains("jobs deleted, ") && shown.contains("/s") && shown.contains("left"),
        "{shown}"
    );
}

#[test]
fn a_rate_is_kept_and_what_comes_in_meanwhile_is_left_alone() {
    let redis = RedisServer::start();
    load(&redis, "retry", 1, 40);
    let begun = Instant::now();
    let url = redis.url();
    let args = [
        "retry", "--from", "retry", "--all", "--yes", "--rate", "20/s", "--json",
    ];
    let running = gandy_tests::Proc::spawn("gandy", command(&[("REDIS_URL", &url)], &args));
    wait_until(DEADLINE, "the first to be retried", || {
        redis.cli(&["LLEN", "queue:default"]) != "0"
    });
    // They failed again just now, and stand before and behind the others.
    let failed = 1_000
        * (1 + redis
            .cli(&["TIME"])
            .lines()
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap())
        + 10_000;
    for (number, score) in [(900, 1), (901, 1_795_398_130), (902, 4_000_000_000_u64)] {
        let job = format!(
            r#"{{"class":"A","args":[],"jid":"{number:024}","failed_at":{failed},"retry_count":0}}"#
        );
        redis.cli(&["ZADD", "retry", &score.to_string(), &job]);
    }
    assert!(
        running.wait_exit(DEADLINE).success(),
        "{}",
        running.stderr()
    );
    assert!(
        begun.elapsed() > Duration::from_millis(1_800),
        "{:?}",
        begun.elapsed()
    );
    let report: Value = serde_json::from_str(&running.stdout()).unwrap();
    assert_eq!(
        (&report["matched"], &report["done"]),
        (&json!(40), &json!(40))
    );
    // One stands among them: whether it was met depends on when it came in.
    let newer = report["newer"].as_u64().unwrap();
    let said = running
        .stderr()
        .contains("1 job came in after it had begun");
    assert!(newer <= 1 && said == (newer == 1), "{report}");
    assert_eq!(numbers(&redis, "retry"), [900, 901, 902]);
    assert_eq!(
        numbers(&redis, "queue:default"),
        (1..=40).collect::<Vec<_>>()
    );
}

/// The fleet may keep more than the command knows of: what is above its number is not its to take away.
#[test]
fn a_bury_by_hand_takes_no_more_out_of_dead_than_it_puts_in() {
    let redis = RedisServer::start();
    load(&redis, "dead", 10_000, 10_500);
    // Older than half a year.
    redis.cli(&["ZADD", "dead", "1", &entries(&redis, "dead")[0]]);
    load(&redis, "retry", 1, 7);
    load(&redis, "queue:default", 8, 1);
    redis.cli(&["SADD", "queues", "default"]);
    let answer = gandy(
        &redis,
        &["bury", &format!("{:024}", 1), &format!("{:024}", 8)],
    );
    assert_eq!(answer.out, "2 jobs buried\n");
    assert!(
        answer.err.contains("up to 2 of its oldest are deleted"),
        "{answer:?}"
    );
    assert_eq!(redis.cli(&["ZCARD", "dead"]), "10500");
    let answer = gandy(
        &redis,
        &["bury", "--from", "retry", "--filter", "-arg:7", "--yes"],
    );
    assert_eq!(answer.out, "5 jobs buried\n");
    assert!(
        answer.err.contains("up to 6 of its oldest are deleted"),
        "{answer:?}"
    );
    assert_eq!(redis.cli(&["ZCARD", "dead"]), "10500");
    let mut buried = numbers(&redis, "dead");
    buried.sort_unstable();
    let expected = (1..=6).chain([8]).chain(10_007..20_500);
    assert_eq!(buried, expected.collect::<Vec<_>>());
    // What is there already is not added, and nothing makes room for it.
    let again = &entries(&redis, "dead")[0];
    redis.cli(&["ZADD", "retry", "5", again]);
    let args = ["bury", "--from", "retry", "--filter", "-arg:7", "--yes"];
    assert_eq!(gandy(&redis, &args).out, "1 job buried\n");
    assert_eq!(redis.cli(&["ZCARD", "dead"]), "10500");
    // Below the limit nothing goes, however old it is.
    redis.cli(&["DEL", "dead"]);
    redis.cli(&["ZADD", "dead", "1", "old"]);
    gandy(&redis, &["bury", "--from", "retry", "--all", "--yes"]).done();
    assert_eq!(redis.cli(&["ZCARD", "dead"]), "2");
}

/// A person said yes to a number of jobs; those that came while the question stood were not in it.
#[test]
fn what_came_while_the_question_stood_is_not_touched() {
    let redis = RedisServer::start();
    load(&redis, "retry", 1, 3);
    load(&redis, "queue:default", 11, 3);
    let add = |number: u64| {
        // No stamps, so that only the bound of the count can tell.
        let job = format!(r#"{{"class":"A","args":[],"jid":"{number:024}"}}"#);
        redis.cli(&["ZADD", "retry", "4000000000", &job]);
        redis.cli(&["LPUSH", "queue:default", &job]);
    };
    let args = ["delete", "--from", "retry", "--all"];
    let (code, out, _) = asked_while(&redis, &args, "y\n", || add(900));
    assert_eq!((code, out.as_str()), (0, "3 jobs deleted\n"));
    assert_eq!(numbers(&redis, "retry"), [900]);
    let args = ["clear", "queue:default"];
    let (code, out, _) = asked_while(&redis, &args, "y\n", || add(901));
    assert_eq!((code, out.as_str()), (0, "4 jobs deleted\n"));
    assert_eq!(numbers(&redis, "queue:default"), [901]);
}

#[test]
fn a_preview_counts_only_what_can_be_done() {
    let redis = RedisServer::start();
    load(&redis, "dead", 1, 2);
    load(&redis, "queue:default", 3, 1);
    redis.cli(&["SADD", "queues", "default"]);
    redis.cli(&["ZADD", "dead", "5", "garbage"]);
    let retry = ["retry", "--from", "dead", "--all"];
    let answer = gandy(&redis, &[&retry[..], &["--dry-run"]].concat());
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (65, "2 jobs would be retried\n")
    );
    assert!(
        answer.err.contains("1 job cannot be run and would stay"),
        "{answer:?}"
    );
    let answer = gandy(&redis, &[&retry[..], &["--dry-run", "--json"]].concat());
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(
        (&report["matched"], &report["skipped"]),
        (&json!(3), &json!(1))
    );
    let (code, out, shown) = asked(&redis, &retry, "y\n");
    assert_eq!((code, out.as_str()), (65, "2 jobs retried\n"));
    assert!(shown.contains("Retry 2 jobs of dead?"), "{shown}");
    // By its id too.
    let waiting = format!("{:024}", 3);
    let answer = gandy(&redis, &["retry", &waiting, "--dry-run"]);
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (65, "0 jobs would be retried\n")
    );
    assert!(
        answer.err.contains("waits in queue default already"),
        "{answer:?}"
    );
}
