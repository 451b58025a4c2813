//! A pool of connections, for what is neither the claim loop nor pushing.
//!
//! deadpool-redis looks after idle connections. It does not open them: its manager for sentinels cannot set deadlines (at
//! 0.23 the redis crate's 500 ms stay), and what opens a connection to one server cannot ask anew where that is.

use std::time::Duration;

use deadpool::{
    Runtime,
    managed::{self, BuildError, Metrics, Object, RecycleError, RecycleResult},
};
use redis::RedisResult;

use crate::{Server, StoreError, server::Opened};

/// Connections to the server, or to whom the sentinels name when one is opened.
pub(crate) type Pool = managed::Pool<Opener>;

/// A connection borrowed from the pool.
pub(crate) type Pooled = Object<Opener>;

/// Opens connections and looks whether an idle one is still good.
#[derive(Debug)]
pub(crate) struct Opener {
    server: Server,
    reply: Duration,
    keeper: deadpool_redis::Manager,
}

impl Opener {
    pub(crate) fn new(server: Server, reply: Duration) -> RedisResult<Self> {
        let keeper = deadpool_redis::Manager::new(server.client().get_connection_info().clone())?;
        Ok(Self {
            server,
            reply,
            keeper,
        })
    }

    /// A pool of up to `size` connections.
    pub(crate) fn pool(self, size: usize) -> Result<Pool, BuildError> {
        let (reply, opening) = (self.reply, self.server.opening());
        Pool::builder(self)
            .max_size(size.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(reply))
            // Opening has deadlines of its own; this one is above them.
            .create_timeout(Some(opening + Duration::from_secs(1)))
            // One after another may be stale after an outage.
            .recycle_timeout(Some(Duration::from_secs(1)))
            .build()
    }
}

impl managed::Manager for Opener {
    type Type = Opened;
    type Error = StoreError;

    async fn create(&self) -> Result<Opened, StoreError> {
        self.server.connect(self.reply, || {}).await
    }

    async fn recycle(&self, opened: &mut Opened, metrics: &Metrics) -> RecycleResult<StoreError> {
        if opened.term != self.server.term() {
            return Err(RecycleError::message("it leads to a former primary"));
        }
        managed::Manager::recycle(&self.keeper, &mut opened.connection, metrics)
            .await
            .map_err(|error| RecycleError::message(error.to_string()))
    }
}
