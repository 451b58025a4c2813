//! Where requests and replies begin and end in bytes that come piece by piece. Pure.
//!
//! Understood are requests as arrays of bulk strings and as plain lines, and replies of RESP2 and RESP3. Not understood
//! are RESP3's streamed strings and aggregates (`$?`, `*?`), which no Redis sends.

use bytes::{Bytes, BytesMut};

/// How many words of a request are kept: enough for its name.
const WORDS: usize = 2;
/// So many bytes of each: a script's hash has 40.
const WORD_MAX: usize = 64;
/// The longest line; Redis' own limit for what stands in one line is 64 KiB.
const LINE_MAX: usize = 1 << 20;
/// The longest text: `proto-max-bulk-len`.
const TEXT_MAX: i64 = 512 << 20;
/// The most parts of a request that Redis takes.
const PARTS_MAX: i64 = i32::MAX as i64;

/// The bytes are not Redis' protocol. Nobody can say where the next frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Garbled;

/// One request of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// All of it, as it came.
    pub bytes: Bytes,
    /// Its first words, each up to 64 bytes. None: an empty request, which Redis does not answer.
    pub words: Vec<Bytes>,
}

/// One reply of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// All of it, as it came, attributes in front of it included.
    pub bytes: Bytes,
    /// It answers nothing: a message that the server sends by itself (RESP3).
    pub push: bool,
}

/// Bytes and how far they were understood.
#[derive(Debug, Default)]
struct Buffer {
    bytes: BytesMut,
    /// Everything before this belongs to the present frame.
    at: usize,
}

impl Buffer {
    /// The line at the present place, without its end, and where the next begins. `None`: it has not come whole.
    fn line(&self) -> Result<Option<(&[u8], usize)>, Garbled> {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            return if rest.len() > LINE_MAX {
                Err(Garbled)
            } else {
                Ok(None)
            };
        };
        let line = rest[..length]
            .strip_suffix(b"\r")
            .unwrap_or(&rest[..length]);
        Ok(Some((line, self.at + length + 1)))
    }

    /// Whether a text of this length that begins at `start` is there with its line end: where it ends.
    fn text(&self, start: usize, length: i64) -> Result<Option<usize>, Garbled> {
        if !(0..=TEXT_MAX).contains(&length) {
            return Err(Garbled);
        }
        let end = start + usize::try_from(length).map_err(|_| Garbled)?;
        match self.bytes.get(end..end + 2) {
            None => Ok(None),
            Some(b"\r\n") => Ok(Some(end + 2)),
            Some(_) => Err(Garbled),
        }
    }

    /// Cuts the frame off that ends here.
    fn cut(&mut self, end: usize) -> Bytes {
        self.at = 0;
        self.bytes.split_to(end).freeze()
    }

    fn rest(&mut self) -> Bytes {
        let end = self.bytes.len();
        self.cut(end)
    }
}

fn integer(digits: &[u8]) -> Result<i64, Garbled> {
    let text = std::str::from_utf8(digits).map_err(|_| Garbled)?;
    text.parse().map_err(|_| Garbled)
}

/// Cuts a client's bytes into requests.
#[derive(Debug, Default)]
pub struct Requests {
    buffer: Buffer,
    /// Parts of the present request that have not come.
    missing: i64,
    words: Vec<Bytes>,
}

impl Requests {
    /// Takes in bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.bytes.extend_from_slice(bytes);
    }

    /// The next request that is whole.
    ///
    /// # Errors
    /// The bytes are no request; from here on nothing can be understood.
    #[allow(clippy::should_implement_trait)] // More bytes may come after `None`.
    pub fn next(&mut self) -> Result<Option<Request>, Garbled> {
        loop {
            let Some((line, after)) = self.buffer.line()? else {
                return Ok(None);
            };
            if self.missing == 0 {
                let Some(digits) = line.strip_prefix(b"*") else {
                    let words = line.split(u8::is_ascii_whitespace);
                    let words = words.filter(|word| !word.is_empty()).take(WORDS);
                    self.words = words.map(word).collect();
                    return Ok(Some(self.whole(after)));
                };
                match integer(digits)? {
                    parts if parts > PARTS_MAX => return Err(Garbled),
                    parts if parts <= 0 => return Ok(Some(self.whole(after))),
                    parts => self.missing = parts,
                }
                self.buffer.at = after;
                continue;
            }
            let length = integer(line.strip_prefix(b"$").ok_or(Garbled)?)?;
            let Some(end) = self.buffer.text(after, length)? else {
                return Ok(None);
            };
            if self.words.len() < WORDS {
                self.words.push(word(&self.buffer.bytes[after..end - 2]));
            }
            self.buffer.at = end;
            self.missing -= 1;
            if self.missing == 0 {
                return Ok(Some(self.whole(end)));
            }
        }
    }

    /// Everything that was not given out as a request.
    pub fn rest(&mut self) -> Bytes {
        (self.missing, self.words) = (0, Vec::new());
        self.buffer.rest()
    }

    fn whole(&mut self, end: usize) -> Request {
        Request {
            words: std::mem::take(&mut self.words),
            bytes: self.buffer.cut(end),
        }
    }
}

fn word(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&bytes[..bytes.len().min(WORD_MAX)])
}

/// Cuts a server's bytes into replies.
#[derive(Debug, Default)]
pub struct Replies {
    buffer: Buffer,
    /// Values of the present reply that have not come; `None` between two replies.
    missing: Option<u64>,
}

impl Replies {
    /// Takes in bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.bytes.extend_from_slice(bytes);
    }

    /// The next reply that is whole.
    ///
    /// # Errors
    /// The bytes are no reply; from here on nothing can be understood.
    #[allow(clippy::should_implement_trait)] // More bytes may come after `None`.
    pub fn next(&mut self) -> Result<Option<Reply>, Garbled> {
        loop {
            let missing = self.missing.unwrap_or(1);
            if missing == 0 {
                let push = self.buffer.bytes.first() == Some(&b'>');
                let bytes = self.buffer.cut(self.buffer.at);
                self.missing = None;
                return Ok(Some(Reply { bytes, push }));
            }
            let Some((more, end)) = self.value()? else {
                return Ok(None);
            };
            self.missing = Some(missing.checked_add(more).ok_or(Garbled)? - 1);
            self.buffer.at = end;
        }
    }

    /// Everything that was not given out as a reply.
    pub fn rest(&mut self) -> Bytes {
        self.missing = None;
        self.buffer.rest()
    }

    /// The value at the present place without what it holds: how many values belong to it, and where it ends.
    fn value(&self) -> Result<Option<(u64, usize)>, Garbled> {
        let Some((line, after)) = self.buffer.line()? else {
            return Ok(None);
        };
        let (kind, rest) = line.split_first().ok_or(Garbled)?;
        let many = |each: u64| -> Result<u64, Garbled> {
            match integer(rest)? {
                -1 => Ok(0), // RESP2's nil
                count => u32::try_from(count)
                    .map(|count| u64::from(count) * each)
                    .map_err(|_| Garbled),
            }
        };
        let held = match kind {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => 0,
            b'$' | b'=' | b'!' => {
                let length = integer(rest)?;
                if (*kind, length) == (b'$', -1) {
                    0
                } else {
                    let end = self.buffer.text(after, length)?;
                    return Ok(end.map(|end| (0, end)));
                }
            }
            b'*' | b'~' | b'>' => many(1)?,
            b'%' => many(2)?,
            // An attribute is no value itself: the one that it describes comes behind it.
            b'|' => many(2)? + 1,
            _ => return Err(Garbled),
        };
        Ok(Some((held, after)))
    }
}

#[cfg(test)]
mod tests;
