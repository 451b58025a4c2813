//! A small blocking RESP client: for the floor, where the client must cost next to nothing, and for the runner's own looks,
//! which have to be counted so that they can be taken off.
//!
//! Not here: anything that Gandy uses; that goes through `gandy-store`.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A status such as `OK`.
    Status(String),
    /// An integer.
    Int(i64),
    /// Bytes.
    Bulk(Vec<u8>),
    /// Nothing.
    Nil,
    /// Several.
    Array(Vec<Reply>),
}

impl Reply {
    /// The integer it is, or the one its text says.
    pub(crate) fn int(&self) -> Result<i64> {
        match self {
            Reply::Int(number) => Ok(*number),
            Reply::Nil => Ok(0),
            Reply::Bulk(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                text.parse().with_context(|| format!("Redis said {text:?}"))
            }
            other => bail!("Redis said {other:?} where a number was due"),
        }
    }

    /// Its text.
    pub(crate) fn text(&self) -> Result<String> {
        match self {
            Reply::Bulk(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            Reply::Status(text) => Ok(text.clone()),
            other => bail!("Redis said {other:?} where text was due"),
        }
    }

    /// Its parts.
    pub(crate) fn array(self) -> Result<Vec<Reply>> {
        match self {
            Reply::Array(parts) => Ok(parts),
            Reply::Nil => Ok(Vec::new()),
            other => bail!("Redis said {other:?} where an array was due"),
        }
    }
}

/// One connection. Commands are gathered until [`Conn::flush`].
#[derive(Debug)]
pub(crate) struct Conn {
    stream: TcpStream,
    out: Vec<u8>,
    inbox: Vec<u8>,
    at: usize,
    end: usize,
}

impl Conn {
    /// Connects to Redis at `address` (`127.0.0.1:6379`).
    pub(crate) fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .with_context(|| format!("cannot connect to Redis at {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Self {
            stream,
            out: Vec::with_capacity(1 << 16),
            inbox: vec![0; 1 << 17],
            at: 0,
            end: 0,
        })
    }

    /// Begins a command of `parts` parts; as many [`Conn::part`] must follow.
    pub(crate) fn begin(&mut self, parts: usize) {
        self.mark(b'*', parts);
    }

    /// One part of a command.
    pub(crate) fn part(&mut self, bytes: &[u8]) {
        self.mark(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    fn mark(&mut self, kind: u8, number: usize) {
        self.out.push(kind);
        // A write into memory does not fail.
        let _ = write!(self.out, "{number}\r\n");
    }

    /// Gathers one command.
    pub(crate) fn push(&mut self, parts: &[&[u8]]) {
        self.begin(parts.len());
        for part in parts {
            self.part(part);
        }
    }

    /// Bytes gathered so far.
    pub(crate) fn gathered(&self) -> usize {
        self.out.len()
    }

    /// Sends what was gathered.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Sends one command and reads its reply.
    pub(crate) fn ask(&mut self, parts: &[&str]) -> Result<Reply> {
        self.begin(parts.len());
        for part in parts {
            self.part(part.as_bytes());
        }
        self.flush()?;
        self.read()
            .with_context(|| format!("{} failed", parts.first().unwrap_or(&"")))
    }

    /// Reads one reply.
    pub(crate) fn read(&mut self) -> Result<Reply> {
        let (kind, from, to) = self.line()?;
        let text = || String::from_utf8_lossy(&self.inbox[from..to]).into_owned();
        match kind {
            b'+' => Ok(Reply::Status(text())),
            b'-' => bail!("{}", text()),
            b':' => Ok(Reply::Int(text().parse()?)),
            b'$' => match self.number(from, to)? {
                None => Ok(Reply::Nil),
                Some(length) => {
                    let from = self.body(length)?;
                    Ok(Reply::Bulk(self.inbox[from..from + length].to_vec()))
                }
            },
            b'*' => match self.number(from, to)? {
                None => Ok(Reply::Nil),
                Some(length) => (0..length)
                    .map(|_| self.read())
                    .collect::<Result<_>>()
                    .map(Reply::Array),
            },
            other => bail!("Redis sent a reply of the unknown kind {other}"),
        }
    }

    /// Reads over one reply without keeping it. Returns the number it is, or the length of the array it is.
    pub(crate) fn skim(&mut self) -> Result<usize> {
        let (kind, from, to) = self.line()?;
        match kind {
            b'-' => bail!("{}", String::from_utf8_lossy(&self.inbox[from..to])),
            b'+' => Ok(0),
            b':' => Ok(self.number(from, to)?.unwrap_or(0)),
            b'$' => {
                if let Some(length) = self.number(from, to)? {
                    self.body(length)?;
                }
                Ok(1)
            }
            _ => {
                let length = self.number(from, to)?.unwrap_or(0);
                for _ in 0..length {
                    self.skim()?;
                }
                Ok(length)
            }
        }
    }

    /// A length or a whole number; -1 is none.
    fn number(&self, from: usize, to: usize) -> Result<Option<usize>> {
        let mut number = 0;
        for &byte in &self.inbox[from..to] {
            match byte {
                b'-' => return Ok(None),
                b'0'..=b'9' => number = number * 10 + usize::from(byte - b'0'),
                _ => bail!("Redis sent a wrong number"),
            }
        }
        Ok(Some(number))
    }

    /// The next line: its first byte, and where the rest of it stands.
    fn line(&mut self) -> Result<(u8, usize, usize)> {
        let mut seen = 0;
        loop {
            let found = self.inbox[self.at + seen..self.end]
                .iter()
                .position(|&byte| byte == b'\n');
            if let Some(position) = found {
                let (from, to) = (self.at, self.at + seen + position);
                self.at = to + 1;
                return Ok((self.inbox[from], from + 1, to - 1));
            }
            seen = self.end - self.at;
            self.fill(1)?;
        }
    }

    /// Where the next `length` bytes stand; the line break after them is read over.
    fn body(&mut self, length: usize) -> Result<usize> {
        let need = length + 2;
        if self.end - self.at < need {
            self.fill(need - (self.end - self.at))?;
        }
        let from = self.at;
        self.at += need;
        Ok(from)
    }

    /// Reads at least `more` bytes.
    fn fill(&mut self, more: usize) -> Result<()> {
        self.inbox.copy_within(self.at..self.end, 0);
        self.end -= self.at;
        self.at = 0;
        if self.inbox.len() - self.end < more {
            self.inbox.resize((self.end + more).next_power_of_two(), 0);
        }
        let target = self.end + more;
        while self.end < target {
            match self.stream.read(&mut self.inbox[self.end..]) {
                Ok(0) => bail!("Redis closed the connection"),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("no reply of Redis"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::net::TcpListener;

    /// A connection whose other end has said `bytes`, in pieces of `piece`.
    fn told(bytes: &'static [u8], piece: usize) -> Conn {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            for part in bytes.chunks(piece) {
                stream.write_all(part).unwrap();
            }
        });
        Conn::connect(&address).unwrap()
    }

    const SAID: &[u8] =
        b"+OK\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*3\r\n:1\r\n$1\r\nx\r\n*0\r\n*-1\r\n:12\r\n";

    #[test]
    fn replies_are_read_whatever_pieces_they_come_in() {
        for piece in [1, 3, 100] {
            let mut conn = told(SAID, piece);
            assert_eq!(conn.read().unwrap(), Reply::Status("OK".into()));
            assert_eq!(conn.read().unwrap(), Reply::Int(-7));
            assert_eq!(conn.read().unwrap(), Reply::Bulk(b"a\r\n".to_vec()));
            assert_eq!(conn.read().unwrap(), Reply::Nil);
            let parts = vec![
                Reply::Int(1),
                Reply::Bulk(b"x".to_vec()),
                Reply::Array(vec![]),
            ];
            assert_eq!(conn.read().unwrap(), Reply::Array(parts));
            assert_eq!(conn.read().unwrap(), Reply::Nil);
            assert_eq!(conn.read().unwrap(), Reply::Int(12));
            assert!(conn.read().is_err(), "the end");
        }
    }

    #[test]
    fn skimming_counts_without_keeping() {
        let mut conn = told(b"*2\r\n$3\r\nabc\r\n$1\r\nx\r\n:12\r\n-ERR no\r\n", 2);
        assert_eq!(conn.skim().unwrap(), 2);
        assert_eq!(conn.skim().unwrap(), 12);
        assert_eq!(conn.skim().unwrap_err().to_string(), "ERR no");
    }
}
