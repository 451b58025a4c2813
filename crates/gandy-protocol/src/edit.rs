//! A changed copy of a payload: the named fields change, every other byte stays.
//!
//! Belongs here: splicing. Does not belong here: which fields a failure or a promotion sets.

use std::borrow::Cow;
use std::fmt;

use crate::scan::{self, Member, Span};
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
    value: Option<Cow<'a, str>>,
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
        self.change(name, Some(Cow::Owned(raw_json.into())))
    }

    /// [`Edit::set`] without a copy of the value.
    pub(crate) fn set_borrowed(self, name: &'a str, raw_json: &'a str) -> Self {
        self.change(name, Some(Cow::Borrowed(raw_json)))
    }

    /// Room for so many changes.
    pub(crate) fn with_room(mut self, changes: usize) -> Self {
        self.changes.reserve(changes);
        self
    }

    /// Sets `name` to a string.
    pub fn set_str(self, name: &'a str, value: &str) -> Self {
        self.change(name, Some(Cow::Owned(text::quoted(value))))
    }

    /// Removes every occurrence of `name`, each with its comma.
    pub fn remove(self, name: &'a str) -> Self {
        self.change(name, None)
    }

    /// Of several changes to one field the last counts.
    fn change(mut self, name: &'a str, value: Option<Cow<'a, str>>) -> Self {
        debug_assert!(
            value
                .as_deref()
                .is_none_or(|value| scan::check(value).is_ok()),
            "`{name}` would not be valid JSON"
        );
        match self.changes.iter_mut().find(|change| change.name == name) {
            Some(change) => change.value = value,
            None => self.changes.push(Change { name, value }),
        }
        self
    }

    /// The changed payload.
    pub fn finish(self) -> String {
        let mut met = Vec::with_capacity(self.changes.len());
        let mut end = None;
        // Most fields are told from all changed ones by their length.
        let lengths = self
            .changes
            .iter()
            .fold(0, |lengths, change| lengths | length_bit(change.name.len()));
        let scanned = scan::members(self.raw, |member| {
            let likely = !member.key.plain || lengths & length_bit(member.key.inside().len()) != 0;
            if let Some(change) = likely.then(|| self.change_of(member)).flatten() {
                met.push(Met {
                    change,
                    before: end,
                    key: member.key,
                    value: member.value,
                });
            }
            end = Some(member.value.end);
        });
        if scanned.is_err() {
            debug_assert!(false, "edit of something that is no JSON object");
            return self.raw.to_owned();
        }
        self.splice(&met, end)
    }

    /// `met` are the members that changes name, `end` is where the last member ends.
    fn splice(&self, met: &[Met], end: Option<usize>) -> String {
        let added: usize = self.changes.iter().map(Change::room).sum();
        let mut splice = Splice::new(self.raw, added);
        for (place, member) in met.iter().enumerate() {
            match &self.changes[member.change].value {
                None => splice.remove(member),
                Some(value) => {
                    let later = &met[place + 1..];
                    if !later.iter().any(|other| other.change == member.change) {
                        splice.replace(member, value);
                    }
                }
            }
        }
        splice.copy_to(end);
        for (place, change) in self.changes.iter().enumerate() {
            let Some(value) = &change.value else { continue };
            if !met.iter().any(|member| member.change == place) {
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

/// One of 64 bits for a name's length.
fn length_bit(length: usize) -> u64 {
    1 << (length % 64)
}

impl Change<'_> {
    fn room(&self) -> usize {
        self.value
            .as_ref()
            .map_or(0, |value| self.name.len() + value.len() + 4)
    }
}

/// A member that a change names.
struct Met {
    change: usize,
    /// Where the member before it ends; `None`: it is the first.
    before: Option<usize>,
    key: Span,
    value: Span,
}

/// Copies an object in stretches, from one changed member to the next, so that every other byte is kept, separators
/// between two kept neighbours included.
struct Splice<'a> {
    raw: &'a str,
    out: String,
    /// Everything before this was copied or left out.
    done: usize,
    /// All members so far were removed, so the next one's separator must go too.
    bare: bool,
}

impl<'a> Splice<'a> {
    fn new(raw: &'a str, added: usize) -> Self {
        Splice {
            raw,
            out: String::with_capacity(raw.len() + added),
            done: 0,
            bare: false,
        }
    }

    fn copy(&mut self, to: usize) {
        self.out
            .push_str(self.raw.get(self.done..to).unwrap_or_default());
        self.done = to;
    }

    /// Up to the end of the last member, if it is not copied yet.
    fn copy_to(&mut self, end: Option<usize>) {
        match end {
            Some(end) if end > self.done => {
                self.skip_separator();
                self.copy(end);
            }
            Some(_) => {}
            None => {
                // No member at all: up to behind the brace.
                let brace = self.raw.find('{').map_or(0, |at| at + 1);
                self.copy(brace);
                self.bare = true;
            }
        }
    }

    /// Where nothing was kept yet, the comma before the next member, and the whitespace around it.
    fn skip_separator(&mut self) {
        if self.bare {
            let rest = self.raw.get(self.done..).unwrap_or_default();
            let kept = rest.trim_start_matches([' ', '\n', '\r', '\t', ',']);
            self.done = self.raw.len() - kept.len();
            self.bare = false;
        }
    }

    fn replace(&mut self, member: &Met, value: &str) {
        self.skip_separator();
        self.copy(member.value.start);
        self.out.push_str(value);
        self.done = member.value.end;
    }

    fn remove(&mut self, member: &Met) {
        match member.before {
            None => {
                self.copy(member.key.start);
                self.bare = true;
            }
            // Members before it were kept since the last change.
            Some(before) if before > self.done => {
                self.skip_separator();
                self.copy(before);
            }
            Some(_) => {}
        }
        self.done = member.value.end;
    }

    fn append(&mut self, name: &str, value: &str) {
        if !self.bare {
            self.out.push(',');
        }
        self.bare = false;
        text::push_quoted(&mut self.out, name);
        self.out.push(':');
        self.out.push_str(value);
    }

    fn finish(mut self) -> String {
        self.copy(self.raw.len());
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
