//! The TOML file: top-level keys, `[capsules.NAME]`, `[jobs.CLASS]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::job::{self, Job};
use super::layer::{CapsuleLayer, Layer, Redis};
use super::problem::Problem;
use super::raw::Raw;
use super::section::{Document, Section, join};

/// What the file holds.
#[derive(Debug, Default)]
pub struct File {
    /// The keys that flags and environment may override.
    pub layer: Layer,
    /// The handlers, by job class: only the file may name what is run.
    pub jobs: BTreeMap<String, Job>,
}

/// Reads the file's text. `path` is how the file was named and what relative paths in it count from.
pub fn read(
    path: &Path,
    text: &str,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> File {
    let mut document = Document {
        path,
        text,
        problems: Vec::new(),
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let file = if errors.is_empty() {
        read_table(&mut document, table.get_ref(), environment)
    } else {
        // What a broken file seems to say is not worth checking.
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start);
            document.note_syntax(offset, error.message());
        }
        File::default()
    };
    problems.append(&mut document.problems);
    file
}

/// The folder that relative paths in the file count from, absolute where the system tells it.
pub fn base(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    std::path::absolute(folder.join(".")).unwrap_or_else(|_| folder.to_owned())
}

fn read_table(document: &mut Document<'_>, table: &DeTable<'_>, environment: &Environment) -> File {
    let base = base(document.path);
    let mut top = Section::new(document, "", table);
    let mut layer = Layer::read(&mut top);
    if let Some(Redis::File(path)) = &mut layer.redis {
        *path = base.join(&path);
    }
    let tls = &mut layer.redis_tls;
    for path in [&mut tls.ca, &mut tls.cert, &mut tls.key]
        .into_iter()
        .flatten()
    {
        *path = base.join(&path);
    }
    for (name, value) in top.entries("capsules") {
        let path = join("capsules", name);
        let offset = value.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            let got = Raw::Toml(value.get_ref()).shown();
            top.document()
                .note(offset, &path, format!("must be a table, got {got}"));
            continue;
        };
        if name == "default" {
            let message =
                "the default capsule is configured by the top-level `queues` and `concurrency`";
            top.document().note(offset, &path, message);
            continue;
        }
        let mut section = Section::new(top.document(), path, table);
        layer
            .capsules
            .insert(name.to_owned(), CapsuleLayer::read(&mut section));
        section.finish();
    }
    let mut jobs = BTreeMap::new();
    for (class, value) in top.entries("jobs") {
        let path = join("jobs", class);
        let offset = value.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            let got = Raw::Toml(value.get_ref()).shown();
            top.document()
                .note(offset, &path, format!("must be a table, got {got}"));
            continue;
        };
        let section = Section::new(top.document(), path, table);
        if let Some(job) = job::read(section, offset, environment, &base) {
            jobs.insert(class.to_owned(), job);
        }
    }
    top.finish();
    File { layer, jobs }
}

impl Document<'_> {
    fn note_syntax(&mut self, offset: usize, message: &str) {
        self.note(offset, "TOML", message.replace('\n', "; "));
    }
}
