//! The JSON documents in which the command (`gandy VERB --json`) and the dashboard (`/api/v1`) say the same things: one
//! struct for each, so that they cannot differ. Their fields are the promise; each verb's `--help` explains them.
//!
//! * `numbers`: sizes and queues; `past`: runs by day and by class; `fleet`: processes and what they run.
//! * `job`: jobs in lists; `report`: one job, where it is, why it waits, how it ended; `findings`: the doctor's.
//!
//! Not here: where the numbers come from ([`crate::Inspect`], [`crate::doctor`]), and what of a payload may be shown: who
//! makes a document says that for each payload.

mod findings;
mod fleet;
mod job;
mod numbers;
mod past;
mod report;

use std::borrow::Cow;

use serde_json::value::RawValue;

pub use findings::{Findings, Fixed};
pub use fleet::{Process, Run};
pub use job::Job;
pub use numbers::{Queue, Stats};
pub use past::{Class, ClassTable, Day, Deploy};
pub use report::{Event, Outcome, Said, Seen};

use crate::Payload;

/// What of a payload is shown: raw JSON, since a number such as 12345678901234567890123 does not survive being parsed.
pub type Shown<'a> = Option<Cow<'a, RawValue>>;

/// The word for what workers hold.
pub const IN_FLIGHT: &str = "inflight";

/// The whole payload, as it is in Redis.
#[must_use]
pub fn whole(payload: &Payload) -> Shown<'_> {
    raw(payload.raw()).map(Cow::Borrowed)
}

/// A text as raw JSON, or nothing if it is none.
fn raw(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}
