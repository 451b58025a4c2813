//! What workers hold, looked at from outside, a page at a time; and whether a process is still there.
//!
//! Not here: what a process asks of its own hash (`stray`), and what a dead one's becomes (`reap`).

use gandy_protocol::identity::Identity;
use redis::Value;

use crate::{Line, StoreError, Token};

/// Entries of one page, as a hint to the server.
const PAGE: usize = 100;

/// A field of a hash, and what it holds.
type Field = (Vec<u8>, Vec<u8>);

/// A job that a process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEntry {
    /// The queue it was claimed from.
    pub queue: String,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}

/// What a process says of itself at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// It is on the list of processes and has been heard of within a minute.
    pub there: bool,
    /// It has stopped claiming.
    pub quiet: bool,
}

impl Line {
    /// A page of what `identity` holds, and the cursor of the next; 0 begins, and ends. An entry may come twice (Redis'
    /// own rule for scans).
    ///
    /// # Errors
    /// Any; a read.
    pub async fn aboard(
        &self,
        identity: &Identity,
        cursor: u64,
    ) -> Result<(u64, Vec<HeldEntry>), StoreError> {
        let mut command = redis::cmd("HSCAN");
        command
            .arg(self.keys().inflight(identity))
            .arg(cursor)
            .arg("COUNT")
            .arg(PAGE);
        let (next, items): (u64, Vec<Field>) = self.query(&command).await?;
        let held = items.into_iter().map(|(token, bytes)| {
            let token = std::str::from_utf8(&token).ok().and_then(Token::parse);
            HeldEntry {
                queue: token.map_or_else(String::new, |token| token.queue.to_string()),
                bytes,
            }
        });
        Ok((next, held.collect()))
    }

    /// Whether each of these processes is there, and quiet.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn presence(&self, identities: &[String]) -> Result<Vec<Presence>, StoreError> {
        let keys = self.keys();
        let mut pipe = redis::pipe();
        for identity in identities {
            pipe.cmd("SISMEMBER").arg(keys.processes()).arg(identity);
            pipe.cmd("HGET").arg(keys.process(identity)).arg("quiet");
        }
        let replies = self.all(&pipe).await?;
        Ok(replies
            .chunks(2)
            .map(|pair| Presence {
                there: pair[0] == Value::Int(1) && pair[1] != Value::Nil,
                quiet: pair[1] == Value::BulkString(b"true".to_vec()),
            })
            .collect())
    }
}
