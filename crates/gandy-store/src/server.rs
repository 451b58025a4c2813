//! Where Redis is and how patient to be with it. Opens connections; keeps none.

use std::{collections::HashMap, fmt, path::Path, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, FromRedisValue,
    IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind, Value,
    aio::MultiplexedConnection,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use crate::{
    StoreError, TlsFiles,
    sentinel::{self, Sentinels},
    sentinel_url::SentinelUrl,
};

#[cfg(feature = "tls")]
use crate::trust::Trust;

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
/// `redis://[user[:password]@]host[:port][/db]`, the same with `rediss://` for TLS (feature `tls`),
/// `unix:///path/to/socket[?db=N&user=U&pass=P]`, or the primary that sentinels name:
/// `redis+sentinel://[user:password@]host[:port][,host[:port]…]/MASTER[/db]`, where hosts and ports (default 26379) are the
/// sentinels', user, password and db those of the Redis behind them. Sentinels that want a login of their own get it by
/// `?sentinel_username=…&sentinel_password=…`; `rediss+sentinel://` is TLS to them and to Redis. Each new connection asks
/// them anew and makes sure that it leads to a primary. `Debug` and `Display` never show a password.
#[derive(Clone)]
pub struct Server {
    /// With sentinels a pattern: all but the place is right.
    client: Client,
    sentinels: Option<Arc<Sentinels>>,
    address: Arc<str>,
    /// The URL with stars for secrets.
    redacted: Arc<str>,
    patience: Patience,
    functions: bool,
    name: Option<Arc<str>>,
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

/// A connection, and the term that it is of.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) term: u64,
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
                "the Redis URL is empty; write redis://HOST:PORT/DB, rediss://…, unix:///PATH or redis+sentinel://…"
                    .into(),
            ));
        }
        let wrong = |error: redis::RedisError| {
            StoreError::Input(format!(
                "the Redis URL {} is wrong: {error}; write redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://…, unix:///PATH or redis+sentinel://…",
                redact(url)
            ))
        };
        let (info, sentinels) = match SentinelUrl::read(url).transpose()? {
            Some(named) => behind_sentinels(&named).map_err(wrong)?,
            None => (url.to_owned().into_connection_info().map_err(wrong)?, None),
        };
        // RESP3 tells a client of a closed connection by a push message, so that the next push reconnects
        // instead of ending in `Unknown`.
        let redis = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name("gandy", env!("CARGO_PKG_VERSION"));
        let address = match (&sentinels, info.addr()) {
            (Some(sentinels), _) => sentinels.describe(redis.db()),
            (None, ConnectionAddr::Unix(path)) => format!("unix:{}", path.display()),
            (None, tcp) => format!("{tcp}/{}", redis.db()),
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
            sentinels: sentinels.map(Arc::new),
            address: address.into(),
            redacted: redact(url).into(),
            patience: Patience::default(),
            functions: false,
            name: None,
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

    /// The same server, whose `CLIENT LIST` shows all connections under this name. It has to be printable ASCII without
    /// spaces: where it is not, and where `CLIENT` is denied, they stay without.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The name of its connections.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
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

    /// The URL as it was given, with `***` in place of passwords: to show, and to name the same server in a shell.
    #[must_use]
    pub fn redacted_url(&self) -> &str {
        &self.redacted
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

    /// Where to connect to now: behind sentinels, the primary that they name at this moment.
    ///
    /// # Errors
    /// No sentinel names one.
    pub(crate) async fn locate(&self) -> Result<ConnectionInfo, StoreError> {
        let info = self.client.get_connection_info().clone();
        let Some(sentinels) = &self.sentinels else {
            return Ok(info);
        };
        let (host, port) = sentinels.primary(self).await?;
        let addr = sentinel::moved(info.addr(), host, port);
        Ok(info.set_addr(addr))
    }

    /// Behind sentinels the number of the primary that this process was led to last; connections of an earlier term lead to
    /// one that is none any more. It may not know that: frozen when the others replaced it and thawed again, it goes on until a
    /// sentinel demotes it, seconds later, and forgets all that was done meanwhile. In the battery's `failover` a worker that
    /// had stayed with it ran 200 jobs once more. So nothing is sent there, and what it answers counts as no answer.
    pub(crate) fn term(&self) -> u64 {
        self.sentinels.as_ref().map_or(0, |known| known.term())
    }

    /// A connection was made and may be used, unless the sentinels, asked in the term `asked`, name another primary now. The
    /// term that it is of.
    pub(crate) fn arrived(&self, at: &ConnectionInfo, asked: u64) -> Result<u64, StoreError> {
        let Some(sentinels) = &self.sentinels else {
            return Ok(0);
        };
        sentinels
            .arrived(at, asked)
            .ok_or_else(|| StoreError::Unavailable {
                server: self.found_at(at),
                cause: "meanwhile the sentinels named another primary".to_owned(),
            })
    }

    /// Whether a server must say that it is a primary before it is used.
    pub(crate) fn is_watched(&self) -> bool {
        self.sentinels.is_some()
    }

    /// What was named could not be used: next time another sentinel is asked first.
    pub(crate) fn doubt(&self) {
        if let Some(sentinels) = &self.sentinels {
            sentinels.doubt();
        }
    }

    /// For messages: the address, behind sentinels with the place of the primary.
    pub(crate) fn found_at(&self, info: &ConnectionInfo) -> String {
        match self.sentinels {
            Some(_) => format!("{}, primary {}", self.address, sentinel::shown(info)),
            None => self.address.to_string(),
        }
    }

    /// How long opening a connection may take.
    pub(crate) fn opening(&self) -> Duration {
        let connect = self.patience.connect;
        // The question for its role comes after the connection is made.
        let watched = |sentinels: &Arc<Sentinels>| sentinels.patience(connect) + connect;
        connect + self.sentinels.as_ref().map_or(Duration::ZERO, watched)
    }

    /// Opens one connection. `on_close` is called once when the server or the network ends it.
    pub(crate) async fn connect(
        &self,
        reply: Duration,
        on_close: impl Fn() + Send + Sync + 'static,
    ) -> Result<Opened, StoreError> {
        let asked = self.term();
        let info = self.locate().await?;
        let name = self.found_at(&info);
        let config = self.config(reply).set_push_sender(move |info: PushInfo| {
            if info.kind == PushKind::Disconnection {
                on_close();
            }
            Ok::<(), std::convert::Infallible>(())
        });
        let opened = async {
            let client = Client::open(info.clone())?;
            client
                .get_multiplexed_async_connection_with_config(&config)
                .await
        };
        let outcome = match opened.await {
            Ok(connection) if self.is_watched() => self.confirm(connection, &name).await,
            Ok(connection) => Ok(connection),
            Err(error) => Err(StoreError::connecting(&name, &error)),
        };
        if let (Ok(connection), Some(name)) = (&outcome, self.name()) {
            introduce(connection, name).await;
        }
        match outcome {
            Ok(connection) => Ok(Opened {
                connection,
                term: self.arrived(&info, asked)?,
            }),
            Err(error) => {
                self.doubt();
                Err(error)
            }
        }
    }

    /// Gives a connection back only if its server says that it is a primary.
    ///
    /// HELLO tells what ROLE tells, and no ACL can forbid it: a producer needs no right that it does not need without
    /// sentinels.
    async fn confirm(
        &self,
        mut connection: MultiplexedConnection,
        name: &str,
    ) -> Result<MultiplexedConnection, StoreError> {
        let hello = redis::cmd("HELLO");
        let asked = hello.query_async::<HashMap<String, Value>>(&mut connection);
        let facts = match tokio::time::timeout(self.patience.connect, asked).await {
            Ok(Ok(facts)) => facts,
            Ok(Err(error)) => return Err(StoreError::connecting(name, &error)),
            Err(_) => {
                return Err(StoreError::Unavailable {
                    server: name.to_owned(),
                    cause: format!(
                        "it did not tell its role within {} ms",
                        self.patience.connect.as_millis()
                    ),
                });
            }
        };
        let role = facts.get("role").cloned().map(String::from_redis_value);
        let role = role.and_then(Result::ok).unwrap_or_default();
        StoreError::unless_primary(name, &role)?;
        Ok(connection)
    }
}

/// Tells the server the connection's name. Whether it listens shows where the name is looked for.
async fn introduce(connection: &MultiplexedConnection, name: &str) {
    let mut command = redis::cmd("CLIENT");
    command.arg("SETNAME").arg(name);
    let told = command.exec_async(&mut connection.clone()).await;
    if let Err(error) = told {
        tracing::debug!(%error, "a connection stays without a name");
    }
}

/// How to connect behind these sentinels, with a place that is none yet.
fn behind_sentinels(
    url: &SentinelUrl,
) -> Result<(ConnectionInfo, Option<Sentinels>), redis::RedisError> {
    if url.tls && !cfg!(feature = "tls") {
        return Err((
            redis::ErrorKind::InvalidClientConfig,
            "TLS needs the feature `tls`, which this build has not",
        )
            .into());
    }
    let nowhere = sentinel::address(url.tls, String::new(), 0);
    let info = nowhere
        .into_connection_info()?
        .set_redis_settings(url.primary.clone());
    Ok((info, Some(Sentinels::new(url)?)))
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
    // URLs of Unix sockets and of sentinels carry a password in the query.
    let shown = ["pass=", "password="].iter().fold(shown, |shown, key| {
        let mut parts = shown.split(key);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |before, after| {
            let tail = after.find('&').map_or("", |at| &after[at..]);
            format!("{before}{key}***{tail}")
        })
    });
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
        assert_eq!(
            redact(
                "redis+sentinel://a:S3CR3T@h,i:2/m/1?sentinel_password=S3CR3T&sentinel_username=u"
            ),
            "redis+sentinel://a:***@h,i:2/m/1?sentinel_password=***&sentinel_username=u"
        );
        let url = "redis+sentinel://a:S3CR3T@h,i:2/m/1?sentinel_password=S3CR3T";
        let server = Server::new(url).unwrap();
        assert_eq!(server.to_string(), "m/1 (sentinels h:26379, i:2)");
        assert!(!format!("{server:?}").contains("S3CR3T"));
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
