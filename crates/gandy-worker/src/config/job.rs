//! `[jobs.CLASS]`: which program or URL runs the jobs of a class, and how.
//! Here: reading the table. Not here: running it (`exec`, `http`).

use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;
use tracing::level_filters::LevelFilter;

use super::environment::Environment;
use super::keys::{self, default};
use super::layer::Source;
use super::raw::Raw;
use super::section::Section;
use super::{exec_job, http_job};
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
    /// Which of its log lines are written; `None`: as of all others.
    pub log: Option<LevelFilter>,
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

/// The keys of both kinds.
pub const KEYS: [&str; 5] = ["exec", "http", "timeout", "retry", "log"];

/// The keys of programs.
pub const EXEC_KEYS: [&str; 6] = [
    "cwd",
    "env",
    "pass_env",
    "bury_on",
    "discard_on",
    "output_limit",
];

/// The keys of endpoints.
pub const HTTP_KEYS: [&str; 3] = ["headers", "hmac", "response_limit"];

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
    let log = section.read("log", log);
    let target = match (section.value("exec"), section.value("http")) {
        (Some(words), None) => {
            refuse(
                &mut section,
                &HTTP_KEYS,
                "belongs to http jobs, and this one has exec",
            );
            exec_job::read(&mut section, words, environment, base, timeout).map(Target::Exec)
        }
        (None, Some(url)) => {
            refuse(
                &mut section,
                &EXEC_KEYS,
                "belongs to exec jobs, and this one has http",
            );
            http_job::read(&mut section, url, environment, base, timeout).map(Target::Http)
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
        log,
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

fn log(raw: Raw<'_>) -> Result<LevelFilter, String> {
    match raw.text() {
        Ok("off") => Ok(LevelFilter::OFF),
        Ok("error") => Ok(LevelFilter::ERROR),
        Ok("warn") => Ok(LevelFilter::WARN),
        Ok("info") => Ok(LevelFilter::INFO),
        Ok("debug") => Ok(LevelFilter::DEBUG),
        _ => Err(format!(
            "must be \"off\", \"error\", \"warn\", \"info\" or \"debug\", got {}",
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

/// Bytes kept of a program's or an endpoint's words. The upper bound keeps a failed job's payload small.
pub fn limit(raw: Raw<'_>) -> Result<usize, String> {
    let bytes = raw.whole_number(0, 1024 * 1024)?;
    usize::try_from(bytes).map_err(|_| "is too large".to_owned())
}
