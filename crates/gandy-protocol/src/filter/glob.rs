//! Patterns of names: `*` is any text, `?` one character, all else itself.

/// Whether the whole of `text` fits `pattern`.
///
/// One star is remembered, the last one met: an earlier one never has to be tried again, so a hostile text costs at most the
/// product of both lengths and no more.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (&[u8], &[u8]) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    loop {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                star = Some((p, t));
                continue;
            }
            Some(b'?') if t < text.len() => {
                p += 1;
                t = next(text, t);
                continue;
            }
            Some(byte) if text.get(t) == Some(byte) => {
                p += 1;
                t += 1;
                continue;
            }
            None if t == text.len() => return true,
            _ => {}
        }
        match star {
            Some((behind, from)) if from < text.len() => {
                t = next(text, from);
                p = behind;
                star = Some((behind, t));
            }
            _ => return false,
        }
    }
}

/// Where the character after the one at `at` begins.
fn next(text: &[u8], at: usize) -> usize {
    let rest = text.get(at + 1..).unwrap_or_default();
    let more = rest.iter().take_while(|byte| **byte & 0xc0 == 0x80).count();
    at + 1 + more
}

/// Whether the text means more than itself.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "anything"),
            ("Mailer*", "Mailer"),
            ("Mailer*", "Mailer::Digest"),
            ("*er", "Mailerer"),
            ("a*b*c", "aXbYbZc"),
            ("a?c", "aéc"),
            ("??", "éü"),
            ("*?", "日"),
            ("**a", "ba"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("?", "ab"),
            ("Mailer", "Mailers"),
            ("*er", "Mail"),
            ("a*b", "ac"),
            ("?", "日本"),
            ("[ab]", "a"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_text_takes_no_time() {
        let text = "a".repeat(1_000_000);
        assert!(!fits("*a*a*a*a*a*b", &text));
    }

    proptest! {
        #[test]
        fn a_text_fits_itself_and_what_it_contains(a in "[^*?]{0,8}", b in "[^*?]{0,8}", c in "[^*?]{0,8}") {
            let text = format!("{a}{b}{c}");
            prop_assert!(fits(&text, &text));
            let pattern = format!("*{b}*");
            prop_assert!(fits(&pattern, &text));
            let pattern = format!("{a}*{c}");
            prop_assert!(fits(&pattern, &text));
        }
    }
}
