//! On a real terminal (a pty): tables fit it, hostile data cannot steer it, a long push shows its progress.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use gandy_tests::RedisServer;
use nix::pty::{OpenptyResult, Winsize, openpty};
use support::{command, gandy};

/// Runs a command with its standard output, and its standard error if `both`, on a terminal of this width; gives its
/// exit code and all that the terminal got.
fn on_terminal(mut command: Command, width: u16, both: bool) -> (i32, String) {
    let size = Winsize {
        ws_row: 24,
        ws_col: width,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let OpenptyResult { master, slave } = openpty(Some(&size), None).unwrap();
    command.env("TERM", "xterm");
    if both {
        command.stderr(Stdio::from(slave.try_clone().unwrap()));
    }
    command.stdout(Stdio::from(slave));
    let mut child = command.spawn().unwrap();
    // The command holds the terminal's other end, too: without this the reading would never end.
    drop(command);
    let mut bytes = Vec::new();
    // Linux ends it with EIO when the last process has closed its end.
    let _ = File::from(master).read_to_end(&mut bytes);
    let code = child.wait().unwrap().code().unwrap_or(-1);
    (
        code,
        String::from_utf8(bytes).unwrap().replace("\r\n", "\n"),
    )
}

fn shown(redis: &RedisServer, args: &[&str], width: u16) -> String {
    let url = redis.url();
    let (code, text) = on_terminal(command(&[("REDIS_URL", &url)], args), width, false);
    assert_eq!(code, 0, "{text}");
    text
}

#[test]
fn tables_fit_the_terminal_and_hostile_data_cannot_steer_it() {
    let redis = RedisServer::start();
    let long = "words and ".repeat(50);
    let failure = format!(
        "\"error_class\":\"Net::ReadTimeout\",\"error_message\":\"\\u001b]0;owned\\u0007{long}\",\"retry_count\":3"
    );
    let job = format!(
        "{{\"class\":\"Mailer::\\u001b[31mDigest\",\"args\":[\"{long}\"],\"jid\":\"b5de70b63090decd6440fd9e\",\"queue\":\"mailers\",{failure}}}"
    );
    redis.cli(&["LPUSH", "queue:default", &job, "garbage"]);
    for set in ["schedule", "retry", "dead"] {
        redis.cli(&["ZADD", set, "1795398104.5", &job, "1795398104.6", "garbage"]);
    }
    redis.cli(&["SADD", "queues", "default", &long, "a\u{1b}[2Jb"]);
    redis.cli(&["SADD", "processes", &long]);
    for width in [40, 80, 120, 200] {
        for args in [
            &["stats"][..],
            &["queues"],
            &["processes"],
            &["jobs", "queue:default"],
            &["jobs", "schedule"],
            &["jobs", "retry"],
            &["jobs", "dead"],
        ] {
            let text = shown(&redis, args, width);
            assert!(
                !text.chars().any(|c| c.is_control() && c != '\n'),
                "{text:?}"
            );
            for line in text.lines() {
                assert!(
                    line.chars().count() <= usize::from(width),
                    "{width}: {args:?}\n{text}"
                );
            }
            if args[0] == "jobs" {
                assert_eq!(text.lines().count(), 4, "a row is one line\n{text}");
                assert!(
                    width < 80 || text.contains("b5de70b63090decd6440fd9e"),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn without_a_terminal_there_is_no_ruler_and_no_cut() {
    let redis = RedisServer::start();
    let word = format!("\"{}\"", "x".repeat(150));
    gandy(&redis, &["push", "A", &word]).done();
    let piped = gandy(&redis, &["jobs", "queue:default"]).done();
    assert!(piped.contains(&word) && !piped.contains("---"), "{piped}");
    let terminal = shown(&redis, &["jobs", "queue:default"], 80);
    assert!(
        !terminal.contains(&word) && terminal.contains("---"),
        "{terminal}"
    );
}

#[test]
fn a_long_push_shows_its_progress_on_a_terminal_only() {
    let redis = RedisServer::start();
    let url = redis.url();
    let mut file = tempfile::tempfile().unwrap();
    for number in 0..5_000 {
        writeln!(file, "{{\"class\":\"A\",\"args\":[{number}]}}").unwrap();
    }
    for piped in [false, true] {
        let mut command = command(&[("REDIS_URL", &url)], &["push", "--stdin"]);
        std::io::Seek::rewind(&mut file).unwrap();
        if piped {
            let (reader, mut writer) = std::io::pipe().unwrap();
            let mut source = file.try_clone().unwrap();
            std::thread::spawn(move || std::io::copy(&mut source, &mut writer));
            command.stdin(reader);
        } else {
            command.stdin(file.try_clone().unwrap());
        }
        let (code, text) = on_terminal(command, 100, true);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("5000 jobs acknowledged\n"), "{text:?}");
        // Redrawn in place, at least once before the end.
        assert!(
            text.contains('\r') && text.matches("acknowledged").count() > 1,
            "{text:?}"
        );
        assert_eq!(
            text.contains("100 %") || text.contains("left"),
            !piped,
            "{text:?}"
        );
    }
    let quiet = support::gandy_fed(
        &redis,
        &["push", "--stdin"],
        "{\"class\":\"A\",\"args\":[]}\n",
    );
    assert_eq!(quiet.err, "");
}

#[test]
fn an_error_on_a_terminal_shows_no_password() {
    let command = command(&[], &["stats", "redis://u:S3CR3T@h"]);
    let (code, text) = on_terminal(command, 80, true);
    assert_eq!(code, 2);
    assert!(
        text.contains("redis://u:***@h") && !text.contains("S3CR3T"),
        "{text:?}"
    );
}
