//! Which keys there are of a kind, found by `SCAN` where no list names them.

use crate::{Line, StoreError};

/// Names in one page, as a hint to the server.
const PAGE: usize = 1000;

/// Pages of one scan at most: with a hint of 1,000 some ten million keys. More take minutes, and the next look may begin
/// in less.
const PAGES: usize = 10_000;

/// A kind of key whose names vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `gandy:inflight:<identity>`; the varying part is the identity.
    InFlight,
    /// `gandy:landing:<queue>`; the varying part is the queue.
    Landing,
    /// `queue:<queue>`; the varying part is the queue.
    Queue,
}

/// What a scan found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The varying parts, sorted, each once.
    pub names: Vec<String>,
    /// Whether all keys were looked at.
    pub whole: bool,
}

impl Line {
    /// The names of a kind, at most `most`.
    ///
    /// # Errors
    /// Any; a read.
    pub async fn names_of(&self, family: Family, most: usize) -> Result<Names, StoreError> {
        let keys = self.keys();
        let pattern = match family {
            Family::InFlight => keys.inflight_pattern(),
            Family::Landing => keys.landing_pattern(),
            Family::Queue => keys.queue_pattern(),
        };
        let varying = |key: &str| {
            let part = match family {
                Family::InFlight => keys.identity_of_inflight(key),
                Family::Landing => keys.queue_of_landing(key),
                Family::Queue => keys.name_of_queue(key),
            };
            part.map(str::to_owned)
        };
        let mut found = Names::default();
        let mut cursor = 0_u64;
        for _ in 0..PAGES {
            let mut page = redis::cmd("SCAN");
            page.arg(cursor).arg("MATCH").arg(&pattern);
            page.arg("COUNT").arg(PAGE);
            let (next, keys): (u64, Vec<Vec<u8>>) = self.query(&page).await?;
            // What is not UTF-8 is none of ours.
            let readable = keys
                .into_iter()
                .filter_map(|key| String::from_utf8(key).ok());
            found.names.extend(readable.filter_map(|key| varying(&key)));
            cursor = next;
            if cursor == 0 || found.names.len() > most {
                break;
            }
        }
        found.names.sort_unstable();
        found.names.dedup();
        found.whole = cursor == 0 && found.names.len() <= most;
        found.names.truncate(most);
        Ok(found)
    }
}
