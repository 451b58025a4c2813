#![allow(clippy::unwrap_used)]

use super::*;
use crate::Payload;
use proptest::prelude::*;

fn edit(raw: &str) -> Edit<'_> {
    Edit::new(raw)
}

#[test]
fn an_existing_value_is_replaced_in_place() {
    let raw = r#" { "a" : 1 , "big":12345678901234567890,"b":[ 1.10 ]} "#;
    assert_eq!(
        edit(raw).set("b", "{}").set_str("a", "x\"y").finish(),
        r#" { "a" : "x\"y" , "big":12345678901234567890,"b":{}} "#
    );
}

#[test]
fn of_several_occurrences_the_last_is_replaced() {
    assert_eq!(
        edit(r#"{"a":1,"a":2,"b":3}"#).set("a", "9").finish(),
        r#"{"a":1,"a":9,"b":3}"#
    );
    assert_eq!(
        edit(r#"{"a":1,"\u0061":2}"#).set("a", "9").finish(),
        r#"{"a":1,"\u0061":9}"#
    );
}

#[test]
fn a_new_field_is_appended() {
    assert_eq!(
        edit(r#"{"a":1 }"#)
            .set("b", "2")
            .set_str("é\n", "")
            .finish(),
        r#"{"a":1,"b":2,"é\n":"" }"#
    );
    assert_eq!(
        edit("{}").set("b", "2").set("c", "3").finish(),
        r#"{"b":2,"c":3}"#
    );
    assert_eq!(edit(" { }\n").set("b", "2").finish(), " {\"b\":2 }\n");
}

#[test]
fn every_occurrence_is_removed_with_its_comma() {
    let raw = r#"{"a":1, "b":2 ,"a":3,"c":4,"a":5}"#;
    assert_eq!(edit(raw).remove("a").finish(), r#"{"b":2,"c":4}"#);
    assert_eq!(
        edit(raw).remove("b").finish(),
        r#"{"a":1 ,"a":3,"c":4,"a":5}"#
    );
    assert_eq!(edit(raw).remove("a").remove("b").remove("c").finish(), "{}");
    assert_eq!(edit(raw).remove("nothing").finish(), raw);
    assert_eq!(edit("{ }").remove("a").finish(), "{ }");
}

#[test]
fn removed_members_give_way_to_new_ones() {
    assert_eq!(
        edit(r#"{"a":1}"#).remove("a").set("b", "2").finish(),
        r#"{"b":2}"#
    );
    assert_eq!(
        edit(r#"{"a":1,"c":3}"#).remove("c").set("b", "2").finish(),
        r#"{"a":1,"b":2}"#
    );
}

#[test]
fn of_several_changes_to_one_field_the_last_counts() {
    assert_eq!(
        edit(r#"{"a":1}"#).set("a", "2").set("a", "3").finish(),
        r#"{"a":3}"#
    );
    assert_eq!(edit(r#"{"a":1}"#).set("a", "2").remove("a").finish(), "{}");
    assert_eq!(
        edit(r#"{"a":1}"#).remove("a").set("a", "2").finish(),
        r#"{"a":2}"#
    );
}

#[test]
fn debug_shows_names_only() {
    let edit = edit("{}").set_str("a", "secret");
    assert_eq!(format!("{edit:?}"), r#"["a"]"#);
}

/// Raw JSON values, some of which most libraries would change on the way through.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z \\\\\"é\u{1}]{0,8}".prop_map(|text| text::quoted(&text)),
        any::<i64>().prop_map(|number| number.to_string()),
        prop::sample::select(vec![
            "123456789012345678901234567890",
            "1.10",
            "1e400",
            "-0",
            "null",
            "true",
            "[]",
            "{}",
            "[ 1 , {\"a\":\"}\"} ]",
            "{\"a\":1, \"a\":[[]]}",
            "\"\\ud800\"",
            "\"\\u0061\"",
        ])
        .prop_map(str::to_owned),
    ]
}

fn name() -> impl Strategy<Value = String> {
    // Few letters, so that names meet.
    "[ab\"\\\\]{0,2}"
}

fn space() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "", "", " ", "\n\t"]).prop_map(str::to_owned)
}

fn object() -> impl Strategy<Value = (String, Vec<(String, String)>)> {
    let member = (name(), value(), [space(), space(), space(), space()]);
    (prop::collection::vec(member, 0..8), space(), space()).prop_map(|(members, before, after)| {
        let written: Vec<String> = members
            .iter()
            .map(|(name, value, [a, b, c, d])| {
                format!("{a}{}{b}:{c}{value}{d}", text::quoted(name))
            })
            .collect();
        let raw = format!("{before}{{{}{after}}}{after}", written.join(","));
        let fields = members
            .into_iter()
            .map(|(name, value, _)| (name, value))
            .collect();
        (raw, fields)
    })
}

fn fields(raw: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    scan::members(raw, |member| {
        let name = member.key.text(raw).unwrap().into_owned();
        found.push((name, member.value.of(raw).to_owned()));
    })
    .unwrap();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_edit_changes_what_it_names_and_nothing_else(
        (raw, before) in object(),
        changes in prop::collection::vec((name(), prop::option::of(value())), 0..4),
    ) {
        let mut edit = Edit::new(&raw);
        let mut expect = before;
        let mut named: Vec<&(String, Option<String>)> = Vec::new();
        for change in &changes {
            edit = match &change.1 {
                Some(value) => edit.set(&change.0, value.as_str()),
                None => edit.remove(&change.0),
            };
            match named.iter_mut().find(|other| other.0 == change.0) {
                Some(place) => *place = change,
                None => named.push(change),
            }
        }
        for (name, value) in named {
            match value {
                None => expect.retain(|(other, _)| other != name),
                Some(value) => match expect.iter_mut().rfind(|(other, _)| other == name) {
                    Some(place) => place.1.clone_from(value),
                    None => expect.push((name.clone(), value.clone())),
                },
            }
        }
        let after = edit.finish();
        prop_assert_eq!(fields(&after), expect, "{} -> {}", raw, after);
        if changes.is_empty() {
            prop_assert_eq!(after, raw);
        }
    }

    #[test]
    fn an_edited_payload_is_a_payload((raw, _) in object(), value in value()) {
        let inner = raw.trim().strip_prefix('{').unwrap().to_owned();
        let comma = if fields(&raw).is_empty() { "" } else { "," };
        let raw = format!(r#"{{"class":"A","args":[1.10],"jid":"1"{comma}{inner}"#);
        let payload = Payload::parse(raw.into_bytes()).unwrap();
        let after = payload.edit().set("x", value.as_str()).set_str("queue", "low").finish();
        let after = Payload::parse(after.into_bytes()).unwrap();
        prop_assert_eq!(after.field("x"), Some(value.as_str()));
        prop_assert_eq!(after.queue(), Some("low"));
        for name in ["class", "args", "jid", "a", "b", "ab", "\"", "\\"] {
            prop_assert_eq!(after.field(name), payload.field(name));
        }
    }
}
