//! JSON strings: quoting text, and reading what quotes hold.
//!
//! Belongs here: the step between a Rust string and its JSON form. Does not belong here: finding the string (see `scan`).

use std::borrow::Cow;

use crate::scan::is_plain;

/// Appends `text` as a JSON string, quotes included.
#[inline]
pub(crate) fn push_quoted(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        push_escaped(out, text);
    }
}

/// Apart, because most texts need no escape.
#[cold]
#[inline(never)]
fn push_escaped(out: &mut String, text: &str) {
    // Writing a string into memory cannot fail; an empty string keeps the payload JSON if it ever does.
    let quoted = serde_json::to_string(text);
    out.push_str(quoted.as_deref().unwrap_or("\"\""));
}

/// `text` as a JSON string, quotes included.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(&mut out, text);
    out
}

/// What the JSON string `raw` holds. `None`: not a string, or half a surrogate pair, which no Rust string can hold.
pub(crate) fn unquoted(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// What kind of value the valid JSON `raw` is, for messages: "a string", "an array"…
pub(crate) fn kind(raw: &str) -> &'static str {
    match raw.trim_start().as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        assert_eq!(unquoted(r#""\ud800""#), None);
        assert_eq!(unquoted(r#""\ud83d\ude00""#).as_deref(), Some("😀"));
        assert_eq!(unquoted("5"), None);
        assert_eq!(unquoted("\""), None);
    }

    proptest! {
        #[test]
        fn what_is_quoted_reads_back(text in any::<String>()) {
            let raw = quoted(&text);
            prop_assert!(crate::scan::check(&raw).is_ok());
            let read = unquoted(&raw);
            prop_assert_eq!(read.as_deref(), Some(text.as_str()));
        }
    }
}
