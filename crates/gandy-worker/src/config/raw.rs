//! A setting's value as it was written, in TOML or as plain text (flag, environment), and the few types
//! that it can be read as. Here: types and ranges. Not here: which key has which (`keys`).

use std::time::Duration;

use toml::de::DeValue;

use gandy::span;

/// A value before it is understood.
#[derive(Debug, Clone, Copy)]
pub enum Raw<'a> {
    /// A value of the TOML file.
    Toml(&'a DeValue<'a>),
    /// The text of a flag or of an environment variable.
    Text(&'a str),
}

impl<'a> Raw<'a> {
    /// What was given, for the end of an error message.
    pub fn shown(&self) -> String {
        match self {
            Raw::Text(text) => format!("\"{text}\""),
            Raw::Toml(DeValue::String(text)) => format!("the string \"{text}\""),
            Raw::Toml(DeValue::Integer(number)) => number.to_string(),
            Raw::Toml(DeValue::Float(number)) => number.to_string(),
            Raw::Toml(DeValue::Boolean(flag)) => flag.to_string(),
            Raw::Toml(DeValue::Datetime(_)) => "a date".to_owned(),
            Raw::Toml(DeValue::Array(_)) => "an array".to_owned(),
            Raw::Toml(DeValue::Table(_)) => "a table".to_owned(),
        }
    }

    /// A whole number within `min..=max`.
    pub fn whole_number(self, min: u64, max: u64) -> Result<u64, String> {
        let parsed = match self {
            Raw::Toml(DeValue::Integer(number)) => {
                i128::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
            }
            Raw::Text(text) => text.trim().parse::<i128>().ok(),
            Raw::Toml(_) => None,
        };
        parsed
            .and_then(|number| u64::try_from(number).ok())
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| {
                format!(
                    "must be a whole number from {min} to {max}, got {}",
                    self.shown()
                )
            })
    }

    /// `true` or `false`; as text also `1` and `0`, the habit of environment variables.
    pub fn boolean(self) -> Result<bool, String> {
        match self {
            Raw::Toml(DeValue::Boolean(flag)) => Ok(*flag),
            Raw::Text("true" | "1") => Ok(true),
            Raw::Text("false" | "0") => Ok(false),
            _ => Err(format!("must be true or false, got {}", self.shown())),
        }
    }

    /// A string that is not empty.
    pub fn text(self) -> Result<&'a str, String> {
        match self {
            Raw::Text(text) if !text.is_empty() => Ok(text),
            Raw::Toml(DeValue::String(text)) if !text.is_empty() => Ok(text),
            _ => Err(format!(
                "must be a string that is not empty, got {}",
                self.shown()
            )),
        }
    }

    /// A span of time within `min..=max`: a whole number of seconds, or text such as `"5m"` or `"1h30m"`.
    pub fn duration(self, min: Duration, max: Duration) -> Result<Duration, String> {
        let parsed = match self {
            Raw::Toml(DeValue::Integer(number)) => {
                u64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
                    .ok()
                    .map(Duration::from_secs)
            }
            Raw::Toml(DeValue::String(text)) => span::parse(text),
            Raw::Text(text) => span::parse(text.trim()),
            Raw::Toml(_) => None,
        };
        parsed
            .filter(|span| (min..=max).contains(span))
            .ok_or_else(|| {
                format!(
                    "must be a number of seconds or a span like \"30s\", \"5m\", \"1h30m\", from {} to {}, got {}",
                    span::show(min),
                    span::show(max),
                    self.shown()
                )
            })
    }

    /// A list of strings: a TOML array, or text whose items are separated by white space.
    pub fn list(self) -> Result<Vec<&'a str>, String> {
        match self {
            Raw::Text(text) => Ok(text.split_whitespace().collect()),
            Raw::Toml(DeValue::Array(items)) => items
                .iter()
                .map(|item| {
                    let raw = Raw::Toml(item.get_ref());
                    raw.text().map_err(|_| {
                        format!(
                            "must be an array of strings, but holds {}",
                            if matches!(raw, Raw::Toml(DeValue::String(_))) {
                                "an empty string".to_owned()
                            } else {
                                raw.shown()
                            }
                        )
                    })
                })
                .collect(),
            Raw::Toml(_) => Err(format!("must be an array of strings, got {}", self.shown())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_names_its_range_and_what_it_got() {
        assert_eq!(Raw::Text(" 7 ").whole_number(1, 9), Ok(7));
        for bad in [
            "0",
            "10",
            "-5",
            "1.5",
            "",
            "x",
            "99999999999999999999999999999999999999999",
        ] {
            assert_eq!(
                Raw::Text(bad).whole_number(1, 9),
                Err(format!("must be a whole number from 1 to 9, got \"{bad}\""))
            );
        }
    }

    #[test]
    fn booleans_are_words_not_guesses() {
        assert_eq!(Raw::Text("1").boolean(), Ok(true));
        assert_eq!(Raw::Text("false").boolean(), Ok(false));
        assert_eq!(
            Raw::Text("yes").boolean(),
            Err("must be true or false, got \"yes\"".to_owned())
        );
    }

    #[test]
    fn toml_numbers_may_be_hexadecimal_or_grouped() {
        let table = toml::de::DeTable::parse("a = 0x1F\nb = 1_000\nc = \"5\"").expect("TOML");
        let raw = |key: &str| Raw::Toml(table.get_ref()[key].get_ref());
        assert_eq!(raw("a").whole_number(0, 100), Ok(31));
        assert_eq!(raw("b").whole_number(0, 1000), Ok(1000));
        assert_eq!(
            raw("c").whole_number(0, 9),
            Err("must be a whole number from 0 to 9, got the string \"5\"".to_owned())
        );
    }
}
