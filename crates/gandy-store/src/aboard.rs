//! What workers hold, looked at from outside, a portion at a time; and whether a process is still there.
//!
//! Not here: what a process asks of its own hash (`stray`), and what a dead one's becomes (`reap`).

use gandy_protocol::identity::Identity;
use redis::Value;

use crate::{Line, StoreError, Token};

/// At most this many bytes of payload are read at once (I12).
const PORTION_BYTES: usize = 4 << 20;
/// At most so many payloads are.
const PORTION_JOBS: usize = 1000;
/// A payload above this is not read at all: no worker runs it, and whoever looks must live through it.
const PAYLOAD_MAX: usize = 64 << 20;

/// A job that a process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEntry {
    /// Under what; it names the queue that it was claimed from.
    pub token: Token,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
}

/// Jobs of a process that may be read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portion(Vec<Token>);

impl Portion {
    /// How many.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// What a process says of itself at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// It is on the list of processes and has been heard of within a minute.
    pub there: bool,
    /// It has stopped claiming.
    pub quiet: bool,
}

/// Puts jobs of these sizes together; those that are too large to be read are left out.
fn portions(sizes: impl IntoIterator<Item = (Token, usize)>) -> Vec<Portion> {
    let mut portions: Vec<Portion> = Vec::new();
    let mut bytes = 0;
    for (token, size) in sizes.into_iter().filter(|(_, size)| *size <= PAYLOAD_MAX) {
        bytes += size;
        match portions.last_mut() {
            Some(Portion(tokens)) if bytes <= PORTION_BYTES && tokens.len() < PORTION_JOBS => {
                tokens.push(token);
            }
            // The first of a portion fits, however large it is.
            _ => {
                bytes = size;
                portions.push(Portion(vec![token]));
            }
        }
    }
    portions
}

impl Line {
    /// What `identity` holds, put together for [`Line::aboard`]. What is above 64 MB is left out.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn portions(&self, identity: &Identity) -> Result<Vec<Portion>, StoreError> {
        let key = self.keys().inflight(identity);
        let tokens = self.tokens(identity).await?;
        let mut ask = redis::pipe();
        for token in &tokens {
            ask.cmd("HSTRLEN").arg(&key).arg(token.to_string());
        }
        let mut sizes: Vec<usize> = Vec::with_capacity(tokens.len());
        for size in self.all(&ask).await? {
            sizes.push(self.read(size)?);
        }
        Ok(portions(tokens.into_iter().zip(sizes)))
    }

    /// Reads a portion of what `identity` holds: those jobs that have not ended meanwhile.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn aboard(
        &self,
        identity: &Identity,
        Portion(tokens): Portion,
    ) -> Result<Vec<HeldEntry>, StoreError> {
        let key = self.keys().inflight(identity);
        // Not HMGET, to which a dashboard has no right.
        let mut ask = redis::pipe();
        for token in &tokens {
            ask.cmd("HGET").arg(&key).arg(token.to_string());
        }
        let mut held = Vec::with_capacity(tokens.len());
        for (token, bytes) in tokens.into_iter().zip(self.all(&ask).await?) {
            if let Some(bytes) = self.read(bytes)? {
                held.push(HeldEntry { token, bytes });
            }
        }
        Ok(held)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_portion_is_bounded_and_what_is_too_large_is_in_none() {
        let of = |sizes: &[usize]| -> Vec<Vec<u64>> {
            let tokens = sizes.iter().zip(1_u64..).map(|(size, number)| {
                let token = Token::parse(&format!("{number}:q")).unwrap();
                (token, *size)
            });
            let numbers =
                |Portion(tokens): Portion| tokens.iter().map(|token| token.number).collect();
            portions(tokens).into_iter().map(numbers).collect()
        };
        const MB: usize = 1 << 20;
        assert!(of(&[]).is_empty());
        assert_eq!(of(&[MB, MB, 2 * MB, 1]), [vec![1, 2, 3], vec![4]]);
        assert_eq!(of(&[1, 64 * MB, 1]), [[1], [2], [3]]);
        assert_eq!(of(&[1, 64 * MB + 1, 1]), [[1, 3]]);
        let many = of(&[2; 2500]);
        assert_eq!(
            many.iter().map(Vec::len).collect::<Vec<_>>(),
            [1000, 1000, 500]
        );
    }
}
