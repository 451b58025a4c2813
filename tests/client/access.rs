//! Who may push, and how a server is named: URLs, passwords, rights, sockets, databases, TLS.

use std::net::TcpListener;
use std::time::Duration;

use gandy::{Client, Error, Kind, Push, Server, StoreError};
use gandy_tests::{Crew, RedisServer};
use tempfile::TempDir;

use crate::{
    mail,
    site::{client, cut_connections, dbsize, list, push_again},
    support::{SOON, Site},
};

/// The rights of an application that only pushes, as an `ACL SETUSER` line. `hello` is the handshake; `Client::connect`
/// asks for `info` too, and does without it. A database other than 0 needs `+select`.
const PRODUCER: &str = "user producer on >PASSWORD resetkeys resetchannels -@all %W~queue:* %W~queues %W~schedule \
                        +hello +lpush +sadd +zadd";

const CANARY: &str = "S3CR3T-CANARY";

/// Nothing that a log could print holds the password.
#[track_caller]
fn keeps_secret(error: &Error) {
    for text in [
        format!("{error}"),
        format!("{error:?}"),
        format!("{error:#?}"),
    ] {
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_url_says_what_to_write_and_keeps_its_password() {
    let urls = [
        "",
        "127.0.0.1",
        "http://app:S3CR3T-CANARY@localhost",
        "redis://app:S3CR3T-CANARY@localhost/db",
        "redis://app:S3CR3T-CANARY@localhost:99999",
        "redis://app:S3CR3T-CANARY@local host",
        "app:S3CR3T-CANARY@localhost:6379",
        "unix://",
    ];
    for url in urls {
        let error = Client::connect(url).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("redis://"), "{url}: {text}");
        assert_eq!(error.kind(), Kind::Input, "{url}: {error:?}");
        keeps_secret(&error);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_told_without_its_password() {
    let port = free_port();
    let url = format!("redis://app:{CANARY}@127.0.0.1:{port}/3");
    let error = Client::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("127.0.0.1:{port}/3")), "{text}");
    keeps_secret(&error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_refused_with_what_to_check() {
    let site = Site::over(RedisServer::with(&["--requirepass", "right"]), "");
    let wrong = [
        format!("redis://:{CANARY}@127.0.0.1:{}", site.redis.port()),
        format!("redis://nobody:{CANARY}@127.0.0.1:{}", site.redis.port()),
        format!("redis://127.0.0.1:{}", site.redis.port()),
    ];
    for url in wrong {
        let error = Client::connect(&url).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Input, "{url}: {error:?}");
        let refused = matches!(error, Error::Store(StoreError::Refused { .. }));
        assert!(refused, "{url}: {error:?}");
        let text = error.to_string();
        assert!(
            text.contains("check the user and the password"),
            "{url}: {text}"
        );
        keeps_secret(&error);
        // The same without a check at the start.
        let server = Server::new(&url).unwrap();
        let client = Client::builder().server(server).build().unwrap();
        let error = client.push(mail(1)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Input, "{url}: {error:?}");
        assert!(!format!("{client:?}").contains(CANARY));
        keeps_secret(&error);
    }
    Client::connect(&site.redis.url())
        .await
        .unwrap()
        .push(mail(1))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_with_characters_of_urls_are_written_in_percent() {
    let site = Site::start();
    let allow = ["ACL", "SETUSER", "app", "on", ">p@ss:w/rd%", "~*", "+@all"];
    site.redis.cli(&allow);
    let url = format!(
        "redis://app:p%40ss%3Aw%2Frd%25@127.0.0.1:{}",
        site.redis.port()
    );
    Client::connect(&url).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_needs_only_the_rights_of_its_acl_line() {
    let site = Site::start();
    let line = PRODUCER.replace("PASSWORD", CANARY);
    let mut words: Vec<&str> = line.split_whitespace().skip(1).collect();
    words.splice(0..0, ["ACL", "SETUSER"]);
    site.redis.cli(&words);
    let url = |password: &str| {
        format!(
            "redis://producer:{password}@127.0.0.1:{}",
            site.redis.port()
        )
    };
    let client = Client::connect(&url(CANARY)).await.unwrap();
    client.push(mail(42)).await.unwrap();
    client.push(mail(43)).await.unwrap();
    client
        .push_in(Duration::from_secs(60), mail(44))
        .await
        .unwrap();
    let results = client.push_all((0..1500).map(mail)).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(list(&site, "queue:mailers").len(), 1502);
    assert_eq!(site.count("schedule"), 1);
    assert_eq!(list_set(&site), ["mailers"]);

    // What such a user cannot do, whoever got hold of its password.
    let mut conn = redis::Client::open(url(CANARY))
        .unwrap()
        .get_connection()
        .unwrap();
    for denied in [
        "LRANGE queue:mailers 0 -1",
        "RPOP queue:mailers",
        "DEL queue:mailers",
        "EVAL return(1) 0",
        "EVALSHA 0123456789012345678901234567890123456789 0",
        "KEYS *",
        "CONFIG GET *",
        "FLUSHALL",
        "INFO",
        "LPUSH elsewhere x",
        "ZADD retry 1 x",
        "ZADD dead 1 x",
        "SADD paused mailers",
        "ZRANGE schedule 0 -1",
    ] {
        let mut words = denied.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        let error = command.exec(&mut conn).unwrap_err();
        assert_eq!(error.code(), Some("NOPERM"), "{denied}: {error}");
    }
    keeps_secret(&Client::connect(&url("wrong")).await.unwrap_err());
}

fn list_set(site: &Site) -> Vec<String> {
    site.ask(redis::cmd("SMEMBERS").arg("queues"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_is_named() {
    let site = Site::start();
    let line = "ACL SETUSER app on >pw -@all %W~queue:mail %W~queues +hello +lpush +sadd";
    site.redis.cli(&line.split_whitespace().collect::<Vec<_>>());
    let url = format!("redis://app:pw@127.0.0.1:{}", site.redis.port());
    let client = Client::connect(&url).await.unwrap();
    client
        .send(Push::raw("A", "[]").queue("mail"))
        .await
        .unwrap();
    let other = Push::raw("A", "[]").queue("payroll");
    let later = Push::raw("A", "[]").after(Duration::from_secs(60));
    for push in [other, later] {
        let error = client.send(push).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Input, "{error:?}");
        assert!(error.to_string().contains("NOPERM"), "{error}");
    }
    assert_eq!(dbsize(&site), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_is_a_server_too() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("redis.sock");
    let path = socket.to_str().unwrap();
    let site = Site::over(RedisServer::with(&["--unixsocket", path]), "");
    let client = Client::connect(&format!("unix://{path}")).await.unwrap();
    client.push(mail(1)).await.unwrap();
    assert_eq!(list(&site, "queue:mailers").len(), 1);
    let client = Client::connect(&format!("unix://{path}?db=3"))
        .await
        .unwrap();
    client.push(mail(1)).await.unwrap();
    assert_eq!(site.redis.cli(&["-n", "3", "LLEN", "queue:mailers"]), "1");
    let error = Client::connect(&format!("unix://{path}.gone?pass={CANARY}"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error:?}");
    assert!(error.to_string().contains("redis.sock.gone"), "{error}");
    keeps_secret(&error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_number_is_kept_to_also_after_a_reconnect() {
    let site = Site::start();
    let url = format!("redis://127.0.0.1:{}/5", site.redis.port());
    let client = Client::connect(&url).await.unwrap();
    client.push(mail(1)).await.unwrap();
    cut_connections(&site);
    push_again(&client, Push::new(&mail(2)).unwrap()).await;
    assert_eq!(dbsize(&site), 0);
    assert_eq!(site.redis.cli(&["-n", "5", "LLEN", "queue:mailers"]), "2");
    let error = Client::connect(&format!("redis://127.0.0.1:{}/99", site.redis.port()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Input, "{error:?}");
    assert!(error.to_string().contains("DB index"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_url_can_stand_in_a_file() {
    let site = Site::start();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("redis-url");
    std::fs::write(&file, format!("\n  {} \n", site.redis.url())).unwrap();
    let server = Server::from_file(&file).unwrap();
    let from_file = Client::builder().server(server).connect().await.unwrap();
    from_file.push(mail(1)).await.unwrap();
    client(&site).push(mail(2)).await.unwrap();
    assert_eq!(list(&site, "queue:mailers").len(), 2);
    std::fs::write(&file, format!("redis://app:{CANARY}@h/x")).unwrap();
    for file in [file, dir.path().join("missing")] {
        let error = Server::from_file(&file).unwrap_err();
        assert_eq!(error.kind(), Kind::Input);
        assert!(!error.to_string().contains(CANARY), "{error}");
    }
}

// ---- TLS

/// A Redis that also speaks TLS, on a port of its own, with a certificate that no public authority signed.
struct Tls {
    site: Site,
    port: u16,
    certificate: String,
    _dir: TempDir,
}

impl Tls {
    /// None where redis-server was built without TLS.
    fn start() -> Option<Self> {
        // The binary's business in an application; here the test is the application.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let site = Site::start();
        if site.redis.cli(&["CONFIG", "GET", "tls-port"]).is_empty() {
            println!("SKIPPED: TLS, because this redis-server was built without it");
            return None;
        }
        let dir = TempDir::new().unwrap();
        let names = ["127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let certificate = made.cert.pem();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let cert = file("cert.pem", &certificate);
        let key = file("key.pem", &made.signing_key.serialize_pem());
        let port = free_port();
        let settings = [
            ("tls-cert-file", cert.as_str()),
            ("tls-key-file", key.as_str()),
            ("tls-ca-cert-file", cert.as_str()),
            ("tls-auth-clients", "no"),
            ("tls-port", &port.to_string()),
        ];
        for (name, value) in settings {
            site.redis.cli(&["CONFIG", "SET", name, value]);
        }
        Some(Self {
            site,
            port,
            certificate,
            _dir: dir,
        })
    }

    fn server(&self) -> Server {
        Server::new(&format!("rediss://127.0.0.1:{}", self.port)).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_trusts_the_authority_that_it_is_told_to_trust() {
    let Some(tls) = Tls::start() else { return };
    let server = tls.server();
    let trusting = server
        .with_root_certificates(tls.certificate.as_bytes())
        .unwrap();
    let client = Client::builder().server(trusting).connect().await.unwrap();
    client.push(mail(1)).await.unwrap();
    assert_eq!(list(&tls.site, "queue:mailers").len(), 1);
    // As over TCP: a cut connection is replaced.
    cut_connections(&tls.site);
    push_again(&client, Push::new(&mail(2)).unwrap()).await;
    assert_eq!(list(&tls.site, "queue:mailers").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_refuses_a_certificate_that_nobody_vouches_for_and_says_why() {
    let Some(tls) = Tls::start() else { return };
    let client = Client::builder().server(tls.server()).build().unwrap();
    let error = client.push(mail(1)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("certificate"), "{text}");
    assert_eq!(dbsize(&tls.site), 0);
    // A certificate for another name than the one in the URL.
    let server = Server::new(&format!("rediss://localhost:{}", tls.port))
        .unwrap()
        .with_root_certificates(tls.certificate.as_bytes())
        .unwrap();
    let client = Client::builder().server(server).build().unwrap();
    let error = client.push(mail(1)).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(dbsize(&tls.site), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_to_a_plain_port_and_plain_text_to_a_tls_port_end_with_an_error() {
    let Some(tls) = Tls::start() else { return };
    let urls = [
        format!("rediss://127.0.0.1:{}", tls.site.redis.port()),
        format!("redis://127.0.0.1:{}", tls.port),
    ];
    for url in urls {
        let began = std::time::Instant::now();
        let error = Client::connect(&url).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Retry, "{url}: {error:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{url}");
    }
}

#[test]
fn tls_without_a_crypto_provider_is_an_error_and_no_panic() {
    // In a process of its own, whose program installs none.
    let server = RedisServer::start();
    let crew = Crew::new(env!("CARGO_BIN_EXE_crew"), &server)
        .set("REDIS_URL", format!("rediss://127.0.0.1:{}", server.port()))
        .start();
    assert!(!crew.wait_exit(SOON).success());
    let log = crew.log();
    let words = "rediss:// needs a crypto provider";
    assert!(log.contains(words) && !log.contains("panicked"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn root_certificates_that_are_none_are_refused() {
    let tls = Server::new("rediss://127.0.0.1").unwrap();
    for pem in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    ] {
        let error = tls
            .clone()
            .with_root_certificates(pem.as_bytes())
            .unwrap_err();
        assert!(matches!(error, StoreError::Input(_)), "{error:?}");
        assert!(error.to_string().contains("PEM"), "{error}");
    }
    let plain = Server::new("redis://127.0.0.1").unwrap();
    let made = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
    let error = plain
        .with_root_certificates(made.cert.pem().as_bytes())
        .unwrap_err();
    assert!(error.to_string().contains("rediss://"), "{error}");
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
