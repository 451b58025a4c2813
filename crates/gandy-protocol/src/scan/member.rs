//! A member of a scanned object: where its key and its value lie, and what is read there.
//!
//! Belongs here: spans and their text. Does not belong here: finding them (`scan`), and what a field means.

use std::borrow::Cow;

use super::Name;
use crate::text;

/// One `"key": value` of an object. Both spans are raw JSON: the key's has its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) key: Span,
    /// The key's name, to compare.
    pub(crate) name: Name,
    pub(crate) value: Span,
}

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

    pub(super) fn without_colon(self) -> Span {
        Span {
            end: self.end - 1,
            ..self
        }
    }

    pub(crate) fn len(self) -> usize {
        self.end - self.start
    }

    /// What lies between the quotes of a string.
    pub(crate) fn inside(self) -> Span {
        Span {
            start: self.start + 1,
            end: self.end - 1,
            ..self
        }
    }

    /// What the string holds. `None`: not a string, or half a surrogate pair.
    #[inline]
    pub(crate) fn text(self, text: &str) -> Option<Cow<'_, str>> {
        if !self.plain {
            return text::unquoted(self.of(text));
        }
        let string = text.as_bytes().get(self.start) == Some(&b'"');
        string.then(|| Cow::Borrowed(self.inside().of(text)))
    }
}
