//! Making texts from Redis harmless for a terminal. Whoever can push a job writes its class, arguments and error
//! message, and a terminal obeys what it is sent: escape sequences move the cursor, set titles, even answer as if typed.

use std::fmt::Write;

use gandy::views::words::is_unseen as acts;

/// The text with every such character written as an escape: `\n`, `\t`, `\r`, else `\u{1b}`.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A JSON document with such characters as JSON escapes. It stays the same document: outside of strings JSON has only
/// white space of the kind, and inside `\u001b` means the character. Numbers and all else keep their bytes.
pub(crate) fn printable_json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for character in document.chars() {
        match character {
            '\t' | '\n' | '\r' => shown.push(' '),
            character if acts(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing into a string cannot fail.
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
            character => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_the_rest_is_not() {
        assert_eq!(
            printable("a\u{1b}[31mb\r\nc\td\u{7f}\u{9b}2J"),
            "a\\u{1b}[31mb\\r\\nc\\td\\u{7f}\\u{9b}2J"
        );
        assert_eq!(
            printable("x\u{202e}y\u{200b}\u{feff}\u{e0041}"),
            "x\\u{202e}y\\u{200b}\\u{feff}\\u{e0041}"
        );
        for plain in ["Größe \"quoted\" \\n 'x'", "नमस्ते", "日本語 😀", "e\u{301}"]
        {
            assert_eq!(printable(plain), plain);
        }
    }

    #[test]
    fn a_document_means_the_same_after_it() {
        let hostile = "{\"a\":\"\u{9b}2J\u{7f}\u{202e}\u{e0041}ü\",\r\n\t\"n\":123456789012345678901234567890}";
        let shown = printable_json(hostile);
        assert!(!shown.chars().any(acts), "{shown:?}");
        assert!(shown.contains("123456789012345678901234567890"));
        let text = |json: &str| {
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            value["a"].as_str().unwrap().to_owned()
        };
        assert_eq!(text(&shown), text(hostile));
    }
}
