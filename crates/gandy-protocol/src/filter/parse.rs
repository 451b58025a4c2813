//! Reading a filter's words.
//!
//! Belongs here: words, quotes, and what is said about wrong ones. Does not belong here: what a term means (`filter`).

use super::{Name, Order, Term, Test, Wanted};
use crate::span;

/// What is wrong with a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No term at all.
    #[error("the filter is empty, which would mean every job; write a term such as class:Mailer*")]
    Empty,
    /// A quote without its partner.
    #[error("filter, character {at}: the quote {quote} is never closed")]
    Quote {
        /// Which character of the filter it is, from 1.
        at: usize,
        /// The quote.
        quote: char,
    },
    /// A term that means nothing.
    #[error("filter, character {at}: {term:?}: {wrong}")]
    Term {
        /// Where it begins, from 1.
        at: usize,
        /// As it was read.
        term: String,
        /// What is wrong, and what to write.
        wrong: String,
    },
}

/// A term as it stands in the text.
struct Word {
    at: usize,
    text: String,
    /// How many of its first characters stood outside of quotes: only there `:` and `-` mean something. All of them where
    /// there were no quotes.
    bare: usize,
}

pub(super) fn terms(text: &str) -> Result<Vec<Term>, FilterError> {
    let terms = words(text)?
        .iter()
        .map(term)
        .collect::<Result<Vec<Term>, FilterError>>()?;
    if terms.is_empty() {
        return Err(FilterError::Empty);
    }
    Ok(terms)
}

fn words(text: &str) -> Result<Vec<Word>, FilterError> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut open: Option<(usize, char)> = None;
    let mut chars = text.chars().zip(1..).peekable();
    while let Some((char, at)) = chars.next() {
        if open.is_none() && char.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert(Word {
            at,
            text: String::new(),
            bare: usize::MAX,
        });
        match open {
            None if matches!(char, '"' | '\'') => {
                word.bare = word.bare.min(word.text.chars().count());
                open = Some((at, char));
            }
            Some((_, quote)) if char == quote => open = None,
            Some((_, '"')) if char == '\\' => {
                let escaped = chars.next_if(|(next, _)| matches!(next, '"' | '\\'));
                word.text.push(escaped.map_or(char, |(next, _)| next));
            }
            _ => word.text.push(char),
        }
    }
    if let Some((at, quote)) = open {
        return Err(FilterError::Quote { at, quote });
    }
    words.extend(word);
    Ok(words)
}

const NAMES: &str =
    "class:, queue:, jid:, error:, tag: (each with = for a whole text), arg:, age> or attempt>";

fn term(word: &Word) -> Result<Term, FilterError> {
    let wrong = |wrong: String| FilterError::Term {
        at: word.at,
        term: word.text.clone(),
        wrong,
    };
    let negated = word.bare > 0 && word.text.starts_with(['-', '!']);
    let skipped = usize::from(negated);
    let body = &word.text[skipped..];
    if body.is_empty() {
        return Err(wrong("a term is missing behind it".to_owned()));
    }
    // What stands in quotes is text, not a term's name.
    let bare: String = word.text.chars().take(word.bare).skip(skipped).collect();
    let end = bare.find([':', '<', '>', '=']);
    let test = match end {
        None => Ok(Test::Word(body.to_owned())),
        Some(end) => {
            let (name, rest) = body.split_at(end);
            test(name, rest, word.bare != usize::MAX)
        }
    };
    let test = test.map_err(wrong)?;
    Ok(Term { negated, test })
}

/// `rest` begins with what separates the name from the value; `quoted`: there are quotes in it.
fn test(name: &str, rest: &str, quoted: bool) -> Result<Test, String> {
    let (order, value) = order(rest);
    let text = || {
        match (order, value) {
        (None, value) if !value.is_empty() => Ok(value.to_owned()),
        (Some(Order::Is), "") if name == "error" => Err(
            "write a value behind it, such as error=Timeout, or error=\"\" for jobs without an error"
                .to_owned(),
        ),
        (_, "") => Err(format!(
            "write a value behind it, such as {}",
            example(name, order.is_some())
        )),
        _ if name == "arg" => Err(format!(
            "`arg` is compared with a colon: {}",
            example(name, false)
        )),
        _ => Err(format!(
            "`{name}` is compared with a colon, or with = for a whole text: {} or {}",
            example(name, false),
            example(name, true)
        )),
    }
    };
    // Nothing is a value only where quotes say so: `error=$FORGOTTEN` of a shell does not mean the jobs without an error.
    let none = name == "error" && quoted;
    let named = |is: Name, pattern: fn(String) -> Test| match order {
        Some(Order::Is) if !value.is_empty() || none => Ok(Test::Is(is, value.to_owned())),
        _ => text().map(pattern),
    };
    match name {
        "class" => named(Name::Class, Test::Class),
        "queue" => named(Name::Queue, Test::Queue),
        "jid" => named(Name::Jid, Test::Jid),
        "arg" => text().map(|text| Test::Arg(Wanted::new(text))),
        "error" => named(Name::Error, Test::Error),
        "tag" => named(Name::Tag, Test::Tag),
        "age" => match (order, span::parse(value)) {
            (Some(order), Some(span)) if order != Order::Is => {
                let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
                Ok(Test::Age(order, ms))
            }
            _ => Err("write age>1h, age<5m or age>=2d".to_owned()),
        },
        "attempt" => match value.parse() {
            Ok(number) => Ok(Test::Attempt(order.unwrap_or(Order::Is), number)),
            Err(_) => Err("write attempt>3, attempt<2 or attempt=1".to_owned()),
        },
        // `Mailer::Digest` as a bare word: a class of Ruby's, not a term.
        _ if rest.starts_with("::") || (name.is_empty() && order.is_none()) => {
            Ok(Test::Word(format!("{name}{rest}")))
        }
        _ => Err(format!(
            "there is no term `{name}`; write {NAMES}, or put a text that is to be found as it is in quotes"
        )),
    }
}

/// The comparison at the beginning of what follows a name (none: a colon), and the value.
fn order(rest: &str) -> (Option<Order>, &str) {
    for (mark, order) in [
        (">=", Order::AtLeast),
        ("<=", Order::AtMost),
        (">", Order::Above),
        ("<", Order::Below),
        ("=", Order::Is),
    ] {
        if let Some(value) = rest.strip_prefix(mark) {
            return (Some(order), value);
        }
    }
    (None, rest.strip_prefix(':').unwrap_or(rest))
}

fn example(name: &str, whole: bool) -> &'static str {
    match (name, whole) {
        ("class", false) => "class:Mailer*",
        ("class", true) => "class=Mailer",
        ("queue", false) => "queue:low",
        ("queue", true) => "queue=low",
        ("jid", false) => "jid:b5de*",
        ("jid", true) => "jid=b5de70b63090decd6440fd9e",
        ("arg", _) => "arg:42",
        ("error", false) => "error:Timeout",
        ("error", true) => "error=Timeout",
        (_, false) => "tag:import",
        (_, true) => "tag=import",
    }
}
