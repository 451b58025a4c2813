//! Where in a place that is in order the entries that were met end and the others begin, when the place may have moved
//! since it was last read: bisection over ranks, a window at a time.
//!
//! Pure. Not here: reading (`cursor`).

/// What is known of the boundary, and where to look next.
#[derive(Debug, Clone)]
pub(crate) struct Hunt {
    /// The highest rank known to be met.
    met: Option<usize>,
    /// The lowest rank known not to be met.
    unmet: Option<usize>,
    /// How far the next look goes where one side is unknown. It grows fourfold.
    stride: usize,
    /// First rank of the window to be read.
    from: usize,
    /// Entries of a window.
    wanted: usize,
}

/// What a window showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// The boundary is in it.
    Here,
    /// It is not; look again.
    Elsewhere,
}

impl Hunt {
    /// `index`: the rank at which the first entry that was not met should stand; `wanted`, at least 2: entries of a window.
    pub(crate) fn new(index: usize, wanted: usize) -> Self {
        debug_assert!(wanted >= 2, "a window of one entry cannot show both sides");
        Hunt {
            met: None,
            unmet: None,
            stride: wanted,
            from: index.saturating_sub(1),
            wanted,
        }
    }

    pub(crate) fn from(&self) -> usize {
        self.from
    }

    /// The window from [`Hunt::from`] held `len` entries, the first `met` of which were met.
    pub(crate) fn saw(&mut self, len: usize, met: usize) -> Look {
        if met == 0 && self.from > 0 {
            self.unmet = Some(self.from);
            // What was met has moved to the front meanwhile.
            self.met = self.met.filter(|rank| *rank < self.from);
        } else if met == len && len == self.wanted {
            let rank = self.from + met - 1;
            self.met = Some(rank);
            self.unmet = self.unmet.filter(|unmet| *unmet > rank);
        } else {
            return Look::Here;
        }
        self.from = match (self.met, self.unmet) {
            // A window from the last that was met shows what follows it, so that bisection ends there.
            (Some(met), Some(unmet)) if unmet - met < self.wanted => met,
            (Some(met), Some(unmet)) => met + (unmet - met) / 2,
            (Some(met), None) => met + self.stride,
            (None, Some(unmet)) => unmet.saturating_sub(self.stride),
            (None, None) => 0,
        };
        self.stride = self.stride.saturating_mul(4);
        Look::Elsewhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks until the boundary is seen; how many looks it took, and the rank that was found.
    fn hunt(index: usize, wanted: usize, boundary: usize, length: usize) -> (usize, usize) {
        let mut hunt = Hunt::new(index, wanted);
        for looks in 1..100 {
            let from = hunt.from().min(length);
            let to = (hunt.from() + wanted).min(length);
            let met = boundary.clamp(from, to) - from;
            if hunt.saw(to - from, met) == Look::Here {
                return (looks, hunt.from() + met);
            }
        }
        panic!("no end: from {index} by {wanted} to {boundary} of {length}");
    }

    /// Found by review: with a window that ended exactly at the boundary the search went round for ever.
    #[test]
    fn the_boundary_is_found_from_everywhere() {
        let length = 70;
        for wanted in 2..20 {
            for index in 0..length + 30 {
                for boundary in 0..=length {
                    let (_, found) = hunt(index, wanted, boundary, length);
                    // Behind the last entry there is nothing to tell one rank from the other.
                    assert_eq!(found.min(length), boundary, "{index} {wanted}");
                }
            }
        }
    }

    #[test]
    fn few_looks_find_it_among_a_million() {
        for (index, boundary) in [(0, 999_999), (1_000_000, 1), (500, 500_500), (999_000, 0)] {
            let (looks, found) = hunt(index, 501, boundary, 1_000_000);
            assert_eq!(found, boundary);
            assert!(looks <= 25, "{looks} looks from {index} to {boundary}");
        }
    }

    #[test]
    fn one_look_is_enough_where_nothing_moved() {
        assert_eq!(hunt(500, 501, 500, 10_000), (1, 500));
        assert_eq!(hunt(0, 17, 0, 10_000), (1, 0));
    }
}
