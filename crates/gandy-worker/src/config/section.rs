//! One table of the TOML file, read key by key: notes where each wrong value is, and which keys nobody asked for.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layer::{Rule, Source};
use super::problem::{Place, Problem};
use super::raw::Raw;
use super::suggest;

/// The file and what is wrong in it so far.
#[derive(Debug)]
pub struct Document<'a> {
    /// The file as it was named.
    pub path: &'a Path,
    /// Its text.
    pub text: &'a str,
    /// What is wrong in it so far.
    pub problems: Vec<Problem>,
}

impl Document<'_> {
    /// Notes a problem at a byte offset.
    pub fn note(&mut self, offset: usize, key: &str, message: impl Into<String>) {
        let place = Place::at(self.path, self.text, offset);
        self.problems.push(Problem::new(place, key, message));
    }
}

/// One table. Every key must be asked for before [`Section::finish`].
#[derive(Debug)]
pub struct Section<'d, 'a> {
    document: &'d mut Document<'a>,
    name: String,
    table: &'d DeTable<'d>,
    asked: Vec<&'static str>,
}

impl<'d, 'a> Section<'d, 'a> {
    /// The table at the dotted `name`, empty for the top.
    pub fn new(
        document: &'d mut Document<'a>,
        name: impl Into<String>,
        table: &'d DeTable<'d>,
    ) -> Self {
        Section {
            document,
            name: name.into(),
            table,
            asked: Vec::new(),
        }
    }

    /// The raw value of a key.
    pub fn value(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.push(key);
        self.table.get(key)
    }

    /// Whether a key is there, without asking for it.
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// The value of a key by a function that may look at more than the value.
    pub fn read_with<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'d DeValue<'d>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.value(key)?;
        match read(value.get_ref()) {
            Ok(read) => Some(read),
            Err(message) => {
                self.note_at(value.span().start, key, message);
                None
            }
        }
    }

    /// The entries of a sub-table; a value that is no table is noted.
    pub fn entries(&mut self, key: &'static str) -> Vec<(&'d str, &'d Spanned<DeValue<'d>>)> {
        self.read_with(key, |value| match value {
            DeValue::Table(table) => Ok(table
                .iter()
                .map(|(name, value)| (name.get_ref().as_ref(), value))
                .collect()),
            other => Err(format!("must be a table, got {}", Raw::Toml(other).shown())),
        })
        .unwrap_or_default()
    }

    /// Notes a problem at a byte offset, under the key `key` of this table.
    pub fn note_at(&mut self, offset: usize, key: &str, message: impl Into<String>) {
        let key = join(&self.name, key);
        self.document.note(offset, &key, message);
    }

    /// Notes a problem at a byte offset, under the key `inner` of the sub-table `key`.
    pub fn note_in(&mut self, offset: usize, key: &str, inner: &str, message: impl Into<String>) {
        let key = join(&join(&self.name, key), inner);
        self.document.note(offset, &key, message);
    }

    /// The document, to open a sub-table with.
    pub fn document(&mut self) -> &mut Document<'a> {
        self.document
    }

    /// Notes every key that nobody asked for.
    pub fn finish(self) {
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let hint = match suggest::nearest(name, self.asked.iter().copied()) {
                Some(near) => format!("unknown key; did you mean `{near}`?"),
                None => {
                    let mut allowed = self.asked.clone();
                    allowed.sort_unstable();
                    format!("unknown key; allowed here: {}", allowed.join(", "))
                }
            };
            let key_name = join(&self.name, name);
            self.document.note(key.span().start, &key_name, hint);
        }
    }
}

impl Source for Section<'_, '_> {
    fn read<T>(&mut self, key: &'static str, rule: Rule<T>) -> Option<T> {
        self.read_with(key, |value| rule(Raw::Toml(value)))
    }

    fn note(&mut self, key: &'static str, message: String) {
        let offset = self.table.get(key).map_or(0, |value| value.span().start);
        self.note_at(offset, key, message);
    }
}

/// The dotted name of `key` in the table `name`.
pub fn join(name: &str, key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let key = if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        format!("\"{key}\"")
    };
    if name.is_empty() {
        key
    } else {
        format!("{name}.{key}")
    }
}
