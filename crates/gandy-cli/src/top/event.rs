//! What the model is told, and what it asks for.

use std::sync::Arc;

use crossterm::event::KeyEvent;
use gandy::views::Metrics;
use gandy::{JobInfo, Place, ProcessInfo, QueueInfo, RedisHealth, Totals};

/// Something has happened. Times are milliseconds since 1970, by this machine's clock.
#[derive(Debug)]
pub(crate) enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has so many lines now. Its width is the frame's business.
    Resize(u16),
    /// Redis was read.
    Seen(Box<Seen>),
    /// Redis could not be read; `answers`: it said so itself, as to a user without the right.
    Away {
        why: String,
        answers: bool,
        now_ms: i64,
    },
    /// An act is over; `Err` has said why it could not be done.
    Acted {
        what: Result<String, String>,
        now_ms: i64,
    },
    /// Time goes on.
    Tick(i64),
    /// The process was told to end.
    End,
}

/// What the model wants to be done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Give the terminal back and end.
    Quit,
    /// Read this from now on, and at once.
    Look(Ask),
    /// Do this in Redis.
    Act(Act),
}

/// What is to be read beside the totals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Queues,
    Processes,
    /// What each class did; read more seldom than the rest.
    Metrics,
    /// Entries `from..from + count` of a place.
    Page {
        place: Place,
        from: usize,
        count: usize,
    },
    /// The first entries of a place, up to a limit of number and bytes: what a filter looks through.
    Front(Place),
}

/// One reading.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) now_ms: i64,
    pub(crate) totals: Totals,
    pub(crate) health: RedisHealth,
    /// What it answers.
    pub(crate) ask: Ask,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    Queues(Vec<QueueInfo>),
    Processes(Vec<ProcessInfo>),
    Jobs {
        jobs: Vec<Found>,
        /// How many the place holds.
        size: u64,
    },
    Metrics(Arc<Metrics>),
}

/// A job, and why it was buried where that was kept.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) job: JobInfo,
    pub(crate) reason: Option<String>,
}

/// A single act on what was shown when the key was pressed.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Retry(JobInfo),
    Delete(JobInfo),
    Bury(JobInfo),
    Pause(String),
    Unpause(String),
    Quiet(String),
    Stop(String),
}
