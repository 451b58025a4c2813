//! What can go wrong between Gandy and Redis, sorted by what the caller should do next.

use std::time::Duration;

use redis::{ErrorKind, RedisError};

/// A failed operation on the store. [`StoreError::kind`] says what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No connection could be made, or the server says that it cannot serve now (loading, busy, failing over,
    /// too many clients). Nothing was executed.
    #[error("Redis at {server} is not available: {cause}")]
    Unavailable {
        /// Address without credentials.
        server: String,
        /// What was seen.
        cause: String,
    },
    /// Redis refuses to write because `maxmemory` is reached. Nothing was executed.
    #[error(
        "Redis at {server} is full (maxmemory reached): {cause}. Let workers drain it, raise maxmemory, or delete keys"
    )]
    Full {
        /// Address without credentials.
        server: String,
        /// The server's words.
        cause: String,
    },
    /// The command was sent and its reply never came: it may have run or not. The connection was closed.
    #[error("Redis at {server} did not answer: {cause}. The command may or may not have run")]
    Unknown {
        /// Address without credentials.
        server: String,
        /// What was seen.
        cause: String,
    },
    /// The server turned the request down for a reason that repeating it will not change: a wrong password, a
    /// missing right, a key of another type, a server too old.
    #[error("Redis at {server} refused: {cause}")]
    Refused {
        /// Address without credentials.
        server: String,
        /// The server's words, and what to do.
        cause: String,
    },
    /// The caller's input is wrong: a URL, a file, a queue name, a payload over the limit.
    #[error("{0}")]
    Input(String),
    /// The server answered in a shape that Gandy does not know. Please report it.
    #[error("bug in gandy: {0}")]
    Bug(String),
}

/// Behind the server's words when it lets nobody in.
const LOGIN: &str = "; check the user and the password in the URL";

/// What a caller can do about a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Nothing happened; the same call may succeed later.
    Retry,
    /// It may have happened: repeat only what is safe to repeat.
    Unknown,
    /// Change the input or the configuration first.
    Input,
    /// A defect in Gandy.
    Bug,
}

impl StoreError {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unavailable { .. } | Self::Full { .. } => Kind::Retry,
            Self::Unknown { .. } => Kind::Unknown,
            Self::Refused { .. } | Self::Input(_) => Kind::Input,
            Self::Bug(_) => Kind::Bug,
        }
    }

    /// Whether Redis has no memory left for writes.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether Redis refused the login, not a command: a password that is being rotated, mostly.
    #[must_use]
    pub fn is_login(&self) -> bool {
        matches!(self, Self::Refused { cause, .. } if cause.ends_with(LOGIN))
    }

    /// Sorts an error met while connecting: nothing of ours has run yet.
    pub(crate) fn connecting(server: &str, error: &RedisError) -> Self {
        let server = server.to_owned();
        let cause = words(error);
        match error.kind() {
            // A wrong password comes as AuthenticationFailed or as the server's WRONGPASS/NOAUTH.
            ErrorKind::AuthenticationFailed => Self::Refused {
                server,
                cause: format!("{cause}{LOGIN}"),
            },
            ErrorKind::InvalidClientConfig => Self::Input(cause),
            _ => match error.code() {
                Some("WRONGPASS" | "NOAUTH" | "NOPERM") => Self::Refused {
                    server,
                    cause: format!("{cause}{LOGIN}"),
                },
                Some("ERR") if cause.contains("DB index") => Self::Refused { server, cause },
                _ => Self::Unavailable { server, cause },
            },
        }
    }

    /// Sorts an error met after a command was handed to a connection.
    pub(crate) fn running(server: &str, error: &RedisError) -> Self {
        let server = server.to_owned();
        let cause = words(error);
        if let Some(code) = error.code() {
            return match code {
                "OOM" => Self::Full { server, cause },
                // MISCONF: the disk is full and snapshots fail, so writes are refused; it is the server's state.
                "LOADING" | "BUSY" | "READONLY" | "MASTERDOWN" | "NOREPLICAS" | "CLUSTERDOWN"
                | "TRYAGAIN" | "UNBLOCKED" | "MISCONF" | "NOAUTH" | "NOSCRIPT" => {
                    Self::Unavailable { server, cause }
                }
                "ERR" if cause.contains("max number of clients") => {
                    Self::Unavailable { server, cause }
                }
                "ERR" if cause.contains("Function not found") => Self::Refused {
                    server,
                    cause: format!(
                        "{cause}; Gandy's functions of this version are not installed: run gandy install-functions"
                    ),
                },
                "CROSSSLOT" => Self::Refused {
                    server,
                    cause: format!(
                        "{cause}; on a cluster give Gandy a namespace with a hash tag, such as {{gandy}}"
                    ),
                },
                _ => Self::Refused { server, cause },
            };
        }
        match error.kind() {
            ErrorKind::UnexpectedReturnType => Self::Bug(cause),
            ErrorKind::InvalidClientConfig | ErrorKind::Client => Self::Input(cause),
            _ => Self::Unknown { server, cause },
        }
    }

    /// An error reply, as the server words it.
    pub(crate) fn replied(server: &str, words: &str) -> Self {
        match server_error(words) {
            Some(error) => Self::running(server, &error),
            None => Self::shape("a command"),
        }
    }

    /// The same to the first words of a connection.
    pub(crate) fn logging_in(server: &str, words: &str) -> Self {
        match server_error(words) {
            Some(error) => Self::connecting(server, &error),
            None => Self::shape("AUTH"),
        }
    }

    /// Refuses a server that sentinels named as the primary and that says itself that it is none.
    pub(crate) fn unless_primary(server: &str, role: &str) -> Result<(), Self> {
        if role == "master" {
            return Ok(());
        }
        Err(Self::Unavailable {
            server: server.to_owned(),
            cause: format!(
                "it says that its role is {role:?} and not \"master\"; a failover is under way, or a sentinel has not \
                 heard of it"
            ),
        })
    }

    /// What a server answered that is the primary no more.
    pub(crate) fn former(server: &str) -> Self {
        Self::Unknown {
            server: server.to_owned(),
            cause: "meanwhile the sentinels named another primary".to_owned(),
        }
    }

    /// What was seen, without the server's address.
    pub(crate) fn cause(&self) -> &str {
        match self {
            Self::Unavailable { cause, .. }
            | Self::Full { cause, .. }
            | Self::Unknown { cause, .. }
            | Self::Refused { cause, .. } => cause,
            Self::Input(text) | Self::Bug(text) => text,
        }
    }

    /// Whether the key has another type than the command needs.
    #[must_use]
    pub fn is_wrong_type(&self) -> bool {
        matches!(self, Self::Refused { cause, .. } if cause.starts_with("WRONGTYPE"))
    }

    /// Whether the connection's user may not do that.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Refused { cause, .. } if cause.contains("NOPERM") || cause.contains("no permissions"))
    }

    /// Whether the server did not know the script that it was asked to run. Nothing ran.
    pub(crate) fn is_unknown_script(&self) -> bool {
        matches!(self, Self::Unavailable { cause, .. } if cause.starts_with("NOSCRIPT"))
    }

    /// A deadline of ours passed before the reply came.
    pub(crate) fn deadline(server: &str, after: Duration) -> Self {
        Self::Unknown {
            server: server.to_owned(),
            cause: format!("no reply within {} ms", after.as_millis()),
        }
    }

    /// The reply has a shape that the operation does not produce.
    pub(crate) fn shape(operation: &str) -> Self {
        Self::Bug(format!("the reply to {operation} has an unexpected shape"))
    }

    /// Whether the connection on which this was seen must not be used again: either a reply is still on its way
    /// (I7), or the server has become another one (a demoted primary keeps its sockets open).
    pub(crate) fn spoils_connection(&self) -> bool {
        match self {
            Self::Unknown { .. } => true,
            Self::Unavailable { cause, .. } => ["READONLY", "MASTERDOWN", "UNBLOCKED", "NOAUTH"]
                .iter()
                .any(|code| cause.contains(code)),
            _ => false,
        }
    }
}

/// The client library's error for an error reply.
fn server_error(words: &str) -> Option<RedisError> {
    let line = format!("-{words}\r\n");
    match redis::parse_redis_value(line.as_bytes()) {
        Ok(redis::Value::ServerError(error)) => Some(error.into()),
        Ok(_) => None,
        Err(error) => Some(error),
    }
}

/// The client library's error in one line; it never holds a password.
fn words(error: &RedisError) -> String {
    let mut text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    };
    // What Redis says of a command that it does not know, such as one that an administrator has renamed, repeats what
    // came with it: a job's arguments or, where it was HELLO or AUTH, the password.
    if let Some(echo) = text.find(", with args beginning with") {
        text.truncate(echo);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_repeats_of_a_command_that_it_does_not_know_is_left_out() {
        let words =
            "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'app' 'S3CR3T' ";
        for error in [
            StoreError::logging_in("h:1/0", words),
            StoreError::replied("h:1/0", words),
        ] {
            let text = error.to_string();
            assert!(text.contains("unknown command 'HELLO'"), "{text}");
            assert!(!text.contains("S3CR3T"), "{text}");
        }
    }

    #[test]
    fn a_refused_login_is_told_from_a_refused_command() {
        let login = StoreError::logging_in("h:1/0", "WRONGPASS invalid username-password pair");
        assert!(login.is_login(), "{login}");
        let command = StoreError::replied("h:1/0", "NOPERM no permissions to run 'lpush'");
        assert!(!command.is_login(), "{command}");
    }
}
