//! Which type is which array.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{from_args, same, sentence, to_args};
use crate::args::ArgsError;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Address {
    street: String,
    zip: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    customer: String,
    to: Address,
    note: Option<String>,
}

fn address() -> Address {
    Address {
        street: "Main \"5\"".into(),
        zip: 10_115,
    }
}

#[test]
fn a_struct_is_positional_and_what_it_holds_stays_objects() {
    same(
        &Order {
            id: 7,
            customer: "Ærø 😀".into(),
            to: address(),
            note: None,
        },
        r#"[7,"Ærø 😀",{"street":"Main \"5\"","zip":10115},null]"#,
    );
}

#[test]
fn renamed_fields_keep_their_position() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Renamed {
        user_id: u64,
        #[serde(rename = "x")]
        name: String,
    }
    let value = Renamed {
        user_id: 1,
        name: "n".into(),
    };
    same(&value, r#"[1,"n"]"#);
}

#[test]
fn skipped_on_both_sides_takes_no_position() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Cached {
        id: u64,
        #[serde(skip)]
        seen: bool,
        name: String,
    }
    same(
        &Cached {
            id: 1,
            seen: false,
            name: "n".into(),
        },
        r#"[1,"n"]"#,
    );
}

#[test]
fn tuples_sequences_and_tuple_structs_are_arrays() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair(u8, Address);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct NoFields();

    same(&(1_u64, "a".to_owned(), true), r#"[1,"a",true]"#);
    same(&(5_u64,), "[5]");
    same(
        &Pair(1, address()),
        r#"[1,{"street":"Main \"5\"","zip":10115}]"#,
    );
    same(&NoFields(), "[]");
    same(&[1_i32, 2, 3], "[1,2,3]");
    same(&vec![1_i32, 2, 3], "[1,2,3]");
    same(&vec![vec![1_i32], vec![]], "[[1],[]]");
    same(&Vec::<u8>::new(), "[]");
    same(&vec![Some(1_u8), None], "[1,null]");
    same(&VecDeque::from(["a".to_owned()]), r#"["a"]"#);
    same(&BTreeSet::from([2_u8, 1]), "[1,2]");
    assert_eq!(to_args([1_u8, 2].as_slice()).unwrap(), "[1,2]");
}

#[test]
fn a_newtype_is_one_argument_by_its_type_not_by_the_length() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct One<T>(T);

    same(&One(address()), r#"[{"street":"Main \"5\"","zip":10115}]"#);
    same(&One(vec![1_u8, 2]), "[[1,2]]");
    same(&One(vec![1_u8]), "[[1]]");
    same(&vec![1_u8], "[1]");
    same(&One(One(1_u8)), "[1]");
    same(&One((1_u8, 2_u8)), "[[1,2]]");
    same(&One(()), "[null]");
    same(&One(None::<u8>), "[null]");
    same(
        &One(std::collections::BTreeMap::from([("a".to_owned(), 1)])),
        r#"[{"a":1}]"#,
    );
    assert_eq!(
        sentence::<One<u8>>("[1,2]"),
        "class WelcomeEmail wants 1 arg, got 2"
    );
    assert_eq!(
        sentence::<One<Vec<u8>>>("[1,2]"),
        "class WelcomeEmail wants 1 arg, got 2"
    );
}

#[test]
fn transparent_is_what_it_wraps() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Clear(Address);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct ClearNamed {
        inner: Vec<u8>,
    }
    same(&Clear(address()), r#"["Main \"5\"",10115]"#);
    same(&ClearNamed { inner: vec![1, 2] }, "[1,2]");
    same(&Box::new(address()), r#"["Main \"5\"",10115]"#);
    same(&Cow::<'static, [u8]>::Owned(vec![1]), "[1]");
}

#[test]
fn nothing_is_an_empty_array() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Empty {}

    same(&(), "[]");
    same(&Unit, "[]");
    same(&Empty {}, "[]");
    assert_eq!(from_args::<()>("Any", " [ ] "), Ok(()));
    for json in ["[1]", "[null]", "[[]]"] {
        let expected = "class WelcomeEmail wants no args, got 1";
        assert_eq!(sentence::<()>(json), expected);
        assert_eq!(sentence::<Unit>(json), expected);
        assert_eq!(sentence::<Empty>(json), expected);
    }
}

#[test]
fn scalars_and_options_are_one_argument() {
    same(&5_u64, "[5]");
    same(&-5_i8, "[-5]");
    same(&"a\nb".to_owned(), r#"["a\nb"]"#);
    same(&true, "[true]");
    same(&'x', r#"["x"]"#);
    same(&1.5_f64, "[1.5]");
    same(&Some(5_u8), "[5]");
    same(&None::<u8>, "[null]");
    same(&Some(address()), r#"[{"street":"Main \"5\"","zip":10115}]"#);
    same(&Some(vec![1_u8]), "[[1]]");
    assert_eq!(to_args("text").unwrap(), r#"["text"]"#);
    assert_eq!(from_args::<Option<u8>>("Any", "[]"), Ok(None));
    assert_eq!(
        sentence::<Option<u8>>("[1,2]"),
        "class WelcomeEmail wants 1 arg, got 2"
    );
}

#[test]
fn bytes_are_one_argument() {
    struct Bytes(&'static [u8]);
    impl Serialize for Bytes {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_bytes(self.0)
        }
    }
    assert_eq!(to_args(&Bytes(&[1, 2])).unwrap(), "[[1,2]]");
    let raw = r#"["abc"]"#.to_owned();
    assert_eq!(from_args::<&[u8]>("Any", &raw).unwrap(), b"abc");
}

#[test]
fn an_enum_is_one_argument() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Report {
        Weekly,
        Daily { hour: u8 },
        Of(Address),
        Between(u8, u8),
    }
    same(&Report::Weekly, r#"["Weekly"]"#);
    same(&Report::Daily { hour: 5 }, r#"[{"Daily":{"hour":5}}]"#);
    same(
        &Report::Of(address()),
        r#"[{"Of":{"street":"Main \"5\"","zip":10115}}]"#,
    );
    same(&Report::Between(1, 2), r#"[{"Between":[1,2]}]"#);
}

#[test]
fn a_tagged_enum_looks_like_a_struct_with_its_tag_first() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Internal {
        Email { user: u64 },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", content = "value")]
    enum Adjacent {
        Email(u64),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Two(u64, String),
        Three { a: u8, b: u8, c: u8 },
    }
    same(&Internal::Email { user: 42 }, r#"["Email",42]"#);
    same(&Adjacent::Email(42), r#"["Email",42]"#);
    // Its variants look like enum variants of no name, which serde hands on as a tuple and a struct.
    same(&Untagged::Two(1, "a".into()), r#"[1,"a"]"#);
    assert_eq!(
        to_args(&Untagged::Three { a: 1, b: 2, c: 3 }).unwrap(),
        "[1,2,3]"
    );
}

#[test]
fn a_value_or_raw_value_is_the_whole_array() {
    same(&json!([1, {"a": [null]}]), r#"[1,{"a":[null]}]"#);
    same(&json!([]), "[]");
    assert_eq!(to_args(&json!(5)).unwrap(), "[5]");
    assert_eq!(to_args(&json!("a")).unwrap(), r#"["a"]"#);
    assert_eq!(to_args(&Value::Null).unwrap(), "[]");

    let raw = r#"[1, {"a" : 18446744073709551617}]"#;
    let read: Box<RawValue> = from_args("Any", raw).unwrap();
    assert_eq!(read.get(), raw);
    assert_eq!(to_args(&read).unwrap(), raw);
    let borrowed: &RawValue = from_args("Any", raw).unwrap();
    assert_eq!(borrowed.get(), raw);

    let one = RawValue::from_string("5".into()).unwrap();
    assert_eq!(
        to_args(&one).unwrap_err().to_string(),
        "args cannot be written as JSON: a RawValue stands for the whole array of arguments, but this one is a number; \
         put it into a tuple, `(raw,)`, to send it as one argument"
    );
    assert_eq!(to_args(&(one,)).unwrap(), "[5]");
}

#[test]
fn maps_and_flatten_are_refused_in_words() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Flat {
        id: u64,
        #[serde(flatten)]
        to: Address,
    }
    let flat = Flat {
        id: 1,
        to: address(),
    };
    let map = std::collections::BTreeMap::from([("a", 1)]);
    let expected = "args are positional, but this type is a map at the top level (a map type, or a struct with \
                    #[serde(flatten)]): remove flatten, or send the map as one argument by wrapping it in a newtype, \
                    `struct Args(Payload)`";
    for error in [
        to_args(&flat).unwrap_err(),
        to_args(&map).unwrap_err(),
        to_args(&json!({"a": 1})).unwrap_err(),
    ] {
        assert_eq!(error, ArgsError::Map { class: None });
        assert_eq!(error.to_string(), expected);
    }
    for json in ["[]", "[1]", "[{}]"] {
        assert_eq!(
            sentence::<Flat>(json),
            format!("class WelcomeEmail: {expected}")
        );
        assert_eq!(
            sentence::<std::collections::BTreeMap<String, u8>>(json),
            format!("class WelcomeEmail: {expected}")
        );
    }
}

#[test]
fn flatten_below_the_top_level_is_ordinary() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        id: u64,
        #[serde(flatten)]
        to: Address,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Args(Flat);
    same(
        &Args(Flat {
            id: 1,
            to: address(),
        }),
        r#"[{"id":1,"street":"Main \"5\"","zip":10115}]"#,
    );
}

#[test]
fn strings_borrow_from_the_text() {
    #[derive(Debug, Deserialize)]
    struct Borrowed<'a> {
        name: &'a str,
        #[serde(borrow)]
        note: Cow<'a, str>,
        rest: Option<&'a RawValue>,
    }
    let raw = r#"["abc","d\ne",{"x":1}]"#.to_owned();
    let read: Borrowed<'_> = from_args("Any", &raw).unwrap();
    assert_eq!((read.name, read.note.as_ref()), ("abc", "d\ne"));
    assert!(raw.as_bytes().as_ptr_range().contains(&read.name.as_ptr()));
    assert_eq!(read.rest.unwrap().get(), r#"{"x":1}"#);

    // On the slow path too.
    let raw = r#"["abc","d"]"#.to_owned();
    let read: Borrowed<'_> = from_args("Any", &raw).unwrap();
    assert_eq!((read.name, read.rest.is_none()), ("abc", true));
    assert!(raw.as_bytes().as_ptr_range().contains(&read.name.as_ptr()));
}
