//! Where the fields that Gandy reads lie in a payload.
//!
//! Belongs here: names to places. Does not belong here: what a field's value means (`payload`, `retry`).

use crate::scan::{Name, Span};

/// Declares the fields with their names, so that none can be forgotten in one of the places that need both.
macro_rules! known {
    ($($field:ident $name:literal),* $(,)?) => {
        /// A field that Gandy reads by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Field {
            $($field),*
        }

        impl Field {
            /// How many there are.
            const COUNT: usize = [$(Field::$field),*].len();

            /// The field with this name.
            #[inline(always)]
            pub(crate) fn named(name: Name) -> Option<Field> {
                $(#[allow(non_upper_case_globals)] const $field: Name = Name::of($name);)*
                match name {
                    $($field => Some(Field::$field),)*
                    _ => None,
                }
            }
        }

        #[cfg(test)]
        pub(crate) const ALL: [(Field, &[u8]); Field::COUNT] = [$((Field::$field, $name)),*];
    };
}

// The first four are texts: `Texts` counts on that.
known! {
    Class b"class",
    Jid b"jid",
    Queue b"queue",
    Wrapped b"wrapped",
    Args b"args",
    Retry b"retry",
    RetryCount b"retry_count",
    RetryFor b"retry_for",
    RetryQueue b"retry_queue",
    CreatedAt b"created_at",
    EnqueuedAt b"enqueued_at",
    FailedAt b"failed_at",
    Dead b"dead",
    Backtrace b"backtrace",
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
                assert_ne!(Field::named(Name::of(other.as_bytes())), Some(field), "{other}");
            }
        }
    }
}
