//! Where Redis is and how patient to be with it. Opens connections; keeps none.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind,
    aio::MultiplexedConnection,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

#[cfg(feature = "tls")]
use crate::trust::Trust;
use crate::{StoreError, TlsFiles};

/// What was sent and not acknowledged for this long ends a connection.
#[cfg(target_os = "linux")]
pub(crate) const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the kernel asks whether the other end is still there.
pub(crate) fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(5))
        .with_retries(3)
}

/// One Redis (or Valkey) server, named by URL.
///
/// `redis://[user[:password]@]host[:port][/db]`, the same with `rediss://` for TLS (feature `tls`), or
/// `unix:///path/to/socket[?db=N&user=U&pass=P]`. `Debug` and `Display` never show the password.
#[derive(Clone)]
pub struct Server {
    client: Client,
    address: Arc<str>,
    patience: Patience,
    functions: bool,
    #[cfg(feature = "tls")]
    trust: Trust,
}

/// How long to wait for Redis. Every wait ends: a client that waits for ever hides a dead server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection to be made, the handshake included. Default 2 s.
    pub connect: Duration,
    /// For the reply to a command that does not block. Default 5 s.
    pub reply: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            reply: Duration::from_secs(5),
        }
    }
}

impl Server {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`StoreError::Input`] says what is wrong with it, without repeating a password.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let url = url.trim();
        if url.is_empty() {
            return Err(StoreError::Input(
                "the Redis URL is empty; write redis://HOST:PORT/DB, rediss://… or unix:///PATH"
                    .into(),
            ));
        }
        let wrong = |error: redis::RedisError| {
            StoreError::Input(format!(
                "the Redis URL {} is wrong: {error}; write redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://… or unix:///PATH",
                redact(url)
            ))
        };
        let info = url.to_owned().into_connection_info().map_err(wrong)?;
        // RESP3 tells a client of a closed connection by a push message, so that the next push reconnects
        // instead of ending in `Unknown`.
        let redis = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name("gandy", env!("CARGO_PKG_VERSION"));
        let address = match info.addr() {
            ConnectionAddr::Unix(path) => format!("unix:{}", path.display()),
            tcp => format!("{tcp}/{}", redis.db()),
        };
        // A half-open socket is found by the kernel too, not only by our deadlines.
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(keepalive());
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(USER_TIMEOUT);
        let client =
            Client::open(info.set_redis_settings(redis).set_tcp_settings(tcp)).map_err(wrong)?;
        Ok(Self {
            client,
            address: address.into(),
            patience: Patience::default(),
            functions: false,
            #[cfg(feature = "tls")]
            trust: Trust::default(),
        })
    }

    /// Reads the URL from a file: how containers hand over secrets. Surrounding white space is dropped.
    ///
    /// # Errors
    /// [`StoreError::Input`] when the file cannot be read or its text is no URL.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| {
            StoreError::Input(format!(
                "cannot read the Redis URL from {}: {error}",
                path.display()
            ))
        })?;
        Self::new(&text)
    }

    /// Reads `REDIS_URL`, else the file named by `REDIS_URL_FILE`, else `redis://127.0.0.1:6379/0`; and the
    /// [`TlsFiles`] that the environment names.
    ///
    /// # Errors
    /// As [`Server::new`], [`Server::from_file`] and [`Server::with_tls_files`].
    pub fn from_env() -> Result<Self, StoreError> {
        let server = if let Ok(url) = std::env::var("REDIS_URL") {
            Self::new(&url)
        } else {
            match std::env::var_os("REDIS_URL_FILE") {
                Some(path) => Self::from_file(path.as_os_str()),
                None => Self::new("redis://127.0.0.1:6379/0"),
            }
        };
        server?.with_tls_files(&TlsFiles::from_env())
    }

    /// The same server with other deadlines.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The same server, on which scripts are not brought along: they run as the functions that
    /// `gandy install-functions` has installed, so that a worker needs the right to `FCALL` and to no script of its own.
    #[must_use]
    pub fn with_functions(mut self, functions: bool) -> Self {
        self.functions = functions;
        self
    }

    /// Whether scripts run as installed functions.
    #[must_use]
    pub fn functions(&self) -> bool {
        self.functions
    }

    /// Address and database, never credentials.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The deadlines in force.
    #[must_use]
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// Whom to trust, and as whom to appear.
    #[cfg(feature = "tls")]
    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The same server with connections that are made with `client`, which has the same trust.
    #[cfg(feature = "tls")]
    pub(crate) fn trusting(mut self, client: Client, trust: Trust) -> Self {
        self.client = client;
        self.trust = trust;
        self
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn config(&self, reply: Duration) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience.connect))
            .set_response_timeout(Some(reply))
    }

    /// Refuses what would make the TLS library panic, in the middle of somebody's push.
    #[cfg(feature = "tls")]
    pub(crate) fn ready(&self) -> Result<(), StoreError> {
        let encrypted = matches!(
            self.client.get_connection_info().addr(),
            ConnectionAddr::TcpTls { .. }
        );
        if encrypted && rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(StoreError::Input(
                "rediss:// needs a crypto provider, and the application has installed none; \
                 call rustls::crypto::ring::default_provider().install_default() when it starts"
                    .into(),
            ));
        }
        Ok(())
    }

    /// Opens one connection. `on_close` is called once when the server or the network ends it.
    pub(crate) async fn connect(
        &self,
        reply: Duration,
        on_close: impl Fn() + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, StoreError> {
        let config = self.config(reply).set_push_sender(move |info: PushInfo| {
            if info.kind == PushKind::Disconnection {
                on_close();
            }
            Ok::<(), std::convert::Infallible>(())
        });
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| StoreError::connecting(&self.address, &error))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("patience", &self.patience)
            .finish()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// The URL with its password replaced. What does not look like a URL is shown only up to its first `@`-free part.
#[must_use]
pub fn redact(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let shown = match rest.rsplit_once('@') {
        Some((credentials, host)) => {
            // What stands alone may be a password that somebody put where the user goes.
            match credentials.split_once(':') {
                Some((user, _)) => format!("{user}:***@{host}"),
                None => format!("***@{host}"),
            }
        }
        None => rest.to_owned(),
    };
    // Unix URLs carry the password in the query.
    let shown = match shown.split_once("pass=") {
        Some((before, after)) => {
            let tail = after.find('&').map_or("", |at| &after[at..]);
            format!("{before}pass=***{tail}")
        }
        None => shown,
    };
    if scheme.is_empty() {
        shown
    } else {
        format!("{scheme}://{shown}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_password_is_ever_shown() {
        let server = Server::new("redis://app:S3CR3T@127.0.0.1:6390/2").unwrap();
        assert_eq!(server.to_string(), "127.0.0.1:6390/2");
        assert!(!format!("{server:?}").contains("S3CR3T"));
        assert_eq!(redact("redis://app:S3CR3T@h:1/2"), "redis://app:***@h:1/2");
        assert_eq!(redact("redis://:S3CR3T@h"), "redis://:***@h");
        assert_eq!(redact("redis://S3CR3T@h"), "redis://***@h");
        assert_eq!(
            redact("unix:///s?db=1&pass=S3CR3T&user=a"),
            "unix:///s?db=1&pass=***&user=a"
        );
        let error = Server::new("redis://app:S3CR3T@:bad/x")
            .unwrap_err()
            .to_string();
        assert!(!error.contains("S3CR3T"), "{error}");
    }

    #[test]
    fn a_wrong_url_says_what_to_write() {
        for url in [
            "",
            "  ",
            "localhost",
            "http://x",
            "redis://h/notadb",
            "redis://",
        ] {
            let error = Server::new(url).unwrap_err();
            assert!(matches!(error, StoreError::Input(_)), "{url}: {error:?}");
            assert!(error.to_string().contains("redis://"), "{url}: {error}");
        }
    }
}
