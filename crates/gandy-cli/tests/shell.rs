//! What a shell needs of the command: completions, manual pages, colour where it is wanted.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;

use gandy_tests::RedisServer;
use support::run;

#[test]
fn completions_know_every_verb_and_the_shell_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&[], &["completions", shell], b"").done();
        for word in ["doctor", "completions", "idempotency-key", "namespace"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        let file = folder.path().join(shell);
        std::fs::write(&file, &script).unwrap();
        // Where the shell is installed it has to find nothing wrong with them.
        if let Ok(status) = Command::new(shell).arg("-n").arg(&file).status() {
            assert!(status.success(), "{shell}");
        }
    }
    let complete = "source \"$0\"; COMP_WORDS=(gandy sta); COMP_CWORD=1; _gandy gandy sta gandy; echo \"${COMPREPLY[@]}\"";
    let file = folder.path().join("bash");
    if let Ok(output) = Command::new("bash")
        .arg("-c")
        .arg(complete)
        .arg(file)
        .output()
    {
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "stats");
    }
    let err = run(&[], &["completions", "csh"], b"").failed(2);
    assert!(err.contains("bash, zsh, fish"), "{err}");
}

#[test]
fn manual_pages_are_printed_or_written_one_for_each_verb() {
    let page = run(&[], &["man"], b"").done();
    for part in [".TH gandy 1", ".SH NAME", "REDIS_URL_FILE", "gandy\\-push"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("man1").to_string_lossy().into_owned();
    run(&[], &["man", "--dir", &place], b"").done();
    let mut names: Vec<String> = std::fs::read_dir(&place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in ["gandy.1", "gandy-push.1", "gandy-doctor.1", "gandy-man.1"] {
        assert!(names.iter().any(|other| other == name), "{names:?}");
    }
    let push = std::fs::read_to_string(folder.path().join("man1/gandy-push.1")).unwrap();
    for part in [
        ".TH gandy-push 1",
        "\\fBgandy push\\fR [OPTIONS]",
        "idempotency",
    ] {
        assert!(push.contains(part), "{part}: {push}");
    }
    run(&[], &["man", "--dir", "/dev/null/x"], b"").failed(74);
}

#[test]
fn colour_is_for_terminals_unless_the_environment_wants_it_otherwise() {
    let redis = RedisServer::start();
    redis.cli(&["LPUSH", "queue:\u{1b}[2J", "x"]);
    let url = redis.url();
    let coloured = |env: &[(&str, &str)]| {
        let env = [&[("REDIS_URL", url.as_str())], env].concat();
        let answer = run(&env, &["doctor"], b"");
        assert_eq!(answer.code, 1);
        // Hostile names stay escaped in every colour.
        assert!(
            !answer.out.contains("\u{1b}[2J") && answer.out.contains("\\u{1b}[2J"),
            "{answer:?}"
        );
        answer.out.contains("\u{1b}[1;33mWARNINGS\u{1b}[0m")
    };
    assert!(!coloured(&[]));
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "0")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    let error = run(&[("CLICOLOR_FORCE", "1")], &["stats", "--redis", ""], b"");
    assert!(
        error.err.starts_with("\u{1b}[1;31merror:\u{1b}[0m "),
        "{error:?}"
    );
    let help = run(&[("CLICOLOR_FORCE", "1")], &["--help"], b"").done();
    assert!(help.contains("\u{1b}["), "{help}");
    let json = run(
        &[("REDIS_URL", url.as_str()), ("CLICOLOR_FORCE", "1")],
        &["stats", "--json"],
        b"",
    );
    assert!(!json.done().contains('\u{1b}'));
}

#[test]
fn the_doctor_groups_its_findings_the_gravest_first() {
    let redis = RedisServer::start();
    redis.cli(&["LPUSH", "queue:low", "x"]);
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let out = run(&[("REDIS_URL", &redis.url())], &["doctor"], b"").out;
    let (errors, warnings) = (out.find("ERRORS\n\n"), out.find("WARNINGS\n\n"));
    assert!(errors.is_some() && errors < warnings, "{out}");
    let first = out.find("error eviction-policy").unwrap();
    assert!(Some(first) > errors && Some(first) < warnings, "{out}");
    assert!(out.find("warning unlisted-queue") > warnings, "{out}");
}
