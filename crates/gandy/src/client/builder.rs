//! Building a client: where it pushes to, under which names, and what looks at its pushes.

use std::sync::Arc;

use gandy_protocol::{Keys, StampFormat};
use gandy_store::{Line, Producer, Server};

use super::{Buffer, Client, ClientMiddleware, Inner, Retry, Target, held::Buffered};
use crate::{Error, testing::Recorder};

/// Builds a [`Client`]; see [`Client::builder`].
#[derive(Default)]
pub struct ClientBuilder {
    server: Option<Server>,
    namespace: String,
    stamps: StampFormat,
    max_payload: Option<usize>,
    middleware: Vec<Box<dyn ClientMiddleware>>,
    retry: Retry,
    buffer: Option<Buffer>,
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("server", &self.server)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// The Redis to push to. Default: what the environment says ([`Server::from_env`]).
    #[must_use]
    pub fn server(mut self, server: Server) -> Self {
        self.server = Some(server);
        self
    }

    /// Puts `NAME:` before every key. Default: none, as Sidekiq 7 and 8.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = name.into();
        self
    }

    /// How times are written into payloads. Default milliseconds; [`StampFormat::Seconds`] while any Ruby below
    /// Sidekiq 8 reads them.
    #[must_use]
    pub fn stamps(mut self, format: StampFormat) -> Self {
        self.stamps = format;
        self
    }

    /// The largest payload in bytes. Default 1 MiB.
    #[must_use]
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = Some(bytes);
        self
    }

    /// Adds a middleware; they run in the order in which they were added.
    #[must_use]
    pub fn middleware(mut self, middleware: impl ClientMiddleware) -> Self {
        self.middleware.push(Box::new(middleware));
        self
    }

    /// How pushes that fail are repeated. Default: for 1 s, what surely had no effect.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Keeps pushes in memory while Redis is away. Default: their callers are told. What is kept is not repeated as
    /// [`ClientBuilder::retry`] says but until Redis takes it.
    #[must_use]
    pub fn buffer(mut self, buffer: Buffer) -> Self {
        self.buffer = Some(buffer);
        self
    }

    /// A client that connects when it first pushes.
    ///
    /// # Errors
    /// A wrong URL in the environment, a namespace that cannot be one, or a buffer that keeps nothing.
    pub fn build(mut self) -> Result<Client, Error> {
        let server = match self.server.take() {
            Some(server) => server,
            None => Server::from_env()?,
        };
        let keys = Keys::new(&self.namespace).map_err(|error| Error::config(error.to_string()))?;
        let buffer = self.buffer.take();
        buffer.as_ref().map_or(Ok(()), Buffer::check)?;
        let reply = server.patience().reply;
        let producer = Producer::new(Line::single(server, keys, reply));
        Ok(self.over(match buffer {
            Some(buffer) => Target::Buffered(Buffered::new(producer, buffer)),
            None => Target::Redis(producer),
        }))
    }

    /// A client that connects now and checks the server's version.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`], and when the server cannot be reached, refuses the credentials or is too old.
    pub async fn connect(self) -> Result<Client, Error> {
        let client = self.build()?;
        client.check().await?;
        Ok(client)
    }

    pub(crate) fn test(self, recorder: Recorder) -> Client {
        self.over(Target::Test(recorder))
    }

    fn over(self, target: Target) -> Client {
        Client {
            inner: Arc::new(Inner {
                target,
                stamps: self.stamps,
                max_payload: self.max_payload.unwrap_or(1 << 20),
                middleware: self.middleware,
                retry: self.retry,
            }),
        }
    }
}
