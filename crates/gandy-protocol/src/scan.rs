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
use run::{from_no_digit, from_special};

/// Where a value or a key lies in the scanned text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// No backslash lies in it. (False: one may, or lies before it.)
    pub(crate) plain: bool,
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
    let rest = scanner.object(each);
    scanner.finish(rest)
}

/// Whether `text` is exactly one JSON value with nothing around it but whitespace.
pub(crate) fn check(text: &str) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text);
    let rest = scanner.value(skip(scanner.bytes));
    scanner.finish(rest)
}

/// Its functions take the text from where something begins and give the text behind it; `None`: see `fault`.
///
/// For speed (counted with `examples/hot_path.rs`): the rest of the text travels in two registers, and its length is checked
/// once for eight bytes. What is read for every member is inlined into the loop over them, and what a compact payload
/// does not hold (whitespace, escapes, faults) is kept out of it.
struct Scanner<'a> {
    bytes: &'a [u8],
    /// No escape was met yet.
    plain: bool,
    fault: Option<Fault>,
}

/// What is left of the text.
type Rest<'a> = &'a [u8];

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Scanner {
            bytes: text.as_bytes(),
            plain: true,
            fault: None,
        }
    }

    /// Where `rest` begins.
    #[inline(always)]
    fn at(&self, rest: Rest<'a>) -> usize {
        self.bytes.len() - rest.len()
    }

    #[cold]
    #[inline(never)]
    fn fail<T>(&mut self, rest: Rest<'a>, what: &'static str) -> Option<T> {
        let what = if rest.is_empty() {
            "the text ends too early"
        } else {
            what
        };
        let at = self.at(rest);
        self.fault = Some(Fault { at, what });
        None
    }

    /// The verdict, when the text should end at `rest`.
    #[inline(always)]
    fn finish(mut self, rest: Option<Rest<'a>>) -> Result<(), Fault> {
        match rest.map(skip) {
            Some([]) => return Ok(()),
            Some(rest) => self.fail(rest, "text follows after the JSON value"),
            None => None::<()>,
        };
        self.fault.map_or(Ok(()), Err)
    }

    /// Past the byte `want`, which whitespace may precede.
    #[inline(always)]
    fn expect(&mut self, rest: Rest<'a>, want: u8, what: &'static str) -> Option<Rest<'a>> {
        match rest.split_first() {
            Some((byte, behind)) if *byte == want => Some(behind),
            _ => self.expect_later(rest, want, what),
        }
    }

    #[cold]
    #[inline(never)]
    fn expect_later(&mut self, rest: Rest<'a>, want: u8, what: &'static str) -> Option<Rest<'a>> {
        let rest = skip(rest);
        match rest.split_first() {
            Some((byte, behind)) if *byte == want => Some(behind),
            _ => self.fail(rest, what),
        }
    }

    #[inline(always)]
    fn object(&mut self, mut each: impl FnMut(Member)) -> Option<Rest<'a>> {
        let mut rest = skip(self.expect(self.bytes, b'{', "expected '{'")?);
        if let [b'}', behind @ ..] = rest {
            return Some(behind);
        }
        loop {
            let inside = self.expect(rest, b'"', "expected a key in quotes")?;
            let start = self.at(inside) - 1;
            rest = self.string(inside)?;
            let key = self.span(start, rest);
            rest = skip(self.expect(rest, b':', "expected ':'")?);
            let start = self.at(rest);
            rest = match rest {
                [b'"', inside @ ..] => self.string(inside)?,
                [b'{' | b'[', ..] => self.container(rest)?,
                _ => self.word(rest)?,
            };
            let value = self.span(start, rest);
            each(Member { key, value });
            if let [b',', behind @ ..] = rest {
                rest = behind;
                continue;
            }
            rest = skip(rest);
            match rest {
                [b',', behind @ ..] => rest = behind,
                _ => return self.expect(rest, b'}', "expected ',' or '}'"),
            }
        }
    }

    #[inline(always)]
    fn span(&self, start: usize, rest: Rest<'a>) -> Span {
        Span {
            start,
            end: self.at(rest),
            plain: self.plain,
        }
    }

    /// A value of any kind.
    fn value(&mut self, rest: Rest<'a>) -> Option<Rest<'a>> {
        match rest {
            [b'"', inside @ ..] => self.string(inside),
            [b'{' | b'[', ..] => self.container(rest),
            _ => self.word(rest),
        }
    }

    /// A value without delimiters of its own: a number, true, false or null.
    #[inline(always)]
    fn word(&mut self, rest: Rest<'a>) -> Option<Rest<'a>> {
        match rest {
            [b'-' | b'0'..=b'9', ..] => self.number(rest),
            [b't', b'r', b'u', b'e', behind @ ..]
            | [b'f', b'a', b'l', b's', b'e', behind @ ..]
            | [b'n', b'u', b'l', b'l', behind @ ..] => Some(behind),
            _ => self.fail(rest, "expected a value"),
        }
    }

    /// An object or array of any depth; `rest` begins with its bracket. A loop, because recursion on hostile nesting would
    /// end the process: a stack overflow is not a panic and cannot be caught.
    #[inline(never)]
    fn container(&mut self, rest: Rest<'a>) -> Option<Rest<'a>> {
        let Some((open, mut rest)) = rest.split_first() else {
            return self.fail(rest, "expected a value");
        };
        let mut nesting = Nesting::new(*open == b'{');
        // Whether the container may end here: it was just opened.
        let mut fresh = true;
        loop {
            rest = skip(rest);
            if fresh && rest.first() == Some(if nesting.object() { &b'}' } else { &b']' }) {
                // Closed below.
            } else {
                if nesting.object() {
                    let inside = self.expect(rest, b'"', "expected a key in quotes")?;
                    rest = self.string(inside)?;
                    rest = skip(self.expect(rest, b':', "expected ':'")?);
                }
                rest = match rest {
                    [b'"', inside @ ..] => self.string(inside)?,
                    [open @ (b'{' | b'['), inside @ ..] => {
                        nesting.push(*open == b'{');
                        fresh = true;
                        rest = inside;
                        continue;
                    }
                    _ => self.word(rest)?,
                };
            }
            fresh = false;
            loop {
                rest = skip(rest);
                match (rest, nesting.object()) {
                    ([b',', behind @ ..], _) => {
                        rest = behind;
                        break;
                    }
                    ([b'}', behind @ ..], true) | ([b']', behind @ ..], false) => {
                        rest = behind;
                        if !nesting.pop() {
                            return Some(rest);
                        }
                    }
                    (_, true) => return self.fail(rest, "expected ',' or '}'"),
                    (_, false) => return self.fail(rest, "expected ',' or ']'"),
                }
            }
        }
    }

    #[inline(always)]
    fn number(&mut self, rest: Rest<'a>) -> Option<Rest<'a>> {
        let digits = match rest {
            [b'-', digits @ ..] => digits,
            digits => digits,
        };
        let rest = match digits {
            [b'0', behind @ ..] => behind,
            _ => self.digits(digits)?,
        };
        match rest {
            [b'.' | b'e' | b'E', ..] => self.fraction(rest),
            _ => Some(rest),
        }
    }

    /// What follows the integer part of a number.
    fn fraction(&mut self, mut rest: Rest<'a>) -> Option<Rest<'a>> {
        if let [b'.', digits @ ..] = rest {
            rest = self.digits(digits)?;
        }
        match rest {
            [b'e' | b'E', b'+' | b'-', digits @ ..] | [b'e' | b'E', digits @ ..] => {
                self.digits(digits)
            }
            _ => Some(rest),
        }
    }

    #[inline(always)]
    fn digits(&mut self, rest: Rest<'a>) -> Option<Rest<'a>> {
        let behind = from_no_digit(rest);
        if behind.len() < rest.len() {
            Some(behind)
        } else {
            self.fail(rest, "expected a digit")
        }
    }

    /// The rest of a string after its opening quote, closing quote included.
    #[inline(always)]
    fn string(&mut self, rest: Rest<'a>) -> Option<Rest<'a>> {
        match from_special(rest) {
            [b'"', behind @ ..] => Some(behind),
            special => self.escaped_string(special),
        }
    }

    /// The same from the first escape on. Apart, because most strings have none and then need few registers.
    #[cold]
    #[inline(never)]
    fn escaped_string(&mut self, mut rest: Rest<'a>) -> Option<Rest<'a>> {
        self.plain = false;
        loop {
            match rest {
                [b'"', behind @ ..] => return Some(behind),
                [b'\\', escape @ ..] => rest = from_special(self.escape(escape)?),
                _ => return self.fail(rest, "a control character in a string"),
            }
        }
    }

    /// Half a surrogate pair passes: Ruby's generator can be made to write one and its parser reads it.
    #[inline(always)]
    fn escape(&mut self, rest: Rest<'a>) -> Option<Rest<'a>> {
        match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', behind @ ..] => Some(behind),
            [b'u', rest @ ..] => {
                let hex = rest.iter().take(4);
                let hex = hex.take_while(|byte| byte.is_ascii_hexdigit()).count();
                let rest = rest.get(hex..).unwrap_or_default();
                if hex == 4 {
                    Some(rest)
                } else {
                    self.fail(rest, "expected four hex digits after \\u")
                }
            }
            _ => self.fail(rest, "unknown escape in a string"),
        }
    }
}

/// Past whitespace, of which a compact payload has none.
#[inline(always)]
fn skip(rest: Rest<'_>) -> Rest<'_> {
    match rest {
        [b' ' | b'\n' | b'\r' | b'\t', behind @ ..] => skip_more(behind),
        _ => rest,
    }
}

#[cold]
#[inline(never)]
fn skip_more(mut rest: Rest<'_>) -> Rest<'_> {
    while let [b' ' | b'\n' | b'\r' | b'\t', behind @ ..] = rest {
        rest = behind;
    }
    rest
}

#[cfg(test)]
mod tests;
