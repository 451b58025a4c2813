//! Job ids.
//!
//! Belongs here: their form. Does not belong here: the random bytes, which the caller draws.

/// A job id in Sidekiq's form: 12 random bytes as 24 lowercase hex digits.
///
/// ```
/// assert_eq!(gandy_protocol::jid::jid([0xb5, 0xde, 0x70, 0xb6, 0x30, 0x90, 0xde, 0xcd, 0x64, 0x40, 0xfd, 0x9e]), "b5de70b63090decd6440fd9e");
/// ```
pub fn jid(random: [u8; 12]) -> String {
    hex(&random)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}
