//! What a request is called: its command, the command and its part where it has parts, or the script that it runs.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

/// Commands whose second word says what they do.
const WITH_PARTS: [&str; 16] = [
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY",
    "MODULE", "OBJECT", "PUBSUB", "SCRIPT", "SLOWLOG", "XGROUP", "XINFO",
];

/// Commands whose second word says which script they run.
const SCRIPTED: [&str; 4] = ["EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO"];

/// Commands after which the server sends what nobody asked for, or not what was asked for.
const WITHOUT_REPLIES: [&str; 11] = [
    "CLIENT REPLY",
    "MONITOR",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "REPLCONF",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "UNSUBSCRIBE",
];

/// The names of scripts and functions, so that rules can speak of `claim` and not of `EVALSHA`.
#[derive(Debug, Clone, Default)]
pub struct Names {
    scripts: HashMap<String, Arc<str>>,
}

impl Names {
    /// Names for scripts by their SHA-1 in hexadecimal, and for functions by what they are called in Redis.
    pub fn of_scripts<H: Into<String>, N: Into<Arc<str>>>(
        scripts: impl IntoIterator<Item = (H, N)>,
    ) -> Self {
        let scripts = scripts.into_iter();
        let scripts = scripts.map(|(hash, name)| (hash.into(), name.into()));
        Self {
            scripts: scripts.collect(),
        }
    }

    /// The name of a request with these first words; `None`: it has none, and no reply.
    pub(crate) fn of(&self, words: &[Bytes]) -> Option<Arc<str>> {
        let text = |word: &Bytes| String::from_utf8_lossy(word).into_owned();
        let command = text(words.first()?).to_ascii_uppercase();
        let Some(second) = words.get(1).map(text) else {
            return Some(command.into());
        };
        if SCRIPTED.contains(&command.as_str())
            && let Some(name) = self.scripts.get(&second)
        {
            return Some(Arc::clone(name));
        }
        if WITH_PARTS.contains(&command.as_str()) {
            return Some(format!("{command} {}", second.to_ascii_uppercase()).into());
        }
        Some(command.into())
    }
}

/// Whether requests and replies are no pairs any more from this request on.
pub(crate) fn ends_pairs(name: &str) -> bool {
    WITHOUT_REPLIES.contains(&name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn name(words: &[&str]) -> String {
        let names = Names::of_scripts([("abc1", "claim"), ("finish_all", "finish")]);
        let words: Vec<Bytes> = words
            .iter()
            .map(|word| Bytes::copy_from_slice(word.as_bytes()))
            .collect();
        names.of(&words).unwrap().to_string()
    }

    #[test]
    fn a_request_is_called_by_its_command_its_part_or_its_script() {
        assert_eq!(name(&["lpush", "queue:default"]), "LPUSH");
        assert_eq!(name(&["client", "setinfo"]), "CLIENT SETINFO");
        assert_eq!(name(&["CLIENT"]), "CLIENT");
        assert_eq!(name(&["EVALSHA", "abc1"]), "claim");
        assert_eq!(name(&["evalsha", "ffff"]), "EVALSHA");
        assert_eq!(name(&["FCALL", "finish_all"]), "finish");
        assert_eq!(Names::default().of(&[]), None);
    }
}
