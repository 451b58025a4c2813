//! The grammar: verbs, the flags that go with all of them, help.
#![allow(clippy::unwrap_used)]

mod support;

use gandy_tests::RedisServer;
use support::{gandy, run};

#[test]
fn redis_namespace_and_json_go_before_and_after_the_verb() {
    let redis = RedisServer::start();
    let url = redis.url();
    let url = url.as_str();
    for (number, args) in [
        &["--redis", url, "--namespace", "shop", "--json", "push", "A"][..],
        &["push", "--redis", url, "--namespace", "shop", "--json", "A"],
        &["push", "A", "--redis", url, "--namespace", "shop", "--json"],
        &["--namespace", "shop", "push", "A", "--redis", url, "--json"],
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(run(&[], args, b"").json()["outcome"], "enqueued");
        assert_eq!(
            redis.cli(&["LLEN", "shop:queue:default"]),
            (number + 1).to_string()
        );
    }
    assert_eq!(
        support::cli(&redis, &["--scan"]).len(),
        2,
        "nothing outside of the namespace"
    );
    for view in [
        &["stats"][..],
        &["queues"],
        &["jobs", "queue:default"],
        &["processes"],
    ] {
        let tail = ["--redis", url, "--namespace", "shop", "--json"];
        let before = run(&[], &[&tail, view].concat(), b"").done();
        let after = run(&[], &[view, &tail].concat(), b"").done();
        let (before, after) = (support::document(&before), support::document(&after));
        // A latency goes on between the two.
        assert!(
            before == after || view == ["queues"],
            "{view:?}: {before} {after}"
        );
    }
    assert_eq!(
        run(
            &[],
            &["queues", "--redis", url, "--namespace", "shop", "--json"],
            b""
        )
        .json()[0]["size"],
        4
    );
}

#[test]
fn a_flag_comes_before_the_environment_wherever_it_stands() {
    let redis = RedisServer::start();
    let url = redis.url();
    let env = [
        ("REDIS_URL", "redis://127.0.0.1:1/0"),
        ("GANDY_NAMESPACE", "env"),
    ];
    run(
        &env,
        &["--redis", &url, "--namespace", "flag", "push", "A"],
        b"",
    )
    .done();
    run(
        &env,
        &["push", "A", "--redis", &url, "--namespace", "flag"],
        b"",
    )
    .done();
    run(&env, &["push", "A", "--redis", &url], b"").done();
    run(
        &env,
        &["push", "A", "--redis", &url, "--namespace", ""],
        b"",
    )
    .done();
    for (key, length) in [
        ("flag:queue:default", "2"),
        ("env:queue:default", "1"),
        ("queue:default", "1"),
    ] {
        assert_eq!(redis.cli(&["LLEN", key]), length, "{key}");
    }
}

#[test]
fn the_url_comes_from_a_file_when_the_environment_names_one() {
    let redis = RedisServer::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder
        .path()
        .join("redis-url")
        .to_string_lossy()
        .into_owned();
    std::fs::write(&path, redis.url() + "\n").unwrap();
    run(&[("REDIS_URL_FILE", &path)], &["push", "A"], b"").done();
    assert_eq!(redis.cli(&["LLEN", "queue:default"]), "1");
    let both = [
        ("REDIS_URL_FILE", path.as_str()),
        ("REDIS_URL", "redis://127.0.0.1:1/0"),
    ];
    run(&both, &["push", "A"], b"").failed(69);
}

#[test]
fn unknown_words_are_refused_with_the_nearest_known_one() {
    let redis = RedisServer::start();
    for (args, said) in [
        (&["stat"][..], "'stats'"),
        (&["retri", "j"], "'retry'"),
        (&["stats", "--jsno"], "'--json'"),
        (&["--redsi", "x", "stats"], "'--redis'"),
        (&["stats", "now"], "unexpected argument 'now'"),
        (&["queues", "dead"], "unexpected argument 'dead'"),
        (&["stats", "--redis"], "a value is required"),
    ] {
        let err = gandy(&redis, args).failed(2);
        assert!(err.contains(said), "{args:?}: {err}");
    }
}

#[test]
fn help_has_examples_for_each_verb_and_all_exit_codes() {
    let help = run(&[], &["--help"], b"").done();
    for part in [
        "EXAMPLES",
        "EXIT CODES",
        "REDIS_URL_FILE",
        "GANDY_NAMESPACE",
        "0 done",
        "1 what gandy doctor",
        "2 wrong",
        "65 bad",
        "69 Redis",
        "70 a bug",
        "74 ",
        "75 a push",
        "77 Redis",
        "130 interrupted",
    ] {
        assert!(help.contains(part), "{part}");
    }
    for verb in [
        "push",
        "stats",
        "queues",
        "jobs",
        "processes",
        "retry",
        "delete",
        "bury",
        "move",
        "clear",
        "pause",
        "unpause",
        "quiet",
        "stop",
        "export",
        "import",
        "job",
        "why",
        "busy",
        "history",
        "metrics",
        "mark",
        "cancel",
        "doctor",
        "install-functions",
        "top",
        "dev",
        "completions",
        "man",
    ] {
        let text = run(&[], &[verb, "--help"], b"").done();
        for part in [
            "Usage: gandy",
            "EXAMPLES\n  gandy ",
            "JSON\n",
            "--redis <URL>",
            "--namespace <NAME>",
            "gandy --help",
        ] {
            assert!(text.contains(part), "{verb}: {part}");
        }
        assert_eq!(run(&[], &["help", verb], b"").done(), text);
        assert!(help.contains(&format!("\n  {verb} ")), "{verb}");
    }
    let texts = [
        "push", "jobs", "retry", "delete", "quiet", "pause", "export", "import",
    ];
    let texts = texts.map(|verb| run(&[], &[verb, "--help"], b"").done());
    for text in texts.into_iter().chain([help]) {
        assert!(text.lines().all(|line| line.trim_start().starts_with("--redis") || line.chars().count() <= 120), "{text}");
    }
}

#[test]
fn no_verb_prints_the_help_as_an_error() {
    let answer = run(&[], &[], b"");
    assert_eq!((answer.code, answer.out.as_str()), (2, ""));
    assert!(answer.err.contains("EXIT CODES"), "{}", answer.err);
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(
        run(&[], &["--version"], b"").done(),
        format!("gandy {}\n", env!("CARGO_PKG_VERSION"))
    );
}
