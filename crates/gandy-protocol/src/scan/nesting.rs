//! Which containers are open around a place in JSON.
//!
//! Belongs here: a stack of bits. Does not belong here: the grammar (`scan`).

/// The open containers, one bit each (set: an object), so that a million levels cost 125 kB and no call stack.
pub(super) struct Nesting {
    /// The innermost 63 levels or fewer, below a bit that is set and marks their end. Full words go to `outer`.
    bits: u64,
    outer: Vec<u64>,
}

impl Default for Nesting {
    /// None is open.
    fn default() -> Self {
        Nesting {
            bits: 1,
            outer: Vec::new(),
        }
    }
}

impl Nesting {
    #[inline(always)]
    pub(super) fn push(&mut self, object: bool) {
        if self.bits >> 63 == 1 {
            self.spill();
        }
        self.bits = self.bits << 1 | u64::from(object);
    }

    #[cold]
    #[inline(never)]
    fn spill(&mut self) {
        self.outer.push(self.bits);
        self.bits = 1;
    }

    /// Closes the innermost. False: that was the last.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> bool {
        self.bits >>= 1;
        self.bits != 1 || self.refill()
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> bool {
        self.bits = self.outer.pop().unwrap_or(1);
        self.bits != 1
    }

    /// Whether the innermost is an object.
    #[inline(always)]
    pub(super) fn object(&self) -> bool {
        self.bits & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_remembers_each_level_across_words() {
        let kinds: Vec<bool> = (0..300).map(|n| n % 3 == 0 || n % 7 == 0).collect();
        for levels in [1, 2, 62, 63, 64, 65, 125, 126, 127, 300] {
            let mut nesting = Nesting::default();
            for kind in &kinds[..levels] {
                nesting.push(*kind);
            }
            for (level, kind) in kinds[..levels].iter().enumerate().rev() {
                assert_eq!(nesting.object(), *kind);
                assert_eq!(nesting.pop(), level > 0);
            }
        }
    }
}
