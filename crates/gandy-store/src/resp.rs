//! Redis' wire format, for the claim loop alone: requests written straight into a buffer, replies read out of one without
//! a tree of values between. Everything else goes through the redis crate.

/// Commands, one after another, as they go over the wire.
#[derive(Debug, Default)]
pub(crate) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// Begins a command of so many parts.
    pub(crate) fn command(&mut self, parts: usize) -> &mut Self {
        self.header(b'*', parts)
    }

    /// Adds a part.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.header(b'$', text.len());
        self.bytes.extend_from_slice(text.as_bytes());
        self.end()
    }

    /// Adds a number as a part.
    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        let mut digits = itoa::Buffer::new();
        self.text(digits.format(number))
    }

    /// Adds `<number>:<name>` as a part.
    pub(crate) fn numbered(&mut self, number: u64, name: &str) -> &mut Self {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number);
        self.header(b'$', digits.len() + 1 + name.len());
        self.bytes.extend_from_slice(digits.as_bytes());
        self.bytes.push(b':');
        self.bytes.extend_from_slice(name.as_bytes());
        self.end()
    }

    fn header(&mut self, kind: u8, length: usize) -> &mut Self {
        let mut digits = itoa::Buffer::new();
        self.bytes.push(kind);
        self.bytes
            .extend_from_slice(digits.format(length).as_bytes());
        self.end()
    }

    fn end(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why a reply could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Redis answered with an error: its words.
    Error(String),
    /// The reply is not what the command answers.
    Shape,
}

/// Finds out where replies end in bytes that come piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// How far it has looked.
    at: usize,
    /// Values still to come.
    missing: usize,
}

impl Frame {
    /// Awaits so many replies.
    pub(crate) fn new(replies: usize) -> Self {
        Self {
            at: 0,
            missing: replies,
        }
    }

    /// Whether all of them are in `bytes`, which only grows between calls: where they end. `Ok(None)`: not yet.
    pub(crate) fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Unread> {
        while self.missing > 0 {
            let Some((kind, rest, after)) = line(bytes, self.at) else {
                return Ok(None);
            };
            match kind {
                b'+' | b'-' | b':' => {
                    self.at = after;
                    self.missing -= 1;
                }
                b'$' => {
                    let length = length(rest)?;
                    let end = length.map_or(after, |length| after.saturating_add(length + 2));
                    if bytes.len() < end {
                        return Ok(None);
                    }
                    self.at = end;
                    self.missing -= 1;
                }
                b'*' => {
                    self.at = after;
                    let more = length(rest)?.unwrap_or(0);
                    // A count beyond all memory is no reply, and must not wrap around to a small one.
                    let missing = (self.missing - 1).checked_add(more);
                    self.missing = missing.ok_or(Unread::Shape)?;
                }
                _ => return Err(Unread::Shape),
            }
        }
        Ok(Some(self.at))
    }
}

/// The line at `at`: its kind, its text, and where the next begins.
fn line(bytes: &[u8], at: usize) -> Option<(u8, &[u8], usize)> {
    let text = bytes.get(at..)?;
    let end = text.iter().position(|&byte| byte == b'\r')?;
    (text.len() > end + 1).then(|| (text[0], text.get(1..end).unwrap_or(&[]), at + end + 2))
}

/// A length; none for a reply that is nil.
fn length(digits: &[u8]) -> Result<Option<usize>, Unread> {
    match integer(digits)? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| Unread::Shape),
    }
}

fn integer(digits: &[u8]) -> Result<i64, Unread> {
    let (negative, digits) = match digits {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return Err(Unread::Shape);
    }
    let mut number = 0;
    for digit in digits {
        match digit {
            b'0'..=b'9' => number = number * 10 + i64::from(digit - b'0'),
            _ => return Err(Unread::Shape),
        }
    }
    Ok(if negative { -number } else { number })
}

/// Reads complete replies, one value after another.
#[derive(Debug)]
pub(crate) struct Replies<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Replies<'a> {
    /// Replies that a [`Frame`] found to be complete.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn next(&mut self, kind: u8) -> Result<&'a [u8], Unread> {
        let (found, text, after) = line(self.bytes, self.at).ok_or(Unread::Shape)?;
        self.at = after;
        match found {
            found if found == kind => Ok(text),
            b'-' => Err(Unread::Error(String::from_utf8_lossy(text).into_owned())),
            _ => Err(Unread::Shape),
        }
    }

    /// An integer.
    pub(crate) fn int(&mut self) -> Result<i64, Unread> {
        integer(self.next(b':')?)
    }

    /// An array's length; its elements follow.
    pub(crate) fn array(&mut self) -> Result<usize, Unread> {
        self.list()?.ok_or(Unread::Shape)
    }

    /// As [`Replies::array`]; `None`: nil.
    pub(crate) fn list(&mut self) -> Result<Option<usize>, Unread> {
        length(self.next(b'*')?)
    }

    /// Passes over one reply of any kind, an error included.
    pub(crate) fn skip(&mut self) -> Result<(), Unread> {
        let mut frame = Frame {
            at: self.at,
            missing: 1,
        };
        self.at = frame.end(self.bytes)?.ok_or(Unread::Shape)?;
        Ok(())
    }

    /// What a blocking command moved; `None`: its time ran out. Redis says so by an array that is nil.
    pub(crate) fn moved(&mut self) -> Result<Option<&'a [u8]>, Unread> {
        if self.bytes.get(self.at) == Some(&b'*') {
            let nil = length(self.next(b'*')?)?.is_none();
            return if nil { Ok(None) } else { Err(Unread::Shape) };
        }
        self.bulk()
    }

    /// A text; `None`: nil.
    pub(crate) fn bulk(&mut self) -> Result<Option<&'a [u8]>, Unread> {
        let Some(length) = length(self.next(b'$')?)? else {
            return Ok(None);
        };
        let text = self.bytes.get(self.at..).ok_or(Unread::Shape)?;
        let text = text.get(..length).ok_or(Unread::Shape)?;
        self.at += length + 2;
        Ok(Some(text))
    }

    /// A reply of any scalar kind, of which only the error matters.
    pub(crate) fn done(&mut self) -> Result<(), Unread> {
        match self.bytes.get(self.at) {
            Some(b'$') => self.bulk().map(drop),
            Some(b':') => self.int().map(drop),
            _ => self.next(b'+').map(drop),
        }
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_request_is_what_redis_reads() {
        let mut request = Request::default();
        request
            .command(3)
            .text("HDEL")
            .text("h")
            .numbered(12, "low");
        request.command(1).number(0);
        assert_eq!(
            request.bytes(),
            b"*3\r\n$4\r\nHDEL\r\n$1\r\nh\r\n$6\r\n12:low\r\n*1\r\n$1\r\n0\r\n"
        );
    }

    const REPLIES: &[u8] = b":7\r\n*4\r\n:1\r\n$3\r\na\r\n\r\n$-1\r\n*1\r\n:-2\r\n";

    #[test]
    fn replies_cut_anywhere_are_complete_only_at_their_end() {
        for cut in 0..REPLIES.len() {
            let mut frame = Frame::new(2);
            assert_eq!(frame.end(&REPLIES[..cut]).unwrap(), None, "cut at {cut}");
            assert_eq!(frame.end(REPLIES).unwrap(), Some(REPLIES.len()));
        }
        let mut one = Frame::new(1);
        assert_eq!(
            one.end(REPLIES).unwrap(),
            Some(4),
            "the next reply is not taken"
        );
    }

    #[test]
    fn values_are_read_in_turn() {
        let mut replies = Replies::new(REPLIES);
        assert_eq!(replies.int(), Ok(7));
        assert_eq!(replies.array(), Ok(4));
        assert_eq!(replies.int(), Ok(1));
        assert_eq!(replies.bulk(), Ok(Some(&b"a\r\n"[..])));
        assert_eq!(replies.bulk(), Ok(None));
        assert_eq!((replies.array(), replies.int()), (Ok(1), Ok(-2)));
        assert_eq!(replies.int(), Err(Unread::Shape), "nothing is left");
    }

    #[test]
    fn a_blocking_move_whose_time_ran_out_moved_nothing() {
        let mut replies = Replies::new(b"*-1\r\n$-1\r\n$1\r\na\r\n*0\r\n");
        assert_eq!(replies.moved(), Ok(None), "as Redis 7 says it");
        assert_eq!(
            replies.moved(),
            Ok(None),
            "a text that is nil says the same"
        );
        assert_eq!(replies.moved(), Ok(Some(&b"a"[..])));
        assert_eq!(replies.moved(), Err(Unread::Shape));
    }

    #[test]
    fn errors_come_as_their_words_and_nonsense_is_refused() {
        let mut replies = Replies::new(b"-NOSCRIPT no\r\n:1\r\n");
        assert_eq!(replies.array(), Err(Unread::Error("NOSCRIPT no".into())));
        assert_eq!(replies.int(), Ok(1), "the next reply is still there");
        for nonsense in [
            &b"!1\r\n"[..],
            b"$x\r\n",
            b"*-7\r\n",
            b"$99999999999999999999\r\n",
        ] {
            assert_eq!(
                Frame::new(1).end(nonsense),
                Err(Unread::Shape),
                "{nonsense:?}"
            );
        }
    }
}
