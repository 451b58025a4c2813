//! How a run ended, in words that the library's errors have one for one. Programs and endpoints answer in exit
//! codes and status codes; `exec` and `http` translate those into this, `handler` translates this for the library.

use std::time::Duration;

/// What Sidekiq keeps of an error message; what is longer is cut at its *end*, where a program says what failed.
pub const MESSAGE_LIMIT: usize = 10_000;

/// How one run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Finished.
    Done,
    /// Failed; to be retried by the usual delay.
    Retry(Failure),
    /// Failed; to be retried after this delay.
    RetryIn(Duration, Failure),
    /// Failed for good: into the dead set.
    Bury(Failure),
    /// Failed for good and not worth keeping.
    Discard(Failure),
}

/// Why a run failed, as the retry set and the dashboards show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind, Sidekiq's `error_class`.
    pub class: &'static str,
    /// What happened, Sidekiq's `error_message`.
    pub message: String,
}

impl Failure {
    /// A failure that says `what`, then the end of `words`, which the program or endpoint said itself.
    pub fn new(class: &'static str, what: impl Into<String>, words: &str) -> Failure {
        let mut message = what.into();
        let words = words.trim_end();
        if !words.is_empty() {
            message.push_str(": ");
            let room = MESSAGE_LIMIT.saturating_sub(message.chars().count());
            let skip = words.chars().count().saturating_sub(room);
            message.extend(words.chars().skip(skip));
        }
        Failure { class, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_keeps_its_end() {
        let words = format!("{}the reason\n", "ä".repeat(20_000));
        let failure = Failure::new("X", "exit status 3", &words);
        assert!(failure.message.starts_with("exit status 3: ä"));
        assert!(failure.message.ends_with("the reason"));
        assert_eq!(failure.message.chars().count(), MESSAGE_LIMIT);
        assert_eq!(Failure::new("X", "alone", " \n").message, "alone");
    }
}
