//! The harness keeps its own promises: what it says about servers, processes, waiting and histories is true.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gandy_tests::{
    Event, EventKind, History, Proc, RedisServer, Report, cargo_bin, is_at_rest, length, wait_eq,
    wait_for, wait_until, wait_until_async,
};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SOON: Duration = Duration::from_secs(20);

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// The message of the panic that `f` ends with.
fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else {
        panic!("it did not panic");
    };
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(other) => (*other.downcast::<&str>().unwrap()).to_owned(),
    }
}

/// Gone, or a zombie that whoever is process 1 here has not collected.
fn is_gone(pid: u32) -> bool {
    let zombie = fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().unwrap().starts_with(" Z"));
    zombie || kill(Pid::from_raw(i32::try_from(pid).unwrap()), None) == Err(Errno::ESRCH)
}

// ---- redis servers

#[test]
fn redis_server_is_private_and_gone_after_the_test() {
    let one = RedisServer::start();
    let two = RedisServer::start();
    assert_ne!(one.port(), two.port());
    assert_eq!(one.cli(&["SET", "who", "one"]), "OK");
    assert_eq!(two.cli(&["EXISTS", "who"]), "0");

    let (pid, dir) = (one.pid().unwrap(), one.dir().to_owned());
    drop(one);
    assert!(is_gone(pid));
    assert!(!dir.exists());
    assert_eq!(two.cli(&["PING"]), "PONG");
}

#[test]
fn redis_restart_keeps_the_port_and_with_aof_the_data() {
    for (server, survivors) in [(RedisServer::start(), 0), (RedisServer::with_aof(), 1)] {
        let (port, pid) = (server.port(), server.pid());
        server.cli(&["SET", "kept", "1"]);
        server.kill9();
        assert_eq!(server.pid(), None);
        assert!(
            redis::Client::open(server.url())
                .unwrap()
                .get_connection()
                .is_err()
        );

        server.restart();
        assert_eq!(server.port(), port);
        assert_ne!(server.pid(), pid);
        let found: i32 = redis::cmd("EXISTS")
            .arg("kept")
            .query(&mut server.conn())
            .unwrap();
        assert_eq!(found, survivors);

        server.stop();
        server.restart();
        assert_eq!(server.cli(&["EXISTS", "kept"]), survivors.to_string());
    }
}

#[test]
fn redis_arguments_and_password_are_used() {
    let server = RedisServer::with(&["--requirepass", "sesame", "--maxmemory", "3mb"]);
    assert!(server.url().contains("sesame"));
    assert_eq!(
        server.cli(&["CONFIG", "GET", "maxmemory"]),
        "maxmemory\n3145728"
    );
    assert_eq!(
        redis::cmd("PING")
            .query::<String>(&mut server.conn())
            .unwrap(),
        "PONG"
    );
    let without = format!("redis://127.0.0.1:{}/0", server.port());
    let mut conn = redis::Client::open(without)
        .unwrap()
        .get_connection()
        .unwrap();
    let refused = redis::cmd("PING").query::<()>(&mut conn).unwrap_err();
    assert_eq!(refused.code(), Some("NOAUTH"));
}

#[test]
fn redis_frozen_answers_nothing_until_thawed() {
    let server = RedisServer::start();
    let mut conn = server.conn();
    conn.set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    server.freeze();
    assert!(
        redis::cmd("PING")
            .query::<()>(&mut conn)
            .unwrap_err()
            .is_timeout()
    );
    server.thaw();
    assert_eq!(server.cli(&["PING"]), "PONG");
}

#[test]
fn redis_that_refuses_to_start_says_why() {
    let message = panic_of(|| RedisServer::with(&["--no-such-option", "1"]));
    assert!(message.contains("no-such-option"), "{message}");
}

#[test]
fn redis_cli_failure_is_a_failure_of_the_test() {
    let server = RedisServer::start();
    let message = panic_of(|| server.cli(&["LPUSH", "too-few"]));
    assert!(message.contains("wrong number of arguments"), "{message}");
}

// ---- processes

#[test]
fn process_keeps_its_output_and_tells_its_end() {
    let process = Proc::spawn("talker", sh("echo out; echo err >&2; exit 3"));
    assert_eq!(process.wait_exit(SOON).code(), Some(3));
    assert_eq!(
        (process.stdout().as_str(), process.stderr().as_str()),
        ("out\n", "err\n")
    );
    assert!(!process.kill9(), "it had ended before");
    let echo = Proc::spawn_with_input("cat", Command::new("cat"), b"given");
    assert!(echo.wait_exit(SOON).success());
    assert_eq!(echo.stdout(), "given");
}

#[test]
fn process_receives_signals() {
    let script =
        "trap 'echo quiet' TSTP; trap 'echo dump' TTIN; trap 'echo bye; exit 0' TERM; echo ready
                  while :; do sleep 0.01; done";
    let process = Proc::spawn("listener", sh(script));
    process.wait_for_log("ready", SOON);
    process.signal(Signal::SIGTSTP);
    process.wait_for_log("quiet", SOON);
    process.signal(Signal::SIGTTIN);
    assert_eq!(process.wait_for_log("dum", SOON), "dump");
    process.signal(Signal::SIGTERM);
    assert!(process.wait_exit(SOON).success());
    let message = panic_of(|| process.signal(Signal::SIGTERM));
    assert!(message.contains("it ended before"), "{message}");
}

#[test]
fn process_killed_is_gone_at_once() {
    use std::os::unix::process::ExitStatusExt;
    let process = Proc::spawn("stubborn", sh("trap '' TERM; echo ready; exec sleep 1000"));
    process.wait_for_log("ready", SOON);
    process.signal(Signal::SIGTERM);
    let message = panic_of(|| process.wait_exit(Duration::from_millis(50)));
    assert!(
        message.contains("still runs after 50ms") && message.contains("ready"),
        "{message}"
    );
    assert!(process.kill9());
    assert_eq!(process.exit_status().unwrap().signal(), Some(9));
    assert!(!process.is_running());
}

#[test]
fn process_that_ends_without_the_line_fails_at_once() {
    let process = Proc::spawn("brief", sh("echo something else"));
    let begun = Instant::now();
    let message = panic_of(|| process.wait_for_log("ready", Duration::from_secs(600)));
    assert!(begun.elapsed() < SOON);
    assert!(message.contains("something else"), "{message}");
}

/// The case no destructor covers: the test process itself is killed.
#[test]
fn nothing_survives_the_death_of_the_test_process() {
    let history = History::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_leaves-children"));
    command.arg(history.path());
    let doomed = Proc::spawn("leaves-children", command);
    let redis = doomed.wait_for_log("redis ", SOON);
    let sleeper = doomed.wait_for_log("proc ", SOON);
    let words: Vec<&str> = redis.split(' ').collect();
    let (redis_pid, dir) = (words[1].parse().unwrap(), Path::new(words[2]));
    let sleeper_pid: u32 = sleeper.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(!is_gone(redis_pid) && !is_gone(sleeper_pid) && dir.is_dir());

    assert!(doomed.kill9());
    wait_until(SOON, "redis killed by its lifeline", || is_gone(redis_pid));
    wait_until(SOON, "sleep killed by its lifeline", || {
        is_gone(sleeper_pid)
    });
    wait_until(SOON, "the folder removed", || !dir.exists());
}

#[test]
fn cargo_finds_a_binary_of_the_workspace() {
    let found = cargo_bin("leaves-children");
    let known = Path::new(env!("CARGO_BIN_EXE_leaves-children"));
    assert_eq!(found.canonicalize().unwrap(), known.canonicalize().unwrap());
}

// ---- what Redis holds

#[test]
fn no_job_slips_past_a_look_at_whether_all_is_at_rest() {
    // Each with the command that puts a job there.
    const PLACES: [(&str, &str); 4] = [
        ("queue:q", "LPUSH queue:q job"),
        ("gandy:landing:q", "LPUSH gandy:landing:q job"),
        ("gandy:inflight:host", "HSET gandy:inflight:host 1:q job"),
        ("schedule", "ZADD schedule 1 job"),
    ];
    let server = RedisServer::start();
    assert!(is_at_rest(&server, &["schedule"]));
    server.cli(&["RPUSH", "queue:q", "job"]);
    let over = std::sync::atomic::AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let (over, server) = (&over, &server);
        // Round and round, and never nowhere.
        let mover = scope.spawn(move || {
            let (mut conn, mut moves) = (server.conn(), 0);
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let (from, to) = (PLACES[moves % 4].0, PLACES[(moves + 1) % 4].1);
                let (command, arguments) = to.split_once(' ').unwrap();
                let arguments: Vec<&str> = arguments.split(' ').collect();
                let mut step = redis::pipe();
                step.atomic().cmd(command).arg(arguments);
                step.cmd("DEL").arg(from);
                step.exec(&mut conn).unwrap();
                moves += 1;
            }
            moves
        });
        let seen: Vec<bool> = (0..500)
            .map(|_| is_at_rest(server, &["schedule"]))
            .collect();
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(mover.join().unwrap() > 100, "it moved between the looks");
        seen
    });
    assert!(!seen.contains(&true));
    for (key, add) in PLACES {
        server.cli(&["FLUSHALL"]);
        server.cli(&add.split(' ').collect::<Vec<_>>());
        assert_eq!(length(&server, key), 1);
        assert!(!is_at_rest(&server, &["schedule"]), "{key}");
    }
    assert!(is_at_rest(&server, &[]), "what is scheduled is at rest");
    server.cli(&["SET", "queue:q", "no list"]);
    assert!(is_at_rest(&server, &[]), "holds no jobs");
}

// ---- waiting

#[test]
fn waiting_ends_when_the_condition_holds_and_names_it_when_it_never_does() {
    let mut looks = 0;
    let seen = wait_for(SOON, "three looks", || {
        looks += 1;
        (looks == 3).then_some("seen")
    });
    assert_eq!((seen, looks), ("seen", 3));

    let brief = Duration::from_millis(30);
    let begun = Instant::now();
    let message = panic_of(|| wait_until(brief, "the end of time", || false));
    assert!(begun.elapsed() >= brief);
    assert!(
        message.contains("30ms") && message.contains("the end of time"),
        "{message}"
    );
    let message = panic_of(|| wait_eq(brief, "five", &5, || 4));
    assert!(
        message.contains("wanted: 5") && message.contains("last seen: 4"),
        "{message}"
    );
}

#[tokio::test]
async fn waiting_in_async_code_lets_others_run() {
    let (sender, mut receiver) = tokio::sync::oneshot::channel();
    tokio::spawn(async move { sender.send(()) });
    wait_until_async(SOON, "the other task", async || receiver.try_recv().is_ok()).await;
}

// ---- histories

#[test]
fn history_written_before_a_kill_is_there_after_it() {
    let history = History::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_leaves-children"));
    command.arg(history.path());
    let doomed = Proc::spawn("leaves-children", command);
    doomed.wait_for_log("wrote 1000", SOON);
    doomed.kill9();
    let stdout = doomed.stdout();
    let told = stdout.lines().filter(|l| l.starts_with("wrote ")).count();
    let events = history.events();
    // It may have been killed between the line and telling us of it.
    assert!(
        events.len() == told || events.len() == told + 1,
        "{} lines, {told} told",
        events.len()
    );
    assert!(
        events
            .iter()
            .all(|e| e.worker == "doomed" && e.kind == EventKind::Start)
    );
    assert_eq!(history.report().cut_off, events.len());
}

#[test]
fn history_of_a_clean_run_is_sound() {
    let history = History::new();
    let (web, worker) = (history.writer("web"), history.writer("worker one"));
    for jid in ["a", "b"] {
        web.attempted(jid);
        web.acknowledged(jid);
        worker.start(jid);
        worker.end(jid);
    }
    let report = history.report();
    report.assert_sound();
    assert_eq!(
        (report.attempted, report.acknowledged, report.ended),
        (2, 2, 2)
    );
    assert_eq!(
        (report.extra_starts, report.extra_ends, report.cut_off),
        (0, 0, 0)
    );
    assert_eq!(history.ended(), 2);
    assert!(history.events().iter().any(|e| e.worker == "worker_one"));
}

#[test]
fn history_with_a_hole_is_refused() {
    let history = History::new();
    fs::write(history.path().join("bad.history"), "start jid\n").unwrap();
    let message = panic_of(|| history.events());
    assert!(message.contains("bad line"), "{message}");
}

/// `kind jid worker`, one second apart.
fn events(lines: &[&str]) -> Vec<Event> {
    let history = History::new();
    let numbered = lines
        .iter()
        .zip(1..)
        .map(|(line, second)| format!("{line} {second}000000\n"));
    fs::write(
        history.path().join("events.history"),
        numbered.collect::<String>(),
    )
    .unwrap();
    history.events()
}

fn set(jids: &[&str]) -> BTreeSet<String> {
    jids.iter().map(|j| (*j).to_owned()).collect()
}

#[test]
fn oracle_finds_the_lost_and_forgives_the_held() {
    let events = events(&[
        "attempted done w",
        "acknowledged done w",
        "start done a",
        "end done a",
        "attempted lost w",
        "acknowledged lost w",
        "start lost a",
        "acknowledged held w",
        "attempted refused w",
    ]);
    let report = Report::new(&events, &set(&["held"]));
    assert_eq!(report.lost, set(&["lost"]));
    assert_eq!((report.attempted, report.acknowledged), (4, 3));
    let message = panic_of(|| report.assert_sound());
    assert!(
        message.contains("lost 1") && message.contains("for example: lost"),
        "{message}"
    );
    assert_eq!(Report::new(&events, &set(&[])).lost, set(&["held", "lost"]));
}

#[test]
fn oracle_finds_what_nobody_pushed() {
    let events = events(&[
        "start ghost a",
        "end ghost a",
        "attempted maybe w",
        "unknown maybe w",
        "end maybe a",
    ]);
    let report = Report::new(&events, &set(&[]));
    assert_eq!(report.unexpected, set(&["ghost"]));
    assert_eq!(report.recovered, set(&["maybe"]));
    assert!(panic_of(|| report.assert_sound()).contains("ghost"));
}

#[test]
fn oracle_counts_extra_runs_and_times_recovery() {
    let events = events(&[
        "acknowledged x w",
        "acknowledged y w",
        "start x a",
        "start y a",
        "end y a", // y is finished, but its finish never reaches Redis
        "kill - a",
        "start y b",
        "end y b",
        "start x b",
        "end x b",
    ]);
    let report = Report::new(&events, &set(&[]));
    report.assert_sound();
    assert_eq!((report.extra_starts, report.extra_ends), (2, 1));
    assert_eq!(report.runs_after_end, 1);
    assert_eq!(report.cut_off, 1, "only x had been cut off");
    assert_eq!(report.slowest_recovery(), Some(Duration::from_secs(3)));
}
