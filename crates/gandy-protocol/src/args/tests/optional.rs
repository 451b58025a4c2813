//! Arguments that are not there, and `null` in their place.

use serde::{Deserialize, Serialize};

use super::{from_args, same, sentence, to_args};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Late {
    user: u64,
    name: String,
    opt: Option<u32>,
}

fn late(opt: Option<u32>) -> Late {
    Late {
        user: 1,
        name: "n".into(),
        opt,
    }
}

#[test]
fn a_trailing_option_may_be_absent_without_default() {
    assert_eq!(from_args("Any", r#"[1,"n"]"#), Ok(late(None)));
    assert_eq!(from_args("Any", r#"[1,"n",null]"#), Ok(late(None)));
    assert_eq!(from_args("Any", r#"[1,"n",3]"#), Ok(late(Some(3))));
    assert_eq!(
        sentence::<Late>("[1]"),
        "class WelcomeEmail wants 3 args (user, name, opt), got 1; arg 2 (name) has no default"
    );
    assert_eq!(
        sentence::<Late>("[]"),
        "class WelcomeEmail wants 3 args (user, name, opt), got 0; arg 1 (user) has no default"
    );
    assert_eq!(
        sentence::<Late>(r#"[1,"n",null,null]"#),
        "class WelcomeEmail wants 3 args (user, name, opt), got 4"
    );
}

#[test]
fn many_absent_options_and_defaults_mix() {
    fn seven() -> Option<u8> {
        Some(7)
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Mixed {
        id: u8,
        a: Option<u8>,
        #[serde(default)]
        b: Vec<u8>,
        // A default of its own must win over "an Option may be absent".
        #[serde(default = "seven")]
        c: Option<u8>,
        d: Option<u8>,
        e: Option<Option<u8>>,
    }
    let read = |json| from_args::<Mixed>("Any", json).unwrap();
    let all_absent = Mixed {
        id: 1,
        a: None,
        b: vec![],
        c: Some(7),
        d: None,
        e: None,
    };
    assert_eq!(read("[1]"), all_absent);
    assert_eq!(read("[1,null]"), all_absent);
    assert_eq!(read("[1,null,[]]"), all_absent);
    assert_eq!(
        read("[1,2,[3]]"),
        Mixed {
            a: Some(2),
            b: vec![3],
            ..all_absent
        }
    );
    assert_eq!(
        sentence::<Mixed>("[]"),
        "class WelcomeEmail wants 6 args (id, a, b, c, d, e), got 0; arg 1 (id) has no default"
    );
}

#[test]
fn a_required_field_behind_an_option_is_the_missing_one() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Middle {
        id: u8,
        note: Option<String>,
        last: u8,
    }
    assert_eq!(
        sentence::<Middle>("[1]"),
        "class WelcomeEmail wants 3 args (id, note, last), got 1; arg 3 (last) has no default"
    );
}

#[test]
fn container_defaults_count() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Tuned {
        width: u32,
        height: u32,
    }
    impl Default for Tuned {
        fn default() -> Self {
            Tuned {
                width: 640,
                height: 480,
            }
        }
    }
    let tuned = |width, height| Ok(Tuned { width, height });
    assert_eq!(from_args("Any", "[]"), tuned(640, 480));
    assert_eq!(from_args("Any", "[1]"), tuned(1, 480));
    assert_eq!(from_args("Any", "[null,2]"), tuned(640, 2));
    assert_eq!(
        sentence::<Tuned>("[1,2,3]"),
        "class WelcomeEmail wants 2 args (width, height), got 3"
    );
}

#[test]
fn tuples_and_newtypes_may_lack_options_too() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair(u8, Option<u8>);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Maybe(Option<u8>);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Defaulted(#[serde(default)] Vec<u8>);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Strict(Vec<u8>);

    assert_eq!(from_args("Any", "[1]"), Ok((1_u8, None::<u8>)));
    assert_eq!(from_args("Any", "[1]"), Ok(Pair(1, None)));
    assert_eq!(from_args("Any", "[]"), Ok(Maybe(None)));
    assert_eq!(from_args("Any", "[]"), Ok(Defaulted(vec![])));
    assert_eq!(
        sentence::<Strict>("[]"),
        "class WelcomeEmail wants 1 arg, got 0; arg 1 has no default"
    );
    assert_eq!(
        sentence::<(u8, Option<u8>, u8)>("[1]"),
        "class WelcomeEmail wants 3 args, got 1; arg 3 has no default"
    );
    assert_eq!(
        sentence::<[u8; 3]>("[1]"),
        "class WelcomeEmail wants 3 args, got 1; arg 2 has no default"
    );
    assert_eq!(
        sentence::<u8>("[]"),
        "class WelcomeEmail wants 1 arg, got 0; arg 1 has no default"
    );
}

#[test]
fn skip_serializing_if_writes_null_and_reads_back() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sparse {
        #[serde(skip_serializing_if = "Option::is_none")]
        first: Option<u8>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        list: Vec<u8>,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
        last: u8,
    }
    let empty = Sparse {
        first: None,
        list: vec![],
        text: String::new(),
        last: 9,
    };
    same(&empty, "[null,null,null,9]");
    same(
        &Sparse {
            list: vec![1],
            ..empty
        },
        "[null,[1],null,9]",
    );
}

#[test]
fn null_is_no_default_where_there_is_none() {
    assert_eq!(
        sentence::<Late>(r#"[null,"n"]"#),
        "class WelcomeEmail, arg 1 (user): expected u64, got null"
    );
    assert_eq!(
        sentence::<(u8, u8)>("[null,1]"),
        "class WelcomeEmail, arg 1: expected u8, got null"
    );
    // A Vec must not take null for its end.
    assert_eq!(
        sentence::<Vec<u8>>("[1,null,2]"),
        "class WelcomeEmail, arg 2: expected u8, got null"
    );
    assert_eq!(
        sentence::<Vec<u8>>("[1,null]"),
        "class WelcomeEmail, arg 2: expected u8, got null"
    );
}

#[test]
fn null_for_a_default_does_not_hide_a_later_mistake() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Two {
        #[serde(default)]
        first: u8,
        second: u8,
        #[serde(default)]
        third: u8,
    }
    assert_eq!(
        sentence::<Two>("[null,null,null]"),
        "class WelcomeEmail, arg 2 (second): expected u8, got null"
    );
    assert_eq!(
        sentence::<Two>(r#"[null,1,"x"]"#),
        "class WelcomeEmail, arg 3 (third): expected u8, got a string"
    );
    assert_eq!(
        sentence::<Two>("[null,1,null,4]"),
        "class WelcomeEmail wants 3 args (first, second, third), got 4"
    );
}

#[test]
fn a_defaults_null_is_not_what_nan_becomes() {
    #[derive(Debug, Serialize)]
    struct Ratio {
        id: u8,
        ratio: f64,
    }
    let error = to_args(&Ratio {
        id: 1,
        ratio: f64::NAN,
    });
    assert_eq!(
        error.unwrap_err().to_string(),
        "args cannot be written as JSON: arg 2 (ratio): NaN and infinities have no JSON form"
    );
}
