//! The command over TLS: by environment and by flags, with a certificate of its own, and refusals that say why.
#![allow(clippy::unwrap_used)]

mod support;

use gandy_tests::{Shown, TlsServer};
use support::{Answer, run};

fn path(tls: &TlsServer, name: &str) -> String {
    tls.file(name).display().to_string()
}

/// `gandy verb` with these files in its environment.
#[track_caller]
fn gandy(tls: &TlsServer, ca: &str, client: Option<&str>, verb: &[&str]) -> Answer {
    let url = tls.url();
    let ca = path(tls, ca);
    let (cert, key) = match client {
        Some(name) => (
            path(tls, &format!("{name}.pem")),
            path(tls, &format!("{name}.key")),
        ),
        // An empty variable counts as not set.
        None => (String::new(), String::new()),
    };
    let env = [
        ("REDIS_URL", url.as_str()),
        ("REDIS_TLS_CA", &ca),
        ("REDIS_TLS_CERT", &cert),
        ("REDIS_TLS_KEY", &key),
    ];
    run(&env, verb, b"")
}

#[test]
fn the_environment_or_flags_name_the_files() {
    let Some(tls) = TlsServer::start(Shown::Good) else {
        return;
    };
    gandy(&tls, "ca.pem", Some("client"), &["push", "A"]).done();
    assert_eq!(tls.redis.cli(&["LLEN", "queue:default"]), "1");
    let (ca, cert, key) = (
        path(&tls, "ca.pem"),
        path(&tls, "client.pem"),
        path(&tls, "client.key"),
    );
    let url = tls.url();
    let flags = [
        "queues",
        "--json",
        "--redis",
        &url,
        "--tls-ca",
        &ca,
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
    ];
    assert_eq!(run(&[], &flags, b"").json()[0]["name"], "default");
    // A flag comes before the variable.
    let err = gandy(
        &tls,
        "ca.pem",
        Some("client"),
        &["stats", "--tls-ca", "/missing"],
    );
    let err = err.failed(2);
    assert!(err.contains("/missing"), "{err}");
}

#[test]
fn a_refused_certificate_ends_it_with_69_and_says_why() {
    for (shown, says) in [
        (Shown::Expired, "xpired"),
        (Shown::OfAnotherHost, "not valid for"),
    ] {
        let Some(tls) = TlsServer::start(shown) else {
            return;
        };
        for verb in [&["push", "A"][..], &["stats"]] {
            let err = gandy(&tls, "ca.pem", Some("client"), verb).failed(69);
            assert!(err.contains("certificate") && err.contains(says), "{err}");
        }
    }
    let Some(tls) = TlsServer::start(Shown::Good) else {
        return;
    };
    for (ca, client) in [
        ("other-ca.pem", Some("client")),
        ("ca.pem", Some("stranger")),
        ("ca.pem", None),
    ] {
        for verb in [&["push", "A"][..], &["stats"]] {
            gandy(&tls, ca, client, verb).failed(69);
        }
    }
    assert_eq!(tls.redis.cli(&["DBSIZE"]), "0");
}

#[test]
fn files_without_tls_are_refused_with_2() {
    let Some(tls) = TlsServer::start(Shown::Good) else {
        return;
    };
    let ca = path(&tls, "ca.pem");
    let err = run(
        &[("REDIS_URL", &tls.redis.url()), ("REDIS_TLS_CA", &ca)],
        &["stats"],
        b"",
    );
    let err = err.failed(2);
    assert!(err.contains("rediss://"), "{err}");
}
