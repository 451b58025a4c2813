//! A private redis-server that speaks TLS and asks for a client's certificate, and the certificates of both sides.
//!
//! Everything is made anew for each server by an authority of its own, so no test trusts another's.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tempfile::TempDir;

use crate::redis_server::{RedisServer, free_port};

/// What the server shows to its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A certificate for 127.0.0.1 that is in order.
    Good,
    /// One that ended years ago.
    Expired,
    /// One for another host.
    OfAnotherHost,
}

/// A Redis that also speaks TLS, on a port of its own, and only with clients whose certificate its authority signed.
#[derive(Debug)]
pub struct TlsServer {
    /// The server; its usual port speaks plain text.
    pub redis: RedisServer,
    port: u16,
    folder: TempDir,
}

impl TlsServer {
    /// Starts one; `None`, with a word about it, where redis-server was built without TLS. Also does what applications do
    /// when they start: installs a crypto provider.
    ///
    /// # Panics
    /// When the server does not start or takes none of the certificates.
    #[track_caller]
    pub fn start(shown: Shown) -> Option<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let redis = RedisServer::start();
        if redis.cli(&["CONFIG", "GET", "tls-port"]).is_empty() {
            println!("SKIPPED: TLS, because this redis-server was built without it");
            return None;
        }
        let folder = TempDir::with_prefix("gandy-tls-").expect("no temporary folder");
        let (ours, others) = (Authority::new("ours"), Authority::new("others"));
        let host = match shown {
            Shown::OfAnotherHost => "redis.example.com",
            Shown::Good | Shown::Expired => "127.0.0.1",
        };
        let server = Self {
            redis,
            port: free_port(),
            folder,
        };
        server.keep("ca.pem", &ours.pem);
        server.keep("other-ca.pem", &others.pem);
        server.keep_pair("server", &ours.sign(host, shown == Shown::Expired));
        server.keep_pair("client", &ours.sign("client", false));
        server.keep_pair("stranger", &others.sign("client", false));
        let file = |name| server.file(name).display().to_string();
        for (name, value) in [
            ("tls-cert-file", file("server.pem")),
            ("tls-key-file", file("server.key")),
            ("tls-ca-cert-file", file("ca.pem")),
            ("tls-auth-clients", "yes".to_owned()),
            ("tls-port", server.port.to_string()),
        ] {
            server.redis.cli(&["CONFIG", "SET", name, &value]);
        }
        Some(server)
    }

    /// `rediss://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port)
    }

    /// The port that speaks TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// One of `ca.pem`, `client.pem`, `client.key`; of another authority `other-ca.pem`, `stranger.pem`, `stranger.key`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn keep(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).expect("cannot write into a new temporary folder");
    }

    fn keep_pair(&self, name: &str, (certificate, key): &(String, String)) {
        self.keep(&format!("{name}.pem"), certificate);
        self.keep(&format!("{name}.key"), key);
    }
}

/// Signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("an authority signs itself");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Certificate and key for `host`.
    fn sign(&self, host: &str, expired: bool) -> (String, String) {
        let mut params = params(host, &[host]);
        if expired {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer);
        let certificate = certificate.expect("an authority signs");
        (certificate.pem(), key.serialize_pem())
    }
}

/// With a name of its own: OpenSSL takes a certificate that bears its authority's name for self-signed.
fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("plain names of hosts");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
