//! The command line and the configuration file: right ones, and the words for wrong ones.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use tempfile::TempDir;

struct Answer {
    code: i32,
    out: String,
    err: Vec<String>,
}

/// Runs the worker in a folder that holds `gandy.toml`, with these variables and no others but PATH.
fn worker(toml: Option<&str>, variables: &[(&str, &str)], words: &[&str]) -> Answer {
    let folder = TempDir::new().unwrap();
    if let Some(toml) = toml {
        std::fs::write(folder.path().join("gandy.toml"), toml).unwrap();
    }
    worker_in(folder.path(), variables, words)
}

fn worker_in(folder: &Path, variables: &[(&str, &str)], words: &[&str]) -> Answer {
    let output = Command::new(support::binary())
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let folder = std::fs::canonicalize(folder).unwrap();
    let text =
        |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(folder.to_str().unwrap(), "FOLDER");
    Answer {
        code: output.status.code().unwrap(),
        out: text(&output.stdout),
        err: text(&output.stderr).lines().map(str::to_owned).collect(),
    }
}

const JOB: &str = "[jobs.A]\nexec = [\"true\"]\n";

#[test]
fn everything_that_is_wrong_is_said_with_file_line_and_key() {
    let toml = r#"
concurrency = -5
queus = ["a"]
queues = ["critical,x", 5]
timeout = "soon"
stamps = "minutes"
redis_url = "http://user:S3CR3T@host"
[capsules.default]
queues = ["x"]
[jobs.A]
exec = "./resize"
[jobs."Foo::Bar"]
exec = ["true"]
http = "http://x"
[jobs.C]
http = "ftp://x"
cwd = "/"
[jobs.D]
exce = ["true"]
[jobs.E]
exec = ["./nope"]
bury_on = [0]
discard_on = [300]
headers = {}
retry = "often"
env = { GANDY_X = "1", TOKEN = { env = "NOPE" } }
[jobs.F]
http = "https://x/?t=S3CR3T"
headers = { Authorization = { env = "TOKEN" }, Host = "b" }
hmac = { secret = "literal" }
[jobs.G]
exec = []
cwd = "/nonexistent"
[jobs.H]
exec = ["no-such-program-anywhere"]
timeout = 0
bury_on = [3, 4]
discard_on = [4]
jobs = 5
"#;
    let answer = worker(
        Some(toml),
        &[("GANDY_CONCURRENCY", "many"), ("GANDY_LOG", "=x=")],
        &["--check"],
    );
    assert_eq!(answer.code, 78);
    assert_eq!(answer.out, "");
    let span = "must be a number of seconds or a span like \"30s\", \"5m\", \"1h30m\", from";
    let command =
        "must be an array of strings, the program and its arguments: [\"./resize\", \"--fast\"]";
    let expected = [
        "gandy.toml:2:15: concurrency: must be a whole number from 1 to 1000, got -5".to_owned(),
        "gandy.toml:3:1: queus: unknown key; did you mean `queues`?".to_owned(),
        "gandy.toml:4:10: queues: must be an array of strings, but holds 5".to_owned(),
        format!("gandy.toml:5:11: timeout: {span} 0s to 1d, got the string \"soon\""),
        "gandy.toml:6:10: stamps: must be \"milliseconds\", or \"seconds\" while any Ruby Sidekiq below 8 reads, got the string \"minutes\"".to_owned(),
        "gandy.toml:7:13: redis_url: must begin with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel:// (such as redis://:PASSWORD@HOST:6379/0, unix:///run/redis.sock or redis+sentinel://:PASSWORD@SENTINEL1,SENTINEL2/mymaster/0)".to_owned(),
        "gandy.toml:8:1: capsules.default: the default capsule is configured by the top-level `queues` and `concurrency`".to_owned(),
        format!("gandy.toml:11:8: jobs.A.exec: {command}; no shell is run, got the string \"./resize\""),
        "gandy.toml:14:8: jobs.\"Foo::Bar\".http: is given beside exec: give exactly one of exec and http".to_owned(),
        "gandy.toml:16:8: jobs.C.http: must be an http:// or https:// URL with a host".to_owned(),
        "gandy.toml:17:7: jobs.C.cwd: belongs to exec jobs, and this one has http".to_owned(),
        "gandy.toml:18:1: jobs.D.exec: is missing: give exactly one of exec (a program) and http (a URL)".to_owned(),
        "gandy.toml:19:1: jobs.D.exce: unknown key; did you mean `exec`?".to_owned(),
        "gandy.toml:21:8: jobs.E.exec: cannot find the program FOLDER/nope: No such file or directory (os error 2)".to_owned(),
        "gandy.toml:22:11: jobs.E.bury_on: must be an array of exit codes from 1 to 255 (0 is success), but holds 0".to_owned(),
        "gandy.toml:23:14: jobs.E.discard_on: must be an array of exit codes from 1 to 255 (0 is success), but holds 300".to_owned(),
        "gandy.toml:24:11: jobs.E.headers: belongs to http jobs, and this one has exec".to_owned(),
        "gandy.toml:25:9: jobs.E.retry: must be true, false or a number of retries, got the string \"often\"".to_owned(),
        "gandy.toml:26:19: jobs.E.env.GANDY_X: GANDY_X is not allowed: GANDY_ variables are set by the worker".to_owned(),
        "gandy.toml:26:32: jobs.E.env.TOKEN: environment variable NOPE is not set".to_owned(),
        "gandy.toml:29:29: jobs.F.headers.Authorization: environment variable TOKEN is not set".to_owned(),
        "gandy.toml:29:55: jobs.F.headers.Host: the header host is set by the worker".to_owned(),
        "gandy.toml:30:19: jobs.F.hmac.secret: must not stand in the file: give { env = \"NAME\" } or { file = \"PATH\" }".to_owned(),
        format!("gandy.toml:32:8: jobs.G.exec: {command}, but names no program"),
        "gandy.toml:33:7: jobs.G.cwd: /nonexistent is not a folder".to_owned(),
        "gandy.toml:35:8: jobs.H.exec: cannot find the program \"no-such-program-anywhere\" in PATH; one beside the file is written \"./no-such-program-anywhere\"".to_owned(),
        format!("gandy.toml:36:11: jobs.H.timeout: {span} 1ms to 30d, got 0"),
        "gandy.toml:38:14: jobs.H.discard_on: names exit code 4, which bury_on names too".to_owned(),
        "gandy.toml:39:1: jobs.H.jobs: unknown key; allowed here: bury_on, cwd, discard_on, env, exec, http, log, output_limit, pass_env, retry, timeout".to_owned(),
        "environment GANDY_CONCURRENCY: concurrency: must be a whole number from 1 to 1000, got \"many\"".to_owned(),
    ];
    for (found, expected) in answer.err.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(answer.err.len(), expected.len() + 1, "{:#?}", answer.err);
    assert!(
        answer
            .err
            .last()
            .unwrap()
            .starts_with("environment GANDY_LOG: must be a filter")
    );
    assert!(!answer.err.join("\n").contains("S3CR3T"));
}

#[test]
fn broken_toml_is_said_with_line_and_column() {
    let answer = worker(
        Some("concurrency = 5\n[jobs.A\nexec = [\"true\"]\n"),
        &[],
        &["--check"],
    );
    assert_eq!(answer.code, 78);
    assert_eq!(
        answer.err,
        ["gandy.toml:2:8: TOML: unclosed table, expected `]`"]
    );
}

#[test]
fn a_right_configuration_is_printed_without_its_secrets() {
    let toml = r#"
redis_url = "redis://user:S3CR3T@h/1"
queues = ["critical,3", "default"]
[capsules.single]
queues = ["single"]
concurrency = 1
[jobs.A]
exec = ["true", "-x"]
env = { TOKEN = "S3CR3T" }
retry = 3
[jobs.B]
http = "https://h/jobs?key=S3CR3T"
headers = { Authorization = { env = "TOKEN" }, X-Plain = "S3CR3T" }
hmac = { secret = { env = "TOKEN" } }
timeout = "30s"
"#;
    let answer = worker(
        Some(toml),
        &[("TOKEN", "S3CR3T"), ("GANDY_CONCURENCY", "4")],
        &["--check", "-c", "7"],
    );
    assert_eq!(answer.code, 0, "{:?}", answer.err);
    assert_eq!(
        answer.err,
        [
            "warning: environment GANDY_CONCURENCY is not a key of gandy-worker; did you mean GANDY_CONCURRENCY?"
        ]
    );
    assert!(!answer.out.contains("S3CR3T"), "{}", answer.out);
    for line in [
        "redis_url = \"redis://***@h/1\"",
        "concurrency = 7",
        "queues = [\"critical,3\", \"default\"]",
        "capsules.single.queues = [\"single\"]",
        "jobs.A.retry = 3",
        "jobs.A.timeout = \"10m\"",
        "jobs.B.http = \"https://h/jobs?***\"",
        "jobs.B.headers.authorization = { env = \"TOKEN\" }",
        "jobs.B.headers.x-plain = \"***\"",
        "jobs.B.hmac.header = \"gandy-signature\"",
    ] {
        assert!(
            answer.out.lines().any(|found| found == line),
            "{line} in\n{}",
            answer.out
        );
    }
    // What is printed is TOML itself.
    assert!(answer.out.parse::<toml::Table>().is_ok());
}

#[test]
fn a_flag_beats_the_environment_and_that_the_file() {
    let toml = format!("concurrency = 1\ntimeout = 1\ntag = \"file\"\n{JOB}");
    let variables = [
        ("GANDY_CONCURRENCY", "2"),
        ("GANDY_TIMEOUT", "2"),
        ("GANDY_QUEUES", "a,2 b"),
    ];
    let answer = worker(Some(&toml), &variables, &["--check", "-c", "3"]);
    for line in [
        "concurrency = 3",
        "timeout = \"2s\"",
        "tag = \"file\"",
        "queues = [\"a,2\", \"b\"]",
    ] {
        assert!(
            answer.out.lines().any(|found| found == line),
            "{line} in\n{}",
            answer.out
        );
    }
}

#[test]
fn the_redis_url_may_come_from_a_file_that_is_named_by_a_variable() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("url");
    std::fs::write(folder.path().join("gandy.toml"), JOB).unwrap();
    std::fs::write(&secret, "redis://:S3CR3T@h\n").unwrap();
    let variables = [("REDIS_URL_FILE", secret.to_str().unwrap())];
    let answer = worker_in(folder.path(), &variables, &["--check"]);
    assert!(
        answer.out.contains("redis_url = \"redis://***@h\""),
        "{:?}",
        answer.err
    );

    std::fs::write(&secret, "S3CR3T").unwrap();
    let answer = worker_in(folder.path(), &variables, &["--check"]);
    assert_eq!(answer.code, 78);
    assert!(
        answer.err[0].contains("url: redis_url_file: the text in"),
        "{:?}",
        answer.err
    );
    assert!(!answer.err.join("").contains("S3CR3T"), "{:?}", answer.err);
}

#[test]
fn relative_paths_count_from_the_file_not_from_where_the_worker_was_started() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let app = folder.path().join("app");
    std::fs::create_dir(&app).unwrap();
    std::fs::write(app.join("tool"), "").unwrap();
    std::fs::set_permissions(app.join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(app.join("my.toml"), "[jobs.A]\nexec = [\"./tool\"]\n").unwrap();
    let answer = worker_in(folder.path(), &[], &["-C", "app/my.toml", "--check"]);
    assert_eq!(answer.code, 0, "{:?}", answer.err);
    assert!(
        answer
            .out
            .contains("jobs.A.exec = [\"./tool\"] # FOLDER/app/tool\njobs.A.cwd = \"FOLDER/app\""),
        "{}",
        answer.out
    );
}

#[test]
fn a_worker_without_handlers_is_refused() {
    let answer = worker(None, &[], &[]);
    assert_eq!(answer.code, 78);
    assert_eq!(
        answer.err,
        [
            "gandy.toml: is not here and no other file was named (-C FILE): its [jobs.CLASS] tables say what to run"
        ]
    );
    let answer = worker(Some("concurrency = 5\n"), &[], &[]);
    assert_eq!(
        answer.err,
        ["gandy.toml: has no [jobs.CLASS] table: a worker without handlers would fail every job"]
    );
    let answer = worker(None, &[], &["-C", "nope.toml"]);
    assert_eq!(answer.code, 78);
    assert_eq!(
        answer.err,
        ["nope.toml: cannot read the file: No such file or directory (os error 2)"]
    );
    let answer = worker(
        Some(&format!("[capsules.x]\nconcurrency = 1\n{JOB}")),
        &[],
        &[],
    );
    assert_eq!(
        answer.err,
        ["gandy.toml: capsules.x: has no queues: a capsule fetches from its own queues only"]
    );
}

#[test]
fn a_wrong_command_line_is_code_64_and_repeats_no_password() {
    for (words, expected) in [
        (
            vec!["--concurency", "5"],
            "error: unexpected argument '--concurency' found",
        ),
        (
            vec!["-c", "-5"],
            "error: invalid value '-5' for '--concurrency <N>': must be a whole number from 1 to 1000, got \"-5\"",
        ),
        (
            vec!["-t", "soon"],
            "error: invalid value 'soon' for '--timeout <SECS>': must be",
        ),
        (
            vec!["-q", "a,b"],
            "error: invalid value 'a,b' for '--queue <NAME[,WEIGHT]>': \"a,b\" is not NAME or NAME,WEIGHT",
        ),
        (
            vec!["-q", "a", "-q", "a"],
            "error: --queue names the queue \"a\" twice",
        ),
        (
            vec!["--namespace", "app:"],
            "error: invalid value 'app:' for '--namespace <NAME>': must be written without the colon",
        ),
        (
            vec!["--redis", "http://:S3CR3T@h"],
            "error: --redis must begin with redis://, rediss://, unix://",
        ),
        (vec!["stray"], "error: unrecognized subcommand 'stray'"),
        (
            vec!["redis://u:S3CR3T@h"],
            "error: unrecognized subcommand 'redis://***@h'",
        ),
        (
            vec!["--fail-fast=redis://u:S3CR3T@h"],
            "error: unexpected value 'redis://***@h' for '--fail-fast' found",
        ),
    ] {
        let answer = worker(Some(JOB), &[], &words);
        assert_eq!(answer.code, 64, "{words:?}");
        assert!(answer.err[0].starts_with(expected), "{:?}", answer.err);
        assert!(!answer.err.join("\n").contains("S3CR3T"));
    }
}

#[test]
fn help_and_version_are_answers_not_errors() {
    let answer = worker(None, &[], &["--help"]);
    assert_eq!((answer.code, answer.err.len()), (0, 0));
    for word in [
        "EXAMPLES",
        "-C, --config",
        "-q, --queue",
        "--fail-fast",
        "--allow-eviction",
        "--check",
        "EXIT CODES",
    ] {
        assert!(answer.out.contains(word), "{word}");
    }
    let answer = worker(None, &[], &["--version"]);
    assert_eq!(
        answer.out,
        format!("gandy-worker {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_shim_started_by_hand_ends_and_says_so_by_its_code() {
    let answer = worker(None, &[], &["__shim"]);
    assert_eq!(answer.code, 70);
    assert!(
        answer.err[0].starts_with("__shim is for the worker's own use: "),
        "{:?}",
        answer.err
    );
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(text in "(\\[|\\]|\\{|\\}|=|\"|,|\\.|\n|jobs|capsules|exec|http|env|hmac|secret|A|5|-|true| ){0,40}") {
        let environment = gandy_worker::config::environment::Environment::default();
        let _ = gandy_worker::config::file::read(Path::new("x.toml"), &text, &environment, &mut Vec::new());
    }
}
