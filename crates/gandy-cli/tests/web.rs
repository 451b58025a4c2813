//! `gandy web`: whom it lets in, what it says, and how it ends. The pages are `gandy-web`'s own business.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use gandy_tests::{Proc, RedisServer, wait_for};
use nix::sys::signal::Signal;
use support::{DEADLINE, command, run};

/// Status, head and body of an answer.
fn get(address: &str, path: &str, more: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{more}\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().to_owned();
    (status, answer)
}

/// The address that it says it is at.
fn address(process: &Proc) -> String {
    wait_for(DEADLINE, "the address", || {
        let said = process.stderr();
        let rest = said.split("http://").nth(1)?;
        Some(rest.split_once('/')?.0.to_owned())
    })
}

/// Nothing but loopback is listened on without credentials, read-only or not.
#[test]
fn web_bind_refuses_open() {
    let redis = RedisServer::start();
    let env = [("REDIS_URL", &*redis.url())];
    for bind in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        for args in [
            &["web", "--bind", bind][..],
            &["web", "--read-only", "--bind", bind],
        ] {
            let said = run(&env, args, b"").failed(2);
            assert!(
                said.contains("--token-file") && said.contains("openssl"),
                "{said}"
            );
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let short = dir.path().join("short");
    std::fs::write(&short, "S3CR3T\n").unwrap();
    let short = short.to_str().unwrap();
    let said = run(
        &env,
        &["web", "--bind", "0.0.0.0:0", "--token-file", short],
        b"",
    )
    .failed(2);
    assert!(said.contains("12") && !said.contains("S3CR3T"), "{said}");
    for (args, words) in [
        (&["web", "--token-file", "/nowhere"][..], "/nowhere"),
        (&["web", "--redact", "Mailer"], "CLASS:WHAT"),
        (&["web", "--bind", "nonsense"], "127.0.0.1:7435"),
    ] {
        let said = run(&env, args, b"").failed(2);
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn it_serves_until_it_is_told_to_end_and_logs_who_acted() {
    let redis = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "a-long-and-random-token\n").unwrap();
    let url = redis.url();
    let args = [
        "web",
        "--bind",
        "127.0.0.1:0",
        "--token-file",
        file.to_str().unwrap(),
    ];
    let process = Proc::spawn("gandy", command(&[("REDIS_URL", &url)], &args));
    let address = address(&process);
    assert_eq!(get(&address, "/", "").0, "401");
    let bearer = "Authorization: Bearer a-long-and-random-token\r\n";
    let (status, page) = get(&address, "/", bearer);
    assert!(status == "200" && page.contains("Jobs a second"), "{page}");
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(
        stream,
        "POST /queues/low/pause HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n{bearer}\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert!(redis.cli(&["SISMEMBER", "paused", "low"]).starts_with('1'));
    process.wait_for_log("gandy::audit", DEADLINE);
    let log = process.stderr();
    assert!(
        log.contains("an operator's token") && log.contains("pause") && log.contains("low"),
        "{log}"
    );
    assert!(!log.contains("a-long-and-random"), "{log}");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait_exit(DEADLINE).code(), Some(0));
}
