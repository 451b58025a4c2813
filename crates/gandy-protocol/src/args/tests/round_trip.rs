//! Whatever is written is read back, and reading never panics.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{from_args, to_args};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    id: u64,
    text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    list: Vec<i32>,
    inner: Inner,
    pair: (bool, char),
    kind: Kind,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<Inner>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Inner {
    a: Option<String>,
    b: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    None,
    One(u8),
    Two { x: String, y: Option<u8> },
}

fn inner() -> impl Strategy<Value = Inner> {
    any::<(Option<String>, Vec<u8>)>().prop_map(|(a, b)| Inner { a, b })
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::None),
        any::<u8>().prop_map(Kind::One),
        any::<(String, Option<u8>)>().prop_map(|(x, y)| Kind::Two { x, y }),
    ]
}

prop_compose! {
    fn everything()(
        (id, text, list, pair, note) in any::<(u64, String, Vec<i32>, (bool, char), String)>(),
        inner in inner(),
        kind in kind(),
        late in proptest::option::of(inner()),
    ) -> Everything {
        Everything { id, text, list, inner, pair, kind, note, late }
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(".{0,4}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_struct_reads_back(value in everything()) {
        let json = to_args(&value).unwrap();
        prop_assert_eq!(from_args::<Everything>("Any", &json).unwrap(), value.clone());

        // One place for each field, whatever was skipped.
        let places: Vec<Value> = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(places.len(), 8);

        // The same elements as serde_json's own object form holds.
        if let Value::Object(object) = serde_json::to_value(&value).unwrap() {
            let names = ["id", "text", "list", "inner", "pair", "kind", "note", "late"];
            for (name, place) in names.iter().zip(&places) {
                prop_assert_eq!(object.get(*name).unwrap_or(&Value::Null), place);
            }
        }
    }

    #[test]
    fn trailing_skips_may_also_be_left_out(mut value in everything()) {
        value.note.clear();
        value.late = None;
        let json = to_args(&value).unwrap();
        let short = json.strip_suffix(",null,null]").unwrap();
        for text in [json.clone(), format!("{short},null]"), format!("{short}]")] {
            prop_assert_eq!(from_args::<Everything>("Any", &text).unwrap(), value.clone());
        }
    }

    #[test]
    fn a_newtype_reads_back(value in everything()) {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct One(Everything);
        let one = One(value);
        let json = to_args(&one).unwrap();
        let wrapped = json.starts_with("[{") && json.ends_with("}]");
        prop_assert!(wrapped);
        prop_assert_eq!(from_args::<One>("Any", &json).unwrap(), one);
    }

    #[test]
    fn any_array_of_values_reads_back(values in proptest::collection::vec(json_value(), 0..6)) {
        let json = to_args(&values).unwrap();
        prop_assert_eq!(&json, &serde_json::to_string(&values).unwrap());
        prop_assert_eq!(&from_args::<Vec<Value>>("Any", &json).unwrap(), &values);
        prop_assert_eq!(from_args::<Value>("Any", &json).unwrap(), Value::from(values));
    }

    /// Against every kind of type: an error or a value, never a panic, and errors name the class.
    #[test]
    fn hostile_arguments_never_panic(
        values in proptest::collection::vec(json_value(), 0..10),
        cut in any::<prop::sample::Index>(),
    ) {
        let json = serde_json::to_string(&values).unwrap();
        let broken: String = json.chars().take(cut.index(json.chars().count() + 1)).collect();
        for text in [&json, &broken] {
            macro_rules! read {
                ($($type:ty),*) => {$(
                    if let Err(error) = from_args::<$type>("Any", text) {
                        prop_assert!(error.to_string().starts_with("class Any"), "{}", error);
                    }
                )*};
            }
            read!(Everything, Inner, Kind, (u8, Option<Kind>), Vec<Inner>, Option<Inner>, (), u64, String, [f32; 2], Value);
        }
    }

    /// The slow path must not read what the fast path reads in another way.
    #[test]
    fn both_paths_agree(values in proptest::collection::vec(json_value(), 0..4)) {
        let json = serde_json::to_string(&values).unwrap();
        macro_rules! read {
            ($($type:ty),*) => {$(
                let slow = crate::args::elements::read::<$type>("Any", &json);
                prop_assert_eq!(from_args::<$type>("Any", &json), slow);
            )*};
        }
        read!(Inner, Kind, Vec<Value>, Value, Option<Value>, (Value, Option<Value>), (), Option<i64>, Vec<i64>);
    }
}
