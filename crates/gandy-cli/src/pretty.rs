//! JSON with line breaks for people, from its text: every number and every string stays as it is written.

/// Deeper than this nothing is broken into lines: ten thousand brackets are somebody's malice.
const DEPTH_MAX: usize = 20;

/// A container that fits in so many characters stays in one line.
const SHORT: usize = 60;

/// The document with line breaks, each line after the first indented by `margin` more. `text` must be valid JSON; of
/// anything else it is only promised that nothing is left out but white space.
pub(crate) fn pretty(text: &str, margin: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    // How deep the container is that is kept in one line.
    let mut inline: Option<usize> = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at);
                out.push_str(&text[at..end]);
                at = end;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                out.push(char::from(bytes[at]));
                if inline.is_none() && (depth > DEPTH_MAX || is_short(bytes, at)) {
                    inline = Some(depth);
                }
                if inline.is_none() {
                    line_break(&mut out, margin, depth);
                }
            }
            b'}' | b']' => {
                if inline.is_none() {
                    line_break(&mut out, margin, depth.saturating_sub(1));
                } else if inline == Some(depth) {
                    inline = None;
                }
                depth = depth.saturating_sub(1);
                out.push(char::from(bytes[at]));
            }
            b',' => {
                out.push(',');
                match inline {
                    None => line_break(&mut out, margin, depth),
                    Some(_) => out.push(' '),
                }
            }
            b':' => out.push_str(": "),
            b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => {
                // A number or a word; outside of strings JSON is ASCII, and what is not is no JSON.
                let rest = &text[at..];
                let end = rest
                    .find(|c: char| "{}[],:\" \n\r\t".contains(c))
                    .unwrap_or(rest.len());
                out.push_str(&rest[..end]);
                at += end;
                continue;
            }
        }
        at += 1;
    }
    out
}

/// Behind the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() {
        match bytes[end] {
            b'\\' => end += 2,
            b'"' => return end + 1,
            _ => end += 1,
        }
    }
    bytes.len()
}

/// Whether the container that begins at `at` ends soon.
fn is_short(bytes: &[u8], at: usize) -> bool {
    let mut depth = 0_usize;
    let mut here = at;
    while here < bytes.len().min(at + SHORT) {
        match bytes[here] {
            b'"' => {
                here = string_end(bytes, here);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return true;
                }
            }
            _ => {}
        }
        here += 1;
    }
    false
}

fn line_break(out: &mut String, margin: usize, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', margin + 2 * depth));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_and_strings_stay_as_they_are_and_long_containers_are_broken() {
        let text = r#"{"args":[12345678901234567890123, 1.50,1e999],"s":"a, {\"b\"}: [","o":{},"long":["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"]}"#;
        assert_eq!(
            pretty(text, 2),
            "{\n    \"args\": [12345678901234567890123, 1.50, 1e999],\n    \"s\": \"a, {\\\"b\\\"}: [\",\n    \"o\": {},\n    \
             \"long\": [\n      \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\",\n      \"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"\n    ]\n  }"
        );
    }

    #[test]
    fn nothing_panics_or_grows_without_bound() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let shown = pretty(&deep, 0);
        assert!(shown.len() < 250_000, "{}", shown.len());
        for odd in ["", "\"", "\"\\", "]]]", "{é}", "nul", "[\"a\\"] {
            pretty(odd, 0);
        }
        let long = format!("[\"{}\"]", "é".repeat(100_000));
        assert!(pretty(&long, 0).contains(&"é".repeat(100_000)));
    }
}
