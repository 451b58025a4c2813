//! Outcomes as they were left behind for whoever waits, and a worker's answers to the wish to cancel.
//!
//! Not here: writing an outcome, which is part of the step that ends a run (`settle`) or deletes a job (`operator`).

use gandy_protocol::{Ended, identity::Identity, notice_id};

use crate::{Line, StoreError};

/// Seconds that a wish and its answer are kept: Sidekiq's TTL of signals.
const WISH_SECS: u64 = 60;

/// How a wish to cancel begins among the signals; the jid follows.
const WISH: &str = "CANCEL ";

/// What was read, and the text it stands for: two that differ are two endings.
pub type Kept<T> = Option<(T, String)>;

impl Line {
    /// How the last run ended of the job with this jid, if that was left behind within the last hour.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn outcome(&self, jid: &str) -> Result<Kept<Ended>, StoreError> {
        let key = self.keys().outcome(&notice_id(jid));
        let text: Option<String> = self.query(redis::cmd("GET").arg(key)).await?;
        Ok(text.and_then(|text| Some((Ended::parse(&text)?, text))))
    }

    /// Asks a Gandy worker to cancel a job that it runs. The wish goes where signals go: the worker looks there already,
    /// so that one who is not asked has nothing more to do.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn ask_to_cancel(&self, identity: &Identity, jid: &str) -> Result<(), StoreError> {
        self.send_signal(identity.as_str(), &format!("{WISH}{jid}"))
            .await
    }

    /// A worker's answer to such a wish: JSON of its own words.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn answer_cancel(&self, jid: &str, answer: &str) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command
            .arg(self.keys().cancelled(&notice_id(jid)))
            .arg(answer)
            .arg("EX")
            .arg(WISH_SECS);
        self.query::<()>(&command).await
    }

    /// The last answer to the wish to cancel this job.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn cancel_answer(&self, jid: &str) -> Result<Option<String>, StoreError> {
        let key = self.keys().cancelled(&notice_id(jid));
        self.query(redis::cmd("GET").arg(key)).await
    }
}

/// The jid that a signal wishes to be cancelled.
#[must_use]
pub fn wished(signal: &str) -> Option<&str> {
    signal.strip_prefix(WISH)
}
