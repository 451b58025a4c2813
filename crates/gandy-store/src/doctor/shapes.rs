//! Keys that have our names and another type. Asked by a command of the right type, since whoever may look at a key may
//! not always ask for its type.

use crate::{Line, StoreError};

impl Line {
    /// Those of the keys with fixed names that have another type than Gandy and Sidekiq give them: the key, and the type
    /// that it should have.
    ///
    /// # Errors
    /// Redis cannot be reached. A key that may not be read counts as right.
    pub async fn misshapen(&self) -> Result<Vec<(String, &'static str)>, StoreError> {
        let keys = self.keys();
        // A command of that type, and its argument behind the key.
        let kinds: [(&str, Vec<String>, &[&str]); 4] = [
            (
                "set",
                vec![keys.queues(), keys.processes(), keys.paused()],
                &["SISMEMBER", ""],
            ),
            (
                "sorted set",
                vec![keys.schedule(), keys.retry(), keys.dead()],
                &["ZCARD"],
            ),
            (
                "hash",
                vec![keys.fleet(), keys.dying(), keys.reasons()],
                &["HLEN"],
            ),
            (
                "string",
                vec![
                    keys.stat_processed(),
                    keys.stat_failed(),
                    keys.promoter(),
                    keys.watch(),
                ],
                &["GET"],
            ),
        ];
        let mut pipe = redis::pipe();
        let mut asked = Vec::new();
        for (kind, names, command) in kinds {
            for key in names {
                pipe.cmd(command[0]).arg(&key).arg(&command[1..]);
                asked.push((key, kind));
            }
        }
        let replies = self.each(&pipe).await?;
        let wrong = asked.into_iter().zip(replies);
        let wrong = wrong.filter(|(_, reply)| reply.as_ref().is_err_and(StoreError::is_wrong_type));
        Ok(wrong.map(|(named, _)| named).collect())
    }
}
