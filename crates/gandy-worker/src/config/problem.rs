//! What is wrong with a setting: where, which key, what, and what is allowed.
//! Here: the type and how it reads. Not here: the rules themselves (`keys`, `job`).

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a wrong setting was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the configuration file; line and column count from 1, columns in characters.
    File {
        /// The file as it was named on the command line.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// In an environment variable of this name.
    Environment(String),
    /// The file as a whole, or no file at all.
    Whole(PathBuf),
}

impl Place {
    /// The place of byte `offset` in `text`, the content of `path`.
    pub fn at(path: &Path, text: &str, offset: usize) -> Place {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place::File {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// One thing that is wrong with the configuration. Reads as
/// `gandy.toml:3:15: concurrency: must be a whole number from 1 to 1000, got -5`.
/// Never holds a secret: rules for secret keys do not repeat the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    place: Place,
    key: String,
    message: String,
}

impl Problem {
    /// A problem with the setting `key` (dotted, empty for the file as a whole).
    pub fn new(place: Place, key: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem {
            place,
            key: key.into(),
            message: message.into(),
        }
    }

    /// What problems are sorted by: those of the file by line, then the environment's, then the rest.
    pub fn order(&self) -> (u8, usize, usize) {
        match self.place {
            Place::File { line, column, .. } => (0, line, column),
            Place::Environment(_) => (1, 0, 0),
            Place::Whole(_) => (2, 0, 0),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A hostile or mistyped name or value may hold control characters; a terminal must not obey them.
        let plain = crate::log::escape;
        match &self.place {
            Place::File { path, line, column } => {
                write!(f, "{}:{line}:{column}: ", plain(&path.to_string_lossy()))?;
            }
            Place::Environment(name) => write!(f, "environment {}: ", plain(name))?,
            Place::Whole(path) => write!(f, "{}: ", plain(&path.to_string_lossy()))?,
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", plain(&self.key))?;
        }
        f.write_str(&plain(&self.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_columns_from_one_in_characters() {
        let text = "a = 1\nö = -5\n";
        let offset = text.find("-5").expect("in the text");
        assert_eq!(
            Place::at(Path::new("x.toml"), text, offset),
            Place::File {
                path: "x.toml".into(),
                line: 2,
                column: 5
            }
        );
    }

    #[test]
    fn an_offset_past_the_end_is_the_end() {
        assert_eq!(
            Place::at(Path::new("x"), "a\n", 99),
            Place::File {
                path: "x".into(),
                line: 2,
                column: 1
            }
        );
    }

    #[test]
    fn control_characters_are_escaped_wherever_they_stand() {
        let problem = Problem::new(Place::Environment("X".into()), "x", "got \u{1b}[31m");
        assert_eq!(problem.to_string(), r"environment X: x: got \x1b[31m");
        // Found by the fuzz target in its 100,505th input: a tab in a job's name.
        let place = Place::Whole("\u{7}.toml".into());
        let problem = Problem::new(place, "jobs.\"\t\".cwd", "is no folder");
        assert!(!problem.to_string().contains(char::is_control), "{problem}");
    }
}
