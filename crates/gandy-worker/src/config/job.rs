//! `[jobs.CLASS]`: which program or URL runs the jobs of a class, and how.
//! Here: reading the table. Not here: running it (`exec`, `http`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::environment::Environment;
use super::keys::{self, default};
use super::layer::Source;
use super::program;
use super::raw::Raw;
use super::secret::{self, Secret};
use super::section::Section;
use crate::exec;
use crate::http;

/// A handler from the configuration.
#[derive(Debug, Clone)]
pub struct Job {
    /// What runs it.
    pub target: Target,
    /// How long one run may take.
    pub timeout: Duration,
    /// The class's retries, for jobs whose payload says nothing; `None` when the file does not either.
    pub retry: Option<Retry>,
}

/// What runs a job.
#[derive(Debug, Clone)]
pub enum Target {
    /// A program on this machine.
    Exec(exec::Target),
    /// An HTTP endpoint.
    Http(http::Target),
}

/// How often a class is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// `true`: the worker's `max_retries`.
    Default,
    /// `false`: never, and never into the dead set.
    Never,
    /// So many times.
    Times(u32),
}

/// Variables that a program always has: the fewest with which ordinary programs work.
const PASSED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// Only for programs, and only for endpoints.
const EXEC_KEYS: [&str; 6] = [
    "cwd",
    "env",
    "pass_env",
    "bury_on",
    "discard_on",
    "output_limit",
];
const HTTP_KEYS: [&str; 3] = ["headers", "hmac", "response_limit"];

/// Reads one table, which begins at byte `offset`; `None` when it is wrong, and noted.
pub fn read(
    mut section: Section<'_, '_>,
    offset: usize,
    environment: &Environment,
    base: &Path,
) -> Option<Job> {
    let timeout = section
        .read("timeout", keys::job_timeout)
        .unwrap_or(default::JOB_TIMEOUT);
    let retry = section.read("retry", retry);
    let target = match (section.value("exec"), section.value("http")) {
        (Some(words), None) => {
            refuse(
                &mut section,
                &HTTP_KEYS,
                "belongs to http jobs, and this one has exec",
            );
            read_exec(&mut section, words, environment, base).map(Target::Exec)
        }
        (None, Some(url)) => {
            refuse(
                &mut section,
                &EXEC_KEYS,
                "belongs to exec jobs, and this one has http",
            );
            read_http(&mut section, url, environment, base, timeout).map(Target::Http)
        }
        (Some(_), Some(both)) => {
            let message = "is given beside exec: give exactly one of exec and http";
            section.note_at(both.span().start, "http", message);
            return None;
        }
        (None, None) => {
            let message = "is missing: give exactly one of exec (a program) and http (a URL)";
            section.note_at(offset, "exec", message);
            // A misspelt `exec` is the likeliest reason, so name it.
            for key in EXEC_KEYS.iter().chain(&HTTP_KEYS) {
                section.value(key);
            }
            section.finish();
            return None;
        }
    };
    section.finish();
    Some(Job {
        target: target?,
        timeout,
        retry,
    })
}

fn retry(raw: Raw<'_>) -> Result<Retry, String> {
    match raw {
        Raw::Toml(DeValue::Boolean(true)) => Ok(Retry::Default),
        Raw::Toml(DeValue::Boolean(false)) => Ok(Retry::Never),
        Raw::Toml(DeValue::Integer(_)) => keys::max_retries(raw).map(Retry::Times),
        _ => Err(format!(
            "must be true, false or a number of retries, got {}",
            raw.shown()
        )),
    }
}

fn refuse(section: &mut Section<'_, '_>, keys: &[&'static str], why: &str) {
    for key in keys {
        if let Some(value) = section.has(key).then(|| section.value(key)).flatten() {
            section.note_at(value.span().start, key, why);
        }
    }
}

fn read_exec<'d>(
    section: &mut Section<'d, '_>,
    words: &'d Spanned<DeValue<'d>>,
    environment: &Environment,
    base: &Path,
) -> Option<exec::Target> {
    let cwd = section
        .read_with("cwd", |value| folder(Raw::Toml(value), base))
        .unwrap_or_else(|| base.to_owned());
    let env = read_env(section, environment, base);
    let bury_on = section.read("bury_on", exit_codes).unwrap_or_default();
    let discard_on = section.read("discard_on", exit_codes).unwrap_or_default();
    if let Some(code) = bury_on.iter().find(|code| discard_on.contains(code)) {
        section.note(
            "discard_on",
            format!("names exit code {code}, which bury_on names too"),
        );
    }
    let output_limit = section
        .read("output_limit", limit)
        .unwrap_or(exec::OUTPUT_LIMIT);
    let command = command(Raw::Toml(words.get_ref()), &cwd, environment);
    let (words, program) = match command {
        Ok(command) => command,
        Err(message) => {
            section.note("exec", message);
            return None;
        }
    };
    Some(exec::Target {
        program,
        words,
        cwd,
        env,
        bury_on,
        discard_on,
        output_limit,
    })
}

fn folder(raw: Raw<'_>, base: &Path) -> Result<PathBuf, String> {
    let path = base.join(raw.text()?);
    if path.is_dir() {
        Ok(path)
    } else {
        Err(format!("{} is not a folder", path.display()))
    }
}

fn command(
    raw: Raw<'_>,
    cwd: &Path,
    environment: &Environment,
) -> Result<(Vec<String>, PathBuf), String> {
    const ALLOWED: &str =
        "must be an array of strings, the program and its arguments: [\"./resize\", \"--fast\"]";
    let Raw::Toml(DeValue::Array(items)) = raw else {
        return Err(format!("{ALLOWED}; no shell is run, got {}", raw.shown()));
    };
    // Arguments may be empty strings, so `Raw::list` is too strict here.
    let words = items
        .iter()
        .map(|item| match item.get_ref() {
            DeValue::String(word) if !word.contains('\0') => Ok(word.as_ref().to_owned()),
            other => Err(format!("{ALLOWED}, but holds {}", Raw::Toml(other).shown())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    match words.first().map(String::as_str) {
        None | Some("") => Err(format!("{ALLOWED}, but names no program")),
        Some(word) => {
            let program = program::resolve(word, cwd, environment.get("PATH"))?;
            Ok((words, program))
        }
    }
}

/// The whole environment of the program, made once: what is not named here, the worker's own secrets above
/// all, does not reach it.
fn read_env(
    section: &mut Section<'_, '_>,
    environment: &Environment,
    base: &Path,
) -> BTreeMap<OsString, OsString> {
    let passed = section.read("pass_env", names).unwrap_or_default();
    let mut env: BTreeMap<OsString, OsString> = PASSED
        .into_iter()
        .chain(passed.iter().map(String::as_str))
        .filter_map(|name| Some((name.into(), environment.get(name)?.to_owned())))
        .collect();
    for (name, value) in section.entries("env") {
        let read = variable_name(name)
            .and_then(|()| secret::read(value.get_ref(), environment, base))
            .and_then(|(_, secret)| without_nul(&secret));
        match read {
            Ok(text) => {
                env.insert(name.into(), text.into());
            }
            Err(message) => section.note_in(value.span().start, "env", name, message),
        }
    }
    env
}

fn without_nul(secret: &Secret) -> Result<String, String> {
    if secret.expose().contains('\0') {
        return Err("holds a NUL byte, which no environment variable can".to_owned());
    }
    Ok(secret.expose().to_owned())
}

fn names(raw: Raw<'_>) -> Result<Vec<String>, String> {
    let names = raw.list()?;
    for name in &names {
        variable_name(name)?;
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

fn variable_name(name: &str) -> Result<(), String> {
    if name.starts_with("GANDY_") {
        return Err(format!(
            "{name} is not allowed: GANDY_ variables are set by the worker"
        ));
    }
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(format!(
            "\"{name}\" is not the name of an environment variable"
        ));
    }
    Ok(())
}

fn exit_codes(raw: Raw<'_>) -> Result<Vec<u8>, String> {
    const ALLOWED: &str = "must be an array of exit codes from 1 to 255 (0 is success)";
    let Raw::Toml(DeValue::Array(items)) = raw else {
        return Err(format!("{ALLOWED}, got {}", raw.shown()));
    };
    items
        .iter()
        .map(|item| {
            let raw = Raw::Toml(item.get_ref());
            raw.whole_number(1, 255)
                .ok()
                .and_then(|code| u8::try_from(code).ok())
                .ok_or_else(|| format!("{ALLOWED}, but holds {}", raw.shown()))
        })
        .collect()
}

/// Bytes kept of a program's or an endpoint's words. The upper bound keeps a failed job's payload small.
fn limit(raw: Raw<'_>) -> Result<usize, String> {
    let bytes = raw.whole_number(0, 1024 * 1024)?;
    usize::try_from(bytes).map_err(|_| "is too large".to_owned())
}

fn read_http<'d>(
    section: &mut Section<'d, '_>,
    url: &'d Spanned<DeValue<'d>>,
    environment: &Environment,
    base: &Path,
    timeout: Duration,
) -> Option<http::Target> {
    let url = http::target::url(Raw::Toml(url.get_ref()))
        .map_err(|message| section.note("http", message))
        .ok();
    let mut headers = http::target::Headers::default();
    for (name, value) in section.entries("headers") {
        let added = secret::read(value.get_ref(), environment, base)
            .and_then(|(given, secret)| headers.add(name, given, &secret));
        if let Err(message) = added {
            section.note_in(value.span().start, "headers", name, message);
        }
    }
    let hmac = section
        .has("hmac")
        .then(|| read_hmac(section, environment, base));
    let response_limit = section
        .read("response_limit", limit)
        .unwrap_or(http::RESPONSE_LIMIT);
    if let Some(Some(hmac)) = &hmac
        && headers.has(&hmac.header)
    {
        section.note(
            "hmac",
            format!(
                "signs in the header {}, which headers sets too",
                hmac.header
            ),
        );
    }
    Some(http::Target {
        url: url?,
        headers,
        hmac: hmac.flatten(),
        response_limit,
        timeout,
    })
}

fn read_hmac(
    section: &mut Section<'_, '_>,
    environment: &Environment,
    base: &Path,
) -> Option<http::Hmac> {
    let mut entries = section.entries("hmac");
    let mut take = |key: &str| {
        let index = entries.iter().position(|(name, _)| *name == key)?;
        Some(entries.swap_remove(index).1)
    };
    let (given, header) = (take("secret"), take("header"));
    for (name, value) in entries {
        let message = "unknown key; allowed here: header, secret";
        section.note_in(value.span().start, "hmac", name, message);
    }
    let header = match header.map(|value| http::target::header_name(Raw::Toml(value.get_ref()))) {
        None => Some(http::Hmac::default_header()),
        Some(Ok(name)) => Some(name),
        Some(Err(message)) => {
            let offset = header.map_or(0, |value| value.span().start);
            section.note_in(offset, "hmac", "header", message);
            None
        }
    };
    let Some(value) = given else {
        section.note(
            "hmac",
            "has no secret: give secret = { env = \"NAME\" } or { file = \"PATH\" }".to_owned(),
        );
        return None;
    };
    match secret::read(value.get_ref(), environment, base) {
        Ok((secret::Given::Literal, _)) => {
            let message =
                "must not stand in the file: give { env = \"NAME\" } or { file = \"PATH\" }";
            section.note_in(value.span().start, "hmac", "secret", message);
            None
        }
        Ok((given, secret)) => Some(http::Hmac {
            secret,
            given,
            header: header?,
        }),
        Err(message) => {
            section.note_in(value.span().start, "hmac", "secret", message);
            None
        }
    }
}
