//! The binary over TLS: files named by its configuration, and refusals by exit code.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;
use std::time::Duration;

use gandy_tests::{Proc, Shown, TlsServer, wait_until};
use nix::sys::signal::Signal;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(20);
const JOB: &str = "[jobs.A]\nexec = [\"touch\", \"done\"]\n";

fn worker(folder: &TempDir, tls: &TlsServer, toml: &str, words: &[&str]) -> Proc {
    std::fs::write(folder.path().join("gandy.toml"), format!("{toml}{JOB}")).unwrap();
    let mut command = Command::new(support::binary());
    command
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("REDIS_URL", tls.url())
        .env("REDIS_TLS_CA", tls.file("ca.pem"));
    Proc::spawn("gandy-worker", command)
}

/// Certificate and key beside the file, as relative paths.
fn certificate(folder: &TempDir, tls: &TlsServer, name: &str) -> &'static str {
    for (ending, file) in [("pem", "cert.pem"), ("key", "cert.key")] {
        std::fs::copy(
            tls.file(&format!("{name}.{ending}")),
            folder.path().join(file),
        )
        .unwrap();
    }
    "redis_tls_cert = \"cert.pem\"\nredis_tls_key = \"cert.key\"\n"
}

#[test]
fn a_worker_shows_its_certificate_and_runs_jobs() {
    let Some(tls) = TlsServer::start(Shown::Good) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let toml = certificate(&folder, &tls, "client");
    let worker = worker(&folder, &tls, toml, &[]);
    tls.redis.cli(&[
        "LPUSH",
        "queue:default",
        r#"{"class":"A","args":[],"jid":"a"}"#,
    ]);
    wait_until(DEADLINE, "the job", || folder.path().join("done").exists());
    worker.signal(Signal::SIGTERM);
    assert_eq!(
        worker.wait_exit(DEADLINE).code(),
        Some(0),
        "{}",
        worker.log()
    );
}

#[test]
fn a_refused_certificate_is_code_69_with_fail_fast() {
    for (shown, name, says) in [
        (Shown::Expired, "client", "xpired"),
        (Shown::OfAnotherHost, "client", "not valid for"),
        (Shown::Good, "stranger", "is not available"),
    ] {
        let Some(tls) = TlsServer::start(shown) else {
            return;
        };
        let folder = TempDir::new().unwrap();
        let toml = certificate(&folder, &tls, name);
        let worker = worker(&folder, &tls, toml, &["--fail-fast"]);
        assert_eq!(
            worker.wait_exit(DEADLINE).code(),
            Some(69),
            "{}",
            worker.log()
        );
        assert!(worker.log().contains(says), "{}", worker.log());
    }
}

#[test]
fn half_a_pair_is_wrong_configuration() {
    let Some(tls) = TlsServer::start(Shown::Good) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    certificate(&folder, &tls, "client");
    let toml = "redis_tls_cert = \"cert.pem\"\n";
    let worker = worker(&folder, &tls, toml, &["--check"]);
    assert_eq!(
        worker.wait_exit(DEADLINE).code(),
        Some(78),
        "{}",
        worker.log()
    );
    assert!(worker.log().contains("REDIS_TLS_KEY"), "{}", worker.log());
}
