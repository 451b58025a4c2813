#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use super::*;
use proptest::prelude::*;
use serde_json::value::RawValue;

fn serde_accepts(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

fn spans(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    members(text, |member| {
        found.push((
            member.key.of(text).to_owned(),
            member.value.of(text).to_owned(),
        ));
    })
    .unwrap();
    found
}

#[test]
fn members_are_found_with_their_raw_text() {
    let found = spans(" {\"a\" : [1, {\"b\":[]}] ,\"é\\n\":-0.10e+5,\"\":\"x\\\"y\"}\n");
    let expect = [
        ("\"a\"", "[1, {\"b\":[]}]"),
        ("\"é\\n\"", "-0.10e+5"),
        ("\"\"", "\"x\\\"y\""),
    ];
    assert_eq!(found.len(), expect.len());
    for ((key, value), (want_key, want_value)) in found.iter().zip(expect) {
        assert_eq!((key.as_str(), value.as_str()), (want_key, want_value));
    }
    assert!(spans("{ }").is_empty());
}

#[test]
fn faults_say_where_and_what() {
    let fault = |text| members(text, |_| {}).unwrap_err().to_string();
    assert_eq!(
        fault(r#"{"a":1,}"#),
        "invalid JSON at byte 7: expected a key in quotes"
    );
    assert_eq!(
        fault(r#"{"a":01}"#),
        "invalid JSON at byte 6: expected ',' or '}'"
    );
    assert_eq!(
        fault(r#"{"a":"#),
        "invalid JSON at byte 5: the text ends too early"
    );
    assert_eq!(
        fault("{} {"),
        "invalid JSON at byte 3: text follows after the JSON value"
    );
    assert_eq!(
        fault("{\"a\":\"b\nc\"}"),
        "invalid JSON at byte 7: a control character in a string"
    );
}

#[test]
fn a_million_levels_do_not_overflow_the_stack() {
    let levels = 1_000_000;
    let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(check(&deep), Ok(()));
    let objects = format!("{}1{}", "{\"a\":[".repeat(levels), "]}".repeat(levels));
    assert_eq!(check(&objects), Ok(()));
    let crossed = format!("{}1{}", "{\"a\":[".repeat(100), "}]".repeat(100));
    assert!(check(&crossed).is_err());
    assert!(check(&"[".repeat(levels)).is_err());
}

#[test]
fn every_byte_at_every_place_of_a_word_is_judged_as_by_serde_json() {
    for byte in 0..128u8 {
        for place in 0..20 {
            let mut text = vec![b'a'; 20];
            text[place] = byte;
            let text = format!("\"{}\"", String::from_utf8(text).unwrap());
            assert_eq!(check(&text).is_ok(), serde_accepts(&text), "{text:?}");
        }
    }
}

#[test]
fn every_byte_at_every_place_of_a_number_is_judged_as_by_serde_json() {
    for byte in 0..128u8 {
        for place in 0..20 {
            let mut text = vec![b'1'; 20];
            text[place] = byte;
            let text = String::from_utf8(text).unwrap();
            assert_eq!(check(&text).is_ok(), serde_accepts(&text), "{text:?}");
        }
    }
}

#[test]
fn text_beyond_ascii_hides_no_quote_and_looks_like_none() {
    for char in ('\u{80}'..='\u{7ff}').chain(['\u{2028}', '\u{e022}', '😀']) {
        for place in 0..9 {
            let text = format!("\"{}{char}\"", "a".repeat(place));
            assert_eq!(check(&text), Ok(()), "{text:?}");
            assert!(check(&format!("{text}\"")).is_err(), "{text:?}");
        }
    }
}

/// What the closing quote, an escape, a wide character or a fault meets at each place of a word of eight bytes, far from
/// the end of the text and in its last bytes.
#[test]
fn specials_at_every_place_of_a_word_are_judged_as_by_serde_json() {
    let specials = [
        "\\n",
        "\\\"",
        "\\\\",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\\u12",
        "\\x",
        "\\",
        "\"",
        "é",
        "😀",
        "\u{2028}",
        "\u{1}",
        "\n",
        "\t",
        "\u{7f}",
        "é\u{1}",
        "\\né",
        "é\\n",
    ];
    for special in specials {
        for before in 0..18 {
            for after in 0..10 {
                let inner = format!("{}{special}{}", "a".repeat(before), "b".repeat(after));
                for text in [
                    format!("\"{inner}\""),
                    format!("\"{inner}"),
                    format!("[\"{inner}\",1]"),
                    format!("{{\"{inner}\":0}}"),
                    format!("{{\"{inner}\":\"{inner}\",\"k\":[{{\"{inner}\":\"{inner}\"}}]}}"),
                ] {
                    assert_eq!(check(&text).is_ok(), serde_accepts(&text), "{text:?}");
                    let object = text.starts_with('{') && serde_accepts(&text);
                    assert_eq!(members(&text, |_| {}).is_ok(), object, "{text:?}");
                }
            }
        }
    }
}

/// The members as serde_json finds them, keys decoded, values raw.
fn serde_members(text: &str) -> Vec<(String, String)> {
    struct Walk;
    impl<'de> serde::de::Visitor<'de> for Walk {
        type Value = Vec<(String, String)>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                found.push((key, value.get().to_owned()));
            }
            Ok(found)
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    serde::Deserializer::deserialize_map(&mut json, Walk).unwrap()
}

fn assert_same_members(text: &str) {
    let mut found = Vec::new();
    let verdict = members(text, |member| {
        let key = member.key.text(text).map(Cow::into_owned);
        if let Some(key) = key
            .as_ref()
            .filter(|key| !key.contains('\\') && member.key.plain)
        {
            assert_eq!(member.name, Name::of(key.as_bytes()), "{text:?}");
        }
        found.push((key, member.value.of(text).to_owned()));
    });
    let object = serde_accepts(text) && text.trim_start().starts_with('{');
    assert_eq!(verdict.is_ok(), object, "{text:?}");
    // serde_json decodes no key that holds half a surrogate pair.
    let decoded: Option<Vec<_>> = found
        .into_iter()
        .map(|(key, value)| Some((key?, value)))
        .collect();
    if let Some(decoded) = decoded.filter(|_| object) {
        assert_eq!(decoded, serde_members(text), "{text:?}");
    }
}

/// Pieces that a fuzzer would learn to splice in.
const PIECES: [&str; 24] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    " ",
    "\n",
    "0",
    "-",
    "1.5",
    "e+1",
    "\\u00e9",
    "\\ud800",
    "é",
    "\u{1}",
    "true",
    "null",
    "\"a\":1,",
    ",\"args\":[]",
    "{\"k\":\"v\"}",
    "12345678",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_mutated_payload_has_the_members_that_serde_json_finds(
        pretty in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..4, prop::sample::select(&PIECES[..]), any::<bool>()), 0..4),
    ) {
        let mut text = r#"{"retry":true,"queue":"low","args":[42,"kim",{"template":"wélcome\n","amounts":[1,2.5,null,true,{},[]]}],"class":"OkJob","jid":"b5de70b63090decd6440fd9e","created_at":1795398104597,"error_message":"no"}"#.to_owned();
        if pretty {
            text = text.replace(',', " ,\n\t").replace(':', " : ");
        }
        for (place, cut, piece, insert) in changes {
            let mut chars: Vec<char> = text.chars().collect();
            let place = place.index(chars.len() + 1);
            let end = (place + cut).min(chars.len());
            chars.splice(place..end, if insert { piece } else { "" }.chars());
            text = chars.into_iter().collect();
        }
        assert_same_members(&text);
    }

    #[test]
    fn judges_near_json_as_serde_json_does(text in "[\\[\\]{}:,\"\\\\0-9.eE+\\-a-fu truenlsé\u{1}]{0,24}") {
        prop_assert_eq!(check(&text).is_ok(), serde_accepts(&text), "{:?}", text);
    }

    #[test]
    fn judges_damaged_json_as_serde_json_does(
        place in 0usize..90,
        with in "[\\[\\]{}:,\"\\\\0-9.e+\\- tfn]{0,2}",
        cut in 0usize..3,
    ) {
        let good = r#"{"a":[1,-2.5e-3,true,{"k":null}],"é\u00e9\n":"text \"quoted\"","b":{"c":[[],{}]},"d":0}"#;
        let mut chars: Vec<char> = good.chars().collect();
        let place = place.min(chars.len());
        let end = (place + cut).min(chars.len());
        chars.splice(place..end, with.chars());
        let text: String = chars.into_iter().collect();
        prop_assert_eq!(check(&text).is_ok(), serde_accepts(&text), "{:?}", text);
        prop_assert_eq!(members(&text, |_| {}).is_ok(), serde_accepts(&text) && text.trim_start().starts_with('{'));
    }
}
