//! A job as it stands in Redis: its raw JSON, and where the fields that Gandy reads lie in it.
//!
//! Belongs here: reading. Does not belong here: changing a payload (`edit`) and building a new one (`record`).

use std::borrow::Cow;
use std::fmt;

use crate::edit::Edit;
use crate::retry::RetrySetting;
use crate::scan::{self, Span};
use crate::stamp::Stamp;
use crate::text;

/// A job's JSON exactly as it stands in Redis, with the spans of the fields Gandy reads.
///
/// The bytes are the job's identity (Sidekiq removes by value), so they are kept and never written anew.
/// Of a field that occurs twice the last counts, as in Ruby. An optional field of the wrong type counts as absent and
/// stays in the bytes. Numbers are never decoded here, so integers above 2^53 and floats survive.
///
/// ```
/// use gandy_protocol::Payload;
/// let raw = br#"{"class":"Mail","args":[9007199254740993],"jid":"b5de70b63090decd6440fd9e","queue":"low"}"#;
/// let payload = Payload::parse(raw.to_vec())?;
/// assert_eq!(payload.class(), "Mail");
/// assert_eq!(payload.args(), "[9007199254740993]");
/// assert_eq!(payload.queue(), Some("low"));
/// # Ok::<(), gandy_protocol::Unparsable>(())
/// ```
#[derive(Clone)]
pub struct Payload {
    raw: String,
    class: Text,
    jid: Text,
    queue: Option<Text>,
    wrapped: Option<Text>,
    args: Span,
    retry: Option<Span>,
    retry_count: Option<Span>,
    created_at: Option<Span>,
    enqueued_at: Option<Span>,
}

/// The text of a JSON string: a place in the raw payload, or a copy where escapes had to be resolved.
#[derive(Clone)]
enum Text {
    Span(Span),
    Copy(Box<str>),
}

impl Text {
    /// `None`: not a string, empty, or no valid text.
    fn read(raw: &str, span: Span) -> Option<Text> {
        let text = span.text(raw).filter(|text| !text.is_empty())?;
        Some(match text {
            Cow::Borrowed(_) => Text::Span(span.inside()),
            Cow::Owned(text) => Text::Copy(text.into()),
        })
    }

    fn of<'a>(&'a self, raw: &'a str) -> &'a str {
        match self {
            Text::Span(span) => span.of(raw),
            Text::Copy(text) => text,
        }
    }
}

/// The last value of each field that Gandy knows by name.
#[derive(Default)]
struct Known {
    class: Option<Span>,
    args: Option<Span>,
    jid: Option<Span>,
    queue: Option<Span>,
    wrapped: Option<Span>,
    retry: Option<Span>,
    retry_count: Option<Span>,
    created_at: Option<Span>,
    enqueued_at: Option<Span>,
}

impl Known {
    fn note(&mut self, name: &str, value: Span) {
        let place = match name {
            "class" => &mut self.class,
            "args" => &mut self.args,
            "jid" => &mut self.jid,
            "queue" => &mut self.queue,
            "wrapped" => &mut self.wrapped,
            "retry" => &mut self.retry,
            "retry_count" => &mut self.retry_count,
            "created_at" => &mut self.created_at,
            "enqueued_at" => &mut self.enqueued_at,
            _ => return,
        };
        *place = Some(value);
    }
}

impl Payload {
    /// Reads a payload in one pass, at any depth of nesting in the arguments.
    ///
    /// # Errors
    ///
    /// [`Unparsable`], with the bytes given back, unless it is a JSON object (UTF-8, no byte order mark) with a
    /// non-empty string `class`, an array `args` and a non-empty string `jid`.
    pub fn parse(raw: Vec<u8>) -> Result<Payload, Unparsable> {
        let raw = match String::from_utf8(raw) {
            Ok(raw) => raw,
            Err(error) => {
                let reason = format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to());
                return Err(Unparsable {
                    raw: error.into_bytes(),
                    reason,
                });
            }
        };
        match Payload::spans(&raw) {
            Ok((known, class, jid, args)) => Ok(Payload {
                class,
                jid,
                args,
                queue: known.queue.and_then(|span| Text::read(&raw, span)),
                wrapped: known.wrapped.and_then(|span| Text::read(&raw, span)),
                retry: known.retry,
                retry_count: known.retry_count,
                created_at: known.created_at,
                enqueued_at: known.enqueued_at,
                raw,
            }),
            Err(reason) => Err(Unparsable {
                raw: raw.into_bytes(),
                reason,
            }),
        }
    }

    fn spans(raw: &str) -> Result<(Known, Text, Text, Span), String> {
        let mut known = Known::default();
        scan::members(raw, |member| {
            if let Some(name) = member.key.text(raw) {
                known.note(&name, member.value);
            }
        })
        .map_err(|fault| not_an_object(raw).unwrap_or_else(|| fault.to_string()))?;
        let class = required_text(raw, "class", known.class)?;
        let jid = required_text(raw, "jid", known.jid)?;
        let args = known.args.ok_or("no `args`")?;
        if !args.of(raw).starts_with('[') {
            return Err(format!(
                "`args` is {}, not an array",
                text::kind(args.of(raw))
            ));
        }
        Ok((known, class, jid, args))
    }

    /// The JSON as it came.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The JSON as it came, as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.raw.as_bytes()
    }

    /// The class that Redis names: for ActiveJob the wrapper. Handlers are looked up by it.
    pub fn class(&self) -> &str {
        self.class.of(&self.raw)
    }

    /// The job's id: 24 hex digits from Sidekiq and Gandy, any non-empty text from others.
    pub fn jid(&self) -> &str {
        self.jid.of(&self.raw)
    }

    /// The raw JSON array of the arguments.
    pub fn args(&self) -> &str {
        self.args.of(&self.raw)
    }

    /// The queue that the payload names; where it was fetched from may be another.
    pub fn queue(&self) -> Option<&str> {
        self.queue.as_ref().map(|queue| queue.of(&self.raw))
    }

    /// The class under which metrics and logs count: `wrapped` (ActiveJob's real class) if it is a string, else `class`.
    /// Not Sidekiq's `display_class` field, which is a label for people; read that with [`Payload::field`].
    pub fn display_class(&self) -> &str {
        match &self.wrapped {
            Some(wrapped) => wrapped.of(&self.raw),
            None => self.class(),
        }
    }

    /// The raw JSON text of a top-level field; of several with that name the last.
    pub fn field(&self, name: &str) -> Option<&str> {
        let known = match name {
            "args" => return Some(self.args()),
            "retry" => self.retry,
            "retry_count" => self.retry_count,
            "created_at" => self.created_at,
            "enqueued_at" => self.enqueued_at,
            _ => field(&self.raw, name),
        };
        known.map(|span| span.of(&self.raw))
    }

    /// A time field such as `created_at` or `failed_at`, in any of the forms that [`Stamp::from_json`] reads.
    pub fn stamp(&self, name: &str) -> Option<Stamp> {
        self.field(name).and_then(Stamp::from_json)
    }

    /// The `retry` field. Anything but a boolean or an integer counts as absent.
    pub fn retry(&self) -> RetrySetting {
        self.retry.map_or(RetrySetting::Absent, |span| {
            RetrySetting::from_json(span.of(&self.raw))
        })
    }

    /// 0 after the first failure, 1 after the second… `None`: never failed, or a person retried it right after its first
    /// failure (Sidekiq then counts down to -1).
    pub fn retry_count(&self) -> Option<u32> {
        let raw = self.retry_count?.of(&self.raw);
        let count = integer(raw)?.max(-1);
        (count >= 0).then(|| u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Starts a changed copy of this payload.
    pub fn edit(&self) -> Edit<'_> {
        Edit::new(&self.raw)
    }
}

/// Arguments are people's data and do not belong into logs, so only what identifies the job is shown.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("class", &self.class())
            .field("jid", &self.jid())
            .field("queue", &self.queue())
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// The last value named `name` in the object `raw`.
pub(crate) fn field(raw: &str, name: &str) -> Option<Span> {
    let mut found = None;
    let whole = scan::members(raw, |member| {
        if member.key.text(raw).as_deref() == Some(name) {
            found = Some(member.value);
        }
    });
    whole.ok().and(found)
}

/// A JSON integer, held to what an `i64` holds: counts beyond that mean "very many" and nothing else.
pub(crate) fn integer(raw: &str) -> Option<i64> {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let limit = if digits.len() < raw.len() {
        i64::MIN
    } else {
        i64::MAX
    };
    Some(raw.parse().unwrap_or(limit))
}

fn required_text(raw: &str, name: &str, span: Option<Span>) -> Result<Text, String> {
    let span = span.ok_or_else(|| format!("no `{name}`"))?;
    Text::read(raw, span).ok_or_else(|| match text::kind(span.of(raw)) {
        "a string" if span.end - span.start == 2 => format!("`{name}` is empty"),
        "a string" => format!("`{name}` holds half a surrogate pair"),
        kind => format!("`{name}` is {kind}, not a string"),
    })
}

/// Why the text cannot even begin an object, in words that help more than "expected '{'".
fn not_an_object(raw: &str) -> Option<String> {
    let text = raw.trim_start_matches([' ', '\n', '\r', '\t']);
    if text.is_empty() {
        return Some("empty".to_owned());
    }
    if text.starts_with('\u{feff}') {
        return Some("starts with a byte order mark".to_owned());
    }
    if !text.starts_with('{') && scan::check(text).is_ok() {
        return Some(format!("{}, not a JSON object", text::kind(text)));
    }
    None
}

/// Bytes that are no job, and why. They go to the dead set as they are.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unparsable {
    /// The bytes as they came.
    pub raw: Vec<u8>,
    /// What is wrong with them, without quoting from them.
    pub reason: String,
}

/// The bytes may be megabytes of somebody's data, so only their number is shown.
impl fmt::Debug for Unparsable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unparsable")
            .field("reason", &self.reason)
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
