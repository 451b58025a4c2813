//! How the last run of a job ended, as `gandy:outcome:<jid>` holds it for whoever waits.
//!
//! Belongs here: the text, written and read. Does not belong here: when it is written (with the step that ends the run),
//! and for which jobs ([`crate::Payload::notifies`]).

use serde::Deserialize;

use crate::text;

/// Seconds that an outcome is kept.
pub const OUTCOME_TTL_S: u32 = 3_600;

/// More of an error's message than this, in bytes, is not kept: the whole of it stands in the job itself.
const MESSAGE_MAX: usize = 500;

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Its run succeeded.
    Done,
    /// Its run failed: it waits for another one, or has none left and is kept nowhere ([`Ended::will_retry`]).
    Failed,
    /// It is in the dead set.
    Dead,
    /// It was deleted by hand.
    Deleted,
}

impl End {
    /// `done`, `failed`, `dead` or `deleted`.
    pub fn as_str(self) -> &'static str {
        match self {
            End::Done => "done",
            End::Failed => "failed",
            End::Dead => "dead",
            End::Deleted => "deleted",
        }
    }
}

/// How the last run of a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ended {
    /// When, on Redis' clock, in milliseconds since 1970.
    pub at: i64,
    /// What became of it.
    pub outcome: End,
    /// Whether it runs again.
    #[serde(default)]
    pub will_retry: bool,
    /// The class of the error of a run that failed.
    #[serde(default)]
    pub error_class: Option<String>,
    /// The beginning of its message.
    #[serde(default)]
    pub error_message: Option<String>,
}

impl Ended {
    /// Reads what Redis holds; `None` when it is nothing of ours.
    pub fn parse(json: &str) -> Option<Ended> {
        serde_json::from_str(json).ok()
    }
}

/// The members of the text but `at`, which the server puts in front of them in the step that ends the run.
///
/// ```
/// use gandy_protocol::ended::{End, Ended, members};
/// let members = members(End::Failed, true, Some(("Timeout", "no reply")));
/// let ended = Ended::parse(&format!("{{\"at\":1795398104597,{members}}}")).unwrap();
/// assert_eq!((ended.outcome, ended.error_class.as_deref()), (End::Failed, Some("Timeout")));
/// ```
pub fn members(end: End, will_retry: bool, error: Option<(&str, &str)>) -> String {
    let mut out = format!(
        "\"outcome\":\"{}\",\"will_retry\":{will_retry}",
        end.as_str()
    );
    if let Some((class, message)) = error {
        out.push_str(",\"error_class\":");
        text::push_quoted(&mut out, beginning(class));
        out.push_str(",\"error_message\":");
        text::push_quoted(&mut out, beginning(message));
    }
    out
}

fn beginning(text: &str) -> &str {
    let mut end = text.len().min(MESSAGE_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(members: &str) -> Ended {
        Ended::parse(&format!("{{\"at\":7,{members}}}")).unwrap()
    }

    #[test]
    fn every_end_reads_back() {
        for end in [End::Done, End::Failed, End::Dead, End::Deleted] {
            let ended = read(&members(end, false, None));
            assert_eq!((ended.outcome, ended.at, ended.error_class), (end, 7, None));
        }
    }

    #[test]
    fn hostile_and_long_messages_stay_json_and_short() {
        let long = "é".repeat(10_000);
        let ended = read(&members(End::Dead, false, Some(("a\"\n\u{1b}", &long))));
        assert_eq!(ended.error_class.unwrap(), "a\"\n\u{1b}");
        assert_eq!(ended.error_message.unwrap(), "é".repeat(250));
        for nothing in ["", "{}", "done", "{\"at\":1,\"outcome\":\"x\"}", "[1]"] {
            assert_eq!(Ended::parse(nothing), None);
        }
    }
}
