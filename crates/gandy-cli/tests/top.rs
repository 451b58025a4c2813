//! `gandy top` on a real terminal and a real Redis: keys act, a restart is survived, the terminal is given back.
#![allow(clippy::unwrap_used)]

#[path = "support/screen.rs"]
mod screen;
mod support;

use std::time::Duration;

use gandy_tests::{RedisServer, wait_eq};
use nix::sys::signal::Signal;
use screen::Terminal;
use support::{command, run};

const WAIT: Duration = Duration::from_secs(30);

fn job(jid: &str) -> String {
    format!(
        r#"{{"class":"Mailer","args":[42,"hello"],"jid":"{jid}","queue":"default","retry":true,"retry_count":2,"error_class":"Oops","error_message":"no\u001b[31m reply"}}"#
    )
}

fn start(redis: &RedisServer) -> Terminal {
    Terminal::start(command(&[("REDIS_URL", &redis.url())], &["top"]))
}

#[track_caller]
fn waits_for(redis: &RedisServer, args: &[&str], expected: &str) {
    wait_eq(WAIT, &format!("{args:?}"), &expected.to_owned(), || {
        redis.cli(args)
    });
}

#[test]
fn keys_act_on_redis_and_the_terminal_is_given_back_on_sigterm() {
    let redis = RedisServer::start();
    redis.cli(&["SADD", "queues", "default", "low"]);
    let other = job("waiting0");
    redis.cli(&["LPUSH", "queue:low", &other]);
    redis.cli(&[
        "ZADD",
        "retry",
        "4000000000",
        &job("retry-one"),
        "4000000001",
        &job("retry-two"),
    ]);
    redis.cli(&["ZADD", "dead", "1", &job("dead-one"), "2", "garbage"]);
    let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
    let minute = now.format("j|%y%m%d|%-H:%M").to_string();
    redis.cli(&[
        "HSET",
        &minute,
        "Counted::Class|p",
        "7",
        "Counted::Class|f",
        "2",
    ]);
    let mut terminal = start(&redis);
    terminal.shows("gandy top");
    terminal.shows("retries 2");
    terminal.press("4j");
    terminal.shows("retry-two");
    // The key before has moved the choice, whatever was read by then.
    terminal.press("/class:Mail* two\r");
    terminal.shows("1-1 of 1   filter: class:Mail* two");
    terminal.press("r");
    waits_for(&redis, &["ZCARD", "retry"], "1");
    terminal.shows("retry-two runs now");
    let moved = redis.cli(&["LRANGE", "queue:default", "0", "-1"]);
    assert!(
        moved.contains("retry-two") && moved.contains("\"retry_count\":1"),
        "{moved}"
    );
    terminal.press("6/dead-one\r");
    terminal.shows("1-1 of 1   filter: dead-one");
    terminal.press("\r");
    terminal.shows("\"hello\"");
    terminal.press("d");
    terminal.shows("Delete Mailer dead-one? y/N");
    assert_eq!(redis.cli(&["ZCARD", "dead"]), "2");
    terminal.press("y");
    waits_for(&redis, &["ZRANGE", "dead", "0", "-1"], "garbage");
    terminal.press("2/low\r");
    terminal.shows("1-1 of 1   filter: low");
    terminal.press("p");
    waits_for(&redis, &["SMEMBERS", "paused"], "low");
    // What the second p does is what the line says, not the words about the first.
    terminal.until("the line says paused", |text| {
        let mut lines = text.lines();
        lines.any(|line| line.contains("low") && line.ends_with("paused"))
    });
    terminal.press("p");
    waits_for(&redis, &["EXISTS", "paused"], "0");
    terminal.press("\r");
    terminal.shows("waiting0");
    terminal.press("8");
    terminal.shows("Counted::Class               7        2");
    terminal.resize(50, 200);
    terminal.shows("6 Dead 1");
    terminal.signal(Signal::SIGTERM);
    let (code, left) = terminal.ends();
    assert_eq!((code, left.trim()), (0, ""));
}

#[test]
fn it_survives_a_restart_of_redis_and_reads_a_page_and_no_more() {
    let redis = RedisServer::start();
    let script = "for i = 1, 50000 do redis.call('ZADD', 'dead', i, '{\"class\":\"A\",\"args\":[],\"jid\":\"d' .. i .. '\"}') end";
    redis.cli(&["EVAL", script, "0"]);
    redis.cli(&["CONFIG", "SET", "slowlog-log-slower-than", "10000"]);
    redis.cli(&["SLOWLOG", "RESET"]);
    let mut terminal = start(&redis);
    terminal.press("6");
    terminal.shows("d50000");
    terminal.press("G");
    terminal.shows("of 50,000");
    terminal.until("the last page", |text| {
        text.lines().any(|line| line.contains(" d1 "))
    });
    assert_eq!(redis.cli(&["SLOWLOG", "LEN"]), "0");
    redis.kill9();
    terminal.shows("Redis is away");
    redis.restart();
    redis.cli(&["ZADD", "dead", "7", &job("after-it")]);
    terminal.until("the new server's job", |text| {
        text.contains("after-it") && !text.contains("Redis is away")
    });
    terminal.press("q");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn without_a_terminal_and_with_json_it_says_what_to_use() {
    for args in [&["top"][..], &["top", "--json"]] {
        let err = run(&[], args, b"").failed(2);
        assert!(err.contains("gandy stats"), "{err}");
    }
}
