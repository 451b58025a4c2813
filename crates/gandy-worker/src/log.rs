//! Log lines on standard error: text or JSON, one line an event, control characters escaped.

use std::collections::BTreeMap;
use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::config::environment::Environment;
use crate::log_by_class::ByClass;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

/// Starts logging as `GANDY_LOG` (a filter such as `info` or `gandy=debug`) and `GANDY_LOG_FORMAT` (`text` or
/// `json`) say. `classes`: those whose lines have a level of their own.
///
/// # Errors
///
/// A filter or a format that cannot be read; or logging that was started before.
pub fn start(
    environment: &Environment,
    classes: BTreeMap<String, LevelFilter>,
) -> Result<(), String> {
    let (filter, format) = settings(environment)?;
    let lines = fmt::layer().with_ansi(false).with_writer(Escaped(format));
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    // A filter of classes is asked for every event; the other one once for each place in the code.
    let lines = if classes.is_empty() {
        lines.with_filter(filter).boxed()
    } else {
        lines.with_filter(ByClass { filter, classes }).boxed()
    };
    Registry::default()
        .with(lines)
        .try_init()
        .map_err(|error| error.to_string())
}

/// Checks the two variables without starting anything.
///
/// # Errors
///
/// As [`start`].
pub fn check(environment: &Environment) -> Result<(), String> {
    settings(environment).map(|_| ())
}

fn settings(environment: &Environment) -> Result<(EnvFilter, Format), String> {
    let value = |name| match environment.text(name) {
        None | Some(Ok("")) => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(())) => Err(format!("environment {name}: is not UTF-8")),
    };
    let filter = value("GANDY_LOG")?.unwrap_or("info");
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        format!(
            "environment GANDY_LOG: must be a filter such as \"info\" or \"gandy=debug,warn\", got \"{}\": {error}",
            escape(filter)
        )
    })?;
    match value("GANDY_LOG_FORMAT")?.unwrap_or("text") {
        "text" => Ok((filter, Format::Text)),
        "json" => Ok((filter, Format::Json)),
        other => Err(format!(
            "environment GANDY_LOG_FORMAT: must be \"text\" or \"json\", got \"{}\"",
            escape(other)
        )),
    }
}

/// Text with every control character written out, so that what a job says neither begins a line of its own
/// nor gives commands to a terminal.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            // Line and paragraph separator, and the marks that turn the direction of writing.
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                escaped.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c if c.is_control() => escaped.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A JSON line, and in it as escapes what a terminal obeys and `serde_json` leaves as it is.
fn escape_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c if c.is_control() => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Standard error, one escaped line an event. The formatter hands over each event whole, ended by a newline.
struct Escaped(Format);

impl<'a> MakeWriter<'a> for Escaped {
    type Writer = EscapedLine;

    fn make_writer(&'a self) -> EscapedLine {
        EscapedLine(self.0)
    }
}

struct EscapedLine(Format);

impl Write for EscapedLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = match self.0 {
            Format::Text => escape(line),
            Format::Json => escape_json(line),
        } + "\n";
        io::stderr().write_all(line.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(
            escape("a\nb\r\u{1b}[2J\u{9b}\u{7f}\u{202e}ü\t"),
            "a\\nb\\r\\x1b[2J\\x9b\\x7f\\u{202e}ü\\t"
        );
    }

    #[test]
    fn in_json_they_are_escaped_as_json_has_it() {
        let line = serde_json::json!({ "class": "a\n\u{1b}[2J\u{9b}\u{7f}\u{202e}ü" }).to_string();
        let escaped = escape_json(&line);
        assert_eq!(escaped, r#"{"class":"a\n\u001b[2J\u009b\u007f\u202eü"}"#);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        assert_eq!(read(&escaped), read(&line));
    }

    #[test]
    fn wrong_settings_name_the_variable() {
        let check = |name: &str, value: &str| check(&Environment::from_pairs([(name, value)]));
        assert_eq!(check("GANDY_LOG", "gandy=debug,info"), Ok(()));
        assert_eq!(check("GANDY_LOG_FORMAT", "json"), Ok(()));
        assert_eq!(
            check("GANDY_LOG_FORMAT", "xml"),
            Err(
                "environment GANDY_LOG_FORMAT: must be \"text\" or \"json\", got \"xml\""
                    .to_owned()
            )
        );
        assert!(check("GANDY_LOG", "gandy=loud").is_err_and(|error| error.contains("GANDY_LOG")));
    }
}
