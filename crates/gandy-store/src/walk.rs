//! Walking a key space or a set by the server's cursor, a page at a time, so that nobody waits for the whole.

use redis::Cmd;

use crate::{Line, StoreError};

/// Names in one page, as a hint to the server.
const PAGE: usize = 1000;

impl Line {
    /// Every name that `SCAN` or its kin give; `command` makes one page's command from a cursor. Names may come twice
    /// (Redis' own rule); those that are not UTF-8 are none of ours.
    pub(crate) async fn walk(
        &self,
        command: impl Fn(u64) -> Cmd,
    ) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut page = command(cursor);
            page.arg("COUNT").arg(PAGE);
            let (next, names): (u64, Vec<Vec<u8>>) = self.query(&page).await?;
            let readable = names
                .into_iter()
                .filter_map(|name| String::from_utf8(name).ok());
            found.extend(readable);
            cursor = next;
            if cursor == 0 {
                return Ok(found);
            }
        }
    }
}
