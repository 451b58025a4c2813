//! The places in which a capsule's jobs run.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of places, each for one job at a time.
#[derive(Debug)]
pub(crate) struct Slots {
    busy: AtomicUsize,
    total: usize,
}

impl Slots {
    pub(crate) fn new(total: usize) -> Self {
        Self {
            busy: AtomicUsize::new(0),
            total,
        }
    }

    /// Takes a place; `false`: all are taken. Whoever takes one gives it back by [`Slots::leave`].
    #[must_use]
    pub(crate) fn take(&self) -> bool {
        let more = |busy| (busy < self.total).then_some(busy + 1);
        // In one order with the lookout's sleep ([`super::life::Life::doze`]).
        self.busy
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .is_ok()
    }

    /// Gives a place back.
    pub(crate) fn leave(&self) {
        self.busy.fetch_sub(1, Ordering::AcqRel);
    }

    /// Places that are taken.
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Ordering::SeqCst)
    }

    /// Whether any place is taken.
    pub(crate) fn any_taken(&self) -> bool {
        self.busy() > 0
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Whether a place is free.
    pub(crate) fn any_free(&self) -> bool {
        self.busy() < self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_taken_than_there_are_and_all_come_back() {
        let slots = Slots::new(2);
        assert!(slots.take() && slots.take() && !slots.take());
        assert_eq!((slots.busy(), slots.any_free()), (2, false));
        slots.leave();
        assert!(slots.any_free() && slots.take());
        slots.leave();
        slots.leave();
        assert_eq!((slots.busy(), slots.total()), (0, 2));
    }
}
