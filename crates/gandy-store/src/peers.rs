//! What the processes of the fleet say of themselves: read for whoever cannot run a job and wants to know who can.

use gandy_protocol::identity::Identity;

use crate::{Line, StoreError};

/// Entries read at once: one of a process with hundreds of classes is some 10 KB.
const PAGE: usize = 50;

impl Line {
    /// What each of these processes published when it joined the fleet: JSON with its queues and classes. It stays as it
    /// is for as long as the identity lives. Who has left says nothing.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn published(
        &self,
        identities: &[Identity],
    ) -> Result<Vec<(Identity, String)>, StoreError> {
        let mut all = Vec::with_capacity(identities.len());
        for page in identities.chunks(PAGE) {
            let mut get = redis::cmd("HMGET");
            get.arg(self.keys().fleet());
            for identity in page {
                get.arg(identity.as_str());
            }
            let entries: Vec<Option<String>> = self.query(&get).await?;
            let pairs = page.iter().zip(entries);
            all.extend(pairs.filter_map(|(identity, entry)| Some((identity.clone(), entry?))));
        }
        Ok(all)
    }
}
