//! Connections that each serve one push at a time, for what must not share one with others: a push that blocks, and a push
//! that watches a key.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Line;

/// Such pushes of one producer at once, and so its connections for them.
const LANES: usize = 8;

/// The connections, opened when they are needed.
#[derive(Debug)]
pub(crate) struct Lanes {
    permits: Semaphore,
    idle: Mutex<Vec<Line>>,
}

/// One of them, for one push. A push that is dropped half-way takes it with it, and whatever blocks or is watched there.
#[derive(Debug)]
pub(crate) struct Lane<'a> {
    line: Line,
    lanes: &'a Lanes,
    _permit: Option<SemaphorePermit<'a>>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            permits: Semaphore::new(LANES),
            idle: Mutex::default(),
        }
    }
}

impl Lanes {
    /// A connection to where `like` leads.
    pub(crate) async fn take(&self, like: &Line) -> Lane<'_> {
        // Never closed: an error would only mean that there is no limit.
        let permit = self.permits.acquire().await.ok();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let line = idle.pop().unwrap_or_else(|| {
            let reply = like.server().patience().reply;
            Line::single(like.server().clone(), like.keys().clone(), reply)
        });
        Lane {
            line,
            lanes: self,
            _permit: permit,
        }
    }
}

impl Lane<'_> {
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    pub(crate) fn put_back(self) {
        let idle = &self.lanes.idle;
        let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(self.line);
    }
}
