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
        let name = member.key.text(self.raw)?;
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
mod tests;
