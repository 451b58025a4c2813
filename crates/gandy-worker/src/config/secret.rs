//! Values that may be secret: where they come from and that they are never shown.

use std::fmt;
use std::path::Path;

use toml::de::DeValue;

use super::environment::Environment;
use super::raw::Raw;

/// A text that is never printed: its `Debug` shows nothing and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads a secret from a file; line ends at the end are not part of it, since editors and
    /// `kubectl create secret` put one there.
    pub fn from_file(path: &Path) -> Result<Secret, String> {
        match std::fs::read_to_string(path) {
            Err(error) => Err(format!("cannot read {}: {error}", path.display())),
            Ok(text) => {
                let text = text.trim_end_matches(['\r', '\n']);
                if text.is_empty() {
                    return Err(format!("{} is empty", path.display()));
                }
                Ok(Secret::new(text))
            }
        }
    }

    /// Reads a secret from an environment variable, which must be set and not empty.
    pub fn from_environment(environment: &Environment, name: &str) -> Result<Secret, String> {
        match environment.text(name) {
            Some(Ok("")) | None => Err(format!("environment variable {name} is not set")),
            Some(Ok(text)) => Ok(Secret::new(text)),
            Some(Err(())) => Err(format!("environment variable {name} is not UTF-8")),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// How a value was given, which is what a summary may show of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// Written in the file.
    Literal,
    /// `{ env = "NAME" }`.
    Environment(String),
    /// `{ file = "PATH" }`.
    File(String),
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Given::Literal => f.write_str("\"***\""),
            Given::Environment(name) => write!(f, "{{ env = \"{name}\" }}"),
            Given::File(path) => write!(f, "{{ file = \"{path}\" }}"),
        }
    }
}

/// Reads a value written as `"text"`, `{ env = "NAME" }` or `{ file = "PATH" }`; a relative path counts
/// from `base`. Errors never repeat the value.
pub fn read(
    value: &DeValue<'_>,
    environment: &Environment,
    base: &Path,
) -> Result<(Given, Secret), String> {
    const ALLOWED: &str = "must be a string, { env = \"NAME\" } or { file = \"PATH\" }";
    let table = match value {
        DeValue::String(text) => return Ok((Given::Literal, Secret::new(text.as_ref()))),
        DeValue::Table(table) if table.len() == 1 => table,
        _ => return Err(ALLOWED.to_owned()),
    };
    let (key, source) = table.iter().next().ok_or(ALLOWED)?;
    let source = Raw::Toml(source.get_ref()).text().map_err(|_| ALLOWED)?;
    match key.get_ref().as_ref() {
        "env" => Secret::from_environment(environment, source)
            .map(|secret| (Given::Environment(source.to_owned()), secret)),
        "file" => Secret::from_file(&base.join(source))
            .map(|secret| (Given::File(source.to_owned()), secret)),
        _ => Err(ALLOWED.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use toml::de::DeTable;

    fn read_text(text: &str, base: &Path) -> Result<(Given, Secret), String> {
        let environment = Environment::from_pairs([("TOKEN", "S3CR3T"), ("EMPTY", "")]);
        let text = format!("v = {text}");
        let table = DeTable::parse(&text).unwrap();
        read(table.get_ref()["v"].get_ref(), &environment, base)
    }

    #[test]
    fn a_value_comes_from_text_environment_or_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "from file\r\n").unwrap();
        let value = |text: &str| read_text(text, folder.path()).unwrap().1;
        assert_eq!(value("\"plain\"").expose(), "plain");
        assert_eq!(value("{ env = \"TOKEN\" }").expose(), "S3CR3T");
        assert_eq!(value("{ file = \"token\" }").expose(), "from file");
    }

    #[test]
    fn an_unset_or_empty_source_is_an_error() {
        let base = Path::new("/nonexistent");
        assert_eq!(
            read_text("{ env = \"NOPE\" }", base).unwrap_err(),
            "environment variable NOPE is not set"
        );
        assert!(read_text("{ env = \"EMPTY\" }", base).is_err());
        assert!(
            read_text("{ file = \"x\" }", base)
                .unwrap_err()
                .contains("/nonexistent/x")
        );
        for bad in [
            "1",
            "[]",
            "{}",
            "{ env = 1 }",
            "{ vault = \"x\" }",
            "{ env = \"A\", file = \"B\" }",
        ] {
            assert_eq!(
                read_text(bad, base).unwrap_err(),
                "must be a string, { env = \"NAME\" } or { file = \"PATH\" }"
            );
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let (given, secret) = read_text("{ env = \"TOKEN\" }", Path::new("/")).unwrap();
        assert!(!format!("{secret:?} {given} {given:?}").contains("S3CR3T"));
    }
}
