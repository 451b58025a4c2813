//! A new job, before it is pushed: its fields, and its JSON in Sidekiq's order.
//!
//! Belongs here: building a payload. Does not belong here: the arguments' codec (`args`), and payloads that are in Redis
//! already (`payload`, `edit`).

use std::fmt;

use crate::queue_name::{QueueName, QueueNameError};
use crate::retry::RetrySetting;
use crate::scan;
use crate::stamp::{Stamp, StampFormat};
use crate::text;

mod line;

pub use line::JobLine;

/// A job to be pushed. Everything but the required fields starts with Sidekiq's defaults.
///
/// ```
/// use gandy_protocol::{JobRecord, Stamp};
/// let record = JobRecord::new("Mail", "[42]", "b5de70b63090decd6440fd9e", Stamp::from_millis(1795398104597));
/// assert_eq!(
///     record.to_json(),
///     r#"{"retry":true,"queue":"default","args":[42],"class":"Mail","jid":"b5de70b63090decd6440fd9e","created_at":1795398104597}"#
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// The class that will run it.
    pub class: String,
    /// The raw JSON array of the arguments.
    pub args: String,
    /// The job's id.
    pub jid: String,
    /// The queue; `default` unless set.
    pub queue: String,
    /// The retry setting; `true` unless set. [`RetrySetting::Absent`] writes no field, so that the handler's own counts.
    pub retry: RetrySetting,
    /// Labels for people. Empty: no field.
    pub tags: Vec<String>,
    /// Seconds from the first failure within which it is retried, at most 10^9; replaces the number of retries.
    pub retry_for: Option<u32>,
    /// `false`: no entry in the dead set when retries are used up.
    pub dead: Option<bool>,
    /// How much of an error's backtrace is stored.
    pub backtrace: Option<Backtrace>,
    /// The queue for retries, where it is another.
    pub retry_queue: Option<String>,
    /// When the job was made.
    pub created_at: Stamp,
    /// When it enters a queue; none while it is scheduled.
    pub enqueued_at: Option<Stamp>,
    /// How the two times are written.
    pub stamps: StampFormat,
    extra: Vec<(String, String)>,
}

/// The `backtrace` option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backtrace {
    /// All lines.
    All,
    /// The first lines.
    Lines(u32),
}

/// Why something is no job to push. The message names the field and what it must be, and quotes no arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The text, or the raw JSON of one field, is not valid JSON.
    #[error("{what}: {why}")]
    Json {
        /// What was read: `job`, or a field's name.
        what: String,
        /// Where and why it is invalid.
        why: String,
    },
    /// A required field is missing or empty.
    #[error(
        "no `{0}`; a job needs at least a class and arguments, as in {{\"class\":\"Mail\",\"args\":[1]}}"
    )]
    Missing(&'static str),
    /// A field has a value that it must not have.
    #[error("`{field}` must be {want}, not {got}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it is.
        got: String,
        /// What it must be.
        want: &'static str,
    },
    /// A queue's name cannot be one.
    #[error("`{field}`: {source}")]
    Queue {
        /// The field: `queue` or `retry_queue`.
        field: &'static str,
        /// What is wrong with the name.
        source: QueueNameError,
    },
    /// An extra field that is none.
    #[error("`{0}` is not an extra field; set the record's field of that name")]
    Reserved(String),
}

/// The fields that a record writes itself.
const RESERVED: [&str; 13] = [
    "class",
    "args",
    "jid",
    "queue",
    "retry",
    "tags",
    "retry_for",
    "dead",
    "backtrace",
    "retry_queue",
    "created_at",
    "enqueued_at",
    "at",
];

impl JobRecord {
    /// A job for queue `default` with `retry: true`. `args` is the raw JSON array of its arguments.
    pub fn new(
        class: impl Into<String>,
        args: impl Into<String>,
        jid: impl Into<String>,
        created_at: Stamp,
    ) -> JobRecord {
        JobRecord {
            class: class.into(),
            args: args.into(),
            jid: jid.into(),
            queue: "default".to_owned(),
            retry: RetrySetting::Always,
            tags: Vec::new(),
            retry_for: None,
            dead: None,
            backtrace: None,
            retry_queue: None,
            created_at,
            enqueued_at: None,
            stamps: StampFormat::default(),
            extra: Vec::new(),
        }
    }

    /// Fields beside the ones above, with their raw JSON.
    pub fn extra(&self) -> impl Iterator<Item = (&str, &str)> {
        self.extra
            .iter()
            .map(|(name, raw)| (name.as_str(), raw.as_str()))
    }

    /// Sets an extra field (`bid`, `cattr`, `traceparent`…) to raw JSON, which is kept byte for byte.
    ///
    /// # Errors
    ///
    /// `raw_json` is not one JSON value, or the name is that of a field of the record.
    pub fn set_extra(
        &mut self,
        name: &str,
        raw_json: impl Into<String>,
    ) -> Result<(), RecordError> {
        let raw = raw_json.into();
        if RESERVED.contains(&name) {
            return Err(RecordError::Reserved(name.to_owned()));
        }
        scan::check(&raw).map_err(|fault| RecordError::Json {
            what: format!("`{name}`"),
            why: fault.to_string(),
        })?;
        // The last, because a job that somebody wrote down may have a field twice.
        match self.extra.iter_mut().rfind(|(other, _)| other == name) {
            Some((_, place)) => *place = raw,
            None => self.extra.push((name.to_owned(), raw)),
        }
        Ok(())
    }

    /// Removes an extra field.
    pub fn remove_extra(&mut self, name: &str) {
        self.extra.retain(|(other, _)| other != name);
    }

    /// Checks what the types above leave open; call it before [`JobRecord::to_json`] when others have had their hands on it.
    ///
    /// # Errors
    ///
    /// `class` or `jid` is empty, `args` is no JSON array, `retry_for` is over 10^9, or a queue's name cannot be one.
    pub fn check(&self) -> Result<(), RecordError> {
        if self.class.is_empty() {
            return Err(RecordError::Missing("class"));
        }
        if self.jid.is_empty() {
            return Err(RecordError::Missing("jid"));
        }
        scan::check(&self.args).map_err(|fault| RecordError::Json {
            what: "`args`".to_owned(),
            why: fault.to_string(),
        })?;
        if !self.args.trim_ascii_start().starts_with('[') {
            return Err(value("args", &self.args, WANT_ARGS));
        }
        if self
            .retry_for
            .is_some_and(|seconds| seconds > 1_000_000_000)
        {
            return Err(value("retry_for", "more", WANT_RETRY_FOR));
        }
        check_queue("queue", &self.queue)?;
        self.retry_queue
            .as_deref()
            .map_or(Ok(()), |queue| check_queue("retry_queue", queue))
    }

    /// The payload. Options first, then arguments and class, then ids and times: the order of Sidekiq's own client.
    pub fn to_json(&self) -> String {
        let room =
            160 + self.class.len() + self.args.len() + self.queue.len() + 64 * self.extra.len();
        let mut object = Object {
            out: String::with_capacity(room),
        };
        match self.retry {
            RetrySetting::Absent => {}
            RetrySetting::Always => object.raw("retry", "true"),
            RetrySetting::Never => object.raw("retry", "false"),
            RetrySetting::Times(times) => object.number("retry", times),
        }
        object.text("queue", &self.queue);
        if !self.tags.is_empty() {
            object.texts("tags", &self.tags);
        }
        if let Some(seconds) = self.retry_for {
            object.number("retry_for", seconds);
        }
        if let Some(dead) = self.dead {
            object.raw("dead", if dead { "true" } else { "false" });
        }
        match self.backtrace {
            None => {}
            Some(Backtrace::All) => object.raw("backtrace", "true"),
            Some(Backtrace::Lines(lines)) => object.number("backtrace", lines),
        }
        if let Some(queue) = &self.retry_queue {
            object.text("retry_queue", queue);
        }
        for (name, raw) in &self.extra {
            object.comma();
            text::push_quoted(&mut object.out, name);
            object.out.push(':');
            object.out.push_str(raw);
        }
        object.raw("args", &self.args);
        object.text("class", &self.class);
        object.text("jid", &self.jid);
        object.key("created_at");
        self.stamps.push(&mut object.out, self.created_at.millis());
        if let Some(stamp) = self.enqueued_at {
            object.key("enqueued_at");
            self.stamps.push(&mut object.out, stamp.millis());
        }
        object.out.push('}');
        object.out
    }
}

const WANT_ARGS: &str = "an array, as in [1,\"two\"]";
const WANT_RETRY_FOR: &str = "a whole number of seconds from 0 to 1000000000";

/// A scalar is shown as it stands, since whoever wrote it has to find it; containers and arguments are only named.
fn value(field: &'static str, raw: &str, want: &'static str) -> RecordError {
    let kind = text::kind(raw);
    let shown = field != "args" && !matches!(kind, "an array" | "an object") && raw.len() <= 60;
    let got = if shown { raw } else { kind }.to_owned();
    RecordError::Value { field, got, want }
}

fn check_queue(field: &'static str, name: &str) -> Result<(), RecordError> {
    QueueName::check(name).map_err(|source| RecordError::Queue { field, source })
}

/// Writes an object's members one after the other. The names passed need no escape.
struct Object {
    out: String,
}

impl Object {
    #[inline(always)]
    fn comma(&mut self) {
        self.out.push(if self.out.is_empty() { '{' } else { ',' });
    }

    #[inline(always)]
    fn key(&mut self, name: &'static str) {
        self.comma();
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    #[inline(always)]
    fn raw(&mut self, name: &'static str, raw: &str) {
        self.key(name);
        self.out.push_str(raw);
    }

    #[inline(always)]
    fn text(&mut self, name: &'static str, value: &str) {
        self.key(name);
        text::push_quoted(&mut self.out, value);
    }

    fn number(&mut self, name: &'static str, number: u32) {
        self.key(name);
        self.out.push_str(itoa::Buffer::new().format(number));
    }

    fn texts(&mut self, name: &'static str, texts: &[String]) {
        self.key(name);
        for (place, text) in texts.iter().enumerate() {
            self.out.push(if place == 0 { '[' } else { ',' });
            text::push_quoted(&mut self.out, text);
        }
        self.out.push(']');
    }
}

/// Arguments are people's data and do not belong into logs.
impl fmt::Debug for JobRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobRecord")
            .field("class", &self.class)
            .field("jid", &self.jid)
            .field("queue", &self.queue)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
