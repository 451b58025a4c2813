//! What an operator does by hand: moves single entries, pauses queues, leaves signals for processes.
//!
//! Not here: looking at any of it (`inspect`, `place`), and what a moved job's new bytes are.

use gandy_protocol::ended::OUTCOME_TTL_S;

use crate::{Grave, Line, Notice, Place, StoreError, lua};

/// Where [`Line::relocate`] puts an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To this queue, as these bytes.
    Queue(String, String),
    /// Into `dead`, as it is.
    Dead,
    /// Away.
    Nowhere,
}

impl Line {
    /// Moves one entry, found by its exact bytes, in one step. `false`: it is not there any more.
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] it may have moved; a repeat says `false` then.
    pub async fn relocate(
        &self,
        place: &Place,
        bytes: &[u8],
        target: &Target,
        grave: Grave,
    ) -> Result<bool, StoreError> {
        match place {
            Place::Queue(name) => {
                let (queue, landing) = (self.keys().queue(name), self.keys().landing(name));
                Ok(self.step(&queue, "list", bytes, target, grave).await?
                    || self.step(&landing, "list", bytes, target, grave).await?)
            }
            set => {
                self.step(&self.set_key(set), "zset", bytes, target, grave)
                    .await
            }
        }
    }

    async fn step(
        &self,
        from: &str,
        kind: &str,
        bytes: &[u8],
        target: &Target,
        grave: Grave,
    ) -> Result<bool, StoreError> {
        let keys = self.keys();
        let (way, write, queue) = match target {
            Target::Queue(queue, payload) => ("queue", payload.as_bytes(), queue.as_str()),
            Target::Dead => ("dead", bytes, ""),
            Target::Nowhere => ("none", &[][..], ""),
        };
        let mut names = vec![
            from.to_owned(),
            keys.queues(),
            keys.dead(),
            keys.reasons(),
            keys.queue(queue),
        ];
        let notice = Notice::by_hand(keys, bytes, target);
        names.extend(notice.iter().map(|notice| notice.key.clone()));
        let mut call = lua::MOVE.keys(&names);
        call.arg(kind)
            .arg(bytes)
            .arg(way)
            .arg(write)
            .arg(queue)
            .arg(grave.jobs_max);
        if let Some(notice) = &notice {
            call.arg(&notice.members).arg(OUTCOME_TTL_S);
        }
        Ok(self.call::<i64>(&call).await? == 1)
    }

    /// Pauses a queue: no claim takes from it until [`Line::unpause`]. Ruby's free workers do not heed it.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn pause(&self, queue: &str) -> Result<(), StoreError> {
        self.query::<i64>(redis::cmd("SADD").arg(self.keys().paused()).arg(queue))
            .await
            .map(drop)
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn unpause(&self, queue: &str) -> Result<(), StoreError> {
        self.query::<i64>(redis::cmd("SREM").arg(self.keys().paused()).arg(queue))
            .await
            .map(drop)
    }

    /// Leaves a signal (`TSTP`, `TERM`, `TTIN`) for a process, as Sidekiq's Web UI does.
    ///
    /// # Errors
    /// Any; a repeat sends it twice.
    pub async fn send_signal(&self, identity: &str, signal: &str) -> Result<(), StoreError> {
        let key = self.keys().signals(identity);
        let mut pipe = redis::pipe();
        pipe.cmd("LPUSH").arg(&key).arg(signal);
        pipe.cmd("EXPIRE").arg(&key).arg(60);
        self.all(&pipe).await.map(drop)
    }
}
