//! A program runs a job: what it gets, what its end means, and that nothing of it is left.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use gandy_worker::exec::{self, Target};
use gandy_worker::outcome::{Failure, Outcome};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{launcher, pids, run, runs, sh, target, wait_for, wait_until_gone};
use tokio_util::sync::CancellationToken;

async fn outcome_of(target: &Target, args: &str) -> Outcome {
    exec::run(target, &launcher(), &run(args), &CancellationToken::new()).await
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Retry(failure) => failure,
        other => panic!("expected a retry, got {other:?}"),
    }
}

#[tokio::test]
async fn arguments_come_on_stdin_and_the_job_in_variables_in_a_clean_environment() {
    let folder = tempfile::tempdir().unwrap();
    let mut target = sh("cat > args; env > env; pwd > pwd; echo \"$0\" > word");
    target.words.push("a word; with $HOME `id`".into());
    target.cwd = folder.path().to_owned();
    target.env.insert("TOKEN".into(), "t".into());
    let args = r#"[12345678901234567890, 1.10, {"b": 1, "a": []}, "ü"]"#;
    assert_eq!(outcome_of(&target, args).await, Outcome::Done);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("args"), args);
    assert_eq!(read("word"), "a word; with $HOME `id`\n");
    assert_eq!(
        std::fs::canonicalize(read("pwd").trim()).unwrap(),
        std::fs::canonicalize(folder.path()).unwrap()
    );
    let mut names: Vec<_> = read("env")
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0.to_owned()))
        // A shell sets these by itself.
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(&name.as_str()))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "GANDY_ATTEMPT",
            "GANDY_CLASS",
            "GANDY_JID",
            "GANDY_QUEUE",
            "PATH",
            "TOKEN"
        ]
    );
    for line in [
        "GANDY_ATTEMPT=1",
        "GANDY_CLASS=Test",
        "GANDY_JID=0123456789abcdef01234567",
        "GANDY_QUEUE=default",
    ] {
        assert!(read("env").lines().any(|found| found == line), "{line}");
    }
}

#[tokio::test]
async fn exit_codes_are_done_bury_discard_or_retry_with_the_tail_of_stderr() {
    let named = |outcome| match outcome {
        Outcome::Done => ("done", String::new()),
        Outcome::Bury(failure) => ("bury", failure.message),
        Outcome::Discard(failure) => ("discard", failure.message),
        Outcome::Retry(failure) => ("retry", failure.message),
        Outcome::RetryIn(..) => ("retry in", String::new()),
    };
    for (script, expected) in [
        ("echo noise; exit 0", ("done", "")),
        (
            "echo out; echo why >&2; exit 3",
            ("bury", "exit status 3: why"),
        ),
        ("echo why >&2; exit 4", ("discard", "exit status 4: why")),
        (
            "echo out; echo why >&2; exit 1",
            ("retry", "exit status 1: why"),
        ),
        (
            "echo only out; exit 255",
            ("retry", "exit status 255: only out"),
        ),
        ("kill -KILL $$", ("retry", "killed by SIGKILL")),
        (
            "echo last words >&2; kill -SEGV $$",
            ("retry", "killed by SIGSEGV: last words"),
        ),
    ] {
        let (kind, message) = named(outcome_of(&sh(script), "[]").await);
        assert_eq!((kind, message.as_str()), expected, "{script}");
    }
}

#[tokio::test]
async fn a_flood_of_output_is_read_and_its_end_kept() {
    let script = "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo the reason >&2; exit 1";
    let message = failure(outcome_of(&sh(script), "[]").await).message;
    assert!(
        message.ends_with("xx\nthe reason") || message.ends_with("xxthe reason"),
        "{message:.50}"
    );
    assert!(message.chars().count() <= 10_000);
}

#[tokio::test]
async fn a_child_that_does_not_read_its_arguments_is_no_failure() {
    // Far more than a pipe holds.
    let args = format!("[\"{}\"]", "x".repeat(4_000_000));
    for script in [
        "exit 0",
        "exec 0<&-; sleep 0.2",
        "head -c 10 >/dev/null",
        "sleep 0.2",
    ] {
        assert_eq!(
            outcome_of(&sh(script), &args).await,
            Outcome::Done,
            "{script}"
        );
    }
    let script = format!("test $(wc -c) -eq {}", args.len());
    assert_eq!(outcome_of(&sh(&script), &args).await, Outcome::Done);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_retried_with_the_reason() {
    let failure = failure(outcome_of(&target(&["/nonexistent/tool"]), "[]").await);
    assert_eq!(failure.class, "NotStarted");
    assert_eq!(
        failure.message,
        "cannot start /nonexistent/tool: No such file or directory (os error 2)"
    );
}

#[tokio::test]
async fn what_a_program_leaves_running_ends_with_it_also_outside_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = format!(
        "sleep 300 & echo $! >> {0}; setsid sh -c 'echo $$ >> {0}; sleep 300 & echo $! >> {0}; wait' & \
         while [ $(wc -l < {0}) -lt 3 ]; do sleep 0.01; done; exit 0",
        file.display()
    );
    let began = Instant::now();
    assert_eq!(outcome_of(&sh(&script), "[]").await, Outcome::Done);
    assert!(began.elapsed() < support::DEADLINE);
    // At once: the run has ended only when they are gone.
    for pid in pids(&file, 3) {
        assert!(!runs(pid), "process {pid} still runs");
    }
}

#[tokio::test]
async fn kill_zero_in_a_script_does_not_take_the_report_with_it() {
    let outcome = outcome_of(
        &sh("trap 'echo bye >&2; exit 3' TERM; kill 0; exit 1"),
        "[]",
    )
    .await;
    assert!(
        matches!(&outcome, Outcome::Bury(failure) if failure.message == "exit status 3: bye"),
        "{outcome:?}"
    );
}

/// Starts `script` with a file for pids as `$F`, waits for `count` of them, then lets `act` happen.
async fn interrupted(
    script: &str,
    count: usize,
    act: impl FnOnce(&CancellationToken, &[u32]),
) -> (Outcome, Vec<u32>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let mut target = sh(script);
    target.env.insert("F".into(), file.clone().into());
    let cancelled = CancellationToken::new();
    let token = cancelled.clone();
    let running =
        tokio::spawn(async move { exec::run(&target, &launcher(), &run("[]"), &token).await });
    let found = tokio::task::spawn_blocking(move || pids(&file, count))
        .await
        .unwrap();
    act(&cancelled, &found);
    let outcome = running.await.unwrap();
    (outcome, found)
}

#[tokio::test]
async fn cancelled_a_program_may_clean_up_after_term() {
    let script =
        "trap 'echo cleaned >&2; exit 0' TERM; echo $$ >> $F; while :; do sleep 0.05; done";
    let began = Instant::now();
    let (outcome, found) = interrupted(script, 1, |cancelled, _| cancelled.cancel()).await;
    let failure = failure(outcome);
    assert_eq!(failure.class, "Cancelled");
    assert!(failure.message.ends_with("cleaned"), "{}", failure.message);
    assert!(
        began.elapsed() < exec::GRACE,
        "waited for the grace to pass"
    );
    assert!(!runs(found[0]));
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_stopped_and_its_last_words_kept() {
    let mut target = sh("echo working >&2; sleep 300");
    target.timeout = Duration::from_millis(300);
    let failure = failure(outcome_of(&target, "[]").await);
    assert_eq!(failure.class, "Timeout");
    assert!(
        failure
            .message
            .starts_with("stopped after its timeout of 300ms: working"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn cancelled_a_program_that_ignores_term_is_killed_after_the_grace() {
    let script =
        "trap '' TERM; echo $$ >> $F; sleep 300 & echo $! >> $F; wait; while :; do sleep 1; done";
    let began = Instant::now();
    let (outcome, found) = interrupted(script, 2, |cancelled, _| cancelled.cancel()).await;
    assert_eq!(failure(outcome).class, "Cancelled");
    assert!(began.elapsed() >= exec::GRACE);
    assert!(began.elapsed() < exec::GRACE + Duration::from_secs(8));
    assert!(found.iter().all(|pid| !runs(*pid)));
}

#[tokio::test]
async fn a_killed_shim_takes_its_program_along() {
    let script = "echo $PPID >> $F; echo $$ >> $F; sleep 300 & echo $! >> $F; wait";
    let (outcome, found) = interrupted(script, 3, |_, found| {
        let shim = Pid::from_raw(found[0].try_into().unwrap());
        kill(shim, Signal::SIGKILL).unwrap();
    })
    .await;
    assert_eq!(
        failure(outcome).message,
        "the process group was killed from outside"
    );
    wait_until_gone(&found);
}

#[tokio::test]
async fn a_dropped_run_kills_everything() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let mut target = sh("trap '' TERM; echo $$ >> $F; setsid sleep 300 & echo $! >> $F; wait");
    target.env.insert("F".into(), file.clone().into());
    let running = tokio::spawn(async move {
        exec::run(&target, &launcher(), &run("[]"), &CancellationToken::new()).await
    });
    let found = tokio::task::spawn_blocking(move || pids(&file, 2))
        .await
        .unwrap();
    running.abort();
    tokio::task::spawn_blocking(move || wait_until_gone(&found))
        .await
        .unwrap();
}

#[tokio::test]
async fn many_programs_at_once_leave_no_zombie() {
    let target = std::sync::Arc::new(sh("cat >/dev/null"));
    let launcher = launcher();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (target, launcher) = (target.clone(), launcher.clone());
        running.spawn(async move {
            exec::run(&target, &launcher, &run("[1]"), &CancellationToken::new()).await
        });
    }
    while let Some(outcome) = running.join_next().await {
        assert_eq!(outcome.unwrap(), Outcome::Done);
    }
    // Other tests of this process have shims of their own, so only the dead count.
    let me = std::process::id();
    wait_for("no zombie", || {
        let zombies = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with(&format!("Z {me} ")))
        });
        (!zombies).then_some(())
    });
}
