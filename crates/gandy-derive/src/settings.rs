//! `#[job(…)]`: each setting becomes one call on `JobOptions`, or an error at its place.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned as _;
use syn::{Attribute, LitStr};

use crate::duration;
use crate::lookalike::nearest;
use crate::value::Value;

/// All settings, each with a value to show.
const KNOWN: [(&str, &str); 9] = [
    ("class", "class = \"WelcomeEmail\""),
    ("queue", "queue = \"mailers\""),
    ("retry", "retry = 5"),
    ("timeout", "timeout = \"30s\""),
    ("retry_for", "retry_for = \"2h\""),
    ("retry_queue", "retry_queue = \"slow\""),
    ("tags", "tags(\"a\", \"b\")"),
    ("dead", "dead = false"),
    ("backtrace", "backtrace = 10"),
];

/// Sidekiq takes larger numbers for points in time and refuses them.
const RETRY_FOR_S_MAX: u64 = 1_000_000_000;

/// As `gandy_protocol::QueueName`, which this crate does not depend on: it would be compiled twice for each user.
const QUEUE_BYTES_MAX: usize = 255;

/// What `#[job(…)]` said.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) class: Option<TokenStream>,
    /// `.queue("mailers")` and so on, in the order they were given.
    pub(crate) calls: Vec<TokenStream>,
    given: Vec<String>,
}

impl Settings {
    /// Reads all `#[job(…)]` attributes; mistakes go to `errors`.
    pub(crate) fn read(attributes: &[Attribute], errors: &mut Vec<syn::Error>) -> Settings {
        let mut settings = Settings::default();
        for attribute in attributes {
            if !attribute.path().is_ident("job") {
                continue;
            }
            // `#[job("WelcomeEmail")]` is what people try first.
            if let Ok(text) = attribute.parse_args::<LitStr>() {
                let message = format!("settings have names: write class = {:?}", text.value());
                errors.push(syn::Error::new(text.span(), message));
                continue;
            }
            let read = attribute.parse_nested_meta(|meta| {
                let value = Value::read(&meta)?;
                if let Err(error) = settings.add(&meta, &value) {
                    errors.push(error);
                }
                Ok(())
            });
            if let Err(error) = read {
                errors.push(error);
            }
        }
        settings
    }

    fn add(&mut self, meta: &ParseNestedMeta<'_>, value: &Value) -> syn::Result<()> {
        let path = &meta.path;
        let name = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect::<Vec<_>>()
            .join("::");
        let Some((_, example)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            return Err(syn::Error::new(path.span(), unknown(&name)));
        };
        if self.given.contains(&name) {
            let message = format!("`{name}` is given twice");
            return Err(syn::Error::new(path.span(), message));
        }
        self.given.push(name.clone());
        if matches!(value, Value::None(_)) {
            let message = if name == "tags" {
                format!("tags takes a list of strings: write {example}")
            } else {
                format!("`{name}` needs a value, like {example}")
            };
            return Err(syn::Error::new(value.span(), message));
        }
        let setting = Setting {
            name: &name,
            example,
            value,
        };
        match name.as_str() {
            "class" => self.class = Some(setting.class()?),
            "retry" => self.calls.push(setting.retry()?),
            "timeout" | "retry_for" => self.calls.push(setting.duration()?),
            "tags" => self.calls.push(setting.tags()?),
            "dead" => self.calls.push(setting.dead()?),
            "backtrace" => self.calls.push(setting.backtrace()?),
            _ => self.calls.push(setting.queue()?),
        }
        Ok(())
    }
}

fn unknown(name: &str) -> String {
    let known = KNOWN.map(|(known, _)| known);
    match nearest(name, &known) {
        Some(meant) => format!("unknown setting `{name}`: did you mean `{meant}`?"),
        None => format!(
            "unknown setting `{name}`: the settings are {}",
            known.join(", ")
        ),
    }
}

/// One setting whose name is known.
struct Setting<'a> {
    name: &'a str,
    example: &'a str,
    value: &'a Value,
}

impl Setting<'_> {
    fn class(&self) -> syn::Result<TokenStream> {
        let literal = self.string("a string")?;
        let class = literal.value();
        let problem = if class.is_empty() {
            "the class is empty: write the name that handlers are registered under, or leave class out to take the struct's name"
        } else if class.chars().any(|c| c.is_whitespace() || c.is_control()) {
            "a class is one name without spaces, like \"WelcomeEmail\" or \"Reports::Nightly\""
        } else if class.contains("::") && class.split("::").any(str::is_empty) {
            "a class has a name on both sides and between `::`, like \"Reports::Nightly\""
        } else {
            return Ok(quote!(#literal));
        };
        Err(self.error(problem))
    }

    fn queue(&self) -> syn::Result<TokenStream> {
        let literal = self.string("a string")?;
        let queue = literal.value();
        let problem = if queue.is_empty() {
            "a queue needs a name; leave the setting out for the usual one".to_owned()
        } else if queue.chars().any(char::is_control) {
            "a queue's name holds no control character".to_owned()
        } else if queue.contains(',') {
            "a queue's name holds no comma: weights belong to the worker that serves it".to_owned()
        } else if queue.len() > QUEUE_BYTES_MAX {
            format!("a queue's name has at most {QUEUE_BYTES_MAX} bytes")
        } else {
            let method = syn::Ident::new(self.name, Span::call_site());
            return Ok(quote!(.#method(#literal)));
        };
        Err(self.error(problem))
    }

    fn retry(&self) -> syn::Result<TokenStream> {
        match self.value {
            Value::Bool(flag) => Ok(quote!(.retry(#flag))),
            Value::Int(number) => {
                let times = self.count(number)?;
                Ok(quote!(.retry(#times)))
            }
            Value::Negative(_) => Err(self.error(
                "retry cannot be negative: 0 sends a failed job straight to the dead set, false drops it",
            )),
            _ => Err(self.error(
                "retry takes a number, like retry = 5, or true (as often as the worker allows), or false (never)",
            )),
        }
    }

    fn backtrace(&self) -> syn::Result<TokenStream> {
        match self.value {
            Value::Bool(flag) => Ok(quote!(.backtrace(#flag))),
            Value::Int(number) => {
                let lines = self.count(number)?;
                Ok(quote!(.backtrace(#lines)))
            }
            _ => Err(self.error(
                "backtrace takes true (all lines) or a number of lines, like backtrace = 10",
            )),
        }
    }

    fn dead(&self) -> syn::Result<TokenStream> {
        match self.value {
            Value::Bool(flag) => Ok(quote!(.dead(#flag))),
            _ => Err(self.error(
                "dead takes true or false: whether a job that used up its retries goes to the dead set",
            )),
        }
    }

    fn tags(&self) -> syn::Result<TokenStream> {
        let Value::List(tags) = self.value else {
            let message = format!("tags takes a list of strings: write {}", self.example);
            return Err(self.error(message));
        };
        if let Some(empty) = tags.iter().find(|tag| tag.value().is_empty()) {
            return Err(syn::Error::new(empty.span(), "a tag is empty"));
        }
        Ok(quote!(.tags([#(#tags),*])))
    }

    fn duration(&self) -> syn::Result<TokenStream> {
        let literal = self.string("a string with a unit")?;
        let ms = duration::parse_ms(&literal.value()).map_err(|problem| self.error(problem))?;
        if self.name == "retry_for" {
            if ms % 1_000 != 0 {
                return Err(self.error("retry_for counts in whole seconds"));
            }
            if ms / 1_000 > RETRY_FOR_S_MAX {
                let message = format!("retry_for is at most {RETRY_FOR_S_MAX} seconds");
                return Err(self.error(message));
            }
        }
        let method = syn::Ident::new(self.name, Span::call_site());
        Ok(quote!(.#method(::core::time::Duration::from_millis(#ms))))
    }

    fn string(&self, what: &str) -> syn::Result<&LitStr> {
        match self.value {
            Value::Str(literal) => Ok(literal),
            _ => Err(self.error(format!("{} takes {what}, like {}", self.name, self.example))),
        }
    }

    fn count(&self, number: &syn::LitInt) -> syn::Result<u32> {
        number
            .base10_parse()
            .map_err(|_| self.error(format!("{} is at most {}", self.name, u32::MAX)))
    }

    fn error(&self, message: impl std::fmt::Display) -> syn::Error {
        syn::Error::new(self.value.span(), message)
    }
}
