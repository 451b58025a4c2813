//! The elements of an array, one after another.
//!
//! Belongs here: where they lie. Does not belong here: what they hold.

use super::{Fault, Scanner, skip};

/// Hands each element of the array `text` to `each` as raw JSON, in order; elements are handed out before the rest is known
/// to be valid.
pub(crate) fn elements<'a>(text: &'a str, mut each: impl FnMut(&'a str)) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text);
    let mut walk = || {
        let mut rest = match skip(scanner.bytes) {
            [b'[', inside @ ..] => skip(inside),
            rest => return scanner.fail(rest, "expected '['"),
        };
        if let [b']', behind @ ..] = rest {
            return Some(behind);
        }
        loop {
            let start = scanner.at(rest);
            rest = scanner.value(rest)?;
            let end = scanner.at(rest);
            // Both lie on ASCII delimiters, so `get` always finds them.
            each(text.get(start..end).unwrap_or_default());
            rest = match skip(rest) {
                [b',', behind @ ..] => skip(behind),
                [b']', behind @ ..] => return Some(behind),
                rest => return scanner.fail(rest, "expected ',' or ']'"),
            };
        }
    };
    let rest = walk();
    scanner.finish(rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn read(text: &str) -> Option<Vec<&str>> {
        let mut found = Vec::new();
        elements(text, |element| found.push(element)).ok()?;
        Some(found)
    }

    #[test]
    fn elements_are_handed_out_as_they_stand() {
        assert_eq!(read("[]"), Some(vec![]));
        assert_eq!(
            read(" [ 1 , \"a,]\" ,{\"b\": [2]},null ] "),
            Some(vec!["1", "\"a,]\"", "{\"b\": [2]}", "null"])
        );
        for wrong in ["", "{}", "[", "[1", "[1,]", "[,1]", "[1]x", "[1 2]"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn they_are_serdes(text in "[\\[\\]{},:\" a1.-]{0,24}") {
            let theirs: Option<Vec<&RawValue>> = serde_json::from_str(&text).ok();
            if let Some(theirs) = theirs {
                let theirs: Vec<&str> = theirs.iter().map(|raw| raw.get()).collect();
                prop_assert_eq!(read(&text), Some(theirs));
            }
        }
    }
}
