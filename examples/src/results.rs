//! Where results are kept: two hashes in the same Redis as the jobs. An application has its own store in this place.
//!
//! A job runs at least once, so recording must not mind a repeat: a field is set, never counted up.

use deadpool_redis::{Config, Pool, Runtime};

use crate::count::Counts;

/// Hash: path → `WORDS LINES BYTES`.
pub const WORDS: &str = "demo:words";
/// Hash: path → checksum.
pub const CHECKSUMS: &str = "demo:checksums";

/// The Redis of jobs and results: `REDIS_URL`, or the one on this machine.
#[must_use]
pub fn redis_url() -> String {
    std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379/0".into())
}

/// The results, for async code. Clones share a pool of connections.
#[derive(Clone)]
pub struct Results {
    pool: Pool,
}

impl Results {
    /// Results in the Redis at `url`; connects when first used.
    ///
    /// # Errors
    /// A wrong URL.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let pool = Config::from_url(url).create_pool(Some(Runtime::Tokio1))?;
        Ok(Self { pool })
    }

    /// Records what was counted in one file.
    ///
    /// # Errors
    /// Redis cannot be reached or refuses.
    pub async fn record(&self, path: &str, counts: Counts) -> anyhow::Result<()> {
        let mut connection = self.pool.get().await?;
        redis::cmd("HSET")
            .arg(WORDS)
            .arg(path)
            .arg(counts.to_string())
            .query_async::<()>(&mut connection)
            .await?;
        Ok(())
    }

    /// How many files were counted.
    ///
    /// # Errors
    /// As [`Results::record`].
    pub async fn counted(&self) -> anyhow::Result<u64> {
        let mut connection = self.pool.get().await?;
        Ok(redis::cmd("HLEN")
            .arg(WORDS)
            .query_async(&mut connection)
            .await?)
    }
}

impl std::fmt::Debug for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the pool: its configuration holds the URL, and that may hold a password.
        f.debug_struct("Results").finish_non_exhaustive()
    }
}

/// Records checksums. Blocking, for a job that runs on a thread of its own.
///
/// # Errors
/// As [`Results::record`].
pub fn record_checksums(redis: &redis::Client, checksums: &[(String, u32)]) -> anyhow::Result<()> {
    let mut connection = redis.get_connection()?;
    // A command of a thousand fields is short work for Redis; one of a million would hold up everybody else.
    for slice in checksums.chunks(1000) {
        redis::cmd("HSET")
            .arg(CHECKSUMS)
            .arg(slice)
            .query::<()>(&mut connection)?;
    }
    Ok(())
}
