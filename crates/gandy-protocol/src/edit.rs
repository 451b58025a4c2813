//! A changed copy of a payload: the named fields change, every other byte stays.
//!
//! Belongs here: splicing. Does not belong here: which fields a failure or a promotion sets.

use std::fmt;

use crate::scan::{self, Member};
use crate::text;

/// Collects changes to a payload; [`Edit::finish`] makes the copy.
///
/// Order, whitespace, large integers, floats, unknown and duplicate fields keep their bytes, because Ruby, Redis' cjson
/// and most JSON libraries would change some of them.
///
/// ```
/// use gandy_protocol::Payload;
/// let raw = br#"{"class":"A","args":[], "jid":"1", "n":12345678901234567890}"#;
/// let payload = Payload::parse(raw.to_vec())?;
/// let changed = payload.edit().set_str("queue", "low").remove("args").finish();
/// assert_eq!(changed, r#"{"class":"A", "jid":"1", "n":12345678901234567890,"queue":"low"}"#);
/// # Ok::<(), gandy_protocol::Unparsable>(())
/// ```
#[must_use = "an edit does nothing until finish() is called"]
#[derive(Clone)]
pub struct Edit<'a> {
    raw: &'a str,
    changes: Vec<Change<'a>>,
}

#[derive(Clone)]
struct Change<'a> {
    name: &'a str,
    /// The new raw JSON value; `None`: remove the field.
    value: Option<String>,
}

impl<'a> Edit<'a> {
    /// `raw` must be a JSON object; anything else comes back from `finish` unchanged.
    pub(crate) fn new(raw: &'a str) -> Self {
        Edit {
            raw,
            changes: Vec::new(),
        }
    }

    /// Sets `name` to `raw_json`, which must be one valid JSON value. Where the field exists, the value of its last
    /// occurrence is replaced in place (that is the one that counts); otherwise it is appended.
    pub fn set(self, name: &'a str, raw_json: impl Into<String>) -> Self {
        let value = raw_json.into();
        debug_assert!(
            scan::check(&value).is_ok(),
            "`{name}` would not be valid JSON"
        );
        self.change(name, Some(value))
    }

    /// Sets `name` to a string.
    pub fn set_str(self, name: &'a str, value: &str) -> Self {
        self.change(name, Some(text::quoted(value)))
    }

    /// Removes every occurrence of `name`, each with its comma.
    pub fn remove(self, name: &'a str) -> Self {
        self.change(name, None)
    }

    /// Of several changes to one field the last counts.
    fn change(mut self, name: &'a str, value: Option<String>) -> Self {
        match self.changes.iter_mut().find(|change| change.name == name) {
            Some(change) => change.value = value,
            None => self.changes.push(Change { name, value }),
        }
        self
    }

    /// The changed payload.
    pub fn finish(self) -> String {
        let mut members = Vec::with_capacity(24);
        let scanned = scan::members(self.raw, |member| {
            members.push((member, self.change_of(member)));
        });
        if scanned.is_err() {
            debug_assert!(false, "edit of something that is no JSON object");
            return self.raw.to_owned();
        }
        let mut last_place = vec![None; self.changes.len()];
        for (place, (_, change)) in members.iter().enumerate() {
            if let Some(change) = change {
                last_place[*change] = Some(place);
            }
        }

        let added: usize = self.changes.iter().map(Change::room).sum();
        let mut splice = Splice::new(self.raw, added);
        for (place, (member, change)) in members.iter().enumerate() {
            match change.map(|change| (&self.changes[change].value, last_place[change])) {
                Some((None, _)) => splice.skip(member),
                Some((Some(value), last)) if last == Some(place) => {
                    splice.keep(member, Some(value.as_str()));
                }
                _ => splice.keep(member, None),
            }
        }
        for (change, last) in self.changes.iter().zip(last_place) {
            if let (Some(value), None) = (&change.value, last) {
                splice.append(change.name, value);
            }
        }
        splice.finish()
    }

    fn change_of(&self, member: Member) -> Option<usize> {
        let name = text::unquoted(member.key.of(self.raw))?;
        self.changes.iter().position(|change| change.name == name)
    }
}

impl Change<'_> {
    fn room(&self) -> usize {
        self.value
            .as_ref()
            .map_or(0, |value| self.name.len() + value.len() + 4)
    }
}

/// Copies an object member by member. Between two kept neighbours the original separator is copied, so an untouched
/// stretch keeps every byte.
struct Splice<'a> {
    raw: &'a str,
    out: String,
    /// Where the last member seen ended, kept or not.
    seen: Option<usize>,
    empty: bool,
}

impl<'a> Splice<'a> {
    fn new(raw: &'a str, added: usize) -> Self {
        Splice {
            raw,
            out: String::with_capacity(raw.len() + added),
            seen: None,
            empty: true,
        }
    }

    fn raw(&self, from: usize, to: usize) -> &'a str {
        self.raw.get(from..to).unwrap_or_default()
    }

    /// Everything before the first member, brace included.
    fn head(&mut self, member: &Member) {
        if self.seen.is_none() {
            self.out.push_str(self.raw(0, member.key.start));
        }
    }

    fn keep(&mut self, member: &Member, value: Option<&str>) {
        self.head(member);
        if !self.empty {
            let separator = self.raw(self.seen.unwrap_or_default(), member.key.start);
            self.out.push_str(separator);
        }
        match value {
            None => {
                let whole = self.raw(member.key.start, member.value.end);
                self.out.push_str(whole);
            }
            Some(value) => {
                let key = self.raw(member.key.start, member.value.start);
                self.out.push_str(key);
                self.out.push_str(value);
            }
        }
        self.seen = Some(member.value.end);
        self.empty = false;
    }

    fn skip(&mut self, member: &Member) {
        self.head(member);
        self.seen = Some(member.value.end);
    }

    fn append(&mut self, name: &str, value: &str) {
        if self.seen.is_none() {
            let brace = self.raw.find('{').map_or(0, |at| at + 1);
            self.out.push_str(self.raw(0, brace));
            self.seen = Some(brace);
        }
        if !self.empty {
            self.out.push(',');
        }
        text::push_quoted(&mut self.out, name);
        self.out.push(':');
        self.out.push_str(value);
        self.empty = false;
    }

    fn finish(mut self) -> String {
        let rest = self.raw(self.seen.unwrap_or_default(), self.raw.len());
        self.out.push_str(rest);
        self.out
    }
}

/// Values may hold people's data, so only the names of the changed fields are shown.
impl fmt::Debug for Edit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.changes.iter().map(|change| change.name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
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
        (prop::collection::vec(member, 0..8), space(), space()).prop_map(
            |(members, before, after)| {
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
            },
        )
    }

    fn fields(raw: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        scan::members(raw, |member| {
            let name = text::unquoted(member.key.of(raw)).unwrap().into_owned();
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
}
