//! The closed lists of words that metrics have for labels.

use gandy_store::Exit;

/// How a run ended: the label `result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
pub(crate) enum RunEnd {
    Done,
    Retry,
    Dead,
    Dropped,
    Snoozed,
    Returned,
}

impl RunEnd {
    #[cfg(feature = "metrics")]
    pub(crate) const WORDS: [&'static str; 6] =
        ["done", "retry", "dead", "dropped", "snoozed", "returned"];

    /// As what it left behind says.
    pub(crate) fn of(exit: &Exit) -> Self {
        match exit {
            Exit::Retry(..) => Self::Retry,
            Exit::Schedule(..) => Self::Snoozed,
            Exit::Dead(_) | Exit::Raw(_) => Self::Dead,
            Exit::Drop => Self::Dropped,
            Exit::Done => Self::Done,
            Exit::Noted(noted) => Self::of(&noted.0),
        }
    }
}

/// Why a job was put back to work: the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
pub(crate) enum Recovery {
    Dead,
    Stray,
}
