//! What an act came to, kept for the page that is shown after it. The link to that page carries a number, not the words: words
//! in a link could be anybody's.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::frame::Notice;
use crate::param::Params;
use crate::words;

/// Notices that wait for their page.
const KEPT: usize = 256;

/// See the module.
#[derive(Debug)]
pub(crate) struct Notices {
    waiting: Mutex<(u64, VecDeque<(u64, Notice)>)>,
}

impl Notices {
    /// Numbers them from here on; see [`crate::runs::Runs::new`].
    pub(crate) fn new(first: u64) -> Self {
        Self {
            waiting: Mutex::new((first, VecDeque::new())),
        }
    }

    /// Keeps it, and gives what is added to the page's path.
    pub(crate) fn keep(&self, good: bool, text: impl Into<String>) -> String {
        let mut slot = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, waiting) = &mut *slot;
        *last += 1;
        let text = words::clipped(&text.into(), 1_000);
        waiting.push_back((*last, Notice { good, text }));
        if waiting.len() > KEPT {
            waiting.pop_front();
        }
        format!("n={last}")
    }

    /// The one that a request names; once.
    pub(crate) fn take(&self, query: &Params) -> Option<Notice> {
        let number: u64 = query.get("n")?.parse().ok()?;
        let mut slot = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let at = slot.1.iter().position(|(known, _)| *known == number)?;
        slot.1.remove(at).map(|(_, notice)| notice)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_notice_is_shown_once_and_few_are_kept() {
        let notices = Notices::new(7);
        let first = Params::read(&notices.keep(true, "first")).unwrap();
        assert_eq!(notices.take(&first).unwrap().text, "first");
        assert_eq!(notices.take(&first), None);
        let old = Params::read(&notices.keep(true, "old")).unwrap();
        for _ in 0..KEPT {
            notices.keep(false, "x");
        }
        assert_eq!(notices.take(&old), None);
    }
}
