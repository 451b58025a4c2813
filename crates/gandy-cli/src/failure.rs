//! What went wrong, in words, and the exit code that tells scripts what to do about it.

use gandy::{Error, Kind, StoreError};

use crate::printable::printable;

/// Exit codes: those of `sysexits.h`, 2 for the command line as clap and most tools have it, and 1 for what was looked for
/// and found, as `grep` and `diff` tell it.
pub(crate) mod exit {
    pub(crate) const DONE: u8 = 0;
    pub(crate) const FINDINGS: u8 = 1;
    /// A person was asked and said no: a script's next step must not run as if it were done.
    pub(crate) const DECLINED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const DATA: u8 = 65;
    pub(crate) const UNAVAILABLE: u8 = 69;
    pub(crate) const BUG: u8 = 70;
    pub(crate) const IO: u8 = 74;
    pub(crate) const UNKNOWN: u8 = 75;
    pub(crate) const REFUSED: u8 = 77;
    /// As a shell tells it of what Ctrl-C ended.
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// The end of a verb that could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    /// What, where and what to do; may have several lines.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(exit::USAGE, text)
    }

    pub(crate) fn data(text: impl Into<String>) -> Self {
        Self::new(exit::DATA, text)
    }

    pub(crate) fn io(text: impl Into<String>) -> Self {
        Self::new(exit::IO, text)
    }

    pub(crate) fn bug(text: impl Into<String>) -> Self {
        Self::new(exit::BUG, text)
    }

    pub(crate) fn unknown(text: impl Into<String>) -> Self {
        Self::new(exit::UNKNOWN, text)
    }

    fn new(code: u8, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code, text }
    }

    /// Of a call that writes. One whose answer was lost may have been made, unlike one that only looked; `again` says what
    /// a repeat does.
    pub(crate) fn of_write(error: Error, again: &str) -> Self {
        match &error {
            Error::Store(StoreError::Unknown { server, cause }) => Self::unknown(printable(
                &format!("Redis at {server} did not answer: {cause}; it is done or not"),
            ))
            .and(again),
            _ => Self::from(error),
        }
    }

    /// The same with one more sentence.
    pub(crate) fn and(mut self, sentence: &str) -> Self {
        self.text.push('\n');
        self.text.push_str(sentence);
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // What answers there may say anything, in several lines, and need not even be a Redis.
        let words = printable(&error.to_string().lines().collect::<Vec<_>>().join(" "));
        match error {
            Error::Store(store) => of_store(store, words),
            Error::Unknown { .. } => Self::unknown(words),
            Error::Config(_) => Self::usage(words),
            Error::Record(_) | Error::Args(_) | Error::TooLarge { .. } => Self::data(words),
            other => match other.kind() {
                Kind::Retry => Self::new(exit::UNAVAILABLE, words),
                Kind::Unknown => Self::unknown(words),
                Kind::Input => Self::data(words),
                _ => Self::bug(words),
            },
        }
    }
}

fn of_store(error: StoreError, words: String) -> Failure {
    match error {
        StoreError::Unavailable { .. } => Failure::new(exit::UNAVAILABLE, words)
            .and("Is it running, and reachable from here? Name another one with --redis URL or REDIS_URL."),
        StoreError::Full { .. } => Failure::new(exit::UNAVAILABLE, words),
        // What was merely looked at: a push in doubt is `Error::Unknown`, and other writes go through `of_write`.
        StoreError::Unknown { server, cause } => Failure::new(
            exit::UNAVAILABLE,
            printable(&format!("Redis at {server} did not answer: {cause}")),
        )
        .and("Nothing was changed; try again."),
        StoreError::Refused { .. } => Failure::new(exit::REFUSED, words),
        StoreError::Input(_) => Failure::usage(words),
        _ => Failure::bug(words).and("Please report it, with this message."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_says_whether_anything_may_have_happened() {
        let server = "h:1/0".to_owned();
        let unknown = StoreError::Unknown {
            server,
            cause: "reset\u{1b}[2J".into(),
        };
        let looked = Failure::from(Error::Store(unknown.clone()));
        assert_eq!(looked.code, 69);
        let written = Failure::of_write(Error::Store(unknown.clone()), "Run it again.");
        assert_eq!(written.code, 75);
        assert!(
            written.text.contains("done or not") && written.text.ends_with("\nRun it again."),
            "{}",
            written.text
        );
        assert!(!looked.text.contains("may or may not"), "{}", looked.text);
        let pushed = Failure::from(Error::Unknown {
            jid: "j".into(),
            source: unknown,
        });
        assert_eq!(pushed.code, 75);
        for failure in [looked, written, pushed] {
            assert!(failure.text.contains("reset\\u{1b}[2J"), "{}", failure.text);
        }
    }
}
