//! A new job, before it is pushed: its fields, and its JSON in Sidekiq's order.
//!
//! Belongs here: building a payload, and reading one that a person or another program wrote. Does not belong here: the
//! arguments' codec (`args`), and payloads that are in Redis already (`payload`, `edit`).

use std::fmt;

use crate::payload::integer;
use crate::queue_name::{QueueName, QueueNameError};
use crate::retry::RetrySetting;
use crate::scan;
use crate::stamp::{Stamp, StampFormat};
use crate::text;

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

/// A job as somebody wrote it down, and when it is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLine {
    /// The job; `at` and `enqueued_at` are taken out of it.
    pub record: JobRecord,
    /// Its `at`; none: now.
    pub at: Option<Stamp>,
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
        match self.extra.iter_mut().find(|(other, _)| other == name) {
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
        if let Some(retry) = self.retry.to_json() {
            object.raw("retry", &retry);
        }
        object.text("queue", &self.queue);
        if !self.tags.is_empty() {
            let tags: Vec<String> = self.tags.iter().map(|tag| text::quoted(tag)).collect();
            object.raw("tags", &format!("[{}]", tags.join(",")));
        }
        if let Some(seconds) = self.retry_for {
            object.raw("retry_for", &seconds.to_string());
        }
        if let Some(dead) = self.dead {
            object.raw("dead", if dead { "true" } else { "false" });
        }
        match self.backtrace {
            None => {}
            Some(Backtrace::All) => object.raw("backtrace", "true"),
            Some(Backtrace::Lines(lines)) => object.raw("backtrace", &lines.to_string()),
        }
        if let Some(queue) = &self.retry_queue {
            object.text("retry_queue", queue);
        }
        for (name, raw) in &self.extra {
            object.raw(name, raw);
        }
        object.raw("args", &self.args);
        object.text("class", &self.class);
        object.text("jid", &self.jid);
        object.raw("created_at", &self.stamps.write(self.created_at.millis()));
        if let Some(stamp) = self.enqueued_at {
            object.raw("enqueued_at", &self.stamps.write(stamp.millis()));
        }
        object.out.push('}');
        object.out
    }

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

const WANT_ARGS: &str = "an array, as in [1,\"two\"]";
const WANT_TEXT: &str = "a string that is not empty";
const WANT_RETRY: &str = "true, false or a number of retries from 0";
const WANT_RETRY_FOR: &str = "a whole number of seconds from 0 to 1000000000";
const WANT_BOOLEAN: &str = "true or false";
const WANT_BACKTRACE: &str = "true, false or a number of lines";
const WANT_TAGS: &str = "an array of strings";
const WANT_STAMP: &str =
    "a time: an integer of milliseconds, seconds with a fraction, or an ISO-8601 string";
const WANT_AT: &str = "a time: seconds since 1970 (not milliseconds), or an ISO-8601 string";

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

/// The members of an object that somebody wrote, keys decoded, of each name the last.
struct Fields<'a> {
    members: Vec<(String, &'a str)>,
}

impl<'a> Fields<'a> {
    fn read(line: &'a str) -> Result<Fields<'a>, RecordError> {
        let json = |why: String| RecordError::Json {
            what: "job".to_owned(),
            why,
        };
        if scan::check(line).is_ok() && text::kind(line) != "an object" {
            return Err(json(format!("it is {}, not an object", text::kind(line))));
        }
        let mut members: Vec<(String, &str)> = Vec::new();
        let mut bad_key = false;
        scan::members(line, |member| {
            let Some(name) = text::unquoted(member.key.of(line)) else {
                bad_key = true;
                return;
            };
            let raw = member.value.of(line);
            match members.iter_mut().find(|(other, _)| *other == name) {
                Some(place) => place.1 = raw,
                None => members.push((name.into_owned(), raw)),
            }
        })
        .map_err(|fault| json(fault.to_string()))?;
        if bad_key {
            return Err(json("a key holds half a surrogate pair".to_owned()));
        }
        Ok(Fields { members })
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.members.iter().find(|(other, _)| other == name);
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
            .filter(|(name, _)| !RESERVED.contains(&name.as_str()))
            .map(|(name, raw)| (name.clone(), (*raw).to_owned()))
            .collect()
    }
}

/// Writes an object's members one after the other.
struct Object {
    out: String,
}

impl Object {
    fn raw(&mut self, name: &str, raw: &str) {
        self.out.push(if self.out.is_empty() { '{' } else { ',' });
        text::push_quoted(&mut self.out, name);
        self.out.push(':');
        self.out.push_str(raw);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.raw(name, "");
        text::push_quoted(&mut self.out, value);
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
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Payload;
    use proptest::prelude::*;

    const NOW: Stamp = Stamp::from_millis(1_795_398_104_597);
    const JID: &str = "b5de70b63090decd6440fd9e";

    fn line(text: &str) -> Result<JobLine, RecordError> {
        JobRecord::from_json_line(text, || JID.to_owned(), NOW)
    }

    #[test]
    fn bytes_are_those_of_sidekiqs_client() {
        // Real bytes of Sidekiq 8.1.7.
        let golden = r#"{"retry":true,"queue":"default","tags":["a","b"],"args":[0,"x",{"k":[1,2.5,null,true]}],"class":"OkJob","jid":"b5de70b63090decd6440fd9e","created_at":1795398104597,"enqueued_at":1795398104597}"#;
        let mut record = JobRecord::new("OkJob", r#"[0,"x",{"k":[1,2.5,null,true]}]"#, JID, NOW);
        record.tags = vec!["a".to_owned(), "b".to_owned()];
        record.enqueued_at = Some(NOW);
        assert_eq!(record.to_json(), golden);
        assert_eq!(record.check(), Ok(()));
    }

    #[test]
    fn every_option_has_its_field() {
        let mut record = JobRecord::new("A", "[]", JID, NOW);
        record.queue = "low".to_owned();
        record.retry = RetrySetting::Times(3);
        record.retry_for = Some(3_600);
        record.dead = Some(false);
        record.backtrace = Some(Backtrace::Lines(10));
        record.retry_queue = Some("slow \"q\"".to_owned());
        record.stamps = StampFormat::Seconds;
        record.set_extra("bid", "\"x\"").unwrap();
        record.set_extra("n", "12345678901234567890").unwrap();
        assert_eq!(
            record.to_json(),
            r#"{"retry":3,"queue":"low","retry_for":3600,"dead":false,"backtrace":10,"retry_queue":"slow \"q\"","bid":"x","n":12345678901234567890,"args":[],"class":"A","jid":"b5de70b63090decd6440fd9e","created_at":1795398104.597}"#
        );
        record.retry = RetrySetting::Absent;
        record.backtrace = Some(Backtrace::All);
        record.remove_extra("bid");
        let json = record.to_json();
        assert!(json.starts_with(r#"{"queue":"low","#), "{json}");
        assert!(json.contains(r#""backtrace":true,"#), "{json}");
        assert!(!json.contains("bid"), "{json}");
    }

    #[test]
    fn extra_fields_are_checked() {
        let mut record = JobRecord::new("A", "[]", JID, NOW);
        assert!(
            record
                .set_extra("x", "{")
                .unwrap_err()
                .to_string()
                .starts_with("`x`: invalid JSON at byte 1")
        );
        assert_eq!(
            record.set_extra("queue", "\"x\""),
            Err(RecordError::Reserved("queue".to_owned()))
        );
        record.set_extra("x", "1").unwrap();
        record.set_extra("x", "2").unwrap();
        assert_eq!(record.extra().collect::<Vec<_>>(), [("x", "2")]);
    }

    #[test]
    fn a_line_is_read_and_unknown_fields_are_kept() {
        let job = line(
            r#" {"class":"A","args":[ 1, 12345678901234567890 ],"at":1795398164.5,"queue":"low","retry":2,"tags":["t"],"u" : {"a": 1.10},"enqueued_at":5,"dead":false,"backtrace":false,"retry_for":null}"#,
        )
        .unwrap();
        assert_eq!(job.at, Some(Stamp::from_millis(1_795_398_164_500)));
        assert_eq!(
            job.record.to_json(),
            r#"{"retry":2,"queue":"low","tags":["t"],"dead":false,"u":{"a": 1.10},"args":[ 1, 12345678901234567890 ],"class":"A","jid":"b5de70b63090decd6440fd9e","created_at":1795398104597}"#
        );
    }

    #[test]
    fn what_a_line_gives_itself_is_kept() {
        let job = line(r#"{"class":"A","args":[],"jid":"mine","created_at":1795398164.364,"queue":"a","queue":"b"}"#).unwrap();
        assert_eq!(job.record.jid, "mine");
        assert_eq!(job.record.created_at.millis(), 1_795_398_164_364);
        assert_eq!(job.record.queue, "b");
        assert_eq!(job.at, None);
    }

    #[test]
    fn at_is_in_seconds_or_iso() {
        let at =
            |raw: &str| line(&format!(r#"{{"class":"A","args":[],"at":{raw}}}"#)).map(|job| job.at);
        let expect = Ok(Some(Stamp::from_millis(1_795_398_104_000)));
        for raw in [
            "1795398104",
            "1795398104.0",
            "\"1795398104\"",
            "\"2026-11-23T01:41:44Z\"",
            "\"2026-11-23T02:41:44+01:00\"",
        ] {
            assert_eq!(at(raw), expect, "{raw}");
        }
        assert_eq!(at("null"), Ok(None));
        assert_eq!(
            at("1795398104597").unwrap_err().to_string(),
            "`at` must be a time: seconds since 1970 (not milliseconds), or an ISO-8601 string, not 1795398104597"
        );
        for raw in ["-1", "true", "\"tomorrow\"", "\"nan\"", "[]"] {
            assert!(at(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        for (text, expect) in [
            ("", "job: invalid JSON at byte 0: the text ends too early"),
            ("[1]", "job: it is an array, not an object"),
            (
                r#"{"class":"A","args":[],}"#,
                "job: invalid JSON at byte 23: expected a key in quotes",
            ),
            (
                r#"{"class":"A","args":[],"\ud800":1}"#,
                "job: a key holds half a surrogate pair",
            ),
            (
                r#"{"args":[]}"#,
                "no `class`; a job needs at least a class and arguments, as in {\"class\":\"Mail\",\"args\":[1]}",
            ),
            (
                r#"{"class":"A"}"#,
                "no `args`; a job needs at least a class and arguments, as in {\"class\":\"Mail\",\"args\":[1]}",
            ),
            (
                r#"{"class":"A","args":{"user":1}}"#,
                "`args` must be an array, as in [1,\"two\"], not an object",
            ),
            (
                r#"{"class":"A","args":"secret"}"#,
                "`args` must be an array, as in [1,\"two\"], not a string",
            ),
            (
                r#"{"class":5,"args":[]}"#,
                "`class` must be a string that is not empty, not 5",
            ),
            (
                r#"{"class":"","args":[]}"#,
                "`class` must be a string that is not empty, not \"\"",
            ),
            (
                r#"{"class":"A","args":[],"jid":7}"#,
                "`jid` must be a string that is not empty, not 7",
            ),
            (
                r#"{"class":"A","args":[],"queue":"a\nb"}"#,
                "`queue`: queue name \"a\\nb\" holds a control character; use letters, digits, `.`, `-`, `_` or `:`",
            ),
            (
                r#"{"class":"A","args":[],"retry":"5"}"#,
                "`retry` must be true, false or a number of retries from 0, not \"5\"",
            ),
            (
                r#"{"class":"A","args":[],"retry":-1}"#,
                "`retry` must be true, false or a number of retries from 0, not -1",
            ),
            (
                r#"{"class":"A","args":[],"retry_for":1000000001}"#,
                "`retry_for` must be a whole number of seconds from 0 to 1000000000, not more",
            ),
            (
                r#"{"class":"A","args":[],"retry_for":1.5}"#,
                "`retry_for` must be a whole number of seconds from 0 to 1000000000, not 1.5",
            ),
            (
                r#"{"class":"A","args":[],"dead":0}"#,
                "`dead` must be true or false, not 0",
            ),
            (
                r#"{"class":"A","args":[],"tags":"a"}"#,
                "`tags` must be an array of strings, not \"a\"",
            ),
            (
                r#"{"class":"A","args":[],"tags":[1]}"#,
                "`tags` must be an array of strings, not an array",
            ),
            (
                r#"{"class":"A","args":[],"backtrace":"all"}"#,
                "`backtrace` must be true, false or a number of lines, not \"all\"",
            ),
            (
                r#"{"class":"A","args":[],"created_at":"then"}"#,
                "`created_at` must be a time: an integer of milliseconds, seconds with a fraction, or an ISO-8601 string, not \"then\"",
            ),
        ] {
            assert_eq!(line(text).unwrap_err().to_string(), expect, "{text}");
        }
    }

    #[test]
    fn check_finds_what_middleware_may_have_broken() {
        let good = JobRecord::new("A", "[1]", JID, NOW);
        let broken = |change: fn(&mut JobRecord)| {
            let mut record = good.clone();
            change(&mut record);
            record.check().unwrap_err().to_string()
        };
        assert_eq!(good.check(), Ok(()));
        assert!(broken(|record| record.class.clear()).starts_with("no `class`"));
        assert!(broken(|record| record.jid.clear()).starts_with("no `jid`"));
        assert!(
            broken(|record| record.args = "[1".to_owned())
                .starts_with("`args`: invalid JSON at byte 2")
        );
        assert!(broken(|record| record.args = "{}".to_owned()).ends_with("not an object"));
        assert!(broken(|record| record.queue.clear()).starts_with("`queue`: a queue needs a name"));
        assert!(
            broken(|record| record.retry_queue = Some("\0".to_owned()))
                .starts_with("`retry_queue`")
        );
    }

    #[test]
    fn debug_shows_no_arguments() {
        let record = JobRecord::new("A", "[\"secret\"]", JID, NOW);
        assert!(!format!("{record:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn what_is_built_is_read_by_the_worker(
            class in ".+", queue in "[^\\p{Cc}]{1,60}", tags in prop::collection::vec(any::<String>(), 0..4),
            names in prop::collection::vec("[a-z\"\\\\é]{1,8}", 0..5), millis in 0i64..4_000_000_000_000,
        ) {
            let mut record = JobRecord::new(class.clone(), "[1, 2.50]", JID, Stamp::from_millis(millis));
            record.queue = queue.clone();
            record.tags = tags;
            for name in &names {
                if !RESERVED.contains(&name.as_str()) {
                    record.set_extra(name, "{\"a\": [1.0]}").unwrap();
                }
            }
            prop_assert_eq!(record.check(), Ok(()));
            let json = record.to_json();
            let payload = Payload::parse(json.clone().into_bytes()).unwrap();
            prop_assert_eq!(payload.class(), class);
            prop_assert_eq!(payload.queue(), Some(queue.as_str()));
            prop_assert_eq!(payload.args(), "[1, 2.50]");
            prop_assert_eq!(payload.stamp("created_at").map(Stamp::millis), Some(millis));
            let again = JobRecord::from_json_line(&json, || unreachable!(), NOW).unwrap();
            prop_assert_eq!(again.record.to_json(), json);
        }

        #[test]
        fn no_line_panics(text in any::<String>()) {
            let _ = line(&text);
        }
    }
}
