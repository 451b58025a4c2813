//! The name under which a worker process is known in Redis.
//!
//! Belongs here: its form. Does not belong here: the keys that hold it (`keys`), and where host name and nonce come from.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::jid::hex;

/// `<host>:<pid>:<12 hex digits>`, as Sidekiq names a process. Cheap to clone.
///
/// The nonce makes two containers with the same host name and pid (pid 1, mostly) two processes, and gives a process
/// that found itself declared dead a new life under a new name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    text: Arc<str>,
    host_end: usize,
    pid: u32,
}

/// Why a text is no [`Identity`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no process identity: expected <host>:<pid>:<12 hex digits>")]
pub struct IdentityError(String);

impl Identity {
    /// A new identity. In `host`, characters that would break it apart or break a key's hash tag
    /// (`:`, whitespace, control characters, `{`, `}`) become `-`; it is cut at 255 bytes; an empty one becomes `localhost`.
    ///
    /// ```
    /// use gandy_protocol::Identity;
    /// let identity = Identity::new("web 1", 42, [0xa4, 0xdc, 0x4b, 0x6e, 0xf2, 0xbe]);
    /// assert_eq!(identity.as_str(), "web-1:42:a4dc4b6ef2be");
    /// ```
    pub fn new(host: &str, pid: u32, random: [u8; 6]) -> Identity {
        let mut text = String::with_capacity(host.len() + 24);
        for char in host.chars() {
            let char = if fits(char) { char } else { '-' };
            if text.len() + char.len_utf8() > 255 {
                break;
            }
            text.push(char);
        }
        if text.is_empty() {
            text.push_str("localhost");
        }
        let host_end = text.len();
        Identity {
            text: format!("{text}:{pid}:{}", hex(&random)).into(),
            host_end,
            pid,
        }
    }

    /// The whole identity.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        self.text.get(..self.host_end).unwrap_or_default()
    }

    /// The process id on that host.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

impl AsRef<str> for Identity {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

fn fits(char: char) -> bool {
    !char.is_whitespace() && !char.is_control() && !matches!(char, ':' | '{' | '}')
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Identity, IdentityError> {
        let parse = || {
            let (rest, nonce) = text.rsplit_once(':')?;
            let (host, pid) = rest.rsplit_once(':')?;
            let lowercase_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            let valid = !host.is_empty()
                && host.len() <= 255
                && host.chars().all(fits)
                && pid.bytes().all(|byte| byte.is_ascii_digit())
                && nonce.len() == 12
                && nonce.bytes().all(lowercase_hex);
            let pid = pid.parse().ok().filter(|_| valid)?;
            Some(Identity {
                text: text.into(),
                host_end: host.len(),
                pid,
            })
        };
        parse().ok_or_else(|| IdentityError(text.chars().take(300).collect()))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_read_back() {
        let identity: Identity = "vm:22564:a4dc4b6ef2be".parse().unwrap();
        assert_eq!(identity.host(), "vm");
        assert_eq!(identity.pid(), 22564);
        assert_eq!(identity.to_string(), "vm:22564:a4dc4b6ef2be");
    }

    #[test]
    fn same_host_and_pid_are_two_identities() {
        assert_ne!(
            Identity::new("app", 1, [1; 6]),
            Identity::new("app", 1, [2; 6])
        );
    }

    #[test]
    fn a_long_host_is_cut_between_characters() {
        let identity = Identity::new(&"é".repeat(200), 1, [0; 6]);
        assert_eq!(identity.host(), "é".repeat(127));
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        for text in [
            "",
            "vm",
            "vm:1",
            ":1:a4dc4b6ef2be",
            "vm:x:a4dc4b6ef2be",
            "vm:+1:a4dc4b6ef2be",
            "vm::a4dc4b6ef2be",
            "vm:4294967296:a4dc4b6ef2be",
            "vm:1:a4dc4b6ef2b",
            "vm:1:A4DC4B6EF2BE",
            "a:b:1:a4dc4b6ef2be",
            "v m:1:a4dc4b6ef2be",
        ] {
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_host_gives_an_identity_that_reads_back(host in any::<String>(), pid in any::<u32>(), random in any::<[u8; 6]>()) {
            let identity = Identity::new(&host, pid, random);
            let again: Identity = identity.as_str().parse().unwrap();
            prop_assert_eq!(&again, &identity);
            prop_assert_eq!(again.host(), identity.host());
            prop_assert_eq!(again.pid(), pid);
        }
    }
}
