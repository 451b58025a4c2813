//! Signals: those that Sidekiq's API leaves in Redis and those of the operating system. Measured from the moment they are
//! sent to the moment at which a reader sees the effect.

use std::time::{Duration, Instant};

use gandy::Inspect;
use gandy_tests::{Crew, Proc, RedisServer, payload, wait_until};
use nix::sys::signal::Signal;

use crate::support::SOON;

/// Sidekiq's own need 10 to 20 s.
const OBEYED: Duration = Duration::from_secs(5);

fn crew(server: &RedisServer) -> Proc {
    Crew::new(env!("CARGO_BIN_EXE_crew"), server).start_and_wait()
}

fn push(server: &RedisServer, class: &str, args: &str, jid: &str) {
    let job = payload(class, args, jid);
    server.cli(&["LPUSH", "queue:default", &job]);
}

fn field(server: &RedisServer, identity: &str, name: &str) -> String {
    server.cli(&["HGET", identity, name])
}

fn len(server: &RedisServer, key: &str) -> String {
    server.cli(&["LLEN", key])
}

#[track_caller]
fn in_time(what: &str, since: Instant) {
    let after = since.elapsed();
    println!("{what} after {after:?}");
    assert!(after < OBEYED, "{what} only after {after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_running_jobs_and_stop_from_redis_are_obeyed_within_5_s() {
    let server = RedisServer::start();
    let worker = crew(&server);
    let identity = Crew::identity(&worker);
    let inspect = Inspect::new(gandy::Server::new(&server.url()).unwrap(), "").unwrap();
    push(&server, "Nap", "[600000]", "long");
    wait_until(SOON, "it runs", || len(&server, "queue:default") == "0");
    wait_until(SOON, "the first beat", || {
        field(&server, &identity, "quiet") == "false"
    });
    let info = field(&server, &identity, "info");
    assert!(info.contains(r#""embedded":false"#), "{info}");

    let signals = format!("{identity}-signals");
    let sent = Instant::now();
    server.cli(&["LPUSH", &signals, "TTIN"]);
    let line = worker.wait_for_log("running_secs", OBEYED);
    in_time("TTIN", sent);
    assert!(line.contains("long") && line.contains("Nap"), "{line}");
    assert!(!line.contains("600000"), "arguments in the log: {line}");

    server.cli(&["LPUSH", &signals, "WHAT"]);
    let sent = Instant::now();
    inspect.quiet(&identity).await.unwrap();
    wait_until(OBEYED, "quiet is shown", || {
        field(&server, &identity, "quiet") == "true"
    });
    in_time("TSTP", sent);
    worker.wait_for_log("an unknown signal is ignored", SOON);
    // Quiet before it says so: nothing is claimed any more.
    push(&server, "Noop", "[]", "stays");
    let shown = inspect.processes().await.unwrap();
    assert!(shown[0].quiet && shown[0].busy == 1, "{shown:?}");

    let sent = Instant::now();
    inspect.stop(&identity).await.unwrap();
    worker.wait_for_log("stopping", OBEYED);
    in_time("TERM", sent);
    assert_eq!(len(&server, "queue:default"), "1", "claimed while quiet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_from_redis_ends_an_idle_worker_with_exit_code_0_within_5_s() {
    let server = RedisServer::start();
    let worker = crew(&server);
    let identity = Crew::identity(&worker);
    let sent = Instant::now();
    server.cli(&["LPUSH", &format!("{identity}-signals"), "TERM"]);
    let status = worker.wait_exit(OBEYED + SOON);
    in_time("the end", sent);
    assert!(status.success(), "{status}");
    assert_eq!(server.cli(&["SCARD", "processes"]), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_quieted_by_the_system_says_so_at_once() {
    let server = RedisServer::start();
    let worker = crew(&server);
    let identity = Crew::identity(&worker);
    wait_until(SOON, "the first beat", || {
        field(&server, &identity, "quiet") == "false"
    });
    let sent = Instant::now();
    worker.signal(Signal::SIGTSTP);
    wait_until(OBEYED, "quiet is shown", || {
        field(&server, &identity, "quiet") == "true"
    });
    let after = sent.elapsed();
    println!("SIGTSTP is shown after {after:?}");
    assert!(after < Duration::from_secs(3), "only after {after:?}");
    push(&server, "Noop", "[]", "stays");
    worker.signal(Signal::SIGTTIN);
    worker.wait_for_log("fenced", SOON);
    worker.signal(Signal::SIGINT);
    assert!(worker.wait_exit(SOON).success());
    assert_eq!(len(&server, "queue:default"), "1", "claimed while quiet");
}
