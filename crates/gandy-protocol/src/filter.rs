//! The filter language: which jobs of a queue or a set are meant.
//!
//! Belongs here: what a term means for one payload. Does not belong here: reading the words (`parse`), and walking a set.
//!
//! A filter decides what is deleted, so nothing in it is fuzzy: names are compared with their case, and bytes that are no
//! job are matched by no filter.

mod glob;
mod parse;

use std::fmt;

use crate::payload::{Payload, field};
use crate::scan;
use crate::text;

pub use parse::FilterError;

/// Terms that a job must fit, all of them.
///
/// | Term | Fits a job |
/// |---|---|
/// | `class:Mailer*` | whose class, or the class that ActiveJob wrapped, is that; `*` is any text, `?` one character |
/// | `queue:low` | that names this queue (none: `default`); a pattern, as above |
/// | `jid:b5de*` | with this id; a pattern |
/// | `arg:42` | one of whose arguments is this: as JSON, or as the text in its quotes. Of ActiveJob its own arguments |
/// | `class=Mailer`, `queue=low`, `jid=b5de`, `tag=import` | whose class (of ActiveJob the class that it wrapped, and no other), queue, id, or one of whose tags is this very text: `*` and `?` mean themselves |
/// | `error=Timeout` | the class of whose last error is this very text; `error=""`: that has none |
/// | `error:Timeout` | whose last error has this in its class or message; a pattern must fit one of the two as a whole |
/// | `tag:import` | with this tag; a pattern |
/// | `age>1h`, `age<5m` | that is where it is for longer or shorter than this |
/// | `attempt>3` | whose next run is a later one than the third (the first run is 1); also `<`, `>=`, `<=` and `=` |
/// | `Mailer` | with this somewhere in its class or id; a pattern must fit one of the two as a whole |
/// | `-TERM`, `!TERM` | that the term does not fit |
///
/// Terms are separated by spaces. Quotes, single or double, keep spaces together and are taken away; within double ones
/// `\"` and `\\` stand for `"` and `\`. So `arg:'"42"'` is the string alone, `arg:42` the number too. [`Filter::quoted`]
/// writes such quotes: who makes a filter of a name that a job has writes it behind `=`.
///
/// ```
/// use gandy_protocol::{Filter, Payload};
/// let filter = Filter::parse("class:Mail* -arg:7")?;
/// let job = Payload::parse(br#"{"class":"Mailer","args":[42],"jid":"1"}"#.to_vec())?;
/// assert!(filter.matches(&job, || None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    source: String,
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Class(String),
    Queue(String),
    Jid(String),
    Arg(Wanted),
    Error(String),
    Tag(String),
    Is(Name, String),
    Age(Order, i64),
    Attempt(Order, i64),
    Word(String),
}

/// What can be compared with a text as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Class,
    Queue,
    Jid,
    Error,
    Tag,
}

/// An argument as it is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    text: String,
    /// The same without white space between its parts, where it is an array or an object.
    compact: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Below,
    AtMost,
    Is,
    AtLeast,
    Above,
}

impl Filter {
    /// Reads a filter. What it fits must be named: nothing at all is an error, so that a forgotten variable of a shell
    /// does not mean every job there is.
    ///
    /// # Errors
    /// Which term is wrong, where it begins, and what may stand there.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        let terms = parse::terms(text)?;
        Ok(Filter {
            source: text.trim().to_owned(),
            terms,
        })
    }

    /// Whether a term of this name, such as `arg`, is among them: what somebody hides from others must not be guessed by it.
    pub fn asks_for(&self, name: &str) -> bool {
        self.terms.iter().any(|term| term.test.name() == name)
    }

    /// Whether all terms fit. `age_ms` says for how long the job is where it is, if that is known; it is asked only when a
    /// term needs it. What a job does not say fits no term, and so fits each negated one.
    pub fn matches(&self, job: &Payload, age_ms: impl Fn() -> Option<i64>) -> bool {
        let fits = |term: &Term| term.test.fits(job, &age_ms) != term.negated;
        self.terms.iter().all(fits)
    }

    /// The text in double quotes: one value, whatever stands in it.
    ///
    /// ```
    /// use gandy_protocol::{Filter, Payload};
    /// let filter = Filter::parse(&format!("class={}", Filter::quoted("a \"b*\"")))?;
    /// let job = Payload::parse(br#"{"class":"a \"b*\"","args":[],"jid":"1"}"#.to_vec())?;
    /// assert!(filter.matches(&job, || None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn quoted(text: &str) -> String {
        format!("\"{}\"", text.replace('\\', r"\\").replace('"', r#"\""#))
    }
}

/// As it was written.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Test {
    /// What stands before its colon; a bare word has none.
    fn name(&self) -> &'static str {
        match self {
            Test::Class(_) => "class",
            Test::Queue(_) => "queue",
            Test::Jid(_) => "jid",
            Test::Arg(_) => "arg",
            Test::Error(_) => "error",
            Test::Tag(_) => "tag",
            Test::Is(name, _) => name.exact(),
            Test::Age(..) => "age",
            Test::Attempt(..) => "attempt",
            Test::Word(_) => "",
        }
    }

    fn fits(&self, job: &Payload, age_ms: &impl Fn() -> Option<i64>) -> bool {
        match self {
            Test::Class(pattern) => {
                glob::fits(pattern, job.class()) || glob::fits(pattern, job.display_class())
            }
            Test::Queue(pattern) => glob::fits(pattern, job.queue().unwrap_or("default")),
            Test::Jid(pattern) => glob::fits(pattern, job.jid()),
            Test::Arg(wanted) => has_arg(job, wanted),
            Test::Error(wanted) => ["error_class", "error_message"]
                .into_iter()
                .filter_map(|name| text::unquoted(job.field(name)?))
                .any(|said| match glob::is_pattern(wanted) {
                    true => glob::fits(wanted, &said),
                    false => said.contains(wanted.as_str()),
                }),
            Test::Tag(pattern) => any_element(job.field("tags").unwrap_or_default(), |tag| {
                text::unquoted(tag).is_some_and(|tag| glob::fits(pattern, &tag))
            }),
            Test::Is(name, wanted) => name.is(job, wanted),
            Test::Age(order, limit) => age_ms().is_some_and(|age| order.holds(age, *limit)),
            Test::Attempt(order, limit) => order.holds(attempt(job), *limit),
            Test::Word(word) => [job.class(), job.display_class(), job.jid()]
                .into_iter()
                .any(|name| match glob::is_pattern(word) {
                    true => glob::fits(word, name),
                    false => name.contains(word.as_str()),
                }),
        }
    }
}

impl Name {
    /// With its mark: `error=` looks at the class alone, which is shown where messages are hidden.
    fn exact(self) -> &'static str {
        match self {
            Name::Class => "class=",
            Name::Queue => "queue=",
            Name::Jid => "jid=",
            Name::Error => "error=",
            Name::Tag => "tag=",
        }
    }

    fn is(self, job: &Payload, wanted: &str) -> bool {
        match self {
            // Not the wrapper's too, as a pattern may: the jobs that are shown under a class and those that this finds
            // are the same.
            Name::Class => job.display_class() == wanted,
            Name::Queue => job.queue().unwrap_or("default") == wanted,
            Name::Jid => job.jid() == wanted,
            Name::Error => {
                let class = job.field("error_class").and_then(text::unquoted);
                class.unwrap_or_default() == wanted
            }
            Name::Tag => any_element(job.field("tags").unwrap_or_default(), |tag| {
                text::unquoted(tag).is_some_and(|tag| tag == wanted)
            }),
        }
    }
}

/// The number of the run that comes next, as a handler is told it.
fn attempt(job: &Payload) -> i64 {
    job.retry_count().map_or(1, |count| i64::from(count) + 2)
}

/// ActiveJob's one argument is an envelope; the arguments that people know lie in it.
fn has_arg(job: &Payload, wanted: &Wanted) -> bool {
    let wrapped = job.display_class() != job.class();
    any_element(job.args(), |argument| {
        let inner = match wrapped && argument.starts_with('{') {
            true => field(argument, "arguments").map(|span| span.of(argument)),
            false => None,
        };
        wanted.is(argument)
            || inner.is_some_and(|inner| any_element(inner, |argument| wanted.is(argument)))
    })
}

/// Whether one of the elements of this JSON array is such; of anything else none is.
fn any_element(array: &str, such: impl Fn(&str) -> bool) -> bool {
    let mut found = false;
    let scanned = scan::elements(array, |element| found = found || such(element));
    scanned.is_ok() && found
}

impl Wanted {
    fn new(text: String) -> Wanted {
        let nested = text.starts_with(['{', '[']) && scan::check(&text).is_ok();
        let compact = nested.then(|| compact(&text));
        Wanted { text, compact }
    }

    fn is(&self, argument: &str) -> bool {
        argument == self.text
            || text::unquoted(argument).is_some_and(|inner| inner == self.text)
            || (self.compact.as_ref()).is_some_and(|wanted| {
                // Text of the same kind only: compacting megabytes of somebody's string would be for nothing.
                argument.as_bytes().first() == wanted.as_bytes().first()
                    && compact(argument) == *wanted
            })
    }
}

/// Valid JSON without the white space between its parts. As text, because numbers above 2^53 are not equal when they are
/// read as floats.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut quoted, mut escaped) = (false, false);
    for char in json.chars() {
        if quoted {
            quoted = escaped || char != '"';
            escaped = !escaped && char == '\\';
        } else if char == '"' {
            quoted = true;
        } else if matches!(char, ' ' | '\t' | '\n' | '\r') {
            continue;
        }
        out.push(char);
    }
    out
}

impl Order {
    fn holds(self, value: i64, limit: i64) -> bool {
        match self {
            Order::Below => value < limit,
            Order::AtMost => value <= limit,
            Order::Is => value == limit,
            Order::AtLeast => value >= limit,
            Order::Above => value > limit,
        }
    }
}

#[cfg(test)]
mod tests;
