//! The places in which a capsule's jobs run.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A number of places; whoever takes some holds them until the guard is dropped.
#[derive(Debug)]
pub(crate) struct Slots {
    free: AtomicUsize,
    /// Taken by a job. The others that are not free are held by a claim that is on its way.
    busy: AtomicUsize,
    total: usize,
}

/// Places that are taken.
#[derive(Debug)]
pub(crate) struct Taken {
    slots: Arc<Slots>,
    count: usize,
    by_job: bool,
}

impl Slots {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self {
            free: AtomicUsize::new(total),
            busy: AtomicUsize::new(0),
            total,
        })
    }

    /// Takes as many as are free, `most` at the most.
    pub(crate) fn take(self: &Arc<Self>, most: usize) -> Taken {
        let mut count = 0;
        let _ = self
            .free
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| {
                count = free.min(most);
                Some(free - count)
            });
        Taken {
            slots: Arc::clone(self),
            count,
            by_job: false,
        }
    }

    #[cfg(test)]
    fn free(&self) -> usize {
        self.free.load(Ordering::Acquire)
    }

    /// Places in which a job runs.
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Ordering::Acquire)
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }
}

impl Taken {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Splits one place off, for a job.
    pub(crate) fn split_one(&mut self) -> Option<Self> {
        self.count = self.count.checked_sub(1)?;
        self.slots.busy.fetch_add(1, Ordering::AcqRel);
        Some(Self {
            slots: Arc::clone(&self.slots),
            count: 1,
            by_job: true,
        })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.by_job {
            self.slots.busy.fetch_sub(self.count, Ordering::AcqRel);
        }
        self.slots.free.fetch_add(self.count, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_more_are_taken_than_there_are_and_all_come_back() {
        let slots = Slots::new(3);
        let mut first = slots.take(2);
        let one = first.split_one().unwrap();
        let rest = slots.take(10);
        assert_eq!(
            (first.count(), one.count(), rest.count(), slots.free()),
            (1, 1, 1, 0)
        );
        assert_eq!(slots.busy(), 1, "a claim on its way is no job");
        assert_eq!(slots.take(1).count(), 0);
        drop((first, one, rest));
        assert_eq!((slots.free(), slots.busy()), (slots.total(), 0));
    }
}
