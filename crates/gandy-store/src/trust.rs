//! Whom connections over TLS trust, and as whom they appear: PEM texts, checked when they are given.
//!
//! Not here: the files in which they stand (`tls_files`), and connecting (`tls`, and the redis crate).

use std::{fmt, sync::Arc};

use redis::{Client, ClientTlsConfig, TlsCertificates};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{Server, StoreError};

/// How a certificate begins.
const PEM_START: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Authorities to trust and a certificate to show, where they were named.
#[derive(Clone, Default)]
pub(crate) struct Trust {
    roots: Option<Arc<[u8]>>,
    shown: Option<Shown>,
}

/// The client's own certificate, with those that vouch for it, and its key.
#[derive(Clone)]
struct Shown {
    certificate: Arc<[u8]>,
    key: Arc<[u8]>,
}

impl Server {
    /// The same server over TLS (`rediss://`), trusting these certificate authorities (PEM) and no public one: for a
    /// Redis whose certificate a private authority signed, or that signed its own.
    ///
    /// # Errors
    /// [`StoreError::Input`] when `pem` holds no certificate, or the URL is not `rediss://`.
    pub fn with_root_certificates(self, pem: &[u8]) -> Result<Self, StoreError> {
        let mut trust = self.trust().clone();
        trust.roots = Some(pem.into());
        self.with_trust(trust)
    }

    /// The same server over TLS (`rediss://`), to which every connection shows this certificate (PEM, followed by those
    /// that vouch for it, if any) and proves that it has its key: for a Redis with `tls-auth-clients yes`.
    ///
    /// # Errors
    /// [`StoreError::Input`] when there is no certificate or no private key, or the URL is not `rediss://`. That the
    /// two belong together is seen when the first connection is made.
    pub fn with_client_certificate(self, pem: &[u8], key: &[u8]) -> Result<Self, StoreError> {
        let mut trust = self.trust().clone();
        trust.shown = Some(Shown {
            certificate: pem.into(),
            key: key.into(),
        });
        self.with_trust(trust)
    }

    fn with_trust(self, trust: Trust) -> Result<Self, StoreError> {
        let wrong = |cause: String| {
            StoreError::Input(format!(
                "the certificates for Redis at {} are wrong: {cause}; give certificates and keys in PEM form, for a rediss:// URL",
                self.address()
            ))
        };
        let certificates = trust.certificates().map_err(wrong)?;
        let info = self.client().get_connection_info().clone();
        let client =
            Client::build_with_tls(info, certificates).map_err(|error| wrong(error.to_string()))?;
        Ok(self.trusting(client, trust))
    }
}

impl Trust {
    /// For the redis crate, which takes an empty list of authorities, and then trusts no server.
    fn certificates(&self) -> Result<TlsCertificates, String> {
        let holds_one = |pem: &[u8]| pem.windows(PEM_START.len()).any(|text| text == PEM_START);
        let given = self.roots.as_ref();
        if given.is_some_and(|pem| !holds_one(pem)) {
            return Err("there is no certificate among the authorities".to_owned());
        }
        let shown = self.shown.as_ref();
        if shown.is_some_and(|shown| !holds_one(&shown.certificate)) {
            return Err("there is no certificate to show".to_owned());
        }
        Ok(TlsCertificates {
            client_tls: shown.map(|shown| ClientTlsConfig {
                client_cert: shown.certificate.to_vec(),
                client_key: shown.key.to_vec(),
            }),
            root_cert: given.map(|pem| pem.to_vec()),
        })
    }

    /// For the claim loop's own connections.
    pub(crate) fn config(&self) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        match &self.roots {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for certificate in chain(pem)? {
                    roots.add(certificate).map_err(|error| error.to_string())?;
                }
            }
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        match &self.shown {
            None => Ok(config.with_no_client_auth()),
            Some(shown) => {
                let key =
                    PrivateKeyDer::from_pem_slice(&shown.key).map_err(|error| error.to_string())?;
                config
                    .with_client_auth_cert(chain(&shown.certificate)?, key)
                    .map_err(|error| error.to_string())
            }
        }
    }
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// A key is a secret.
impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("roots", &self.roots.is_some())
            .field("shown", &self.shown.is_some())
            .finish()
    }
}
