//! The words after the class: each is one JSON value, and together they are the job's argument array.

use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::printable::printable;

/// A word longer than this is not repeated in an error.
const SHOWN_MAX: usize = 60;

/// The array, each value byte for byte as it was written. A word that is no JSON is an error and not a string: to guess
/// would push `12` as a number, `1.2.3` as a string and `true` as neither of what was meant.
pub(crate) fn array(words: &[String]) -> Result<String, Failure> {
    let mut array = String::from("[");
    for (place, word) in words.iter().enumerate() {
        if place > 0 {
            array.push(',');
        }
        match serde_json::from_str::<&RawValue>(word) {
            Ok(value) => array.push_str(value.get()),
            Err(error) => return Err(Failure::data(explain(place + 1, word, &error))),
        }
    }
    array.push(']');
    Ok(array)
}

fn explain(place: usize, word: &str, error: &serde_json::Error) -> String {
    let shown = if word.len() <= SHOWN_MAX {
        format!(": {}", printable(&gandy::redact(word)))
    } else {
        String::new()
    };
    let said = format!("argument {place} is not JSON{shown}");
    if word.trim_start().starts_with(['[', '{', '"']) {
        // It was meant as JSON; the usual accident is a shell that took its quotes away.
        return format!(
            "{said}\n{error}. Put the whole argument into single quotes, so that the shell leaves its double quotes alone: '{{\"a\":[1,\"b\"]}}'"
        );
    }
    let example = if word.len() <= SHOWN_MAX && gandy::redact(word) == word {
        word
    } else {
        "hi"
    };
    let json = serde_json::Value::from(example).to_string();
    format!(
        "{said}\nA string needs JSON's double quotes, inside single quotes for the shell: '{}'",
        json.replace('\'', "'\\''")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(words: &[&str]) -> Result<String, Failure> {
        array(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn values_keep_their_bytes() {
        assert_eq!(of(&[]).unwrap(), "[]");
        let words = [
            "12345678901234567890123",
            "\"a\\u0041\"",
            " {\"b\" : [1.50, null]} ",
            "-0",
            "1e999",
        ];
        assert_eq!(
            of(&words).unwrap(),
            "[12345678901234567890123,\"a\\u0041\",{\"b\" : [1.50, null]},-0,1e999]"
        );
    }

    #[test]
    fn a_word_that_is_no_json_is_told_how_to_be_a_string() {
        for (word, advice) in [
            ("hi", "'\"hi\"'"),
            ("it's", "'\"it'\\''s\"'"),
            ("", "'\"\"'"),
            ("1],\"x\":[2", "'\"1],\\\"x\\\":[2\"'"),
            ("{a:1}", "single quotes"),
            ("1 2", "'\"1 2\"'"),
        ] {
            let failure = of(&["1", word]).unwrap_err();
            assert_eq!(failure.code, 65);
            assert!(
                failure.text.starts_with("argument 2 is not JSON") && failure.text.contains(advice),
                "{}",
                failure.text
            );
        }
        let failure = of(&["redis://u:S3CR3T@h"]).unwrap_err();
        assert!(!failure.text.contains("S3CR3T"), "{}", failure.text);
        assert!(of(&[&"x".repeat(1000)]).unwrap_err().text.len() < 200);
    }
}
