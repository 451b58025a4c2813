//! Eight bytes at a time: where a run of plain string bytes or of digits ends.
//!
//! Belongs here: arithmetic on words of eight bytes. Does not belong here: what may follow the run (`scan`).

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Where, from `at` on, the first quote, backslash or control character lies.
#[inline(never)]
pub(super) fn special(bytes: &[u8], at: usize) -> usize {
    run(bytes, at, |word| {
        // With this bit turned, control characters and the quote are the bytes below 0x21.
        let quote_or_control = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
        let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
        (quote_or_control | backslash) & !word
    })
}

/// Where, from `at` on, the first byte lies that is no digit.
#[inline(never)]
pub(super) fn no_digit(bytes: &[u8], at: usize) -> usize {
    run(bytes, at, |word| {
        let digits = word ^ (ONES * b'0' as u64);
        digits | digits.wrapping_add(ONES * (0x80 - 10))
    })
}

/// Where, from `at` on, the first byte lies whose highest bit `flags` sets, or else the end.
/// Eight at a time, because strings and digits are most of a payload. A borrow or carry can only flag bytes above a true
/// hit, so the lowest flag is exact.
fn run(bytes: &[u8], at: usize, flags: impl Fn(u64) -> u64) -> usize {
    let mut rest = &bytes[at..];
    while let Some((word, tail)) = rest.split_first_chunk() {
        let hits = flags(u64::from_le_bytes(*word)) & HIGH;
        if hits != 0 {
            return bytes.len() - rest.len() + hits.trailing_zeros() as usize / 8;
        }
        rest = tail;
    }
    let plain = |byte: &&u8| flags(u64::from(**byte)) & 0x80 == 0;
    bytes.len() - rest.len() + rest.iter().take_while(plain).count()
}
