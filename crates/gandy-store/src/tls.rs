//! TLS for the claim loop's own connections, with the roots that the redis crate's have.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{Server, StoreError, link::unavailable};

/// Makes a connection to `host` an encrypted one.
pub(crate) async fn encrypt(
    server: &Server,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, StoreError> {
    let wrong =
        |cause: String| StoreError::Input(format!("TLS to Redis at {}: {cause}", server.address()));
    let mut roots = RootCertStore::empty();
    match server.roots() {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| wrong(error.to_string()))?;
            }
        }
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let name = ServerName::try_from(name).map_err(|error| wrong(error.to_string()))?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| unavailable(server.address(), error.to_string()))
}
