//! TLS for the claim loop's own connections, with the trust that the redis crate's have.

use std::sync::Arc;

use rustls::pki_types::ServerName;
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
    let config = server.trust().config().map_err(wrong)?;
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
