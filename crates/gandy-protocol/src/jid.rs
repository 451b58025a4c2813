//! Job ids.
//!
//! Belongs here: their form. Does not belong here: the random bytes, which the caller draws.

/// A job id in Sidekiq's form: 12 random bytes as 24 lowercase hex digits.
///
/// ```
/// assert_eq!(gandy_protocol::jid::jid([0xb5, 0xde, 0x70, 0xb6, 0x30, 0x90, 0xde, 0xcd, 0x64, 0x40, 0xfd, 0x9e]), "b5de70b63090decd6440fd9e");
/// ```
pub fn jid(random: [u8; 12]) -> String {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = random;
    let mut digits = [0; 24];
    // Four bytes at a time, because each pushed job has an id.
    let words = [[a, b, c, d], [e, f, g, h], [i, j, k, l]];
    for (digits, word) in digits.chunks_exact_mut(8).zip(words) {
        digits.copy_from_slice(&hex8(word));
    }
    std::str::from_utf8(&digits).unwrap_or_default().to_owned()
}

/// Eight hex digits for four bytes.
fn hex8(bytes: [u8; 4]) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Each half byte goes into a byte of its own.
    let word = u64::from(u32::from_be_bytes(bytes));
    let word = (word | word << 16) & 0x0000_ffff_0000_ffff;
    let word = (word | word << 8) & 0x00ff_00ff_00ff_00ff;
    let word = (word | word << 4) & (ONES * 15);
    // 10 and more reach the bit 16, which stands for the way from '9' + 1 to 'a'.
    let letters = ((word + ONES * 6) >> 4) & ONES;
    (word + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        let pair = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
        digits.extend_from_slice(&pair);
    }
    String::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_jid_is_the_bytes_in_hex(random in any::<[u8; 12]>()) {
            let expect: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(&jid(random), &expect);
            prop_assert_eq!(hex(&random), expect);
        }
    }
}
