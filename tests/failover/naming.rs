//! Whom sentinels name, and what becomes of a client when they name nobody, the wrong one, or do not let it ask.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};
use std::time::Duration;

use gandy::{Client, Error, Inspect, Kind, Push, Retry, Server, StoreError};
use gandy_protocol::Identity;
use gandy_store::Line;
use gandy_tests::{Crew, History, MASTER, RedisServer, Sentinel, wait_until, wait_until_async};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);
const CANARY: &str = "S3CR3T-CANARY";

fn client(url: &str) -> Client {
    let server = Server::new(url).unwrap();
    Client::builder().server(server).build().unwrap()
}

fn push() -> Push {
    Push::raw("Note", "[]")
}

#[track_caller]
fn keeps_secret(error: &Error) {
    let text = format!("{error} {error:?}");
    assert!(!text.contains(CANARY), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_finds_the_primary_with_a_login_for_each() {
    let primary = RedisServer::with(&["--requirepass", "of redis"]);
    let logins = [
        "requirepass of-sentinel",
        "sentinel auth-pass crew \"of redis\"",
    ];
    let sentinel = Sentinel::over(primary.port(), 1, &logins);
    // The first of them is not there.
    let url = format!(
        "redis+sentinel://:of%20redis@127.0.0.1:1,127.0.0.1:{}/{MASTER}/5?sentinel_password=of-sentinel",
        sentinel.port()
    );
    let history = History::new();
    let client = Client::connect(&url).await.unwrap();
    client.send(push().jid("now")).await.unwrap();
    let inspect = Inspect::new(Server::new(&url).unwrap(), "").unwrap();
    assert_eq!(inspect.totals().await.unwrap().enqueued, 1);
    let worker = Crew::new(env!("CARGO_BIN_EXE_crew"), &primary)
        .set("REDIS_URL", &url)
        .history(&history)
        .start_and_wait();
    wait_until(SOON, "it runs", || history.ended() == 1);
    assert_eq!(primary.cli(&["-n", "5", "EXISTS", "gandy:fleet"]), "1");
    assert_eq!(primary.cli(&["DBSIZE"]), "0", "all of it is in database 5");
    worker.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(worker.wait_exit(SOON).success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_know_no_primary_are_named_and_asked_again() {
    let primary = RedisServer::start();
    let sentinel = Sentinel::over(primary.port(), 1, &[]);
    let hosts = format!("127.0.0.1:1,127.0.0.1:{}", sentinel.port());
    let url = format!("redis+sentinel://app:{CANARY}@{hosts}/other");
    let error = Client::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error:?}");
    let text = error.to_string();
    let seen = format!(
        "127.0.0.1:{}: knows no master called other",
        sentinel.port()
    );
    for words in ["127.0.0.1:1: ", &seen, "SENTINEL MASTERS"] {
        assert!(text.contains(words), "{text}");
    }
    keeps_secret(&error);
    // A worker waits for them, as for a Redis that is away.
    let client = client(&format!("redis+sentinel://{hosts}/{MASTER}"));
    client.send(push()).await.unwrap();
    sentinel.kill9();
    // What is connected needs no sentinel.
    client.send(push()).await.unwrap();
    primary.restart();
    wait_until_async(SOON, "the loss is seen", async || {
        let sent = client.send(push()).await;
        matches!(sent, Err(error) if error.to_string().contains("no sentinel names a primary"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_want_a_login_are_not_given_that_of_redis() {
    let primary = RedisServer::with(&["--requirepass", CANARY]);
    let login = format!("sentinel auth-pass crew {CANARY}");
    let sentinel = Sentinel::over(primary.port(), 1, &["requirepass other", &login]);
    for query in [
        "",
        "?sentinel_password=wrong-CANARY",
        "?sentinel_username=x&sentinel_password=y",
    ] {
        let url = format!(
            "redis+sentinel://:{CANARY}@127.0.0.1:{}/{MASTER}{query}",
            sentinel.port()
        );
        let error = Client::connect(&url).await.unwrap_err();
        assert!(
            matches!(error, Error::Store(StoreError::Refused { .. })),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(text.contains("?sentinel_username="), "{text}");
        assert!(!text.contains("wrong-CANARY"), "{text}");
        keeps_secret(&error);
    }
    // The other way round: the sentinels let us ask, and Redis does not let us in.
    let url = format!(
        "redis+sentinel://:{CANARY}-not@127.0.0.1:{}/{MASTER}?sentinel_password=other",
        sentinel.port()
    );
    let error = Client::connect(&url).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("check the user and the password"), "{text}");
    assert!(
        text.contains(&format!("primary 127.0.0.1:{}", primary.port())),
        "{text}"
    );
    keeps_secret(&error);
}

/// A sentinel that names the server at the port that stands in `named`, whatever it is. Ends with the test.
pub(super) fn liar(named: &Arc<AtomicU16>) -> u16 {
    let named = Arc::clone(named);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let named = Arc::clone(&named);
            std::thread::spawn(move || {
                let (mut seen, mut bytes) = (Vec::new(), [0; 512]);
                let mut welcomed = false;
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    seen.extend_from_slice(&bytes[..count]);
                    let text = String::from_utf8_lossy(&seen).into_owned();
                    if !welcomed && text.contains("gandy\r\n") {
                        welcomed = true;
                        stream.write_all(b"-ERR unknown subcommand\r\n").unwrap();
                    }
                    if text.contains("crew\r\n") {
                        let digits = named.load(Ordering::Acquire).to_string();
                        let length = digits.len();
                        let reply = format!("*2\r\n$9\r\n127.0.0.1\r\n${length}\r\n{digits}\r\n");
                        stream.write_all(reply.as_bytes()).unwrap();
                        return;
                    }
                }
            });
        }
    });
    own
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_a_sentinel_names_is_left_and_another_sentinel_is_asked() {
    let primary = RedisServer::start();
    let replica = RedisServer::start();
    replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let stale = liar(&Arc::new(replica.port().into()));
    let url = format!("redis+sentinel://127.0.0.1:{stale}/{MASTER}");
    // By the redis crate's connection, by the pool's, and by the claim loop's.
    let alone = client(&url);
    let inspect = Inspect::new(Server::new(&url).unwrap(), "").unwrap();
    for _ in 0..2 {
        for error in [
            alone.send(push()).await.unwrap_err(),
            inspect.totals().await.unwrap_err(),
            Error::from(claim(&url).await.unwrap_err()),
        ] {
            assert_eq!(error.kind(), Kind::Retry, "{error:?}");
            let text = error.to_string();
            assert!(text.contains("its role is \"replica\""), "{text}");
            assert!(
                text.contains(&format!("primary 127.0.0.1:{}", replica.port())),
                "{text}"
            );
        }
    }
    let sentinel = Sentinel::over(primary.port(), 1, &[]);
    let hosts = format!("127.0.0.1:{stale},127.0.0.1:{}", sentinel.port());
    let server = Server::new(&format!("redis+sentinel://{hosts}/{MASTER}")).unwrap();
    let both = Client::builder().server(server).retry(Retry::never());
    let both = both.build().unwrap();
    assert!(both.send(push()).await.is_err(), "the first is asked first");
    both.send(push()).await.unwrap();
    assert_eq!(primary.cli(&["LLEN", "queue:default"]), "1");
}

/// A cycle of the claim loop.
async fn claim(url: &str) -> Result<(), StoreError> {
    let server = Server::new(url).unwrap();
    let line = Line::single(
        server,
        gandy_protocol::Keys::default(),
        Duration::from_secs(5),
    );
    let identity = Identity::new("h", 1, [1; 6]);
    gandy_tests::one_cycle(&line, &identity, &[], "default", 1, 1)
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rediss_sentinel_is_tls_to_the_sentinels_and_to_redis() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let primary = RedisServer::start();
    if primary.cli(&["CONFIG", "GET", "tls-port"]).is_empty() {
        println!("SKIPPED: TLS, because this redis-server was built without it");
        return;
    }
    let dir = TempDir::new().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pem = made.cert.pem();
    let (cert, key) = (
        file("cert", &pem),
        file("key", &made.signing_key.serialize_pem()),
    );
    let port = free_port();
    let settings = [
        ("tls-cert-file", cert.as_str()),
        ("tls-key-file", key.as_str()),
        ("tls-ca-cert-file", cert.as_str()),
        ("tls-auth-clients", "no"),
        ("tls-port", &port.to_string()),
    ];
    for (name, value) in settings {
        primary.cli(&["CONFIG", "SET", name, value]);
    }
    let own = free_port();
    let lines = [
        format!("tls-cert-file {cert}"),
        format!("tls-key-file {key}"),
        format!("tls-ca-cert-file {cert}"),
        "tls-auth-clients no".to_owned(),
        "tls-replication yes".to_owned(),
        format!("tls-port {own}"),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let _sentinel = Sentinel::over(port, 1, &lines);
    let server = Server::new(&format!("rediss+sentinel://127.0.0.1:{own}/{MASTER}")).unwrap();
    let strange = Client::builder().server(server.clone()).connect().await;
    assert!(strange.unwrap_err().to_string().contains("certificate"));
    let trusting = server.with_root_certificates(pem.as_bytes()).unwrap();
    let client = Client::builder()
        .server(trusting.clone())
        .connect()
        .await
        .unwrap();
    client.send(push()).await.unwrap();
    let inspect = Inspect::new(trusting.clone(), "").unwrap();
    assert_eq!(inspect.totals().await.unwrap().enqueued, 1);
    let line = Line::single(
        trusting,
        gandy_protocol::Keys::default(),
        Duration::from_secs(5),
    );
    let identity = Identity::new("h", 1, [1; 6]);
    line.register(&identity, "{}", Duration::from_secs(60))
        .await
        .unwrap();
    gandy_tests::claim_one(&line, &identity, 1).await;
}

/// A port that nobody listens on, outside the range of outgoing connections.
fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(20_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
