//! The files that belong to a `rediss://` URL and cannot stand in it.
//!
//! Not here: what their texts must be (`trust`).

use std::path::PathBuf;

use crate::{Server, StoreError};

/// Files for TLS, each in PEM form and each read once: who renews a certificate starts the process anew.
///
/// Their names go by the names that `redis-server` has for its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities to trust in the place of the public ones (`REDIS_TLS_CA`).
    pub ca: Option<PathBuf>,
    /// The certificate to show to a server that asks for one, with those that vouch for it (`REDIS_TLS_CERT`).
    pub cert: Option<PathBuf>,
    /// Its private key (`REDIS_TLS_KEY`).
    pub key: Option<PathBuf>,
}

impl TlsFiles {
    /// Those that `REDIS_TLS_CA`, `REDIS_TLS_CERT` and `REDIS_TLS_KEY` name. An empty variable counts as not set.
    #[must_use]
    pub fn from_env() -> Self {
        let file = |name| {
            std::env::var_os(name)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        Self {
            ca: file("REDIS_TLS_CA"),
            cert: file("REDIS_TLS_CERT"),
            key: file("REDIS_TLS_KEY"),
        }
    }

    /// These, and where none is named, those of `below`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            ca: self.ca.or(below.ca),
            cert: self.cert.or(below.cert),
            key: self.key.or(below.key),
        }
    }
}

impl Server {
    /// The same server, trusting and showing what these files hold; with none of them, just the same server.
    ///
    /// # Errors
    /// [`StoreError::Input`] when a file cannot be read or holds something else, one of certificate and key is missing,
    /// the URL is not `rediss://`, or this build has no TLS (feature `tls`).
    pub fn with_tls_files(self, files: &TlsFiles) -> Result<Self, StoreError> {
        if *files == TlsFiles::default() {
            return Ok(self);
        }
        self.with_files(files)
    }

    #[cfg(not(feature = "tls"))]
    fn with_files(self, _: &TlsFiles) -> Result<Self, StoreError> {
        Err(StoreError::Input(
            "files for TLS are named (REDIS_TLS_CA, REDIS_TLS_CERT, REDIS_TLS_KEY), and this build has no TLS; \
             turn on the feature `tls`, or name none"
                .into(),
        ))
    }

    #[cfg(feature = "tls")]
    fn with_files(mut self, files: &TlsFiles) -> Result<Self, StoreError> {
        let read = |what: &str, path: &PathBuf| {
            std::fs::read(path).map_err(|error| {
                StoreError::Input(format!(
                    "cannot read the {what} for Redis from {}: {error}",
                    path.display()
                ))
            })
        };
        if let Some(path) = &files.ca {
            self = self.with_root_certificates(&read("authorities", path)?)?;
        }
        match (&files.cert, &files.key) {
            (None, None) => Ok(self),
            (Some(cert), Some(key)) => {
                self.with_client_certificate(&read("certificate", cert)?, &read("key", key)?)
            }
            (Some(_), None) => Err(StoreError::Input(
                "a certificate for Redis is named, but not its private key (REDIS_TLS_KEY)".into(),
            )),
            (None, Some(_)) => Err(StoreError::Input(
                "a private key for Redis is named, but not its certificate (REDIS_TLS_CERT)".into(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_are_never_left_unread_without_a_word() {
        let plain = Server::new("redis://127.0.0.1").unwrap();
        let none = plain.clone().with_tls_files(&TlsFiles::default());
        assert!(none.is_ok());
        let named = TlsFiles {
            ca: Some("/nonexistent/ca.pem".into()),
            ..TlsFiles::default()
        };
        let error = plain.with_tls_files(&named).unwrap_err();
        assert!(matches!(error, StoreError::Input(_)), "{error:?}");
    }

    #[test]
    fn what_is_named_above_wins() {
        let above = TlsFiles {
            ca: Some("a".into()),
            ..TlsFiles::default()
        };
        let below = TlsFiles {
            ca: Some("b".into()),
            cert: Some("b".into()),
            key: None,
        };
        let merged = above.over(below);
        assert_eq!(
            (merged.ca, merged.cert),
            (Some("a".into()), Some("b".into()))
        );
    }
}
