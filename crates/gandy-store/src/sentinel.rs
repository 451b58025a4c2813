//! Sentinels: who says at this moment which server is the primary.
//!
//! Nothing of an answer is kept: each new connection asks anew. The first one of a process that arrives at another primary
//! ends the term of the last one, and with it all connections there (`Server::term`).
//! Not here: connecting to the primary and asking it whether it is one (`server`, `link`).

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::{
    Server, StoreError,
    link::Link,
    resp::{Frame, Replies, Request, Unread},
    sentinel_url::SentinelUrl,
};

/// For one sentinel to be reached and to answer. One that hangs must not keep us from asking the next.
pub(crate) const ASK: Duration = Duration::from_millis(500);

/// The sentinels of one primary.
#[derive(Debug)]
pub(crate) struct Sentinels {
    /// The name under which they watch it.
    master: String,
    nodes: Vec<ConnectionInfo>,
    /// The one to ask first: it answered first the last time.
    front: AtomicUsize,
    /// Where the last connection led.
    primary: Mutex<Option<ConnectionAddr>>,
    /// How often it led somewhere else than the one before.
    term: AtomicU64,
}

impl Sentinels {
    pub(crate) fn new(url: &SentinelUrl) -> Result<Self, redis::RedisError> {
        let node = |(host, port): &(String, u16)| {
            let addr = address(url.tls, host.clone(), *port).into_connection_info()?;
            Ok::<_, redis::RedisError>(addr.set_redis_settings(url.sentinel.clone()))
        };
        Ok(Self {
            master: url.master.clone(),
            nodes: url.hosts.iter().map(node).collect::<Result<_, _>>()?,
            front: AtomicUsize::new(0),
            primary: Mutex::default(),
            term: AtomicU64::new(0),
        })
    }

    /// How long asking them may take, of a server's patience for a connection: a claim loop that stands still for too long
    /// is believed to be blocked.
    pub(crate) fn patience(&self, connect: Duration) -> Duration {
        let all = ASK.saturating_mul(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        all.min(connect)
    }

    /// For messages: the master's name, and who the sentinels are.
    pub(crate) fn describe(&self, db: i64) -> String {
        let nodes: Vec<String> = self.nodes.iter().map(shown).collect();
        format!("{}/{db} (sentinels {})", self.master, nodes.join(", "))
    }

    /// Asks one after another where the primary is, the one that answered last first.
    ///
    /// # Errors
    /// None of them knows: to be tried again, unless all of them refused to talk to us.
    pub(crate) async fn primary(&self, server: &Server) -> Result<(String, u16), StoreError> {
        let count = self.nodes.len();
        let front = self.front.load(Ordering::Relaxed) % count;
        let others = (0..count).filter(|&index| index != front);
        let give_up = Instant::now() + self.patience(server.patience().connect);
        let mut said = Vec::with_capacity(count);
        let mut refusals = 0;
        for index in std::iter::once(front).chain(others) {
            let node = &self.nodes[index];
            let left = give_up.saturating_duration_since(Instant::now()).min(ASK);
            if left.is_zero() {
                // The next try begins where this one ended.
                self.front.store(index, Ordering::Relaxed);
                break;
            }
            let answer = tokio::time::timeout(left, self.ask(server, node)).await;
            let what = match answer {
                Ok(Ok(Some(primary))) => {
                    self.front.store(index, Ordering::Relaxed);
                    return Ok(primary);
                }
                Ok(Ok(None)) => format!("knows no master called {}", self.master),
                Ok(Err(error)) => {
                    refusals += usize::from(matches!(error, StoreError::Refused { .. }));
                    error.cause().to_owned()
                }
                Err(_) => format!("no answer within {} ms", left.as_millis()),
            };
            said.push(format!("{}: {what}", shown(node)));
        }
        let (server, said) = (server.address().to_owned(), said.join("; "));
        if refusals == count {
            return Err(StoreError::Refused {
                server,
                cause: format!(
                    "no sentinel lets us ask ({said}). Their user and password are not Redis': give them as \
                     ?sentinel_username=…&sentinel_password=… at the end of the URL"
                ),
            });
        }
        Err(StoreError::Unavailable {
            server,
            cause: format!(
                "no sentinel names a primary ({said}). Check that they run, can be reached from here, and list \
                 the master: redis-cli -p PORT SENTINEL MASTERS"
            ),
        })
    }

    /// The primary that was named could not be used. Whoever named it may be cut off from the others and know nothing of a
    /// failover; asked first again and again it would keep us from the new primary for ever.
    pub(crate) fn doubt(&self) {
        self.front.fetch_add(1, Ordering::Relaxed);
    }

    async fn ask(
        &self,
        server: &Server,
        node: &ConnectionInfo,
    ) -> Result<Option<(String, u16)>, StoreError> {
        let lost = |error: std::io::Error| StoreError::Unavailable {
            server: server.address().to_owned(),
            cause: error.to_string(),
        };
        let mut link = Link::reach(server, node).await?;
        let mut request = Request::default();
        request
            .command(3)
            .text("SENTINEL")
            .text("get-master-addr-by-name")
            .text(&self.master);
        link.write(&request).await.map_err(lost)?;
        let mut frame = Frame::new(1);
        let end = link.read(&mut frame).await.map_err(lost)?;
        read(&mut Replies::new(link.replies(end))).map_err(|unread| match unread {
            Unread::Error(words) => StoreError::logging_in(server.address(), &words),
            Unread::Shape => StoreError::shape("SENTINEL"),
        })
    }

    /// The term in which we are.
    pub(crate) fn term(&self) -> u64 {
        self.term.load(Ordering::Acquire)
    }

    /// A connection was made to what says that it is the primary: another one than before begins another term. The term
    /// that the connection is of; `None`: the sentinels were asked in the term `asked`, and meanwhile somebody was led to
    /// another one.
    pub(crate) fn arrived(&self, at: &ConnectionInfo, asked: u64) -> Option<u64> {
        let mut primary = self.primary.lock().unwrap_or_else(PoisonError::into_inner);
        match primary.as_ref() {
            Some(before) if before == at.addr() => return Some(self.term()),
            // A frozen one that thaws while it is being greeted: what the sentinels said of it is old.
            Some(_) if asked != self.term() => return None,
            Some(before) => tracing::warn!(
                master = self.master,
                %before,
                now = %at.addr(),
                "the sentinels name another primary"
            ),
            None => {}
        }
        *primary = Some(at.addr().clone());
        Some(self.term.fetch_add(1, Ordering::AcqRel) + 1)
    }
}

/// The address of a server, to be reached by TLS or not.
pub(crate) fn address(tls: bool, host: String, port: u16) -> ConnectionAddr {
    if tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

/// The same kind of address at another place.
pub(crate) fn moved(from: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match from.clone() {
        ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure,
            tls_params,
        },
        _ => ConnectionAddr::Tcp(host, port),
    }
}

/// `HOST:PORT`, with brackets where they are needed.
pub(crate) fn place(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub(crate) fn shown(node: &ConnectionInfo) -> String {
    match node.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            place(host, *port)
        }
        other => other.to_string(),
    }
}

/// The reply: host and port, or nil where no such master is watched.
fn read(replies: &mut Replies<'_>) -> Result<Option<(String, u16)>, Unread> {
    match replies.list()? {
        None => Ok(None),
        Some(2) => {
            let mut text = || {
                let bytes = replies.bulk()?.ok_or(Unread::Shape)?;
                std::str::from_utf8(bytes).map_err(|_| Unread::Shape)
            };
            let (host, port) = (text()?.to_owned(), text()?);
            let port = port.parse().map_err(|_| Unread::Shape)?;
            Ok(Some((host, port)))
        }
        Some(_) => Err(Unread::Shape),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_sentinels_answer_is_read_and_nothing_else() {
        let read = |bytes: &[u8]| read(&mut Replies::new(bytes));
        let primary = read(b"*2\r\n$8\r\n10.0.0.7\r\n$4\r\n6380\r\n");
        assert_eq!(primary, Ok(Some(("10.0.0.7".to_owned(), 6380))));
        assert_eq!(read(b"*-1\r\n"), Ok(None));
        let refused = "NOAUTH Authentication required.".to_owned();
        assert_eq!(
            read(b"-NOAUTH Authentication required.\r\n"),
            Err(Unread::Error(refused))
        );
        for odd in [
            &b"*3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n2\r\n"[..],
            b"*2\r\n$1\r\na\r\n$5\r\n65536\r\n",
            b"*2\r\n$1\r\na\r\n$-1\r\n",
            b"+OK\r\n",
            b":1\r\n",
        ] {
            assert_eq!(read(odd), Err(Unread::Shape), "{odd:?}");
        }
    }

    #[test]
    fn after_a_doubt_another_one_is_asked_first() {
        let url = SentinelUrl::read("redis+sentinel://a,[::1]:7/m")
            .unwrap()
            .unwrap();
        let sentinels = Sentinels::new(&url).unwrap();
        assert_eq!(sentinels.describe(3), "m/3 (sentinels a:26379, [::1]:7)");
        for expected in [1, 0, 1] {
            sentinels.doubt();
            assert_eq!(sentinels.front.load(Ordering::Relaxed) % 2, expected);
        }
    }
}
