//! Words of a request, read into bounded types: who sends anything else is told which parameter, and what it must be.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use serde_json::value::RawValue;

use crate::problem::Problem;

/// Pairs that are read of one request; a page selects a hundred jobs at most.
const PAIRS_MAX: usize = 500;
/// An id longer than this is nobody's.
pub(crate) const JID_MAX: usize = 500;
/// The longest value.
const VALUE_MAX: usize = 64 << 10;
/// What stays as it is in a path or a query that we write.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A text as a part of a link.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// A job's id as a part of a path. What is none (`..` would lead elsewhere, and nothing nowhere) is `-`: such a job is
/// found by where it stands.
pub(crate) fn jid_path(jid: &str) -> String {
    match jid {
        "" | "." | ".." => "-".to_owned(),
        jid if jid.len() > JID_MAX => "-".to_owned(),
        jid => encoded(jid),
    }
}

/// The parameters of a query or of a form, in their order. A name may come more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    /// From JSON, where a list needs no commas within a text.
    typed: bool,
}

impl Params {
    pub(crate) fn read(text: &str) -> Result<Self, Problem> {
        let mut all = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if all.len() == PAIRS_MAX {
                return Err(Problem::param(
                    "request",
                    format!("more than {PAIRS_MAX} parameters"),
                ));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name)
                .ok_or_else(|| Problem::param("request", "a parameter's name is not UTF-8"))?;
            let value =
                decoded(value).ok_or_else(|| Problem::param(&shown(&name), "is not UTF-8"))?;
            if value.len() > VALUE_MAX {
                return Err(Problem::param(
                    &shown(&name),
                    format!("is longer than {VALUE_MAX} bytes"),
                ));
            }
            all.push((name, value));
        }
        Ok(Self {
            pairs: all,
            typed: false,
        })
    }

    /// The first value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// All values of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.pairs.iter().filter(move |(other, _)| other == name);
        pairs.map(|(_, value)| value.as_str())
    }

    /// Nothing but these: a `filter` that is misspelt would else be none, and an act on all there is.
    pub(crate) fn only(&self, names: &[&str]) -> Result<(), Problem> {
        let other = self
            .pairs
            .iter()
            .find(|(name, _)| !names.contains(&&**name));
        match other {
            None => Ok(()),
            Some((name, _)) => Err(Problem::param(
                &shown(name),
                format!("is not known here; these are: {}", names.join(", ")),
            )),
        }
    }

    /// A value that must be there.
    pub(crate) fn need(&self, name: &'static str) -> Result<&str, Problem> {
        self.get(name)
            .ok_or_else(|| Problem::param(name, "is missing"))
    }

    /// A number between these, or `usual` where none is given.
    pub(crate) fn number(
        &self,
        name: &'static str,
        low: u64,
        high: u64,
        usual: u64,
    ) -> Result<u64, Problem> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else {
            return Ok(usual);
        };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text
            .parse::<u64>()
            .ok()
            .filter(|number| digits && (low..=high).contains(number));
        number.ok_or_else(|| Problem::param(name, format!("must be a number from {low} to {high}")))
    }

    /// One of these words, or the first of them where none is given.
    pub(crate) fn word<'w>(
        &self,
        name: &'static str,
        words: &[&'w str],
    ) -> Result<&'w str, Problem> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else {
            return Ok(words.first().copied().unwrap_or_default());
        };
        let found = words.iter().find(|word| **word == text);
        found
            .copied()
            .ok_or_else(|| Problem::param(name, format!("must be one of: {}", words.join(", "))))
    }

    /// `1`, `true` or `on`; nothing, `0` or `false`. Whatever else was meant, it was not to be taken for "all of them".
    pub(crate) fn switch(&self, name: &'static str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("" | "0" | "false") => Ok(false),
            Some("1" | "true" | "on") => Ok(true),
            Some(_) => Err(Problem::param(name, "must be true or false")),
        }
    }

    /// Texts of at most so many bytes in all: one with commas between them, as a form has it, or each on its own.
    pub(crate) fn list(&self, name: &'static str, most: usize) -> Result<Vec<&str>, Problem> {
        let values: Vec<&str> = self.all(name).collect();
        if values.iter().map(|value| value.len()).sum::<usize>() > most {
            return Err(Problem::param(
                name,
                format!("must have at most {most} bytes"),
            ));
        }
        Ok(match (values.as_slice(), self.typed) {
            ([text], false) => text.split(',').collect(),
            _ => values,
        })
    }

    /// A text of at most so many bytes.
    pub(crate) fn text(&self, name: &'static str, most: usize) -> Result<Option<&str>, Problem> {
        match self.get(name) {
            Some(text) if text.len() > most => Err(Problem::param(
                name,
                format!("must have at most {most} bytes"),
            )),
            other => Ok(other),
        }
    }
}

/// The fields of a JSON object, as a form would have them: numbers and nested JSON by their text, each of an array of texts
/// on its own.
fn of_json(text: &str) -> Result<Params, Problem> {
    let wrong = || {
        Problem::param(
            "body",
            "is no JSON object such as the API's document has it",
        )
    };
    let fields: BTreeMap<String, &RawValue> = match text.trim().is_empty() {
        true => BTreeMap::new(),
        false => serde_json::from_str(text).map_err(|_| wrong())?,
    };
    let mut all = Vec::new();
    for (name, raw) in fields {
        let raw = raw.get();
        let values = match (name.as_str(), raw.as_bytes().first()) {
            (_, Some(b'n')) => Vec::new(),
            (_, Some(b'"')) => vec![serde_json::from_str(raw).map_err(|_| wrong())?],
            ("entries" | "tags", _) => serde_json::from_str::<Vec<String>>(raw)
                .map_err(|_| Problem::param(&shown(&name), "must be an array of texts"))?,
            _ => vec![raw.to_owned()],
        };
        let (name, values) = match name.as_str() {
            "entries" => ("entry".to_owned(), values),
            _ => (name, values),
        };
        if all.len() + values.len() > PAIRS_MAX {
            return Err(Problem::param(
                "request",
                format!("more than {PAIRS_MAX} parameters"),
            ));
        }
        if values.iter().any(|value| value.len() > VALUE_MAX) {
            return Err(Problem::param(
                &shown(&name),
                format!("is longer than {VALUE_MAX} bytes"),
            ));
        }
        all.extend(values.into_iter().map(|value| (name.clone(), value)));
    }
    Ok(Params {
        pairs: all,
        typed: true,
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// A name from outside, short enough for a sentence.
fn shown(name: &str) -> String {
    crate::words::clipped(name, 40)
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

/// The query of the request.
#[derive(Debug, Clone)]
pub(crate) struct Query(pub(crate) Params);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Params::read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// The fields of a form, or of a JSON object. Its size was bounded by `guard`.
#[derive(Debug, Clone)]
pub(crate) struct Form(pub(crate) Params);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
        let body = body.map_err(|_| Problem::param("body", "could not be read"))?;
        let text =
            std::str::from_utf8(&body).map_err(|_| Problem::param("body", "is not UTF-8"))?;
        match is_json {
            true => of_json(text).map(Self),
            false => Params::read(text).map(Self),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_form_reads_back_what_links_write() {
        let value = "a b&c=d+e%\u{e9}/\"<";
        let text = format!("x={}&x=2&flag&=", encoded(value));
        let params = Params::read(&text).unwrap();
        assert_eq!(params.all("x").collect::<Vec<_>>(), [value, "2"]);
        assert_eq!((params.get("flag"), params.get("none")), (Some(""), None));
        assert_eq!(Params::read("q=a+b").unwrap().get("q"), Some("a b"));
    }

    #[test]
    fn a_json_object_is_read_as_a_form_would_be() {
        let text = r#"{"all":true,"to":"low","entries":["a","b"],"args":[9007199254740993],"in":null,"tags":["x","y"],"retry":3}"#;
        let params = of_json(text).unwrap();
        assert_eq!(
            (params.get("all"), params.get("to")),
            (Some("true"), Some("low"))
        );
        assert_eq!(params.all("entry").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(params.get("args"), Some("[9007199254740993]"));
        assert_eq!(params.get("in"), None);
        assert_eq!(params.list("tags", 10).unwrap(), ["x", "y"]);
        let one = of_json(r#"{"tags":["a,b"]}"#).unwrap();
        assert_eq!(one.list("tags", 10).unwrap(), ["a,b"]);
        assert!(one.list("tags", 2).is_err());
        let form = Params::read("tags=a%2C+b").unwrap();
        assert_eq!(form.list("tags", 10).unwrap(), ["a", " b"]);
        assert_eq!(params.get("retry"), Some("3"));
        assert!(of_json("").unwrap().get("all").is_none());
        for wrong in ["[]", "{", r#"{"entries":5}"#, r#"{"entries":[1]}"#] {
            assert!(of_json(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_its_name() {
        let params = Params::read("n=10&w=b&big=99999999999999999999&neg=-1&plus=%2B5").unwrap();
        assert_eq!(params.number("n", 1, 10, 5).unwrap(), 10);
        assert_eq!(params.number("none", 1, 10, 5).unwrap(), 5);
        assert_eq!(params.word("w", &["a", "b"]).unwrap(), "b");
        assert_eq!(params.word("none", &["a", "b"]).unwrap(), "a");
        for name in ["big", "neg", "plus", "w"] {
            let error = params.number(name, 0, 100, 0).unwrap_err();
            assert!(error.detail.starts_with(name), "{error:?}");
        }
        assert!(params.word("n", &["a"]).is_err() && params.text("big", 5).is_err());
        assert!(Params::read("a=%ff").is_err());
        assert!(Params::read(&"a=1&".repeat(501)).is_err());
    }
}
