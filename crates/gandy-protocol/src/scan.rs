//! Finds where the members of a JSON object lie, and checks that the text is JSON.
//!
//! Belongs here: grammar and byte positions. Does not belong here: what a field means, and decoding.
//!
//! Written by hand because every job is scanned once and edited by byte position. `serde_json` gives no positions, and its
//! `RawValue`, whose address could tell them, takes 7,200 instructions for the 305 bytes of `examples/hot_path.rs` where
//! the whole of `Payload::parse` takes 3,443. A property test holds both to the same verdict and the same members.

use std::fmt;

mod elements;
mod member;
mod nesting;
mod run;

pub(crate) use elements::elements;
pub(crate) use member::{Member, Span};
use nesting::Nesting;
pub(crate) use run::{Name, is_plain};
use run::{Text, from_no_digit, from_special};

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
    members_with(text, |_| None::<((), _)>, |_, member| each(member))
}

/// The same for who can tell some keys by how the text goes on behind their opening quote: `leading` gives what they are
/// and the text behind their colon. (Their [`Member::name`] is left out.)
#[inline(always)]
pub(crate) fn members_with<'a, K>(
    text: &'a str,
    leading: impl Fn(&'a [u8]) -> Option<(K, &'a [u8])>,
    each: impl FnMut(Option<K>, Member),
) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text);
    let rest = scanner.object(leading, each);
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
    fn at(&self, rest: &[u8]) -> usize {
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

    #[inline(always)]
    fn object<K>(
        &mut self,
        leading: impl Fn(Rest<'a>) -> Option<(K, Rest<'a>)>,
        mut each: impl FnMut(Option<K>, Member),
    ) -> Option<Rest<'a>> {
        let mut rest = match skip(self.bytes) {
            [b'{', inside @ ..] => skip(inside),
            rest => return self.fail(rest, "expected '{'"),
        };
        if let [b'}', behind @ ..] = rest {
            return Some(behind);
        }
        loop {
            let start = self.at(rest);
            let inside = match rest {
                [b'"', inside @ ..] => inside,
                _ => return self.fail(rest, "expected a key in quotes"),
            };
            let mut name = Name::OTHER;
            let known;
            let key;
            (known, rest) = match leading(inside) {
                Some((known, behind)) => {
                    key = self.span(start, behind).without_colon();
                    (Some(known), behind)
                }
                None => {
                    (name, rest) = match run::key(inside) {
                        Some(named) => named,
                        None => self.other_key(inside)?,
                    };
                    key = self.span(start, rest);
                    match rest {
                        [b':', behind @ ..] => (None, behind),
                        _ => (None, self.colon(rest)?),
                    }
                }
            };
            if let [0..=b' ', ..] = rest {
                rest = skip(rest);
            }
            let start = self.at(rest);
            rest = match rest {
                [b'"', inside @ ..] => self.string(inside)?,
                [b'-' | b'0'..=b'9', ..] => self.number(rest)?,
                [b'{' | b'[', ..] => self.container(rest)?,
                _ => self.literal(rest)?,
            };
            let value = self.span(start, rest);
            each(known, Member { key, name, value });
            if let [0..=b' ', ..] = rest {
                rest = skip(rest);
            }
            rest = match rest {
                [b',', behind @ ..] => behind,
                [b'}', behind @ ..] => return Some(behind),
                _ => return self.fail(rest, "expected ',' or '}'"),
            };
            if let [0..=b' ', ..] = rest {
                rest = skip(rest);
            }
        }
    }

    /// A key that is long, escaped, beyond ASCII, or among the last bytes of the text.
    #[cold]
    #[inline(never)]
    fn other_key(&mut self, inside: Rest<'a>) -> Option<(Name, Rest<'a>)> {
        let rest = self.string_from(inside)?;
        let len = inside.len() - rest.len() - 1;
        let name = inside.get(..len).unwrap_or_default();
        // An escaped name has a backslash, which no plain name has.
        Some((Name::of(name), rest))
    }

    /// From the end of a key to behind its colon.
    #[cold]
    #[inline(never)]
    fn colon(&mut self, rest: Rest<'a>) -> Option<Rest<'a>> {
        match skip(rest) {
            [b':', behind @ ..] => Some(behind),
            rest => self.fail(rest, "expected ':'"),
        }
    }

    #[inline(always)]
    fn span(&self, start: usize, rest: &[u8]) -> Span {
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
            [b'-' | b'0'..=b'9', ..] => self.number(rest),
            [b'{' | b'[', ..] => self.container(rest),
            _ => self.literal(rest),
        }
    }

    /// Not inlined: it is rare, and its comparisons would take the registers that the loops need.
    #[inline(never)]
    fn literal(&mut self, rest: Rest<'a>) -> Option<Rest<'a>> {
        if let Some((word, behind)) = rest.split_first_chunk() {
            match word {
                b"true" | b"null" => return Some(behind),
                b"fals" => {
                    if let [b'e', behind @ ..] = behind {
                        return Some(behind);
                    }
                }
                _ => {}
            }
        }
        self.fail(rest, "expected a value")
    }

    /// An object or array of any depth; `rest` begins with its bracket. A loop, because recursion on hostile nesting would
    /// end the process: a stack overflow is not a panic and cannot be caught.
    #[inline(never)]
    fn container(&mut self, mut rest: Rest<'a>) -> Option<Rest<'a>> {
        let mut nesting = Nesting::default();
        loop {
            // One value; of a container its opening bracket, and so on inwards.
            loop {
                rest = match rest {
                    [b'"', inside @ ..] => self.string(inside)?,
                    [b'-' | b'0'..=b'9', ..] => self.number(rest)?,
                    [open @ (b'{' | b'['), inside @ ..] => {
                        let object = *open == b'{';
                        nesting.push(object);
                        rest = skip(inside);
                        match rest {
                            [b']', ..] if !object => break,
                            [b'}', ..] if object => break,
                            _ if object => rest = self.key(rest)?,
                            _ => {}
                        }
                        continue;
                    }
                    _ => self.literal(rest)?,
                };
                break;
            }
            // What ends with it, up to a comma.
            loop {
                match rest {
                    [b',', behind @ ..] => {
                        rest = behind;
                        if let [0..=b' ', ..] = rest {
                            rest = skip(rest);
                        }
                        if nesting.object() {
                            rest = self.key(rest)?;
                        }
                        break;
                    }
                    [b'}', behind @ ..] if nesting.object() => rest = behind,
                    [b']', behind @ ..] if !nesting.object() => rest = behind,
                    [b' ' | b'\n' | b'\r' | b'\t', ..] => {
                        rest = skip(rest);
                        continue;
                    }
                    _ if nesting.object() => return self.fail(rest, "expected ',' or '}'"),
                    _ => return self.fail(rest, "expected ',' or ']'"),
                }
                if !nesting.pop() {
                    return Some(rest);
                }
            }
        }
    }

    /// A key of a container, up to its value.
    #[inline(always)]
    fn key(&mut self, rest: Rest<'a>) -> Option<Rest<'a>> {
        let mut rest = match rest {
            [b'"', inside @ ..] => self.string(inside)?,
            _ => return self.fail(rest, "expected a key in quotes"),
        };
        rest = match rest {
            [b':', behind @ ..] => behind,
            _ => self.colon(rest)?,
        };
        if let [0..=b' ', ..] = rest {
            rest = skip(rest);
        }
        Some(rest)
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
        match run::string(rest) {
            Text::Closed(behind) => Some(behind),
            Text::Open(rest) => self.string_from(rest),
        }
    }

    /// The same from the first byte on that is no plain ASCII. Apart, because most strings have none and then need few
    /// registers.
    #[inline(never)]
    fn string_from(&mut self, rest: Rest<'a>) -> Option<Rest<'a>> {
        let mut rest = from_special(rest);
        loop {
            match rest {
                [b'"', behind @ ..] => return Some(behind),
                [b'\\', escape @ ..] => {
                    self.plain = false;
                    rest = from_special(self.escape(escape)?);
                }
                _ => return self.fail(rest, "a control character in a string"),
            }
        }
    }

    /// Half a surrogate pair passes: Ruby's generator can be made to write one and its parser reads it.
    #[inline(always)]
    fn escape(&mut self, rest: Rest<'a>) -> Option<Rest<'a>> {
        match rest {
            [
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                behind @ ..,
            ] => Some(behind),
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
