//! Which queues' names a producer has written to `queues`, so that it writes them only when they may be missing.
//!
//! Belongs here: the memory of one producer. Does not belong here: the commands (`enqueue`).

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A queue's name is written again after this long: Ruby's "clear queue" removes it.
const MEMORY: Duration = Duration::from_secs(60);

/// The names written lately. `opening` is always the number of the line's present connection: behind another one there
/// may be another server, or an older state of this one.
#[derive(Debug, Default)]
pub(crate) struct Names {
    written: Mutex<HashMap<String, Written>>,
}

#[derive(Debug, Clone, Copy)]
struct Written {
    at: Instant,
    opening: u64,
    /// The last push found the list empty although the name was written, as each push does whose queue is drained at
    /// once. The name then goes along with the push, which saves its round trip.
    drained: bool,
}

/// What is known of a queue's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Never written, or too long ago, or on another connection.
    Missing,
    /// Written, but the queue is drained all the time: "clear queue" would not be noticed.
    Drained,
    /// Written; the push's reply tells whether that still holds.
    Known,
}

impl Names {
    pub(crate) fn of(&self, queue: &str, opening: u64) -> Naming {
        match self.lock().get(queue) {
            Some(name) if name.opening == opening && name.at.elapsed() < MEMORY => {
                if name.drained {
                    Naming::Drained
                } else {
                    Naming::Known
                }
            }
            _ => Naming::Missing,
        }
    }

    /// It was written just now; `drained` says whether the next push of it will find the list empty, as far as we know.
    pub(crate) fn note(&self, queue: &str, opening: u64, drained: bool) {
        let written = Written {
            at: Instant::now(),
            opening,
            drained,
        };
        let mut names = self.lock();
        // No new key for a name that is there, as it is for each push to a drained queue.
        match names.get_mut(queue) {
            Some(name) => *name = written,
            None => {
                names.insert(queue.to_owned(), written);
            }
        }
    }

    pub(crate) fn forget(&self, queue: &str) {
        self.lock().remove(queue);
    }

    pub(crate) fn forget_all(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
