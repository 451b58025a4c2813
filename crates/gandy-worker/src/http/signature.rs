//! The signature of a request, so that an endpoint can tell that it comes from this worker and is fresh:
//!
//! `Gandy-Signature: t=1795435200,v1=<hex>` where `<hex>` is HMAC-SHA256 under the secret of the bytes
//! `1795435200.<body>`: the time in Unix seconds as in `t`, a dot, the body as sent. Endpoints recompute it,
//! compare in constant time, and refuse a `t` more than some minutes away. `v1` names the scheme.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header's value for a body sent at `now`, Unix seconds.
///
/// # Errors
///
/// Never for a secret that HMAC can take, which is any.
pub fn header_value(secret: &str, now: i64, body: &[u8]) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|_| "the HMAC secret has a length that cannot be used".to_owned())?;
    mac.update(now.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let mut value = format!("t={now},v1=");
    for byte in mac.finalize().into_bytes() {
        let _ = write!(value, "{byte:02x}");
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_openssl_computes() {
        // printf '1795435200.{"jid":"x"}' | openssl dgst -sha256 -hmac key
        assert_eq!(
            header_value("key", 1_795_435_200, br#"{"jid":"x"}"#).expect("signature"),
            "t=1795435200,v1=e3d1e3936e3ce2541513ec49a18608403ed92810b5aa79088faa0cefcc0bd73d"
        );
    }
}
