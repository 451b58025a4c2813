//! Repairs that no worker's arrow makes. Each looks again inside its step, so that it may be repeated and come too late.

use super::{PIPELINE, Shelf};
use crate::{Line, StoreError, lua};

impl Line {
    /// Writes a queue's name into `queues` if the queue still holds jobs. `true`: it was missing.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn enlist(&self, queue: &str) -> Result<bool, StoreError> {
        let keys = self.keys();
        let mut call = lua::ENLIST.keys(&[keys.queues(), keys.queue(queue), keys.landing(queue)]);
        call.arg(queue);
        Ok(self.call::<i64>(&call).await? == 1)
    }

    /// Removes those of these identities from `processes` that still show no heartbeat. The number removed.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn prune(&self, identities: &[String]) -> Result<u64, StoreError> {
        let mut removed = 0;
        for chunk in identities.chunks(PIPELINE) {
            let mut names = vec![self.keys().processes()];
            names.extend(chunk.iter().map(|identity| self.keys().process(identity)));
            let mut call = lua::PRUNE.keys(&names);
            for identity in chunk {
                call.arg(identity);
            }
            removed += self.call::<u64>(&call).await?;
        }
        Ok(removed)
    }

    /// Removes one of two copies of a job if the other one is there at that moment. `false`: nothing was removed.
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] it may be removed; a repeat says `false` then, and never removes the last copy.
    pub async fn drop_copy(
        &self,
        keep: (&Shelf, &[u8]),
        drop: (&Shelf, &[u8]),
    ) -> Result<bool, StoreError> {
        let kind = |shelf: &Shelf| if shelf.is_list() { "list" } else { "zset" };
        let mut call = lua::DEDUPE.keys(&[
            self.shelf_key(keep.0),
            self.shelf_key(drop.0),
            self.keys().dead(),
            self.keys().reasons(),
        ]);
        call.arg(kind(keep.0))
            .arg(keep.1)
            .arg(kind(drop.0))
            .arg(drop.1);
        Ok(self.call::<i64>(&call).await? == 1)
    }
}
