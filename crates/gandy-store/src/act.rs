//! Acts on many entries of a place: up to 500 in one step on the server (I2), each only if it is still what was read.
//!
//! Not here: which entries (`cursor`), what a moved job's new bytes are, and acts on one job alone (`operator`).

use gandy_protocol::ended::OUTCOME_TTL_S;

use crate::{Cursor, Entry, Grave, Line, Notice, Place, StoreError, Target, lua};

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acted {
    /// It was done.
    Done,
    /// It was not there any more, or not with that score.
    Gone,
    /// It could not be written where it should go (a queue's key that is no list), and is still where it was.
    Refused,
}

impl Line {
    /// Acts on entries of the page that `cursor` read last. All targets are of one kind. `mark` is a text that no entry is.
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] all or none of it was done; a repeat finds those gone that were done.
    pub async fn act(
        &self,
        cursor: &Cursor,
        entries: &[(&Entry, Target)],
        mark: &str,
        grave: Grave,
    ) -> Result<Vec<Acted>, StoreError> {
        let Some((_, first)) = entries.first() else {
            return Ok(Vec::new());
        };
        debug_assert!(entries.len() <= 500, "I6: a script does bounded work");
        let part = cursor.part(self);
        let keys = self.keys();
        let mut queues: Vec<&str> = Vec::new();
        for (_, target) in entries {
            if let Target::Queue(name, _) = target
                && !queues.contains(&name.as_str())
            {
                queues.push(name);
            }
        }
        let mut names = vec![part.key, keys.queues(), keys.dead(), keys.reasons()];
        names.extend(queues.iter().map(|queue| keys.queue(queue)));
        let notice = |(at, (entry, target)): (usize, &(&Entry, Target))| {
            Some((at + 1, Notice::by_hand(keys, &entry.bytes, target)?))
        };
        let notices: Vec<(usize, Notice)> = entries.iter().enumerate().filter_map(notice).collect();
        names.extend(notices.iter().map(|(_, notice)| notice.key.clone()));
        let way = match first {
            Target::Queue(..) => "queue",
            Target::Dead => "dead",
            Target::Nowhere => "none",
        };
        let kind = if part.list.is_some() { "list" } else { "zset" };
        let (from, to) = part.list.unwrap_or_default();
        let mut call = lua::ACT.keys(&names);
        call.arg(kind)
            .arg(way)
            .arg(grave.jobs_max)
            .arg(from)
            .arg(to)
            .arg(mark)
            .arg(queues.len())
            .arg(&queues)
            .arg(notices.len())
            .arg(OUTCOME_TTL_S);
        for (at, notice) in &notices {
            call.arg(*at).arg(&notice.members);
        }
        for (entry, target) in entries {
            let (index, payload) = match target {
                Target::Queue(name, payload) => {
                    let at = queues.iter().position(|queue| queue == name);
                    (at.map_or(0, |at| at + 1), payload.as_str())
                }
                _ => (0, ""),
            };
            let score = entry.score.map_or(String::new(), |score| score.to_string());
            call.arg(&entry.bytes).arg(score).arg(index).arg(payload);
        }
        let codes: Vec<i64> = self.call(&call).await?;
        if codes.len() != entries.len() {
            return Err(StoreError::shape("act"));
        }
        Ok(codes
            .into_iter()
            .map(|code| match code {
                1 => Acted::Done,
                0 => Acted::Gone,
                _ => Acted::Refused,
            })
            .collect())
    }

    /// Puts entries back where they were: into a set with their scores, which changes nothing for those that are there
    /// with them already, or to the end of a queue that is popped last. How many are new.
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] they may be there; for a set a repeat is safe, for a queue it doubles them.
    pub async fn put_back(&self, place: &Place, entries: &[Entry]) -> Result<u64, StoreError> {
        if entries.is_empty() {
            return Ok(0);
        }
        let Place::Queue(name) = place else {
            let mut command = redis::cmd("ZADD");
            command.arg(self.set_key(place));
            for entry in entries {
                command
                    .arg(entry.score.unwrap_or_default().to_string())
                    .arg(&entry.bytes);
            }
            return self.query(&command).await;
        };
        let mut pipe = redis::pipe();
        pipe.cmd("SADD").arg(self.keys().queues()).arg(name);
        let push = pipe.cmd("LPUSH").arg(self.keys().queue(name));
        for entry in entries {
            push.arg(&entry.bytes);
        }
        self.all(&pipe).await?;
        Ok(entries.len() as u64)
    }

    /// Takes a queue's name off the list of queues if nothing waits in it, as Sidekiq's "clear queue" does.
    ///
    /// # Errors
    /// Any; safe to repeat.
    pub async fn unlist(&self, queue: &str) -> Result<bool, StoreError> {
        let keys = self.keys();
        let mut call = lua::UNLIST.keys(&[keys.queues(), keys.queue(queue), keys.landing(queue)]);
        call.arg(queue);
        Ok(self.call::<i64>(&call).await? == 1)
    }
}
