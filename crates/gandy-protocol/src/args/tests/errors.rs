//! The sentences, and that no value is in them.

use std::collections::BTreeMap;
use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use super::{from_args, sentence, to_args};
use crate::args::{ArgsError, Place};

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct Welcome {
    user: User,
    name: String,
    opt: Option<u8>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)]
struct User {
    id: u64,
    #[serde(default)]
    homes: Vec<Home>,
    #[serde(default)]
    labels: BTreeMap<String, u8>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Home {
    zip: u32,
    #[serde(default)]
    kind: Kind,
}

#[derive(Debug, Default, Deserialize)]
#[allow(dead_code)]
enum Kind {
    #[default]
    Flat,
    House {
        floors: u8,
    },
}

#[test]
fn a_wrong_type_names_class_argument_and_both_types() {
    assert_eq!(
        sentence::<Welcome>(r#"[{"id":1},42]"#),
        "class WelcomeEmail, arg 2 (name): expected a string, got an integer"
    );
    for (value, got) in [
        ("\"7\"", "a string"),
        ("true", "a boolean"),
        ("null", "null"),
        ("1.0", "a float"),
        ("1e2", "a float"),
        ("[7]", "an array"),
        ("{\"a\":7}", "an object"),
        ("-1", "an integer outside its range"),
        ("256", "an integer outside its range"),
        ("18446744073709551616", "an integer beyond 64 bits"),
    ] {
        assert_eq!(
            sentence::<(u8,)>(&format!("[{value}]")),
            format!("class WelcomeEmail, arg 1: expected u8, got {got}")
        );
        assert_eq!(
            sentence::<u8>(&format!("[{value}]")),
            format!("class WelcomeEmail, arg 1: expected u8, got {got}")
        );
    }
    assert_eq!(
        sentence::<(NonZeroU8,)>("[0]"),
        "class WelcomeEmail, arg 1: expected a nonzero u8, got an integer outside its range"
    );
    assert_eq!(
        sentence::<char>(r#"["secret"]"#),
        "class WelcomeEmail, arg 1: expected a character, got a string of another form"
    );
    assert_eq!(
        sentence::<(u128,)>(r#"["secret"]"#),
        "class WelcomeEmail, arg 1: expected u128, got a string"
    );
    assert_eq!(
        sentence::<(u64,)>("[340282366920938463463374607431768211455]"),
        "class WelcomeEmail, arg 1: expected u64, got an integer beyond 64 bits"
    );
}

#[test]
fn a_mistake_further_down_has_a_path() {
    let at = |user: &str| sentence::<Welcome>(&format!(r#"[{user},"n"]"#));
    assert_eq!(
        at(r#"{"id":"x"}"#),
        "class WelcomeEmail, arg 1 (user.id): expected u64, got a string"
    );
    assert_eq!(
        at(r#"{"id":1,"homes":[{"zip":1},{"zip":[]}]}"#),
        "class WelcomeEmail, arg 1 (user.homes[1].zip): expected u32, got an array"
    );
    assert_eq!(
        at(r#"{"id":1,"homes":[{"zip":1,"kind":"Castle"}]}"#),
        "class WelcomeEmail, arg 1 (user.homes[0].kind): expected one of `Flat`, `House`, got another name"
    );
    assert_eq!(
        at(r#"{"id":1,"homes":[{"zip":1,"kind":{"House":{"floors":true}}}]}"#),
        "class WelcomeEmail, arg 1 (user.homes[0].kind.House.*): expected u8, got a boolean"
    );
    assert_eq!(
        at(r#"{"id":1,"homes":[{"zip":1,"kind":{"House":1,"Flat":2}}]}"#),
        "class WelcomeEmail, arg 1 (user.homes[0].kind): expected enum Kind, got an object of 2 keys"
    );
    assert_eq!(
        at("{}"),
        "class WelcomeEmail, arg 1 (user): field `id` is missing"
    );
    assert_eq!(
        at(r#"{"id":1,"id":2}"#),
        "class WelcomeEmail, arg 1 (user): field `id` is there twice"
    );
    assert_eq!(
        at(r#"{"id":1,"homes":[{"zip":1,"secret":2}]}"#),
        "class WelcomeEmail, arg 1 (user.homes[0].*): a key is unknown, the type has one of `zip`, `kind`"
    );
    assert_eq!(
        at("[]"),
        "class WelcomeEmail, arg 1 (user): expected struct User with 3 elements, got 0 elements"
    );
    assert_eq!(
        sentence::<(u8, Vec<Vec<u8>>)>("[1,[[1],[2,null]]]"),
        "class WelcomeEmail, arg 2 ([1][1]): expected u8, got null"
    );
    assert_eq!(
        sentence::<(u8, [u8; 3])>("[1,[1,2]]"),
        "class WelcomeEmail, arg 2: expected an array of length 3, got 2 elements"
    );
}

#[test]
fn keys_that_are_data_are_not_named() {
    assert_eq!(
        sentence::<Welcome>(r#"[{"id":1,"labels":{"ann@example.org":"secret"}},"n"]"#),
        "class WelcomeEmail, arg 1 (user.labels.*): expected u8, got a string"
    );
    assert_eq!(
        sentence::<(BTreeMap<u8, u8>,)>(r#"[{"1":1,"secret":2}]"#),
        "class WelcomeEmail, arg 1 (*): expected u8, got a string"
    );
    assert_eq!(
        sentence::<(BTreeMap<i8, u8>,)>(r#"[{"-1":1,"2":"secret"}]"#),
        "class WelcomeEmail, arg 1 (*): expected u8, got a string"
    );
}

#[test]
fn no_value_is_in_any_sentence() {
    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Either {
        Number(u8),
        Pair { a: u8 },
    }
    #[derive(Debug, Deserialize)]
    #[serde(tag = "hunter")]
    #[allow(dead_code)]
    enum Tagged {
        A { n: u8 },
    }
    let value = r#""hunter2""#;
    let mut said = Vec::new();
    macro_rules! try_types {
        ($($type:ty),* $(,)?) => {$(
            said.push(sentence::<($type,)>(&format!("[{value}]")));
            said.push(sentence::<($type,)>(&format!("[[{value}]]")));
            said.push(sentence::<($type,)>(&format!("[{{{value}:{value}}}]")));
            said.push(sentence::<$type>(&format!("[{value}, {value}, {value}]")));
        )*};
    }
    try_types!(
        u8,
        i64,
        u128,
        i128,
        f32,
        bool,
        char,
        (),
        User,
        Home,
        Kind,
        Either,
        Tagged,
        (u8, u8),
        [u8; 2]
    );
    try_types!(Option<u8>, NonZeroU8, BTreeMap<u8, u8>, std::net::IpAddr, std::time::Duration);
    for sentence in said {
        assert!(!sentence.contains("hunter2"), "{sentence}");
        assert!(sentence.starts_with("class WelcomeEmail"), "{sentence}");
    }
}

#[test]
fn a_types_own_message_is_passed_on_cut() {
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "u8")]
    struct Even(#[allow(dead_code)] u8);
    impl TryFrom<u8> for Even {
        type Error = String;
        fn try_from(value: u8) -> Result<Self, String> {
            if value.is_multiple_of(2) {
                Ok(Even(value))
            } else {
                Err(format!("must be even{}", "é".repeat(300)))
            }
        }
    }
    let cut = format!("must be even{}", "é".repeat(188));
    assert_eq!(
        sentence::<(u8, Even)>("[1,1]"),
        format!("class WelcomeEmail, arg 2: {cut}")
    );

    // A check of all arguments together has no argument to name.
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "(u8, u8)")]
    struct Ordered;
    impl TryFrom<(u8, u8)> for Ordered {
        type Error = &'static str;
        fn try_from((low, high): (u8, u8)) -> Result<Self, &'static str> {
            if low <= high {
                Ok(Ordered)
            } else {
                Err("the first must not be above the second")
            }
        }
    }
    assert!(from_args::<Ordered>("Any", "[1,2]").is_ok());
    assert_eq!(
        sentence::<Ordered>("[2,1]"),
        "class WelcomeEmail, the first must not be above the second"
    );
    assert_eq!(
        sentence::<Ordered>("[2]"),
        "class WelcomeEmail wants 2 args, got 1; arg 2 has no default"
    );
}

#[test]
fn aliases_do_not_change_the_count() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Aliased {
        #[serde(alias = "uid", alias = "user_id")]
        user: u64,
        name: String,
    }
    assert_eq!(
        sentence::<Aliased>("[1]"),
        "class WelcomeEmail wants 2 args, got 1; arg 2 has no default"
    );
    assert_eq!(
        sentence::<Aliased>("[1,2]"),
        "class WelcomeEmail, arg 2: expected a string, got an integer"
    );
}

#[test]
fn a_text_that_is_no_array() {
    for (raw, got) in [
        ("{\"a\":1}", "an object"),
        ("\"[1]\"", "a string"),
        (" null ", "null"),
        ("5", "a number"),
        ("true", "a boolean"),
    ] {
        let expected = format!("class WelcomeEmail: args must be a JSON array, got {got}");
        assert_eq!(sentence::<(u8,)>(raw), expected);
        assert_eq!(sentence::<serde_json::Value>(raw), expected);
        assert_eq!(sentence::<Box<serde_json::value::RawValue>>(raw), expected);
    }
    for raw in [
        "",
        "[",
        "[1",
        "[1,]",
        "[1] 2",
        "[1]]",
        "nul",
        "[secret]",
        "[\"secret]",
    ] {
        let said = sentence::<(u8,)>(raw);
        assert!(
            said.starts_with("class WelcomeEmail: args are not valid JSON: "),
            "{raw}: {said}"
        );
        assert!(!said.contains("secret"), "{said}");
        let said = sentence::<Box<serde_json::value::RawValue>>(raw);
        assert!(said.contains("not valid JSON"), "{raw}: {said}");
    }
    assert_eq!(
        from_args::<(u8, u8)>("Any", "\n [ 1 ,\t2 ]\r\n"),
        Ok((1, 2))
    );
}

#[test]
fn strings_that_rust_cannot_hold_or_borrow() {
    assert_eq!(
        sentence::<(String,)>(r#"["\ud800"]"#),
        "class WelcomeEmail, arg 1: a string with half a surrogate pair, which no Rust string can hold"
    );
    let raw = r#"["a\nb"]"#.to_owned();
    let error = from_args::<(&str,)>("WelcomeEmail", &raw).unwrap_err();
    assert_eq!(
        error.to_string(),
        "class WelcomeEmail, arg 1: expected a borrowed string, got a string with escapes (take String or Cow<str>)"
    );
    assert_eq!(
        sentence::<(f64,)>("[1e999]"),
        "class WelcomeEmail, arg 1: a number too large for any type"
    );
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels: usize| format!("[{}{}]", "[".repeat(levels), "]".repeat(levels));
    assert!(from_args::<(serde_json::Value,)>("Any", &deep(100)).is_ok());
    assert_eq!(
        sentence::<(serde_json::Value,)>(&deep(30_000))
            .split(&['[', ']'][..])
            .next_back(),
        Some("): nested deeper than 128 levels"),
    );
    assert_eq!(
        sentence::<(serde_json::Value,)>(&deep(1_000_000)),
        "class WelcomeEmail, arg 1: recursion limit exceeded"
    );
    // What is not looked into may be as deep as it likes.
    assert!(from_args::<(Box<serde_json::value::RawValue>,)>("Any", &deep(100_000)).is_ok());
}

#[test]
fn a_large_argument_is_refused_without_a_search_for_the_place_in_it() {
    let home = |blanks: usize| {
        let blanks = " ".repeat(blanks);
        sentence::<Welcome>(&format!(
            r#"[{{"id":1,"homes":[{{"zip":{blanks}"x"}}]}},"a"]"#
        ))
    };
    assert_eq!(
        home(60_000),
        "class WelcomeEmail, arg 1 (user.homes[0].zip): expected u32, got a string"
    );
    assert_eq!(
        home(70_000),
        "class WelcomeEmail, arg 1 (user): not what the type of this argument accepts"
    );
}

#[test]
fn what_cannot_be_written_names_its_argument() {
    #[derive(Serialize)]
    struct Keyed {
        id: u8,
        by_pair: BTreeMap<(u8, u8), u8>,
    }
    let error = to_args(&Keyed {
        id: 1,
        by_pair: BTreeMap::from([((1, 2), 3)]),
    });
    assert_eq!(
        error,
        Err(ArgsError::Write {
            at: Some(Place {
                index: 2,
                name: Some("by_pair"),
                path: String::new()
            }),
            reason: "key must be a string".into()
        })
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "args cannot be written as JSON: arg 2 (by_pair): key must be a string"
    );
}
