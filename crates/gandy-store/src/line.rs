//! A line to Redis: one connection, or a pool of them, opened when first used and again after each loss, closed as soon
//! as a reply on it is in doubt (I7).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool::managed::{Object, PoolError};
use gandy_protocol::keys::Keys;
use redis::{
    Cmd, FromRedisValue, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::sync::{Mutex, Notify};

use crate::{
    Server, StoreError,
    lua::Call,
    pool::{Opener, Pool, Pooled},
    server::Opened,
};

/// How often in a row a server is taught a script: it may forget it again before it is asked.
const LESSONS: usize = 3;

/// A way to run commands in one shard: one Redis and the prefix of its keys.
///
/// Cheap to clone; clones share the connection (or the pool). Commands of clones are pipelined on it, and a future
/// that is dropped half-way leaves the line usable: its reply is read and thrown away.
#[derive(Debug, Clone)]
pub struct Line {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    server: Server,
    keys: Keys,
    reply: Duration,
    source: Source,
    openings: AtomicU64,
    lost: Arc<Notify>,
}

#[derive(Debug)]
enum Source {
    /// One connection that everybody shares.
    Single(Mutex<Slot>),
    /// A pool, for what is neither the claim loop nor pushing.
    Pool(Pool),
}

/// The place of the one connection.
#[derive(Debug, Default)]
struct Slot {
    open: Option<Open>,
    /// The last try to open it, if that failed: when it began, and why.
    failed: Option<(Instant, StoreError)>,
}

#[derive(Debug, Clone)]
struct Open {
    opened: Opened,
    closed: Arc<AtomicBool>,
}

/// A connection borrowed for one command.
enum Borrowed {
    Single(Open),
    Pooled(Pooled),
}

impl Line {
    /// A line with one connection of its own. `reply` is the deadline of each command; give a blocking command's
    /// line more than it blocks.
    #[must_use]
    pub fn single(server: Server, keys: Keys, reply: Duration) -> Self {
        let source = Source::Single(Mutex::default());
        Self {
            inner: Arc::new(Inner {
                server,
                keys,
                reply,
                source,
                openings: AtomicU64::new(0),
                lost: Arc::default(),
            }),
        }
    }

    /// A line through a pool of up to `size` connections.
    ///
    /// # Errors
    /// [`StoreError::Bug`] when the pool cannot be built.
    pub fn pooled(server: Server, keys: Keys, size: usize) -> Result<Self, StoreError> {
        let reply = server.patience().reply;
        let bug = |error: &dyn std::fmt::Display| {
            StoreError::Bug(format!("cannot build the connection pool: {error}"))
        };
        let opener = Opener::new(server.clone(), reply).map_err(|error| bug(&error))?;
        let pool = opener.pool(size).map_err(|error| bug(&error))?;
        Ok(Self {
            inner: Arc::new(Inner {
                server,
                keys,
                reply,
                source: Source::Pool(pool),
                openings: AtomicU64::new(0),
                lost: Arc::default(),
            }),
        })
    }

    /// The server at the other end.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.inner.server
    }

    /// The keys of this shard.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    /// How often a connection was opened, which is the number of the last one; a pool does not count. Another number than
    /// before: there may be another server at the other end, or an older state of this one.
    #[must_use]
    pub fn openings(&self) -> u64 {
        self.inner.openings.load(Ordering::Acquire)
    }

    /// Waits until the other end closes the connection, if it did not since this was last asked. A pool does not tell.
    pub async fn lost(&self) {
        self.inner.lost.notified().await;
    }

    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let value = self.send(command).await?;
        self.read(value)
    }

    /// Runs a script by its hash; a server that does not know it (restart, failover, `SCRIPT FLUSH`) is taught it and
    /// asked again. That is safe for every script: `NOSCRIPT` means that nothing ran.
    pub(crate) async fn call<T: FromRedisValue>(&self, call: &Call) -> Result<T, StoreError> {
        if self.server().functions() {
            let value = self.send(&call.of_function()).await?;
            return self.read(value);
        }
        let mut outcome = self.send(call.command()).await;
        for _ in 0..LESSONS {
            if !matches!(&outcome, Err(error) if error.is_unknown_script()) {
                break;
            }
            let mut lesson = redis::cmd("SCRIPT");
            lesson.arg("LOAD").arg(call.code());
            self.send(&lesson).await?;
            outcome = self.send(call.command()).await;
        }
        self.read(outcome?)
    }

    /// Sends several commands in one write and gives each one's own answer: a pipeline, not a transaction.
    pub(crate) async fn each(
        &self,
        commands: &redis::Pipeline,
    ) -> Result<Vec<Result<Value, StoreError>>, StoreError> {
        self.each_within(commands, Duration::ZERO).await
    }

    /// As [`Line::each`], where the commands may block for so long.
    pub(crate) async fn each_within(
        &self,
        commands: &redis::Pipeline,
        blocks: Duration,
    ) -> Result<Vec<Result<Value, StoreError>>, StoreError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let borrowed = self.borrow().await?;
        self.each_on(borrowed, commands, blocks).await
    }

    async fn each_on(
        &self,
        mut borrowed: Borrowed,
        commands: &redis::Pipeline,
        blocks: Duration,
    ) -> Result<Vec<Result<Value, StoreError>>, StoreError> {
        let reply = self.inner.reply + blocks;
        if !blocks.is_zero() {
            borrowed.connection().set_response_timeout(reply);
        }
        let count = commands.len();
        let outcome = borrowed
            .connection()
            .req_packed_commands(commands, 0, count)
            .await;
        let replies: Vec<Result<Value, StoreError>> = match outcome {
            Ok(values) if !self.is_behind(&borrowed) => {
                values.into_iter().map(|value| self.raise(value)).collect()
            }
            outcome => {
                return self
                    .hand_back(borrowed, reply, outcome.map(|_| Vec::new()))
                    .await;
            }
        };
        if replies
            .iter()
            .any(|reply| matches!(reply, Err(error) if error.spoils_connection()))
        {
            self.discard(borrowed).await;
        }
        Ok(replies)
    }

    /// As [`Line::each`], but the first error of any of them is the error of the whole.
    pub(crate) async fn all(&self, commands: &redis::Pipeline) -> Result<Vec<Value>, StoreError> {
        self.each(commands).await?.into_iter().collect()
    }

    /// The line's present connection for several writes, where another one would not know what came before: `WATCH`.
    pub(crate) async fn session(&self) -> Result<Session<'_>, StoreError> {
        match self.borrow().await? {
            Borrowed::Single(open) => Ok(Session { line: self, open }),
            Borrowed::Pooled(_) => Err(StoreError::Bug("a pool has no sessions".into())),
        }
    }

    /// Sends a `MULTI`/`EXEC` block; all of it runs or none.
    pub(crate) async fn transaction(
        &self,
        commands: &mut redis::Pipeline,
    ) -> Result<Vec<Value>, StoreError> {
        commands.atomic();
        let mut borrowed = self.borrow().await?;
        // Of the replies to MULTI, each command and EXEC only the last one is of interest.
        let skipped = commands.len() + 1;
        let connection = borrowed.connection();
        let outcome = connection.req_packed_commands(commands, skipped, 1).await;
        // What kept the block from running is the error of one of its commands, not "EXECABORT".
        let outcome = outcome.map_err(|error| match error.clone().into_server_errors() {
            Some(inner) if !inner.is_empty() => inner[0].1.clone().into(),
            _ => error,
        });
        let reply = self.inner.reply;
        let replies = self.hand_back(borrowed, reply, outcome).await?;
        match replies.into_iter().next() {
            Some(Value::Array(replies)) => {
                replies.into_iter().map(|reply| self.raise(reply)).collect()
            }
            Some(other) => self.raise(other).map(|_| Vec::new()),
            None => Err(StoreError::shape("EXEC")),
        }
    }

    async fn send(&self, command: &Cmd) -> Result<Value, StoreError> {
        let mut borrowed = self.borrow().await?;
        let outcome = borrowed.connection().req_packed_command(command).await;
        let outcome = outcome.and_then(|value| match value {
            Value::ServerError(error) => Err(error.into()),
            value => Ok(value),
        });
        self.hand_back(borrowed, self.inner.reply, outcome).await
    }

    pub(crate) fn read<T: FromRedisValue>(&self, value: Value) -> Result<T, StoreError> {
        T::from_redis_value(value)
            .map_err(|error| StoreError::Bug(format!("unexpected reply from Redis: {error}")))
    }

    /// The protocol's error reply as an error.
    fn raise(&self, value: Value) -> Result<Value, StoreError> {
        match value {
            Value::ServerError(error) => {
                Err(StoreError::running(self.server().address(), &error.into()))
            }
            value => Ok(value),
        }
    }

    async fn borrow(&self) -> Result<Borrowed, StoreError> {
        #[cfg(feature = "tls")]
        self.server().ready()?;
        match &self.inner.source {
            Source::Single(slot) => self.open(slot).await.map(Borrowed::Single),
            Source::Pool(pool) => match pool.get().await {
                Ok(connection) => Ok(Borrowed::Pooled(connection)),
                Err(PoolError::Backend(error)) => Err(error),
                Err(error) => Err(StoreError::Unavailable {
                    server: self.server().address().to_owned(),
                    cause: format!("no connection from the pool: {error}"),
                }),
            },
        }
    }

    /// The connection, opened if there is none.
    async fn open(&self, slot: &Mutex<Slot>) -> Result<Open, StoreError> {
        let asked = Instant::now();
        let mut slot = slot.lock().await;
        if let Some(open) = slot
            .open
            .as_ref()
            .filter(|open| !open.closed.load(Ordering::Acquire))
            .filter(|open| open.opened.term == self.server().term())
        {
            return Ok(open.clone());
        }
        // A try that began after we asked failed for us too. If everybody who waits here tried in turn, the last of 64
        // pushes to a server that hangs would be told after 64 deadlines.
        if let Some((began, error)) = &slot.failed
            && *began >= asked
        {
            return Err(error.clone());
        }
        let began = Instant::now();
        let closed = Arc::new(AtomicBool::new(false));
        let (flag, lost) = (Arc::clone(&closed), Arc::clone(&self.inner.lost));
        let connect = self.server().connect(self.inner.reply, move || {
            flag.store(true, Ordering::Release);
            lost.notify_one();
        });
        let opened = match connect.await {
            Ok(opened) => opened,
            Err(error) => {
                slot.failed = Some((began, error.clone()));
                return Err(error);
            }
        };
        self.inner.openings.fetch_add(1, Ordering::AcqRel);
        let open = Open { opened, closed };
        slot.open = Some(open.clone());
        slot.failed = None;
        Ok(open)
    }

    /// Gives the connection back, or closes it when a reply on it is in doubt.
    async fn hand_back<T>(
        &self,
        borrowed: Borrowed,
        reply: Duration,
        outcome: redis::RedisResult<T>,
    ) -> Result<T, StoreError> {
        let error = match outcome {
            Ok(_) if self.is_behind(&borrowed) => StoreError::former(self.server().address()),
            Ok(value) => return Ok(value),
            Err(error) if error.is_timeout() => {
                StoreError::deadline(self.server().address(), reply)
            }
            Err(error) => StoreError::running(self.server().address(), &error),
        };
        if error.spoils_connection() {
            self.discard(borrowed).await;
        }
        Err(error)
    }

    /// Whether it leads to a former primary.
    fn is_behind(&self, borrowed: &Borrowed) -> bool {
        borrowed.term() != self.server().term()
    }

    /// Closes a connection: a reply on it is in doubt, or the server at its other end is not the one to talk to.
    async fn discard(&self, borrowed: Borrowed) {
        match (borrowed, &self.inner.source) {
            (Borrowed::Single(open), Source::Single(slot)) => {
                open.closed.store(true, Ordering::Release);
                // Only this connection: another task may have opened the next one already.
                let mut slot = slot.lock().await;
                if slot
                    .open
                    .as_ref()
                    .is_some_and(|held| Arc::ptr_eq(&held.closed, &open.closed))
                {
                    slot.open.take();
                }
            }
            // Taken out of the pool and dropped; the idle ones lead to the same server.
            (Borrowed::Pooled(connection), Source::Pool(pool)) => {
                drop(Object::take(connection));
                pool.retain(|_, _| false);
            }
            (Borrowed::Single(_), Source::Pool(_)) | (Borrowed::Pooled(_), Source::Single(_)) => {}
        }
    }
}

/// One connection of a line. It is never opened again: once it is lost, every write on it fails.
pub(crate) struct Session<'a> {
    line: &'a Line,
    open: Open,
}

impl Session<'_> {
    /// As [`Line::each`].
    pub(crate) async fn each(
        &self,
        commands: &redis::Pipeline,
    ) -> Result<Vec<Result<Value, StoreError>>, StoreError> {
        let borrowed = Borrowed::Single(self.open.clone());
        self.line.each_on(borrowed, commands, Duration::ZERO).await
    }

    /// The protocol's error reply as an error, also within the reply to a block.
    pub(crate) fn raise(&self, value: Value) -> Result<Value, StoreError> {
        self.line.raise(value)
    }

    pub(crate) fn read<T: FromRedisValue>(&self, value: Value) -> Result<T, StoreError> {
        self.line.read(value)
    }
}

impl Borrowed {
    fn connection(&mut self) -> &mut MultiplexedConnection {
        match self {
            Self::Single(open) => &mut open.opened.connection,
            Self::Pooled(pooled) => &mut pooled.connection,
        }
    }

    fn term(&self) -> u64 {
        match self {
            Self::Single(open) => open.opened.term,
            Self::Pooled(pooled) => pooled.term,
        }
    }
}
