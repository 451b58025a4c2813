//! The process's environment as a value, so that tests bring their own and nothing reads it behind the back.
//! Here: lookup and the name of each key's variable. Not here: what the values mean (`keys`).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

/// A copy of the environment, taken once at start.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Environment {
        Environment(std::env::vars_os().collect())
    }

    /// An environment of the given pairs.
    pub fn from_pairs<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Environment
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        Environment(
            pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }

    /// The bytes of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A variable as text; `Some(Err(()))` when it is not UTF-8.
    pub fn text(&self, name: &str) -> Option<Result<&str, ()>> {
        self.get(name).map(|value| value.to_str().ok_or(()))
    }

    /// The names that are UTF-8, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|name| name.to_str())
    }
}

// Values may be secrets, so only names are shown.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The variable of a top-level key: `GANDY_` and the key in capitals; what says where
/// Redis is has the names that the library reads.
pub fn variable(key: &str) -> String {
    match key {
        "redis_url" => "REDIS_URL".to_owned(),
        "redis_url_file" => "REDIS_URL_FILE".to_owned(),
        "redis_tls_ca" | "redis_tls_cert" | "redis_tls_key" => key.to_ascii_uppercase(),
        _ => format!("GANDY_{}", key.to_ascii_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_names_only() {
        let environment = Environment::from_pairs([("TOKEN", "S3CR3T")]);
        assert_eq!(format!("{environment:?}"), "{\"TOKEN\"}");
    }

    #[test]
    fn every_key_has_a_variable() {
        assert_eq!(variable("dead_max_jobs"), "GANDY_DEAD_MAX_JOBS");
        assert_eq!(variable("redis_url"), "REDIS_URL");
        assert_eq!(variable("redis_tls_key"), "REDIS_TLS_KEY");
    }
}
