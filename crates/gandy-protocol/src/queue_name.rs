//! Which names a queue may have.

/// The rule for queue names. Sidekiq's own names (letters, digits, `.`, `-`, `_`, `:`) pass, and so does anything else
/// that can be printed.
#[derive(Debug)]
pub struct QueueName;

/// In bytes.
const LONGEST: usize = 255;

/// Why a name cannot be a queue's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueNameError {
    /// No name at all.
    #[error("a queue needs a name; the usual one is `default`")]
    Empty,
    /// A character that a terminal or a log would not show.
    #[error(
        "queue name {0:?} holds a control character; use letters, digits, `.`, `-`, `_` or `:`"
    )]
    Control(String),
    /// Longer than 255 bytes.
    #[error("queue name is {0} bytes long; at most 255 are allowed")]
    Long(usize),
}

impl QueueName {
    /// Checks a name before it becomes part of a key.
    ///
    /// # Errors
    ///
    /// The name is empty, holds a control character, or is over 255 bytes long.
    pub fn check(name: &str) -> Result<(), QueueNameError> {
        if name.is_empty() {
            Err(QueueNameError::Empty)
        } else if name.len() > LONGEST {
            Err(QueueNameError::Long(name.len()))
        } else if name.chars().any(char::is_control) {
            Err(QueueNameError::Control(name.to_owned()))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_names_pass() {
        for name in [
            "default",
            "a.b-c_d:E9",
            "päckchen",
            "two words",
            "x{1}",
            &"q".repeat(255),
        ] {
            assert_eq!(QueueName::check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn empty_control_and_long_names_are_refused() {
        assert_eq!(QueueName::check(""), Err(QueueNameError::Empty));
        for name in ["a\nb", "\0", "a\u{7f}", "\u{85}"] {
            assert_eq!(
                QueueName::check(name),
                Err(QueueNameError::Control(name.to_owned()))
            );
        }
        assert_eq!(
            QueueName::check(&"ä".repeat(128)),
            Err(QueueNameError::Long(256))
        );
    }
}
