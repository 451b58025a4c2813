//! Finds where the members of a JSON object lie, and checks that the text is JSON.
//!
//! Belongs here: grammar and byte positions. Does not belong here: what a field means, and decoding.
//!
//! Written by hand because a payload is scanned once per job and is edited by byte position:
//! positions are what this yields and what `serde_json` does not. A property test holds both to the same verdict.

use std::fmt;

/// Where something lies in the scanned text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) fn of(self, text: &str) -> &str {
        // Spans lie on ASCII delimiters of the text that they were scanned from, so `get` always finds them.
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// One `"key": value` of an object. Both spans are raw JSON: the key's has its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) key: Span,
    pub(crate) value: Span,
}

/// The first place where the text is not the JSON that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    at: usize,
    what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid JSON at byte {}: {}", self.at, self.what)
    }
}

/// Hands each member of the object `text` to `each`, in order. `text` may be surrounded by whitespace.
/// Members are handed out before the rest is known to be valid: use them only after `Ok`.
pub(crate) fn members(text: &str, mut each: impl FnMut(Member)) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text);
    scanner.whitespace();
    scanner.expect(b'{', "expected '{'")?;
    scanner.whitespace();
    if !scanner.eat(b'}') {
        loop {
            let key = scanner.key()?;
            let value = scanner.value()?;
            each(Member { key, value });
            scanner.whitespace();
            if scanner.eat(b'}') {
                break;
            }
            scanner.expect(b',', "expected ',' or '}'")?;
            scanner.whitespace();
        }
    }
    scanner.end()
}

/// Whether `text` is exactly one JSON value with nothing around it but whitespace.
pub(crate) fn check(text: &str) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text);
    scanner.whitespace();
    scanner.value()?;
    scanner.end()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    nesting: Nesting,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Scanner {
            bytes: text.as_bytes(),
            at: 0,
            nesting: Nesting::default(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Fault> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(self.fault(what))
        }
    }

    fn fault(&self, what: &'static str) -> Fault {
        let what = if self.at < self.bytes.len() {
            what
        } else {
            "the text ends too early"
        };
        Fault { at: self.at, what }
    }

    fn whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        self.whitespace();
        if self.at < self.bytes.len() {
            return Err(self.fault("text follows after the JSON value"));
        }
        Ok(())
    }

    /// A key, its colon, and the whitespace up to the value.
    fn key(&mut self) -> Result<Span, Fault> {
        let start = self.at;
        self.expect(b'"', "expected a key in quotes")?;
        self.string()?;
        let end = self.at;
        self.whitespace();
        self.expect(b':', "expected ':'")?;
        self.whitespace();
        Ok(Span { start, end })
    }

    /// One value of any depth. A loop, because recursion on hostile nesting would end the process:
    /// a stack overflow is not a panic and cannot be caught.
    fn value(&mut self) -> Result<Span, Fault> {
        let start = self.at;
        loop {
            if !self.open_or_scalar()? {
                continue;
            }
            loop {
                let Some(object) = self.nesting.top() else {
                    let end = self.at;
                    return Ok(Span { start, end });
                };
                self.whitespace();
                if self.eat(b',') {
                    self.whitespace();
                    if object {
                        self.key()?;
                    }
                    break;
                }
                if object {
                    self.expect(b'}', "expected ',' or '}'")?;
                } else {
                    self.expect(b']', "expected ',' or ']'")?;
                }
                self.nesting.pop();
            }
        }
    }

    /// Reads a scalar, an empty container, or the opening of one. True when a whole value was read.
    fn open_or_scalar(&mut self) -> Result<bool, Fault> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string()?;
            }
            Some(b'{') => {
                self.at += 1;
                self.whitespace();
                if !self.eat(b'}') {
                    self.nesting.push(true);
                    self.key()?;
                    return Ok(false);
                }
            }
            Some(b'[') => {
                self.at += 1;
                self.whitespace();
                if !self.eat(b']') {
                    self.nesting.push(false);
                    return Ok(false);
                }
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal(b"true")?,
            Some(b'f') => self.literal(b"false")?,
            Some(b'n') => self.literal(b"null")?,
            _ => return Err(self.fault("expected a value")),
        }
        Ok(true)
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<(), Fault> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.fault("expected a value"))
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.fault("expected a digit"));
        }
        Ok(())
    }

    /// The rest of a string after its opening quote, closing quote included.
    fn string(&mut self) -> Result<(), Fault> {
        loop {
            while let Some(word) = self.bytes[self.at..].first_chunk::<8>() {
                let plain = plain_bytes(*word);
                self.at += plain;
                if plain < 8 {
                    break;
                }
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                _ => return Err(self.fault("a control character in a string")),
            }
        }
    }

    /// Half a surrogate pair passes: Ruby's generator can be made to write one and its parser reads it.
    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.fault("expected four hex digits after \\u"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.fault("unknown escape in a string")),
        }
        Ok(())
    }
}

/// How many bytes come before the first quote, backslash or control character (8: there is none).
/// Eight at a time, because strings are most of a payload. A borrow can only flag bytes above a true hit,
/// so the lowest flag is exact.
fn plain_bytes(word: [u8; 8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(word);
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let hits = (quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(ONES * 0x20) & !word);
    ((hits & HIGH).trailing_zeros() / 8) as usize
}

/// The open containers, one bit each (set: an object), so that a million levels cost 125 kB and no call stack.
#[derive(Default)]
struct Nesting {
    depth: usize,
    /// The innermost 64 levels or fewer; full words go to `outer`.
    bits: u64,
    outer: Vec<u64>,
}

impl Nesting {
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.bits >>= 1;
        self.depth = self.depth.saturating_sub(1);
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().unwrap_or_default();
        }
    }

    fn top(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.bits & 1 == 1)
    }
}

#[cfg(test)]
mod tests;
