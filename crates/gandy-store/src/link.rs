//! A bare connection for the claim loop: TCP, TLS or a Unix socket, logged in and on its database. RESP2, so that nothing
//! comes but replies.

use redis::{ConnectionAddr, ConnectionInfo, RedisConnectionInfo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Server, StoreError,
    resp::{Frame, Replies, Request, Unread},
};

/// Bytes in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Room for at least this much is made before each read.
const READ: usize = 16 << 10;
/// A buffer that a large reply left behind is not kept above this size.
const KEEP: usize = 256 << 10;

/// An open connection and what was read from it.
pub(crate) struct Link {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// Of its server ([`Server::term`]).
    term: u64,
}

impl Link {
    /// Opens one, within the server's patience; behind sentinels, to the primary that they name now.
    ///
    /// # Errors
    /// As connecting: nothing of ours has run.
    pub(crate) async fn open(server: &Server) -> Result<Self, StoreError> {
        let asked = server.term();
        let info = server.locate().await?;
        let name = server.found_at(&info);
        let patience = server.patience().connect;
        let opening = async {
            let mut link = Self::dial(server, &info, &name).await?;
            let primary = server.is_watched();
            link.log_in(info.redis_settings(), &name, server.name(), primary)
                .await?;
            Ok(link)
        };
        let outcome = match tokio::time::timeout(patience, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(unavailable(
                &name,
                format!("no connection within {} ms", patience.as_millis()),
            )),
        };
        match outcome {
            Ok(mut link) => {
                link.term = server.arrived(&info, asked)?;
                Ok(link)
            }
            Err(error) => {
                server.doubt();
                Err(error)
            }
        }
    }

    /// The term of its server that it is of.
    pub(crate) fn term(&self) -> u64 {
        self.term
    }

    /// Opens one to a sentinel of this server. The deadline is the caller's.
    pub(crate) async fn reach(server: &Server, node: &ConnectionInfo) -> Result<Self, StoreError> {
        let mut link = Self::dial(server, node, server.address()).await?;
        link.log_in(node.redis_settings(), server.address(), None, false)
            .await?;
        Ok(link)
    }

    async fn dial(server: &Server, info: &ConnectionInfo, name: &str) -> Result<Self, StoreError> {
        let refused = |error: std::io::Error| unavailable(name, error.to_string());
        let stream: Box<dyn Stream> = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Box::new(dial(host, *port).await.map_err(refused)?),
            #[cfg(feature = "tls")]
            ConnectionAddr::TcpTls { host, port, .. } => {
                server.ready()?;
                let stream = dial(host, *port).await.map_err(refused)?;
                Box::new(crate::tls::encrypt(server, host, stream).await?)
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => Box::new(
                tokio::net::UnixStream::connect(path)
                    .await
                    .map_err(refused)?,
            ),
            other => {
                return Err(StoreError::Input(format!(
                    "Redis at {other} cannot be reached by this build: TLS needs the feature `tls`"
                )));
            }
        };
        #[cfg(not(feature = "tls"))]
        let _ = server;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(READ),
            term: 0,
        })
    }

    /// The first words on a connection to what errors call `name`: who we are, what this connection is called, and, with
    /// `primary`, that the other end must say that it is one.
    async fn log_in(
        &mut self,
        settings: &RedisConnectionInfo,
        name: &str,
        called: Option<&str>,
        primary: bool,
    ) -> Result<(), StoreError> {
        let mut request = Request::default();
        let mut steps = 0;
        if let Some(password) = settings.password() {
            match settings.username() {
                Some(user) => request.command(3).text("AUTH").text(user).text(password),
                None => request.command(2).text("AUTH").text(password),
            };
            steps += 1;
        }
        if settings.db() != 0 {
            let db = u64::try_from(settings.db()).unwrap_or_default();
            request.command(2).text("SELECT").number(db);
            steps += 1;
        }
        // A courtesy to who reads CLIENT LIST; servers before 7.2 do not know it.
        request
            .command(4)
            .text("CLIENT")
            .text("SETINFO")
            .text("LIB-NAME")
            .text("gandy");
        let mut courtesies = 1;
        if let Some(called) = called {
            request.command(3).text("CLIENT").text("SETNAME");
            request.text(called);
            courtesies += 1;
        }
        if primary {
            request.command(1).text("HELLO");
        }
        let lost = |error: std::io::Error| unavailable(name, error.to_string());
        self.write(&request).await.map_err(lost)?;
        let mut frame = Frame::new(steps + courtesies + usize::from(primary));
        let end = self.read(&mut frame).await.map_err(lost)?;
        let mut replies = Replies::new(self.replies(end));
        let mut outcome = Ok(());
        for _ in 0..steps {
            outcome = outcome.and(replies.done());
        }
        let role = match (&outcome, primary) {
            (Ok(()), true) => (0..courtesies)
                .try_for_each(|_| replies.skip())
                .and_then(|()| role(&mut replies))
                .map(Some),
            _ => Ok(None),
        };
        let role = outcome.and(role).map(|role| role.map(str::to_owned));
        self.forget(end);
        match role {
            Ok(None) => Ok(()),
            Ok(Some(role)) => StoreError::unless_primary(name, &role),
            Err(Unread::Error(words)) => Err(StoreError::logging_in(name, &words)),
            Err(Unread::Shape) => Err(StoreError::shape("AUTH")),
        }
    }

    /// Writes all of it.
    pub(crate) async fn write(&mut self, request: &Request) -> std::io::Result<()> {
        self.stream.write_all(request.bytes()).await?;
        self.stream.flush().await
    }

    /// Reads until the frame is complete; where it ends. May be dropped and called again.
    pub(crate) async fn read(&mut self, frame: &mut Frame) -> std::io::Result<usize> {
        loop {
            match frame.end(&self.buffer) {
                Ok(Some(end)) => return Ok(end),
                Ok(None) => {}
                Err(_) => {
                    return Err(std::io::Error::other("what came is no reply of Redis"));
                }
            }
            self.buffer.reserve(READ);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The replies up to `end`.
    pub(crate) fn replies(&self, end: usize) -> &[u8] {
        &self.buffer[..end]
    }

    /// Drops the replies up to `end`.
    pub(crate) fn forget(&mut self, end: usize) {
        self.buffer.drain(..end);
        if self.buffer.capacity() > KEEP && self.buffer.len() < READ {
            self.buffer.shrink_to(READ);
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// Connects with the same settings as the redis crate's connections have.
async fn dial(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let socket = redis::io::tcp::socket2::SockRef::from(&stream);
    socket.set_tcp_keepalive(&crate::server::keepalive())?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(crate::server::USER_TIMEOUT))?;
    Ok(stream)
}

/// Reads the role out of the reply to HELLO, a list of names and values; nothing where it is not told.
fn role<'a>(replies: &mut Replies<'a>) -> Result<&'a str, Unread> {
    for _ in 0..replies.array()? / 2 {
        if replies.bulk()? == Some(b"role") {
            let role = replies.bulk()?.unwrap_or_default();
            return std::str::from_utf8(role).map_err(|_| Unread::Shape);
        }
        replies.skip()?;
    }
    Ok("")
}

pub(crate) fn unavailable(server: &str, cause: String) -> StoreError {
    StoreError::Unavailable {
        server: server.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_is_found_among_all_that_hello_tells() {
        let hello = |role: &str| {
            let length = role.len();
            format!(
                "-ERR unknown subcommand\r\n*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nmodules\r\n*1\r\n*2\r\n\
                 $4\r\nname\r\n$1\r\nx\r\n$5\r\nproto\r\n:2\r\n$4\r\nrole\r\n${length}\r\n{role}\r\n$2\r\nid\r\n:7\r\n"
            )
        };
        for told in ["master", "replica"] {
            let bytes = hello(told);
            let mut replies = Replies::new(bytes.as_bytes());
            assert_eq!(replies.skip(), Ok(()), "an error is skipped like anything");
            assert_eq!(role(&mut replies), Ok(told));
        }
        let mut none = Replies::new(b"*2\r\n$5\r\nproto\r\n:2\r\n");
        assert_eq!(role(&mut none), Ok(""));
        let mut refused = Replies::new(b"-NOAUTH HELLO must be called\r\n");
        assert!(matches!(role(&mut refused), Err(Unread::Error(_))));
    }
}
