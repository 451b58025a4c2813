//! Digests of raw bytes: the id of a payload that has no usable one of its own.
//!
//! Belongs here: SHA-1 as Redis' `redis.sha1hex` gives it, so that scripts and this crate agree. Not for secrets.

use std::borrow::Cow;

use sha1::{Digest, Sha1};

use crate::jid::hex;
use crate::{payload, text};

/// Longer job ids are somebody's mistake or malice and do not become key names.
const LONGEST_JID: usize = 128;

/// The SHA-1 of `raw` as 40 lowercase hex digits: the field of `gandy:reasons`.
pub fn sha1_hex(raw: &[u8]) -> String {
    hex(&Sha1::digest(raw))
}

/// Under which id the recoveries of a payload are counted (`gandy:recovered:<id>`): its jid, where one of at most
/// 128 bytes can be read, even if the rest is no valid job; else the digest of the bytes.
pub fn recovery_id(raw: &[u8]) -> String {
    jid(raw).map_or_else(|| sha1_hex(raw), Cow::into_owned)
}

/// Under which id the job is remembered that was pushed with an idempotency key (`gandy:pushed:<id>`): the key itself where
/// it is at most 128 letters, digits and `-_.:/@+=`, so that `redis-cli` shows it; else `#` and its digest. No two keys
/// share an id, since a plain one holds no `#`.
pub fn push_id(key: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+=".contains(&byte);
    if key.len() <= LONGEST_JID && key.bytes().all(plain) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(format!("#{}", sha1_hex(key.as_bytes())))
}

/// Under which id something is noted about the job with this jid (`gandy:outcome:<id>`, `gandy:cancelled:<id>`): the jid
/// itself or its digest, by the rule of [`push_id`].
pub fn notice_id(jid: &str) -> Cow<'_, str> {
    push_id(jid)
}

fn jid(raw: &[u8]) -> Option<Cow<'_, str>> {
    let raw = std::str::from_utf8(raw).ok()?;
    let jid = text::unquoted(payload::field(raw, "jid")?.of(raw))?;
    (!jid.is_empty() && jid.len() <= LONGEST_JID).then_some(jid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_remembered_under_its_key_or_the_digest_of_it() {
        for plain in ["invoice:7", "a@b.c/d_e-f+g=", &"k".repeat(128)] {
            assert_eq!(push_id(plain), plain);
        }
        for other in ["a b", "#x", "é", "a*", "{a}", "a\n", &"k".repeat(129)] {
            assert_eq!(push_id(other), format!("#{}", sha1_hex(other.as_bytes())));
        }
    }

    #[test]
    fn digest_is_that_of_redis() {
        // The standard's own examples, then what Redis 7.0.15 gives for `return redis.sha1hex(ARGV[1])`.
        for (raw, digest) in [
            (&b""[..], "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (b"gandy \xff", "4d2aebbb519f1c4174804a1499a4cd44be37aae7"),
        ] {
            assert_eq!(sha1_hex(raw), digest);
        }
    }

    #[test]
    fn recoveries_count_by_jid_where_there_is_one() {
        assert_eq!(recovery_id(br#"{"jid":"ab\u0063"}"#), "abc");
        assert_eq!(recovery_id(br#"{"jid":"old","jid":"new"}"#), "new");
        let longest = "x".repeat(128);
        assert_eq!(
            recovery_id(format!("{{\"jid\":\"{longest}\"}}").as_bytes()),
            longest
        );
    }

    #[test]
    fn without_a_usable_jid_the_bytes_are_the_id() {
        let long = format!("{{\"jid\":\"{}\"}}", "x".repeat(129));
        for raw in [
            &b"not json"[..],
            b"",
            b"\xff\xfe",
            br#"{"jid":""}"#,
            br#"{"jid":5}"#,
            br#"{"jid":"\ud800"}"#,
            br#"["jid"]"#,
            br#"{"jid":"a"} trailing"#,
            long.as_bytes(),
        ] {
            assert_eq!(recovery_id(raw), sha1_hex(raw));
        }
    }
}
