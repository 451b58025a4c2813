//! What worker and shim say to each other over the shim's standard input, a socket: one [`Launch`] down, one
//! [`Report`] up. Both ends are the same binary, so the format has no version.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Bytes of the length that goes before a launch.
pub const LENGTH: usize = 8;

/// What the shim is to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The file to run.
    pub program: OsString,
    /// Its words, the first being its own name.
    pub words: Vec<OsString>,
    /// The folder to run it in.
    pub cwd: OsString,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Its standard input.
    pub input: Vec<u8>,
}

impl Launch {
    /// The bytes to send: length, then content.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        put(&mut bytes, self.program.as_bytes());
        put(&mut bytes, self.cwd.as_bytes());
        put_len(&mut bytes, self.words.len());
        for word in &self.words {
            put(&mut bytes, word.as_bytes());
        }
        put_len(&mut bytes, self.env.len());
        for (name, value) in &self.env {
            put(&mut bytes, name.as_bytes());
            put(&mut bytes, value.as_bytes());
        }
        put(&mut bytes, &self.input);
        let length = (bytes.len() - LENGTH) as u64;
        bytes[..LENGTH].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// Reads the content; `None` when it is no launch.
    pub fn decode(mut bytes: &[u8]) -> Option<Launch> {
        let bytes = &mut bytes;
        let program = take(bytes)?;
        let cwd = take(bytes)?;
        let words = (0..take_len(bytes)?)
            .map(|_| take(bytes))
            .collect::<Option<_>>()?;
        let env = (0..take_len(bytes)?)
            .map(|_| Some((take(bytes)?, take(bytes)?)))
            .collect::<Option<_>>()?;
        let input = take(bytes)?.into_vec();
        bytes.is_empty().then_some(Launch {
            program,
            words,
            cwd,
            env,
            input,
        })
    }
}

/// How the program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It could not be started, and why.
    NotStarted(String),
}

impl Report {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Report::Exited(code) => [&b"e"[..], &code.to_be_bytes()].concat(),
            Report::Signalled(signal) => [&b"s"[..], &signal.to_be_bytes()].concat(),
            Report::NotStarted(why) => [&b"n"[..], why.as_bytes()].concat(),
        }
    }

    /// Reads a report; `None` when it is none or only a part of one.
    pub fn decode(bytes: &[u8]) -> Option<Report> {
        let (kind, rest) = bytes.split_first()?;
        match kind {
            b'e' => Some(Report::Exited(i32::from_be_bytes(rest.try_into().ok()?))),
            b's' => Some(Report::Signalled(i32::from_be_bytes(rest.try_into().ok()?))),
            b'n' => Some(Report::NotStarted(
                String::from_utf8_lossy(rest).into_owned(),
            )),
            _ => None,
        }
    }
}

fn put(bytes: &mut Vec<u8>, value: &[u8]) {
    put_len(bytes, value.len());
    bytes.extend_from_slice(value);
}

fn put_len(bytes: &mut Vec<u8>, len: usize) {
    bytes.extend_from_slice(&(len as u64).to_be_bytes());
}

fn take(bytes: &mut &[u8]) -> Option<OsString> {
    let len = take_len(bytes)?;
    let (value, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(OsStr::from_bytes(value).to_owned())
}

fn take_len(bytes: &mut &[u8]) -> Option<usize> {
    let (len, rest) = bytes.split_first_chunk::<LENGTH>()?;
    *bytes = rest;
    usize::try_from(u64::from_be_bytes(*len)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_launch_survives_the_way_with_bytes_that_are_not_utf8() {
        let launch = Launch {
            program: "/bin/tool".into(),
            words: vec![
                "./tool".into(),
                "".into(),
                OsString::from_vec(vec![0xff, b'x']),
            ],
            cwd: "/tmp".into(),
            env: vec![
                ("A".into(), OsString::from_vec(vec![0xfe])),
                ("B".into(), "".into()),
            ],
            input: b"[12345678901234567890]".to_vec(),
        };
        let bytes = launch.encode();
        let length = u64::from_be_bytes(bytes[..LENGTH].try_into().unwrap());
        assert_eq!(length as usize, bytes.len() - LENGTH);
        assert_eq!(Launch::decode(&bytes[LENGTH..]), Some(launch));
    }

    #[test]
    fn a_report_survives_the_way() {
        for report in [
            Report::Exited(255),
            Report::Signalled(9),
            Report::NotStarted("no such file".into()),
        ] {
            assert_eq!(Report::decode(&report.encode()), Some(report));
        }
        assert_eq!(Report::decode(b""), None);
        assert_eq!(Report::decode(b"e\0"), None);
    }

    proptest! {
        #[test]
        fn decode_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Launch::decode(&bytes);
            let _ = Report::decode(&bytes);
        }
    }
}
