//! Of the entries at the right end of a list that a walk has met and left there: how many they are, and marks on some of
//! them, by which the walk finds its way when others pop them, take them out of the middle or put entries in beside them.
//!
//! Pure. Not here: reading (`cursor`).

use std::hash::{DefaultHasher, Hash, Hasher};

/// Of each page so many are marked, the leftmost. One alone was not enough: whoever deleted that very entry sent the walk
/// back to its beginning (found by review).
const RECENT: usize = 8;
/// Marks that are kept: enough to reach back over a million entries.
const MARKS: usize = 96;

/// The entries that were met and left, the leftmost of them marked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trail {
    kept: usize,
    /// Entries met and left since the beginning, those that are gone included.
    passed: usize,
    /// The leftmost first.
    marks: Vec<Mark>,
}

/// Enough to know an entry again. Payloads may be large, so it is their hash.
#[derive(Debug, Clone, Copy)]
struct Mark {
    hash: u64,
    /// How many were met and left up to this entry.
    passed: usize,
}

impl Trail {
    /// How many entries from the right end were met.
    pub(crate) fn kept(&self) -> usize {
        self.kept
    }

    /// More were met and left, to the left of all before, the rightmost first.
    pub(crate) fn extend<'a>(&mut self, entries: impl ExactSizeIterator<Item = &'a [u8]>) {
        let count = entries.len();
        for (at, bytes) in entries.enumerate() {
            self.passed += 1;
            if at + RECENT >= count {
                let mark = Mark {
                    hash: hash(bytes),
                    passed: self.passed,
                };
                self.marks.insert(0, mark);
            }
        }
        self.kept += count;
        if self.marks.len() > MARKS {
            self.thin();
        }
    }

    /// Of the older marks those stay, from the oldest on, that lie back by a fourth less than the one before.
    fn thin(&mut self) {
        let older = self.marks.split_off(2 * RECENT);
        let passed = self.passed;
        let mut reach = usize::MAX;
        let mut stay: Vec<Mark> = older
            .into_iter()
            .rev()
            .filter(|mark| {
                let back = passed - mark.passed;
                let stays = back <= reach - reach / 4;
                if stays {
                    reach = back;
                }
                stays
            })
            .collect();
        stay.reverse();
        self.marks.append(&mut stay);
    }

    /// Looks for the leftmost mark in a part of the list, the rightmost entry first: where in that part it is.
    pub(crate) fn sight(&self, part: &[Vec<u8>]) -> Option<Sight> {
        let leftmost = self.marks.first()?;
        let first = part.first()?;
        if hash(first) == leftmost.hash {
            return Some(Sight { at: 0, mark: 0 });
        }
        part.iter().enumerate().rev().find_map(|(at, bytes)| {
            let hash = hash(bytes);
            let mark = self.marks.iter().position(|mark| mark.hash == hash)?;
            Some(Sight { at, mark })
        })
    }

    /// The mark that was sighted is the leftmost from now on, and `kept` entries are there up to and with it. Tells how many
    /// that were met lie behind it and may be met again, as far as they are still there.
    pub(crate) fn back_to(&mut self, sight: Sight, kept: usize) -> usize {
        self.marks.drain(..sight.mark);
        self.kept = kept;
        let passed = self.marks.first().map_or(0, |mark| mark.passed);
        let again = self.passed - passed;
        self.passed = passed;
        again
    }
}

/// A mark that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Where in the part that was looked through.
    pub(crate) at: usize,
    mark: usize,
}

impl Sight {
    /// Whether it is the mark of the entry that was met last.
    pub(crate) fn is_last(self) -> bool {
        self.mark == 0
    }

    /// Whether its entry was met after the other's.
    pub(crate) fn is_behind(self, other: Sight) -> bool {
        self.mark < other.mark
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn entries(numbers: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
        let bytes = |number: usize| number.to_string().into_bytes();
        numbers.into_iter().map(bytes).collect()
    }

    fn met(pages: usize, size: usize) -> Trail {
        let mut trail = Trail::default();
        for page in 0..pages {
            let page = entries(page * size..(page + 1) * size);
            trail.extend(page.iter().map(Vec::as_slice));
        }
        trail
    }

    #[test]
    fn the_leftmost_entry_that_is_left_shows_the_way() {
        let mut trail = met(3, 100);
        assert_eq!(trail.kept(), 300);
        let sight = trail.sight(&entries(299..310)).unwrap();
        assert_eq!(sight.at, 0);
        assert_eq!(trail.back_to(sight, 300), 0);
        // 297 to 299 were deleted, and four came in at the right end: 296 stands where 300 stood.
        let sight = trail.sight(&entries([295, 296, 300, 301])).unwrap();
        assert_eq!(sight.at, 1);
        assert_eq!(trail.back_to(sight, 301), 3);
        assert_eq!(trail.kept(), 301);
    }

    #[test]
    fn a_whole_page_that_was_deleted_leads_back_by_one_page() {
        let mut trail = met(3, 100);
        let sight = trail.sight(&entries(150..200)).unwrap();
        assert_eq!(sight.at, 49);
        assert_eq!(trail.back_to(sight, 200), 100);
        assert_eq!(trail.sight(&entries(300..400)), None);
    }

    #[test]
    fn marks_stay_few_and_reach_far_back() {
        let trail = met(2_000, 500);
        assert!(trail.marks.len() <= MARKS);
        assert!(trail.marks.iter().any(|mark| mark.passed < 500_000));
    }
}
