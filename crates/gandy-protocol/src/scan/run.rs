//! Eight bytes at a time: where a string or a run of digits ends.
//!
//! Belongs here: arithmetic on words of eight bytes. Does not belong here: what may follow the run (`scan`).
//!
//! In each word the wanted bytes get their highest bit set, the others not. A borrow or carry can only touch bytes above a
//! true hit, so the lowest flag is exact.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The name of a key of up to 15 bytes as two numbers, cheap to compare: for eight and more its first eight bytes and
/// the others, else nothing and all of it. The last number has the closing quote as its highest byte; below the
/// bytes it has zeros, which no JSON string has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name(u64, u64);

impl Name {
    /// A name that no key has: all that are too long, or written with escapes, look like this.
    pub(crate) const OTHER: Name = Name(0, 0);

    /// The name of the key `bytes` (without quotes), which holds no escape.
    pub(crate) const fn of(bytes: &[u8]) -> Name {
        let mut words = [0; 2];
        let mut at = 0;
        if bytes.len() > 15 {
            return Name::OTHER;
        }
        while at < bytes.len() {
            words[at / 8] = words[at / 8] >> 8 | (bytes[at] as u64) << 56;
            at += 1;
        }
        let last = words[bytes.len() / 8] >> 8 | (b'"' as u64) << 56;
        if bytes.len() < 8 {
            Name(0, last)
        } else {
            Name(words[0], last)
        }
    }
}

/// How a string's text goes on after its opening quote.
pub(super) enum Text<'a> {
    /// Behind its closing quote.
    Closed(&'a [u8]),
    /// At an escape, a character beyond ASCII, a control character, or the last bytes of the text.
    Open(&'a [u8]),
}

/// Past the rest of a string, if it is plain ASCII.
#[inline(always)]
pub(super) fn string(mut rest: &[u8]) -> Text<'_> {
    while let Some((word, tail)) = rest.split_first_chunk() {
        let hits = not_plain(u64::from_le_bytes(*word));
        if hits != 0 {
            let place = hits.trailing_zeros() as usize / 8;
            return if rest[place] == b'"' {
                Text::Closed(&rest[place + 1..])
            } else {
                Text::Open(&rest[place..])
            };
        }
        rest = tail;
    }
    Text::Open(rest)
}

/// The same for a key of up to 15 bytes, with its name.
#[inline(always)]
pub(super) fn key(rest: &[u8]) -> Option<(Name, &[u8])> {
    let (word, tail) = rest.split_first_chunk()?;
    let word = u64::from_le_bytes(*word);
    let hits = not_plain(word);
    if hits != 0 {
        let (last, behind) = name_end(rest, word, hits)?;
        return Some((Name(0, last), behind));
    }
    let (second, _) = tail.split_first_chunk()?;
    let second = u64::from_le_bytes(*second);
    let hits = not_plain(second);
    if hits == 0 {
        return None;
    }
    let (last, behind) = name_end(tail, second, hits)?;
    Some((Name(word, last), behind))
}

#[inline(always)]
fn name_end(rest: &[u8], word: u64, hits: u64) -> Option<(u64, &[u8])> {
    let bit = hits.trailing_zeros();
    let last = word << (63 ^ bit);
    let place = bit as usize / 8;
    (last >> 56 == u64::from(b'"')).then(|| (last, &rest[place + 1..]))
}

/// Whether `text` can stand between quotes as it is.
pub(crate) fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let flags = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        not_plain(word) & !word
    };
    let Some(last) = bytes.last_chunk() else {
        let special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
        return !bytes.iter().any(special);
    };
    // The last word overlaps the one before it, which is cheaper than single bytes.
    let mut rest = bytes;
    let mut found = flags(last);
    while let Some((word, tail)) = rest.split_first_chunk() {
        found |= flags(word);
        rest = tail;
    }
    found == 0
}

/// What is left of `rest` from its first quote, backslash or control character on.
pub(super) fn from_special(rest: &[u8]) -> &[u8] {
    run(rest, |word| not_plain(word) & !word)
}

/// What is left of `rest` from the first byte on that is no digit.
#[inline(always)]
pub(super) fn from_no_digit(rest: &[u8]) -> &[u8] {
    run(rest, |word| {
        let digits = word ^ (ONES * b'0' as u64);
        (digits | digits.wrapping_add(ONES * (0x80 - 10))) & HIGH
    })
}

/// Flags quotes, backslashes, control characters and everything beyond ASCII.
#[inline(always)]
fn not_plain(word: u64) -> u64 {
    // With this bit turned, control characters and the quote are the bytes below 0x21.
    let quote_or_control = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (quote_or_control | backslash) & HIGH
}

/// `rest` from the first byte on that `flags` flags; empty if there is none.
#[inline(always)]
fn run(mut rest: &[u8], flags: impl Fn(u64) -> u64 + Copy) -> &[u8] {
    while let Some((word, tail)) = rest.split_first_chunk() {
        let hits = flags(u64::from_le_bytes(*word));
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
