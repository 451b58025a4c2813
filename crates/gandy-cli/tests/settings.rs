//! The file of gandy-worker, read by the command: the same keys, the same order, the same words about what is wrong.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::Command;

use gandy_tests::{Proc, RedisServer, cargo_bin};
use support::{DEADLINE, command, run};

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// Runs a command in a folder; gives its exit code and standard error.
fn inside(folder: &Path, mut command: Command) -> (i32, String) {
    command.current_dir(folder);
    let process = Proc::spawn("a command", command);
    let status = process.wait_exit(DEADLINE);
    (status.code().unwrap_or(-1), process.stderr())
}

#[test]
fn flag_before_environment_before_file_before_default() {
    let redis = RedisServer::start();
    let url = redis.url();
    let away = "redis_url = \"redis://127.0.0.1:1/0\"\n";
    let all = format!(
        "redis_url = \"{url}\"\nnamespace = \"file\"\nconcurrency = 7\n[jobs.A]\nexec = [\"true\"]\n"
    );
    let by_file = "redis_url_file = \"secrets/redis\"\nnamespace = \"secret\"\n";
    let folder = folder(&[
        ("gandy.toml", all.as_str()),
        ("away.toml", away),
        ("sub/by-file.toml", by_file),
        ("sub/secrets/redis", &format!("{url}\n")),
    ]);
    let push = |env: &[(&str, &str)], args: &[&str], key: &str| {
        let command = command(env, &[args, &["push", "A"]].concat());
        let (code, err) = inside(folder.path(), command);
        assert_eq!(code, 0, "{args:?}: {err}");
        let keys = redis.cli(&["--scan", "--pattern", "*queue:default"]);
        assert_eq!(keys, key, "{env:?} {args:?}");
        redis.cli(&["FLUSHALL"]);
    };
    // ./gandy.toml, and what lies over it.
    push(&[], &[], "file:queue:default");
    push(&[("GANDY_NAMESPACE", "env")], &[], "env:queue:default");
    push(&[("GANDY_NAMESPACE", "")], &[], "file:queue:default");
    push(
        &[("GANDY_NAMESPACE", "env")],
        &["--namespace", "flag"],
        "flag:queue:default",
    );
    push(&[], &["--namespace", ""], "queue:default");
    // The file's path is where its own paths count from.
    push(
        &[],
        &["--config", "sub/by-file.toml"],
        "secret:queue:default",
    );
    push(
        &[("GANDY_CONFIG", "sub/by-file.toml")],
        &[],
        "secret:queue:default",
    );
    push(
        &[("GANDY_CONFIG", "away.toml")],
        &["-C", "gandy.toml"],
        "file:queue:default",
    );
    // Environment and flag come before the file's URL.
    push(
        &[("REDIS_URL", &url)],
        &["-C", "away.toml"],
        "queue:default",
    );
    push(&[("REDIS_URL", "")], &[], "file:queue:default");
    push(&[], &["-C", "away.toml", "--redis", &url], "queue:default");
    let (code, _) = inside(
        folder.path(),
        command(&[], &["-C", "away.toml", "push", "A"]),
    );
    assert_eq!(code, 69);
    // What needs no Redis needs no file.
    run(
        &[("GANDY_CONFIG", "/no/such/file")],
        &["completions", "bash"],
        b"",
    )
    .done();
}

/// A command with limits of its own would delete what the fleet keeps, and one with stamps of its own writes what a Ruby
/// below 8 takes for the year 50,000.
#[test]
fn the_command_writes_and_buries_as_the_file_says_the_fleet_does() {
    let redis = RedisServer::start();
    let file = format!(
        "redis_url = \"{}\"\nstamps = \"seconds\"\ndead_max_jobs = 3\n",
        redis.url()
    );
    let folder = folder(&[("gandy.toml", file.as_str())]);
    let does = |env: &[(&str, &str)], args: &[&str]| {
        let (code, err) = inside(folder.path(), command(env, args));
        assert_eq!(code, 0, "{env:?} {args:?}: {err}");
    };
    does(&[], &["push", "A"]);
    let job = redis.cli(&["LINDEX", "queue:default", "0"]);
    let seconds = |name: &str| {
        let (_, after) = job.split_once(&format!("\"{name}\":")).unwrap();
        after.split([',', '}']).next().unwrap().contains('.')
    };
    assert!(seconds("created_at") && seconds("enqueued_at"), "{job}");
    redis.cli(&["DEL", "queue:default"]);
    let bury = |env: &[(&str, &str)], left: &str| {
        redis.cli(&["DEL", "dead"]);
        for number in 0..4 {
            let jid = format!("{number:024}");
            redis.cli(&[
                "ZADD",
                "dead",
                "1",
                &format!(r#"{{"class":"A","args":[],"jid":"{jid}"}}"#),
            ]);
        }
        does(env, &["push", "A"]);
        does(env, &["bury", "--from", "queue:default", "--all", "--yes"]);
        assert_eq!(redis.cli(&["ZCARD", "dead"]), left, "{env:?}");
    };
    // One came, one went; and where the fleet keeps more, none.
    bury(&[], "4");
    bury(&[("GANDY_DEAD_MAX_JOBS", "100")], "5");
    let env = [("GANDY_DEAD_MAX_JOBS", "0"), ("GANDY_STAMPS", "x")];
    let (code, err) = inside(folder.path(), command(&env, &["stats"]));
    assert_eq!(code, 2, "{err}");
    for name in ["GANDY_DEAD_MAX_JOBS", "GANDY_STAMPS"] {
        assert!(
            err.contains(&format!("environment {name}: must be ")),
            "{err}"
        );
    }
}

#[test]
fn what_is_wrong_is_said_in_the_workers_own_words() {
    let worker = cargo_bin("gandy-worker");
    for text in [
        "redis_url = 5",
        "\n\n  redis_url = \"http://u:S3CR3T@h\"",
        "redis_url = \"redis://\"",
        "redis_url = \"redis+sentinel://u:S3CR3T@s1,s2\"",
        "redis_url_file = \"\"",
        "redis_url = \"redis://h\"\nredis_url_file = \"x\"",
        "namespace = \"app:\"",
        "namespace = \"a b\"\nredis_tls_ca = 7\nredis_tls_key = [\"x\"]",
        "redis_url = \"redis://h",
        "a = = 1",
        "stamps = \"minutes\"\ndead_max_jobs = 0\ndead_timeout = \"soon\"",
        "dead_timeout = -1\ndead_max_jobs = \"many\"\nstamps = 5",
    ] {
        let file = format!("{text}\n[jobs.A]\nexec = [\"/bin/sh\"]\n");
        let folder = folder(&[("x.toml", file.as_str())]);
        let (code, ours) = inside(folder.path(), command(&[], &["-C", "x.toml", "stats"]));
        assert_eq!(code, 2, "{ours}");
        let mut check = Command::new(&worker);
        check.env_clear().args(["-C", "x.toml", "--check"]);
        let (code, theirs) = inside(folder.path(), check);
        assert_eq!(code, 78, "{theirs}");
        assert_eq!(ours, format!("error: {theirs}"), "{text}");
        assert!(
            ours.contains("x.toml:") && !ours.contains("S3CR3T"),
            "{ours}"
        );
    }
    let folder = folder(&[]);
    let (code, err) = inside(folder.path(), command(&[], &["-C", "no.toml", "stats"]));
    assert_eq!(code, 2);
    assert!(
        err.starts_with("error: no.toml: cannot read the file: "),
        "{err}"
    );
}
