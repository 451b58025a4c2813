//! Eight bytes at a time: where a run of plain string bytes or of digits ends.
//!
//! Belongs here: arithmetic on words of eight bytes. Does not belong here: what may follow the run (`scan`).

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// What is left of `rest` from its first quote, backslash or control character on.
#[inline(always)]
pub(super) fn from_special(rest: &[u8]) -> &[u8] {
    run(rest, special)
}

/// What is left of `rest` from the first byte on that is no digit.
#[inline(always)]
pub(super) fn from_no_digit(rest: &[u8]) -> &[u8] {
    run(rest, no_digit)
}

#[inline(always)]
fn special(word: u64) -> u64 {
    // With this bit turned, control characters and the quote are the bytes below 0x21.
    let quote_or_control = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (quote_or_control | backslash) & !word
}

#[inline(always)]
fn no_digit(word: u64) -> u64 {
    let digits = word ^ (ONES * b'0' as u64);
    digits | digits.wrapping_add(ONES * (0x80 - 10))
}

/// `rest` from the first byte on whose highest bit `flags` sets; empty if there is none.
/// Eight at a time, because strings and digits are most of a payload. A borrow or carry can only flag bytes above a true
/// hit, so the lowest flag is exact.
#[inline(always)]
fn run(mut rest: &[u8], flags: impl Fn(u64) -> u64 + Copy) -> &[u8] {
    while let Some((word, tail)) = rest.split_first_chunk() {
        let hits = flags(u64::from_le_bytes(*word)) & HIGH;
        if hits != 0 {
            return &rest[hits.trailing_zeros() as usize / 8..];
        }
        rest = tail;
    }
    last_bytes(rest, flags)
}

/// The same for the last seven bytes of the text or fewer.
#[cold]
#[inline(never)]
fn last_bytes(rest: &[u8], flags: impl Fn(u64) -> u64) -> &[u8] {
    let plain = |byte: &&u8| flags(u64::from(**byte)) & 0x80 == 0;
    let plain = rest.iter().take_while(plain).count();
    rest.get(plain..).unwrap_or_default()
}
