//! A job as it stands in Redis: its raw JSON, and where the fields that Gandy reads lie in it.
//!
//! Belongs here: reading. Does not belong here: changing a payload (`edit`) and building a new one (`record`).

use std::fmt;

use crate::edit::Edit;
use crate::retry::RetrySetting;
use crate::scan::{self, Fault, Name, Span};
use crate::stamp::Stamp;
use crate::text;

mod known;

pub(crate) use known::Field;
use known::Places;

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
    places: Places,
    /// Where one of the texts has an escape: all of them, decoded.
    decoded: Option<Box<Texts>>,
}

/// `class`, `jid`, `queue` and `wrapped`, in the order of [`Field`]. `None`: not there, not a string, empty, or no valid text.
type Texts = [Option<Box<str>>; 4];

const TEXTS: [Field; 4] = [Field::Class, Field::Jid, Field::Queue, Field::Wrapped];

impl Payload {
    /// Reads a payload in one pass, at any depth of nesting in the arguments.
    ///
    /// # Errors
    ///
    /// [`Unparsable`], with the bytes given back, unless it is a JSON object (UTF-8, no byte order mark) with a
    /// non-empty string `class`, an array `args` and a non-empty string `jid`, of at most 4 GiB.
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
        match Payload::read(&raw) {
            Ok((places, decoded)) => Ok(Payload {
                raw,
                places,
                decoded,
            }),
            Err(reason) => Err(Unparsable {
                raw: raw.into_bytes(),
                reason,
            }),
        }
    }

    #[inline(always)]
    fn read(raw: &str) -> Result<(Places, Option<Box<Texts>>), String> {
        if u32::try_from(raw.len()).is_err() {
            return Err("longer than 4 GiB".to_owned());
        }
        let (places, plain) = scan_places(raw)
            .map_err(|fault| not_an_object(raw).unwrap_or_else(|| fault.to_string()))?;
        let decoded = if plain { None } else { decode(raw, places) };
        let text = |field| text(raw, places, decoded.as_deref(), field);
        if text(Field::Class).is_none() {
            return Err(no_text("class", places.get(Field::Class, raw)));
        }
        if text(Field::Jid).is_none() {
            return Err(no_text("jid", places.get(Field::Jid, raw)));
        }
        match places.get(Field::Args, raw) {
            Some(args) if args.starts_with('[') => Ok((places, decoded)),
            Some(args) => Err(format!("`args` is {}, not an array", text::kind(args))),
            None => Err("no `args`".to_owned()),
        }
    }

    /// The raw JSON of a field that Gandy reads.
    pub(crate) fn known(&self, field: Field) -> Option<&str> {
        self.places.get(field, &self.raw)
    }

    fn text(&self, field: Field) -> Option<&str> {
        text(&self.raw, self.places, self.decoded.as_deref(), field)
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
        self.text(Field::Class).unwrap_or_default()
    }

    /// The job's id: 24 hex digits from Sidekiq and Gandy, any non-empty text from others.
    pub fn jid(&self) -> &str {
        self.text(Field::Jid).unwrap_or_default()
    }

    /// The raw JSON array of the arguments.
    pub fn args(&self) -> &str {
        self.known(Field::Args).unwrap_or_default()
    }

    /// The queue that the payload names; where it was fetched from may be another.
    pub fn queue(&self) -> Option<&str> {
        self.text(Field::Queue)
    }

    /// The class under which metrics and logs count: `wrapped` (ActiveJob's real class) if it is a string, else `class`.
    /// Not Sidekiq's `display_class` field, which is a label for people; read that with [`Payload::field`].
    pub fn display_class(&self) -> &str {
        self.text(Field::Wrapped).unwrap_or_else(|| self.class())
    }

    /// The raw JSON text of a top-level field; of several with that name the last.
    pub fn field(&self, name: &str) -> Option<&str> {
        match Field::named(Name::of(name.as_bytes())) {
            Some(known) => self.known(known),
            None => field(&self.raw, name).map(|span| span.of(&self.raw)),
        }
    }

    /// A time field such as `created_at` or `failed_at`, in any of the forms that [`Stamp::from_json`] reads.
    pub fn stamp(&self, name: &str) -> Option<Stamp> {
        self.field(name).and_then(Stamp::from_json)
    }

    /// Since when it waits for a worker, milliseconds since the epoch: since it was enqueued, or where it does not say that
    /// since it was created.
    pub fn waits_since_ms(&self) -> Option<i64> {
        let since = self.stamp("enqueued_at");
        Some(since.or_else(|| self.stamp("created_at"))?.millis())
    }

    /// Whether its producer asked for its outcome (`"gandy_notify":true`), which is then written in the step that ends
    /// its run.
    pub fn notifies(&self) -> bool {
        self.known(Field::Notify) == Some("true")
    }

    /// The `retry` field. Anything but a boolean or an integer counts as absent.
    pub fn retry(&self) -> RetrySetting {
        self.known(Field::Retry)
            .map_or(RetrySetting::Absent, RetrySetting::from_json)
    }

    /// 0 after the first failure, 1 after the second… `None`: never failed, or a person retried it right after its first
    /// failure (Sidekiq then counts down to -1).
    pub fn retry_count(&self) -> Option<u32> {
        let count = integer(self.known(Field::RetryCount)?)?.max(-1);
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

/// Where the known fields lie, and whether no escape was met. Not inlined: the loop needs all registers for itself.
#[inline(never)]
fn scan_places(raw: &str) -> Result<(Places, bool), Fault> {
    let mut places = Places::default();
    let mut plain = true;
    scan::members_with(raw, Field::leading, |leading, member| {
        plain = member.value.plain;
        let field = leading.or_else(|| Field::named(member.name));
        if let Some(field) = field.or_else(|| escaped_field(raw, member.key)) {
            places.note(field, member.value);
        }
    })?;
    Ok((places, plain))
}

/// A known field whose name was written with escapes.
#[inline(always)]
fn escaped_field(raw: &str, key: Span) -> Option<Field> {
    if key.plain {
        return None;
    }
    Field::named(Name::of(key.text(raw)?.as_bytes()))
}

/// One of [`TEXTS`].
#[inline(always)]
fn text<'a>(
    raw: &'a str,
    places: Places,
    decoded: Option<&'a Texts>,
    field: Field,
) -> Option<&'a str> {
    match decoded {
        Some(texts) => texts.get(field as usize)?.as_deref(),
        None => {
            let inside = places.get(field, raw)?.strip_prefix('"')?;
            inside.strip_suffix('"').filter(|text| !text.is_empty())
        }
    }
}

/// The texts without their escapes; `None`: there are none in them.
#[cold]
#[inline(never)]
fn decode(raw: &str, places: Places) -> Option<Box<Texts>> {
    let value = |field| places.get(field, raw);
    if !TEXTS
        .iter()
        .any(|field| value(*field).is_some_and(|raw| raw.contains('\\')))
    {
        return None;
    }
    let text = |field| {
        let text = text::unquoted(value(field)?)?;
        (!text.is_empty()).then(|| text.into())
    };
    Some(Box::new(TEXTS.map(text)))
}

/// Why the required field `name`, whose value is `raw`, is no text.
#[cold]
fn no_text(name: &str, raw: Option<&str>) -> String {
    match raw {
        None => format!("no `{name}`"),
        Some("\"\"") => format!("`{name}` is empty"),
        Some(raw) => match text::kind(raw) {
            "a string" => format!("`{name}` holds half a surrogate pair"),
            kind => format!("`{name}` is {kind}, not a string"),
        },
    }
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
