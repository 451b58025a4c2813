//! A bare connection for the claim loop: TCP, TLS or a Unix socket, logged in and on its database. RESP2, so that nothing
//! comes but replies.

use redis::ConnectionAddr;
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
}

impl Link {
    /// Opens one, within the server's patience.
    ///
    /// # Errors
    /// As connecting: nothing of ours has run.
    pub(crate) async fn open(server: &Server) -> Result<Self, StoreError> {
        let patience = server.patience().connect;
        match tokio::time::timeout(patience, Self::connect(server)).await {
            Ok(opened) => opened,
            Err(_) => Err(unavailable(
                server,
                format!("no connection within {} ms", patience.as_millis()),
            )),
        }
    }

    async fn connect(server: &Server) -> Result<Self, StoreError> {
        let refused = |error: std::io::Error| unavailable(server, error.to_string());
        let stream: Box<dyn Stream> = match server.client().get_connection_info().addr() {
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
        let mut link = Self {
            stream,
            buffer: Vec::with_capacity(READ),
        };
        link.log_in(server).await?;
        Ok(link)
    }

    async fn log_in(&mut self, server: &Server) -> Result<(), StoreError> {
        let settings = server.client().get_connection_info().redis_settings();
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
        let lost = |error: std::io::Error| unavailable(server, error.to_string());
        self.write(&request).await.map_err(lost)?;
        let mut frame = Frame::new(steps + 1);
        let end = self.read(&mut frame).await.map_err(lost)?;
        let mut replies = Replies::new(self.replies(end));
        let mut outcome = Ok(());
        for _ in 0..steps {
            outcome = outcome.and(replies.done());
        }
        self.forget(end);
        outcome.map_err(|unread| match unread {
            Unread::Error(words) => StoreError::logging_in(server.address(), &words),
            Unread::Shape => StoreError::shape("AUTH"),
        })
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

pub(crate) fn unavailable(server: &Server, cause: String) -> StoreError {
    StoreError::Unavailable {
        server: server.address().to_owned(),
        cause,
    }
}
