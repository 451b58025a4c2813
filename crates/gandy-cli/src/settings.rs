//! The file of gandy-worker, of which the command reads the keys that say where Redis is and how jobs are written there:
//! found by the same rule, with the same keys, and refused with the same words (`tests/settings.rs` holds both to that; to
//! share the code would bring the worker's HTTP client into the command). What else stands there is the worker's business.

use std::path::{Path, PathBuf};

use gandy::{Keys, Server, TlsFiles};
use toml::de::{DeTable, DeValue};

use crate::cli::Url;
use crate::failure::Failure;
use crate::printable::printable;
use crate::writing::{Raw, Writing, shown};

/// The file that is read when none is named, if it is there.
const FILE: &str = "gandy.toml";

const SCHEMES: [&str; 6] = [
    "redis://",
    "rediss://",
    "unix://",
    "redis+unix://",
    "redis+sentinel://",
    "rediss+sentinel://",
];

const ALLOWED: &str = "must begin with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel:// \
                       (such as redis://:PASSWORD@HOST:6379/0, unix:///run/redis.sock or \
                       redis+sentinel://:PASSWORD@SENTINEL1,SENTINEL2/mymaster/0)";

/// What a file says of Redis.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) redis: Option<Redis>,
    pub(crate) tls: TlsFiles,
    pub(crate) namespace: Option<String>,
    pub(crate) writing: Writing,
}

/// Where the URL stands.
#[derive(Debug, Clone)]
pub(crate) enum Redis {
    Here(Url),
    InFile(PathBuf),
}

/// Reads the file that the flag names, else the one of `GANDY_CONFIG`, else `gandy.toml` if it is there.
pub(crate) fn load(named: Option<&Path>) -> Result<Settings, Failure> {
    let Some(path) = find(named) else {
        return Ok(Settings::default());
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::usage(printable(&format!(
            "{}: cannot read the file: {error}",
            path.display()
        )))
    })?;
    read(&path, &text).map_err(|problems| Failure::usage(problems.join("\n")))
}

/// The file that is read, if any is.
pub(crate) fn find(named: Option<&Path>) -> Option<PathBuf> {
    let variable = || {
        let path = std::env::var_os("GANDY_CONFIG").filter(|path| !path.is_empty());
        path.map(PathBuf::from)
    };
    named
        .map(Path::to_owned)
        .or_else(variable)
        .or_else(|| Path::new(FILE).exists().then(|| FILE.into()))
}

/// A namespace, without the colon that will follow it.
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    if text.ends_with(':') {
        return Err(format!(
            "must be written without the colon at its end, got \"{text}\": every key begins with NAMESPACE and a colon"
        ));
    }
    Keys::new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn redis_url(text: &str) -> Result<Url, String> {
    let text = text.trim();
    if !SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        return Err(ALLOWED.to_owned());
    }
    Server::new(text).map_err(|error| error.to_string())?;
    Ok(Url(text.to_owned()))
}

/// The file while it is read.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    table: &'a DeTable<'a>,
    /// By line and column.
    problems: Vec<(usize, usize, String)>,
}

fn read(path: &Path, text: &str) -> Result<Settings, Vec<String>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        path,
        text,
        table: table.get_ref(),
        problems: Vec::new(),
    };
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        reader.note(offset, "TOML", &error.message().replace('\n', "; "));
    }
    // What a broken file seems to say is not worth reading.
    if !errors.is_empty() {
        return Err(reader.in_order());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let base = std::path::absolute(folder.join(".")).unwrap_or_else(|_| folder.to_owned());
    let url = reader.url();
    let file = reader.text("redis_url_file", |text| Ok(base.join(text)));
    if url.is_some() && file.is_some() {
        let offset = reader.offset("redis_url_file");
        reader.note(
            offset,
            "redis_url_file",
            "is given beside redis_url: give only one of the two",
        );
    }
    let mut file_of = |key| reader.text(key, |text| Ok(base.join(text)));
    let tls = TlsFiles {
        ca: file_of("redis_tls_ca"),
        cert: file_of("redis_tls_cert"),
        key: file_of("redis_tls_key"),
    };
    let namespace = reader.text("namespace", namespace);
    let table = reader.table;
    let writing = Writing::read(
        |key| Some(Raw::Toml(table.get(key)?.get_ref())),
        |key, why| reader.note(reader.offset(key), key, why),
    );
    if !reader.problems.is_empty() {
        return Err(reader.in_order());
    }
    Ok(Settings {
        redis: url.map(Redis::Here).or(file.map(Redis::InFile)),
        tls,
        namespace,
        writing,
    })
}

impl Reader<'_> {
    /// The URL: what is wrong with it repeats no password.
    fn url(&mut self) -> Option<Url> {
        let value = self.table.get("redis_url")?;
        let url = match value.get_ref() {
            DeValue::String(text) => redis_url(text),
            _ => Err(ALLOWED.to_owned()),
        };
        url.map_err(|why| self.note(value.span().start, "redis_url", &why))
            .ok()
    }

    fn text<T>(&mut self, key: &str, rule: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let value = self.table.get(key)?;
        let read = match value.get_ref() {
            DeValue::String(text) if !text.is_empty() => rule(text),
            other => Err(format!(
                "must be a string that is not empty, got {}",
                shown(other)
            )),
        };
        read.map_err(|why| self.note(value.span().start, key, &why))
            .ok()
    }

    fn offset(&self, key: &str) -> usize {
        self.table.get(key).map_or(0, |value| value.span().start)
    }

    /// `gandy.toml:3:15: namespace: …`, lines and columns from 1, columns in characters.
    fn note(&mut self, offset: usize, key: &str, why: &str) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let (line, column) = (
            before.matches('\n').count() + 1,
            before[start..].chars().count() + 1,
        );
        let path = self.path.display();
        let words = printable(&format!("{path}:{line}:{column}: {key}: {why}"));
        self.problems.push((line, column, words));
    }

    /// As they stand in the file.
    fn in_order(mut self) -> Vec<String> {
        self.problems
            .sort_by_key(|(line, column, _)| (*line, *column));
        self.problems
            .into_iter()
            .map(|(_, _, words)| words)
            .collect()
    }
}
