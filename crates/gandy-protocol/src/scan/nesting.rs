//! Which containers are open around a place in JSON.
//!
//! Belongs here: a stack of bits. Does not belong here: the grammar (`scan`).

/// The open containers, one bit each (set: an object), so that a million levels cost 125 kB and no call stack.
#[derive(Default)]
pub(super) struct Nesting {
    depth: usize,
    /// The innermost 64 levels or fewer; full words go to `outer`.
    bits: u64,
    outer: Vec<u64>,
}

impl Nesting {
    pub(super) fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(object);
        self.depth += 1;
    }

    pub(super) fn pop(&mut self) {
        self.bits >>= 1;
        self.depth = self.depth.saturating_sub(1);
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().unwrap_or_default();
        }
    }

    pub(super) fn top(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.bits & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_remembers_each_level_across_words() {
        let mut nesting = Nesting::default();
        let kinds: Vec<bool> = (0..300).map(|n| n % 3 == 0 || n % 7 == 0).collect();
        for kind in &kinds {
            nesting.push(*kind);
        }
        for kind in kinds.iter().rev() {
            assert_eq!(nesting.top(), Some(*kind));
            nesting.pop();
        }
        assert_eq!(nesting.top(), None);
    }
}
