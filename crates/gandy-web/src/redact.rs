//! What of jobs' arguments is not shown: they are people's data, and a dashboard is often open on a wall.
//!
//! A rule is `CLASS:WHAT`. CLASS is a class or a pattern with `*` and `?`; WHAT is the number of an argument from 0, a
//! pattern for names of members at any depth, or `args` for all. It holds for the class that Redis names and the one that
//! ActiveJob wraps.

use std::fmt;

/// What stands in place of what is hidden.
pub(crate) const HIDDEN: &str = "[redacted]";

/// Names of members that are never shown unless somebody says so.
const USUAL: [&str; 12] = [
    "*password*",
    "*passwd*",
    "*passphrase*",
    "*secret*",
    "*token*",
    "*api_key*",
    "*apikey*",
    "*private_key*",
    "*authorization*",
    "*credential*",
    "*card_number*",
    "*cvv*",
];

/// Rules; [`Redaction::default`] has the usual names (`password`, `token`, `secret`, `api_key` and so on).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    class: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    All,
    Position(usize),
    /// In small letters.
    Name(String),
}

/// Why a rule is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedactionError(String);

impl fmt::Display for RedactionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RedactionError {}

impl Default for Redaction {
    fn default() -> Self {
        let usual = USUAL.iter().map(|name| Rule {
            class: "*".to_owned(),
            what: What::Name((*name).to_owned()),
        });
        Self {
            rules: usual.collect(),
        }
    }
}

impl Redaction {
    /// Shows everything.
    #[must_use]
    pub fn none() -> Self {
        Self { rules: Vec::new() }
    }

    /// And this rule: `Mailer:1`, `Payment*:args`, `*:iban`.
    ///
    /// # Errors
    /// No colon, or nothing on one of its sides.
    pub fn rule(mut self, text: &str) -> Result<Self, RedactionError> {
        let wrong = || {
            RedactionError(
                "write CLASS:WHAT, such as Mailer:1 (its second argument), Payment*:args or '*:iban' (each member of that name)"
                    .to_owned(),
            )
        };
        // Ruby's classes have colons: the last one counts.
        let (class, what) = text.rsplit_once(':').ok_or_else(wrong)?;
        if class.is_empty() || what.is_empty() {
            return Err(wrong());
        }
        let what = match what.parse::<usize>() {
            Ok(position) => What::Position(position),
            Err(_) if what == "args" => What::All,
            Err(_) => What::Name(what.to_lowercase()),
        };
        self.rules.push(Rule {
            class: class.to_owned(),
            what,
        });
        Ok(self)
    }

    /// What holds for a job of these classes.
    pub(crate) fn of<'a>(&'a self, class: &str, wrapped: &str) -> Hides<'a> {
        let mut hides = Hides::default();
        for rule in &self.rules {
            if !fits(&rule.class, class) && !fits(&rule.class, wrapped) {
                continue;
            }
            match &rule.what {
                What::All => hides.all = true,
                What::Position(position) => hides.positions.push(*position),
                What::Name(name) => hides.names.push(name),
            }
        }
        hides
    }
}

/// What is hidden of one job.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hides<'a> {
    pub(crate) all: bool,
    positions: Vec<usize>,
    names: Vec<&'a str>,
}

impl Hides<'_> {
    pub(crate) fn position(&self, position: usize) -> bool {
        self.all || self.positions.contains(&position)
    }

    pub(crate) fn name(&self, name: &str) -> bool {
        // A name of kilobytes is looked at with each pattern; what is hidden begins early.
        let name: String = name
            .chars()
            .take(200)
            .flat_map(char::to_lowercase)
            .collect();
        self.names.iter().any(|pattern| fits(pattern, &name))
    }
}

/// `*` is any text, `?` one character. Linear in practice: one star is remembered at a time.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(char) if *char == '?' || *char == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|char| *char == '*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_rule_names_a_class_and_what_of_it() {
        let all = Redaction::none()
            .rule("Mailer:1")
            .and_then(|all| all.rule("Pay::*:args"))
            .and_then(|all| all.rule("*:IBAN"))
            .unwrap();
        let mailer = all.of("Mailer", "Mailer");
        assert!(mailer.position(1) && !mailer.position(0) && mailer.name("iban"));
        assert!(all.of("Wrapper", "Pay::Out").position(7));
        for wrong in ["", "Mailer", ":1", "Mailer:"] {
            assert!(Redaction::none().rule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_usual_names_are_hidden_without_being_asked() {
        let hides = Redaction::default();
        let hides = hides.of("A", "A");
        for name in [
            "password",
            "user_Password",
            "API_KEY",
            "accessToken",
            "client_secret",
        ] {
            assert!(hides.name(name), "{name}");
        }
        assert!(!hides.name("user_id") && !hides.position(0));
    }

    #[test]
    fn patterns_fit_whole_texts() {
        for (pattern, text, is) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("?", "ä", true),
            ("**a", "bba", true),
            ("ab", "a", false),
        ] {
            assert_eq!(fits(pattern, text), is, "{pattern} {text}");
        }
    }
}
