//! What the processes of the fleet say of themselves: read for whoever cannot run a job and wants to know who can.

use crate::{Line, StoreError};

/// Entries read at once: one of a process with hundreds of classes is some 10 KB.
const PAGE: usize = 50;

impl Line {
    /// What each process of the fleet published when it joined: JSON with its queues and classes. In no order.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn published(&self) -> Result<Vec<String>, StoreError> {
        let fleet = self.fleet().await?;
        let mut all = Vec::with_capacity(fleet.len());
        for page in fleet.chunks(PAGE) {
            let mut get = redis::cmd("HMGET");
            get.arg(self.keys().fleet());
            for identity in page {
                get.arg(identity.as_str());
            }
            // One that has left in between has none.
            let entries: Vec<Option<String>> = self.query(&get).await?;
            all.extend(entries.into_iter().flatten());
        }
        Ok(all)
    }
}
