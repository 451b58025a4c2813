//! Whether the runs of a class may begin in the claim loop itself, or need a task of their own. Learned by measuring.
//!
//! A run that ends in its first poll costs less where it was claimed than the wake-up of another thread; one that
//! computes or blocks there would hold up the claims and endings of its whole capsule.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// A first poll that takes longer holds up others.
const QUICK: Duration = Duration::from_micros(100);
/// So many quick ones in a row and a class is trusted; one slow one and it is not.
const STREAK: u32 = 32;

/// What is known of one class.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    streak: AtomicU32,
}

impl Pace {
    /// Notes how long the first poll of a run took.
    pub(crate) fn note(&self, first_poll: Duration) {
        let streak = self.streak.load(Ordering::Relaxed);
        if first_poll > QUICK {
            self.streak.store(0, Ordering::Relaxed);
        } else if streak < STREAK {
            // Two threads may count as one here; that makes trust come later, no more.
            self.streak.store(streak + 1, Ordering::Relaxed);
        }
    }

    /// Whether its runs may begin in the claim loop.
    pub(crate) fn is_quick(&self) -> bool {
        self.streak.load(Ordering::Relaxed) >= STREAK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_earned_slowly_and_lost_at_once() {
        let pace = Pace::default();
        for _ in 0..STREAK {
            assert!(!pace.is_quick());
            pace.note(QUICK);
        }
        assert!(pace.is_quick());
        pace.note(QUICK * 2);
        assert!(!pace.is_quick());
    }
}
