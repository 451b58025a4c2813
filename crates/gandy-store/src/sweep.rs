//! The slow scan: finds in-flight hashes and landing lists that nobody knows, so that nothing stays out of sight.

use gandy_protocol::identity::Identity;

use crate::{Line, StoreError};

/// What a sweep found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// In-flight hashes whose identity is neither living nor dying; now they are dying.
    pub adopted: Vec<Identity>,
    /// Landing lists (queue names) that hold jobs.
    pub landings: Vec<String>,
}

impl Line {
    /// Walks the key space once by `SCAN`, a page at a time.
    ///
    /// # Errors
    /// Any; the next sweep starts over.
    pub async fn sweep(&self) -> Result<Swept, StoreError> {
        let keys = self.keys();
        let mut swept = Swept::default();
        for name in self.scan(&keys.inflight_pattern()).await? {
            let Some(identity) = keys
                .identity_of_inflight(&name)
                .and_then(|text| text.parse::<Identity>().ok())
            else {
                continue;
            };
            if self.disown(&identity).await? {
                swept.adopted.push(identity);
            }
        }
        for name in self.scan(&keys.landing_pattern()).await? {
            swept
                .landings
                .extend(keys.queue_of_landing(&name).map(str::to_owned));
        }
        Ok(swept)
    }

    /// Keys that match `pattern`.
    async fn scan(&self, pattern: &str) -> Result<Vec<String>, StoreError> {
        self.walk(|cursor| {
            let mut command = redis::cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(pattern);
            command
        })
        .await
    }
}
