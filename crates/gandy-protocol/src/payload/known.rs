//! Where the fields that Gandy reads lie in a payload.
//!
//! Belongs here: names to places. Does not belong here: what a field's value means (`payload`, `retry`).

use crate::scan::{Name, Span};

/// Declares the fields with their names, so that none can be forgotten in one of the places that need both.
macro_rules! known {
    ($($field:ident $constant:ident $name:literal),* $(,)?) => {
        /// A field that Gandy reads by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Field {
            $($field),*
        }

        $(const $constant: Name = Name::of($name);)*

        impl Field {
            /// How many there are.
            const COUNT: usize = [$(Field::$field),*].len();

            /// The field with this name.
            pub(crate) fn named(name: Name) -> Option<Field> {
                match name {
                    $($constant => Some(Field::$field),)*
                    _ => None,
                }
            }
        }

        #[cfg(test)]
        const ALL: [(Field, &[u8]); Field::COUNT] = [$((Field::$field, $name)),*];
    };
}

// The first four are texts: `Texts` counts on that.
known! {
    Class CLASS b"class",
    Jid JID b"jid",
    Queue QUEUE b"queue",
    Wrapped WRAPPED b"wrapped",
    Args ARGS b"args",
    Retry RETRY b"retry",
    RetryCount RETRY_COUNT b"retry_count",
    RetryFor RETRY_FOR b"retry_for",
    RetryQueue RETRY_QUEUE b"retry_queue",
    CreatedAt CREATED_AT b"created_at",
    EnqueuedAt ENQUEUED_AT b"enqueued_at",
    FailedAt FAILED_AT b"failed_at",
    Dead DEAD b"dead",
    Backtrace BACKTRACE b"backtrace",
    Notify NOTIFY b"gandy_notify",
}

impl Field {
    /// The field whose key, closing quote and colon the text begins with, and what follows. `None`: look closer. These are
    /// the fields of every payload; told so, a member costs some forty instructions less than by finding the key's end.
    #[inline(always)]
    pub(crate) fn leading(text: &[u8]) -> Option<(Field, &[u8])> {
        let (word, behind) = text.split_first_chunk()?;
        let first = word[0];
        let word = u64::from_le_bytes(*word);
        let is = |start: &[u8]| {
            let mask = u64::MAX >> (64 - 8 * start.len());
            word & mask == leading_word(start)
        };
        let then = |end: &[u8; 4]| behind.first_chunk() == Some(end);
        Some(match first {
            b'a' if is(b"args\":") => (Field::Args, &text[6..]),
            b'c' if is(b"class\":") => (Field::Class, &text[7..]),
            b'c' if is(b"created_") && then(b"at\":") => (Field::CreatedAt, &behind[4..]),
            b'e' if is(b"enqueued") && then(b"_at\"") => {
                (Field::EnqueuedAt, behind[4..].strip_prefix(b":")?)
            }
            b'j' if is(b"jid\":") => (Field::Jid, &text[5..]),
            b'q' if is(b"queue\":") => (Field::Queue, &text[7..]),
            b'r' if is(b"retry\":") => (Field::Retry, &text[7..]),
            _ => return None,
        })
    }
}

#[inline(always)]
const fn leading_word(start: &[u8]) -> u64 {
    let mut word = 0;
    let mut at = start.len();
    while at > 0 {
        at -= 1;
        word = word << 8 | start[at] as u64;
    }
    word
}

/// The raw JSON of each field's last value. In 32 bits each, because a worker holds a payload for each running job and
/// prefetched one; longer texts are refused before.
#[derive(Clone, Copy, Default)]
pub(super) struct Places([(u32, u32); Field::COUNT]);

impl Places {
    #[inline(always)]
    pub(super) fn note(&mut self, field: Field, value: Span) {
        self.0[field as usize] = (value.start as u32, value.end as u32);
    }

    /// The field's raw JSON in `raw`, the text that was scanned.
    #[inline(always)]
    pub(super) fn get(self, field: Field, raw: &str) -> Option<&str> {
        let (start, end) = self.0[field as usize];
        // No value begins where the object's brace is, so an end of 0 marks a field that is not there.
        (end > 0)
            .then(|| raw.get(start as usize..end as usize))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_found_by_its_whole_name_only() {
        for (field, name) in ALL {
            let name = std::str::from_utf8(name).unwrap_or_default();
            assert_eq!(Field::named(Name::of(name.as_bytes())), Some(field));
            for other in [
                format!("{name}x"),
                format!("x{name}"),
                name.to_uppercase(),
                name[..name.len() - 1].to_owned(),
            ] {
                assert_ne!(
                    Field::named(Name::of(other.as_bytes())),
                    Some(field),
                    "{other}"
                );
            }
        }
    }

    #[test]
    fn a_key_is_told_early_only_if_it_is_that_key() {
        let early = [
            Field::Args,
            Field::Class,
            Field::CreatedAt,
            Field::EnqueuedAt,
            Field::Jid,
            Field::Queue,
            Field::Retry,
        ];
        for (field, name) in ALL {
            let name = std::str::from_utf8(name).unwrap_or_default();
            let text = format!("{name}\":12345678");
            let told = early.contains(&field).then_some((field, &b"12345678"[..]));
            assert_eq!(Field::leading(text.as_bytes()), told, "{text}");
            for place in 0..name.len() + 2 {
                let mut other = text.clone().into_bytes();
                other[place] ^= 1;
                assert_eq!(Field::leading(&other), None, "{}", other.escape_ascii());
            }
            assert_eq!(Field::leading(name.as_bytes()), None);
        }
    }
}
