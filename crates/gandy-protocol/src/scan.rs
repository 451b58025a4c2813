//! Finds where the members of a JSON object lie, and checks that the text is JSON.
//!
//! Belongs here: grammar and byte positions. Does not belong here: what a field means, and decoding.
//!
//! Written by hand because every job is scanned once and edited by byte position. `serde_json` gives no positions, and its
//! `RawValue`, whose address could tell them, takes 7,200 instructions for the 305 bytes of `examples/hot_path.rs` where
//! this takes 4,100. A property test holds both to the same verdict.

use std::borrow::Cow;
use std::fmt;

use crate::text;

mod nesting;
mod run;

use nesting::Nesting;
use run::{no_digit, special};

/// Where a value or a key lies in the scanned text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// No backslash lies in it.
    plain: bool,
}

impl Span {
    pub(crate) fn of(self, text: &str) -> &str {
        // Spans lie on ASCII delimiters of the text that they were scanned from, so `get` always finds them.
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// What lies between the quotes of a string.
    pub(crate) fn inside(self) -> Span {
        Span {
            start: self.start + 1,
            end: self.end - 1,
            ..self
        }
    }

    #[inline]
    /// What the string holds. `None`: not a string, or half a surrogate pair.
    pub(crate) fn text(self, text: &str) -> Option<Cow<'_, str>> {
        if !self.plain {
            return text::unquoted(self.of(text));
        }
        let string = text.as_bytes().get(self.start) == Some(&b'"');
        string.then(|| Cow::Borrowed(self.inside().of(text)))
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
pub(crate) fn members(text: &str, each: impl FnMut(Member)) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text);
    let end = scanner.object(each);
    scanner.finish(end)
}

/// Whether `text` is exactly one JSON value with nothing around it but whitespace.
pub(crate) fn check(text: &str) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text);
    let end = scanner.value(scanner.skip(0));
    scanner.finish(end)
}

/// Its functions take the place where something begins and give the place behind it; `None`: see `fault`.
///
/// For speed (counted with `examples/hot_path.rs`): places travel in registers, where a `Result` with the fault in it goes
/// through memory and cost a quarter more instructions. What is read for every member is inlined into the loop over them;
/// left to the compiler, the calls cost another fifth.
struct Scanner<'a> {
    bytes: &'a [u8],
    nesting: Nesting,
    /// No escape was met since this was last set.
    plain: bool,
    fault: Option<Fault>,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Scanner {
            bytes: text.as_bytes(),
            nesting: Nesting::default(),
            plain: true,
            fault: None,
        }
    }

    #[cold]
    fn fail<T>(&mut self, at: usize, what: &'static str) -> Option<T> {
        let what = if at < self.bytes.len() {
            what
        } else {
            "the text ends too early"
        };
        self.fault = Some(Fault { at, what });
        None
    }

    /// The verdict, when the text should end at `end`.
    fn finish(mut self, end: Option<usize>) -> Result<(), Fault> {
        if let Some(end) = end
            .map(|end| self.skip(end))
            .filter(|end| *end < self.bytes.len())
        {
            self.fail::<()>(end, "text follows after the JSON value");
        }
        self.fault.map_or(Ok(()), Err)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// Past whitespace.
    fn skip(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte(at) {
            at += 1;
        }
        at
    }

    fn expect(&mut self, at: usize, byte: u8, what: &'static str) -> Option<usize> {
        if self.byte(at) == Some(byte) {
            Some(at + 1)
        } else {
            self.fail(at, what)
        }
    }

    fn object(&mut self, mut each: impl FnMut(Member)) -> Option<usize> {
        let mut at = self.expect(self.skip(0), b'{', "expected '{'")?;
        at = self.skip(at);
        if self.byte(at) == Some(b'}') {
            return Some(at + 1);
        }
        loop {
            let key = self.span(at, Self::key)?;
            at = self.colon(key.end)?;
            let value = self.span(at, Self::value)?;
            each(Member { key, value });
            at = self.skip(value.end);
            if self.byte(at) != Some(b',') {
                return self.expect(at, b'}', "expected ',' or '}'");
            }
            at = self.skip(at + 1);
        }
    }

    fn span(
        &mut self,
        start: usize,
        read: impl FnOnce(&mut Self, usize) -> Option<usize>,
    ) -> Option<Span> {
        self.plain = true;
        let end = read(self, start)?;
        let plain = self.plain;
        Some(Span { start, end, plain })
    }

    fn key(&mut self, at: usize) -> Option<usize> {
        let inside = self.expect(at, b'"', "expected a key in quotes")?;
        self.string(inside)
    }

    /// From the end of a key to its value.
    fn colon(&mut self, at: usize) -> Option<usize> {
        let behind = self.expect(self.skip(at), b':', "expected ':'")?;
        Some(self.skip(behind))
    }

    #[inline(always)]
    fn value(&mut self, at: usize) -> Option<usize> {
        match self.byte(at) {
            Some(b'{' | b'[') => self.container(at),
            _ => self.scalar(at),
        }
    }

    #[inline(always)]
    fn scalar(&mut self, at: usize) -> Option<usize> {
        match self.byte(at) {
            Some(b'"') => self.string(at + 1),
            Some(b'-' | b'0'..=b'9') => self.number(at),
            Some(b't') => self.literal(at, b"true"),
            Some(b'f') => self.literal(at, b"false"),
            Some(b'n') => self.literal(at, b"null"),
            _ => self.fail(at, "expected a value"),
        }
    }

    /// An object or array of any depth. A loop, because recursion on hostile nesting would end the process:
    /// a stack overflow is not a panic and cannot be caught.
    fn container(&mut self, mut at: usize) -> Option<usize> {
        loop {
            at = match self.byte(at) {
                Some(open @ (b'{' | b'[')) => {
                    let object = open == b'{';
                    at = self.skip(at + 1);
                    if self.byte(at) == Some(if object { b'}' } else { b']' }) {
                        at + 1
                    } else {
                        self.nesting.push(object);
                        if object {
                            at = self.key(at)?;
                            at = self.colon(at)?;
                        }
                        continue;
                    }
                }
                _ => self.scalar(at)?,
            };
            loop {
                let Some(object) = self.nesting.top() else {
                    return Some(at);
                };
                at = self.skip(at);
                match (self.byte(at), object) {
                    (Some(b','), false) => {
                        at = self.skip(at + 1);
                        break;
                    }
                    (Some(b','), true) => {
                        at = self.key(self.skip(at + 1))?;
                        at = self.colon(at)?;
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.nesting.pop();
                        at += 1;
                    }
                    (_, true) => return self.fail(at, "expected ',' or '}'"),
                    (_, false) => return self.fail(at, "expected ',' or ']'"),
                }
            }
        }
    }

    fn literal(&mut self, at: usize, word: &'static [u8]) -> Option<usize> {
        if self.bytes[at..].starts_with(word) {
            Some(at + word.len())
        } else {
            self.fail(at, "expected a value")
        }
    }

    #[inline(always)]
    fn number(&mut self, mut at: usize) -> Option<usize> {
        at += usize::from(self.byte(at) == Some(b'-'));
        at = match self.byte(at) {
            Some(b'0') => at + 1,
            _ => self.digits(at)?,
        };
        if self.byte(at) == Some(b'.') {
            at = self.digits(at + 1)?;
        }
        if let Some(b'e' | b'E') = self.byte(at) {
            let sign = matches!(self.byte(at + 1), Some(b'+' | b'-'));
            at = self.digits(at + 1 + usize::from(sign))?;
        }
        Some(at)
    }

    fn digits(&mut self, at: usize) -> Option<usize> {
        let end = no_digit(self.bytes, at);
        if end > at {
            Some(end)
        } else {
            self.fail(at, "expected a digit")
        }
    }

    /// The rest of a string after its opening quote, closing quote included.
    #[inline(always)]
    fn string(&mut self, at: usize) -> Option<usize> {
        let at = special(self.bytes, at);
        match self.byte(at) {
            Some(b'"') => Some(at + 1),
            _ => self.escaped_string(at),
        }
    }

    /// The same from the first escape on. Apart, because most strings have none and then need few registers.
    fn escaped_string(&mut self, mut at: usize) -> Option<usize> {
        loop {
            match self.byte(at) {
                Some(b'"') => return Some(at + 1),
                Some(b'\\') => {
                    at = self.escape(at + 1)?;
                    at = special(self.bytes, at);
                }
                _ => return self.fail(at, "a control character in a string"),
            }
        }
    }

    /// Half a surrogate pair passes: Ruby's generator can be made to write one and its parser reads it.
    fn escape(&mut self, at: usize) -> Option<usize> {
        self.plain = false;
        match self.byte(at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Some(at + 1),
            Some(b'u') => {
                let digits = self.bytes[at + 1..].iter().take(4);
                let digits = digits.take_while(|byte| byte.is_ascii_hexdigit()).count();
                if digits == 4 {
                    Some(at + 5)
                } else {
                    self.fail(at + 1 + digits, "expected four hex digits after \\u")
                }
            }
            _ => self.fail(at, "unknown escape in a string"),
        }
    }
}

#[cfg(test)]
mod tests;
