//! TLS on both sides: whoever pushes, claims or looks trusts only the authority that it is told to trust, for the host that
//! it asked for and while the certificate lasts, and shows a certificate of its own to a server that asks for one.
//!
//! For each refusal three connections are tried: a producer's, the claim loop's own, and those of a whole worker. The
//! commands have tests of their own beside them.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use gandy::{Client, Context, Kind, Push, Server, StoreError, TlsFiles, Worker, WorkerConfig};
use gandy_protocol::{Identity, Keys};
use gandy_store::{Grant, Line};
use gandy_tests::{Shown, TlsServer, one_cycle, wait_until_async};
use support::SOON;

const REPLY: Duration = Duration::from_secs(5);

fn files(tls: &TlsServer, ca: &str, client: Option<&str>) -> TlsFiles {
    TlsFiles {
        ca: Some(tls.file(ca)),
        cert: client.map(|name| tls.file(&format!("{name}.pem"))),
        key: client.map(|name| tls.file(&format!("{name}.key"))),
    }
}

fn server(tls: &TlsServer, files: &TlsFiles) -> Server {
    Server::new(&tls.url())
        .unwrap()
        .with_tls_files(files)
        .unwrap()
}

fn worker(server: &Server) -> Worker {
    let mut config = WorkerConfig::new(server.clone());
    config.fail_fast = true;
    Worker::builder(config)
        .signals(false)
        .handler_fn("A", |_: (), _: Context| async { Ok(()) })
        .build()
        .unwrap()
}

/// A cycle of nobody known: its answer shows that the connection stands.
async fn cycle(server: &Server) -> Result<Grant, StoreError> {
    let line = Line::single(server.clone(), Keys::default(), REPLY);
    let identity = Identity::new("nobody", 1, [1; 6]);
    let haul = one_cycle(&line, &identity, &[], "default", 1, 1).await?;
    Ok(haul.grant)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_certificate_on_each_side_jobs_are_pushed_and_run() {
    let Some(tls) = TlsServer::start(Shown::Good) else {
        return;
    };
    let server = server(&tls, &files(&tls, "ca.pem", Some("client")));
    assert_eq!(cycle(&server).await.unwrap(), Grant::Dead);
    let client = Client::builder().server(server.clone());
    let client = client.connect().await.unwrap();
    client.send(Push::raw("A", "[]")).await.unwrap();
    let worker = worker(&server).start();
    let done = async |least: u64| {
        wait_until_async(SOON, "the jobs are done", async || {
            let done = tls.redis.cli(&["GET", "stat:processed"]);
            done.parse().unwrap_or(0) >= least
        })
        .await;
    };
    done(1).await;
    // Heartbeat, lease, chores and claim loop are connected; then all are anew.
    let cut = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
    tls.redis.cli(&cut);
    let next = Push::raw("A", "[]");
    // Until the client has seen the cut, a push is in doubt.
    while let Err(error) = client.send(next.clone()).await {
        assert_eq!(error.kind(), Kind::Unknown, "{error:?}");
    }
    done(2).await;
    worker.stop().await.unwrap();
    let (certificate, key) = (tls.file("client.pem"), tls.file("client.key"));
    let read = |path| std::fs::read(path).unwrap();
    let by_hand = Server::new(&tls.url())
        .unwrap()
        .with_client_certificate(&read(certificate), &read(key))
        .unwrap()
        .with_root_certificates(&read(tls.file("ca.pem")))
        .unwrap();
    assert_eq!(cycle(&by_hand).await.unwrap(), Grant::Dead);
}

/// No connection of any kind is made, and the error says why: nothing of ours has run.
async fn refused(tls: &TlsServer, server: &Server, says: &[&str]) {
    let fits = |text: &str| {
        let text = text.to_lowercase();
        assert!(says.iter().any(|word| text.contains(word)), "{text}");
    };
    let client = Client::builder().server(server.clone()).build().unwrap();
    let error = client.send(Push::raw("A", "[]")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error:?}");
    fits(&error.to_string());
    let error = cycle(server).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error:?}");
    fits(&error.to_string());
    let error = worker(server).start().wait().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error:?}");
    fits(&error.to_string());
    assert_eq!(tls.redis.cli(&["DBSIZE"]), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_has_expired_is_refused() {
    let Some(tls) = TlsServer::start(Shown::Expired) else {
        return;
    };
    let server = server(&tls, &files(&tls, "ca.pem", Some("client")));
    refused(&tls, &server, &["expired"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_host_is_refused() {
    let Some(tls) = TlsServer::start(Shown::OfAnotherHost) else {
        return;
    };
    let server = server(&tls, &files(&tls, "ca.pem", Some("client")));
    refused(&tls, &server, &["not valid for", "notvalidforname"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_authority_is_refused() {
    let Some(tls) = TlsServer::start(Shown::Good) else {
        return;
    };
    let other = files(&tls, "other-ca.pem", Some("client"));
    refused(&tls, &server(&tls, &other), &["certificate"]).await;
    // The public ones did not sign it either.
    let public = TlsFiles {
        ca: None,
        ..files(&tls, "ca.pem", Some("client"))
    };
    refused(&tls, &server(&tls, &public), &["certificate"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_no_certificate_or_a_strangers_is_refused_by_the_server() {
    let Some(tls) = TlsServer::start(Shown::Good) else {
        return;
    };
    // The server may close before its reason arrives.
    let says = [
        "certificate",
        "alert",
        "closed",
        "reset",
        "eof",
        "broken",
        "terminated",
    ];
    for client in [None, Some("stranger")] {
        let server = server(&tls, &files(&tls, "ca.pem", client));
        refused(&tls, &server, &says).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_text_to_a_tls_port_and_tls_to_a_plain_one_end_with_an_error() {
    let Some(tls) = TlsServer::start(Shown::Good) else {
        return;
    };
    let plain = Server::new(&format!("redis://127.0.0.1:{}", tls.port())).unwrap();
    let encrypted = Server::new(&format!("rediss://127.0.0.1:{}", tls.redis.port())).unwrap();
    for server in [plain, encrypted] {
        let began = std::time::Instant::now();
        assert!(cycle(&server).await.is_err());
        let worker = worker(&server).start().wait().await;
        assert_eq!(worker.unwrap_err().kind(), Kind::Retry);
        assert!(began.elapsed() < Duration::from_secs(15));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_wrong_are_refused_with_what_to_give() {
    let Some(tls) = TlsServer::start(Shown::Good) else {
        return;
    };
    let good = files(&tls, "ca.pem", Some("client"));
    let secret = std::fs::read_to_string(tls.file("client.key")).unwrap();
    let body = secret.lines().nth(1).unwrap();
    for (wrong, says) in [
        (
            TlsFiles {
                key: None,
                ..good.clone()
            },
            "private key",
        ),
        (
            TlsFiles {
                cert: None,
                ..good.clone()
            },
            "certificate",
        ),
        (
            TlsFiles {
                ca: Some(tls.file("missing.pem")),
                ..good.clone()
            },
            "missing.pem",
        ),
        (
            TlsFiles {
                ca: good.key.clone(),
                ..good.clone()
            },
            "PEM",
        ),
        (
            TlsFiles {
                cert: good.key.clone(),
                key: good.cert.clone(),
                ..good.clone()
            },
            "PEM",
        ),
        (
            TlsFiles {
                key: good.cert.clone(),
                ..good.clone()
            },
            "PEM",
        ),
    ] {
        let server = Server::new(&tls.url()).unwrap();
        let error = server.with_tls_files(&wrong).unwrap_err();
        assert!(matches!(error, StoreError::Input(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(says), "{text}");
        assert!(!text.contains(body), "{text}");
    }
    let plain = Server::new(&tls.redis.url()).unwrap();
    let error = plain.with_tls_files(&good).unwrap_err().to_string();
    assert!(error.contains("rediss://"), "{error}");
    // A key that belongs to another certificate is seen by who connects.
    let mixed = TlsFiles {
        key: Some(tls.file("stranger.key")),
        ..good.clone()
    };
    let mixed = server(&tls, &mixed);
    let client = Client::builder().server(mixed.clone()).build().unwrap();
    let error = client.send(Push::raw("A", "[]")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Input, "{error:?}");
    let error = cycle(&mixed).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Input, "{error:?}");
    // Nothing that could be logged holds the key.
    let good = server(&tls, &good);
    let line = Line::pooled(good.clone(), Keys::default(), 1).unwrap();
    let shown = format!("{good:?} {good:#?} {line:?} {:?}", worker(&good));
    assert!(!shown.contains(body), "{shown}");
}
