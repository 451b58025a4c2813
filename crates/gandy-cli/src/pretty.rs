//! JSON for people: one member a line. Numbers, names and strings keep their bytes, since a parsed number such as
//! 12345678901234567890123 would not come back; so this moves white space and nothing else.

use serde::de::IgnoredAny;

const INDENT: &str = "  ";

/// The document with line breaks and indents; none if it is no JSON.
pub(crate) fn pretty(json: &str) -> Option<String> {
    serde_json::from_str::<IgnoredAny>(json).ok()?;
    let mut shown = String::with_capacity(json.len() + json.len() / 4);
    let mut depth = 0_usize;
    let mut characters = json.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                shown.push('"');
                copy_string(&mut characters, &mut shown);
            }
            '{' | '[' => {
                shown.push(character);
                while characters
                    .next_if(|next| next.is_ascii_whitespace())
                    .is_some()
                {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    shown.push(end);
                } else {
                    depth += 1;
                    break_line(&mut shown, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                break_line(&mut shown, depth);
                shown.push(character);
            }
            ',' => {
                shown.push(',');
                break_line(&mut shown, depth);
            }
            ':' => shown.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => shown.push(other),
        }
    }
    Some(shown)
}

/// The rest of a string, its end included.
fn copy_string(characters: &mut impl Iterator<Item = char>, shown: &mut String) {
    let mut escaped = false;
    for character in characters {
        shown.push(character);
        match character {
            '"' if !escaped => return,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
}

fn break_line(shown: &mut String, depth: usize) {
    shown.push('\n');
    // Whoever pushes a job may nest as deep as the parser goes; the page has an end.
    for _ in 0..depth.min(20) {
        shown.push_str(INDENT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_moves() {
        let json =
            r#"{"a":[1, 12345678901234567890123,{ }],"b":"x, {\"y\": [1]}\\","c":[],"d":1.50}"#;
        let shown = pretty(json).expect("JSON");
        assert_eq!(
            shown,
            "{\n  \"a\": [\n    1,\n    12345678901234567890123,\n    {}\n  ],\n  \"b\": \"x, {\\\"y\\\": [1]}\\\\\",\n  \
             \"c\": [],\n  \"d\": 1.50\n}"
        );
        assert_eq!(pretty("garbage"), None);
    }
}
