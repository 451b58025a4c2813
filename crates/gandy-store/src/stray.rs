//! What a process really holds: its in-flight hash, read back so that it can be compared with memory (I7).

use gandy_protocol::identity::Identity;

use crate::{Line, StoreError, Token};

impl Line {
    /// All tokens under which `identity` holds jobs.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn tokens(&self, identity: &Identity) -> Result<Vec<Token>, StoreError> {
        let key = self.keys().inflight(identity);
        // Only names, and never more than a process has slots and lost claims: one HKEYS is bounded enough.
        let names: Vec<Vec<u8>> = self.query(redis::cmd("HKEYS").arg(&key)).await?;
        Ok(names
            .into_iter()
            .filter_map(|name| std::str::from_utf8(&name).ok().and_then(Token::parse))
            .collect())
    }

    /// The payload held under `token`: `None` when it is not held any more, `Some(None)` when it is above
    /// `payload_max` bytes and was not read.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn held(
        &self,
        identity: &Identity,
        token: &Token,
        payload_max: usize,
    ) -> Result<Option<Option<Vec<u8>>>, StoreError> {
        let key = self.keys().inflight(identity);
        let name = token.to_string();
        let size: usize = self
            .query(redis::cmd("HSTRLEN").arg(&key).arg(&name))
            .await?;
        if size > payload_max {
            return Ok(Some(None));
        }
        let payload: Option<Vec<u8>> = self.query(redis::cmd("HGET").arg(&key).arg(&name)).await?;
        Ok(payload.map(Some))
    }
}
