//! Reads a job that a person or another program wrote down: one line of `gandy push --stdin`, or a raw push.
//!
//! Belongs here: which fields such a job may have, and what is said about wrong ones. Does not belong here: payloads that
//! are in Redis already (`payload`), where nobody is there to correct a wrong type.

use std::borrow::Cow;

use super::{Backtrace, JobRecord, RESERVED, RecordError, WANT_ARGS, WANT_RETRY_FOR, value};
use crate::payload::integer;
use crate::retry::RetrySetting;
use crate::scan;
use crate::stamp::Stamp;
use crate::text;

/// A job as somebody wrote it down, and when it is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLine {
    /// The job; `at` and `enqueued_at` are taken out of it.
    pub record: JobRecord,
    /// Its `at`; none: now.
    pub at: Option<Stamp>,
}

impl JobRecord {
    /// Reads a job as a person or another program writes it down: `{"class":…,"args":[…],…}`. Fields that Gandy does not
    /// know are kept byte for byte, null counts as absent, of a field given twice the last counts. `jid` gives the id
    /// of a job that has none, `now` its time of creation. `at` is in seconds since 1970 as everywhere in Sidekiq, or
    /// an ISO-8601 string.
    ///
    /// # Errors
    ///
    /// Not a JSON object, without class or args, or a known field with a wrong value. Here, unlike in Redis, a wrong type
    /// is an error: somebody is there to correct it.
    pub fn from_json_line(
        line: &str,
        jid: impl FnOnce() -> String,
        now: Stamp,
    ) -> Result<JobLine, RecordError> {
        let fields = Fields::read(line)?;
        let class = fields.text("class")?.ok_or(RecordError::Missing("class"))?;
        let args = fields.get("args").ok_or(RecordError::Missing("args"))?;
        if !args.starts_with('[') {
            return Err(value("args", args, WANT_ARGS));
        }
        let id = fields.text("jid")?.unwrap_or_else(jid);
        let mut record = JobRecord::new(class, args, id, now);
        if let Some(queue) = fields.text("queue")? {
            record.queue = queue;
        }
        record.retry_queue = fields.text("retry_queue")?;
        fields.options(&mut record)?;
        if let Some(stamp) = fields.parse("created_at", WANT_STAMP, Stamp::from_json)? {
            record.created_at = stamp;
        }
        record.extra = fields.extra();
        record.check()?;
        let at = fields.parse("at", WANT_AT, at)?;
        Ok(JobLine { record, at })
    }
}

const WANT_TEXT: &str = "a string that is not empty";
const WANT_RETRY: &str = "true, false or a number of retries from 0";
const WANT_BOOLEAN: &str = "true or false";
const WANT_BACKTRACE: &str = "true, false or a number of lines";
const WANT_TAGS: &str = "an array of strings";
const WANT_STAMP: &str =
    "a time: an integer of milliseconds, seconds with a fraction, or an ISO-8601 string";
const WANT_AT: &str = "a time: seconds since 1970 (not milliseconds), or an ISO-8601 string";

/// The time at which a job is to run. Small numbers of digits tell seconds from milliseconds, which nobody means here
/// for a date in the year 5138.
fn at(raw: &str) -> Option<Stamp> {
    let inner = text::unquoted(raw);
    match inner.as_deref().unwrap_or(raw).parse::<f64>() {
        Ok(seconds) if (0.0..1e11).contains(&seconds) => Stamp::from_seconds(seconds),
        Ok(_) => None,
        Err(_) => Stamp::from_json(raw),
    }
}

fn tags(raw: &str) -> Option<Vec<String>> {
    serde_json::from_str(raw).ok()
}

fn boolean(raw: &str) -> Option<bool> {
    raw.parse().ok()
}

fn retry(raw: &str) -> Option<RetrySetting> {
    let negative = integer(raw).is_some_and(|times| times < 0);
    let setting = RetrySetting::from_json(raw);
    (!negative && setting != RetrySetting::Absent).then_some(setting)
}

fn backtrace(raw: &str) -> Option<Option<Backtrace>> {
    match raw {
        "true" => Some(Some(Backtrace::All)),
        "false" => Some(None),
        _ => raw.parse().ok().map(|lines| Some(Backtrace::Lines(lines))),
    }
}

/// The members of an object that somebody wrote, keys decoded.
struct Fields<'a> {
    members: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Fields<'a> {
    fn read(line: &'a str) -> Result<Fields<'a>, RecordError> {
        let mut members = Vec::new();
        let mut bad_key = false;
        let scanned = scan::members(line, |member| match member.key.text(line) {
            Some(name) => members.push((name, member.value.of(line))),
            None => bad_key = true,
        });
        let why = match scanned {
            Ok(()) if !bad_key => return Ok(Fields { members }),
            Ok(()) => "a key holds half a surrogate pair".to_owned(),
            Err(_) if scan::check(line).is_ok() => {
                format!("it is {}, not an object", text::kind(line))
            }
            Err(fault) => fault.to_string(),
        };
        Err(RecordError::Json {
            what: "job".to_owned(),
            why,
        })
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.members.iter().rfind(|(other, _)| other == name);
        found.map(|(_, raw)| *raw).filter(|raw| *raw != "null")
    }

    fn parse<T>(
        &self,
        name: &'static str,
        want: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, RecordError> {
        self.get(name)
            .map(|raw| read(raw).ok_or_else(|| value(name, raw, want)))
            .transpose()
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, RecordError> {
        self.parse(name, WANT_TEXT, |raw| {
            let text = text::unquoted(raw).filter(|text| !text.is_empty());
            text.map(|text| text.into_owned())
        })
    }

    fn options(&self, record: &mut JobRecord) -> Result<(), RecordError> {
        if let Some(retry) = self.parse("retry", WANT_RETRY, retry)? {
            record.retry = retry;
        }
        record.tags = self.parse("tags", WANT_TAGS, tags)?.unwrap_or_default();
        record.retry_for = self.parse("retry_for", WANT_RETRY_FOR, |raw| raw.parse().ok())?;
        record.dead = self.parse("dead", WANT_BOOLEAN, boolean)?;
        record.backtrace = self
            .parse("backtrace", WANT_BACKTRACE, backtrace)?
            .flatten();
        Ok(())
    }

    fn extra(&self) -> Vec<(String, String)> {
        self.members
            .iter()
            .filter(|(name, _)| !RESERVED.contains(&&**name))
            .map(|(name, raw)| (name.clone().into_owned(), (*raw).to_owned()))
            .collect()
    }
}
