//! How the server does, for who watches it.

use gandy_store::RedisHealth;

use super::Inspect;
use crate::Error;

impl Inspect {
    /// How the server does: version, memory, connections, and how long its answer took.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn health(&self) -> Result<RedisHealth, Error> {
        Ok(self.line.health().await?)
    }

    /// Where it looks: the address without user and password, and the namespace where there is one.
    #[must_use]
    pub fn address(&self) -> &str {
        self.line.server().address()
    }
}
