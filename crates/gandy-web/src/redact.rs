//! What of jobs' arguments is not shown: they are people's data, and a dashboard is often open on a wall.
//!
//! A rule is `CLASS:WHAT`. CLASS is a class or a pattern with `*` and `?`; WHAT is the number of an argument from 0, a
//! pattern for names of members at any depth, `args` for all, or `error` for the message of the last error. It holds for the
//! class that Redis names and the one that ActiveJob wraps; a number then counts within what is wrapped.

use std::fmt;

/// What stands in place of what is hidden.
pub(crate) const HIDDEN: &str = "[redacted]";

/// Names of members that are never shown unless somebody says so. Names are compared in small letters, without `_`, `-` and
/// spaces.
const USUAL: [&str; 20] = [
    "*password*",
    "*passwd*",
    "*passphrase*",
    "pwd",
    "pin",
    "otp",
    "ssn",
    "cvc",
    "*cvv*",
    "*secret*",
    "*token*",
    "*apikey*",
    "*accesskey*",
    "*privatekey*",
    "*authorization*",
    "*credential*",
    "*cardnumber*",
    "*cookie*",
    "*sessionid*",
    "*jwt*",
];

/// Fields of a payload that Sidekiq and its plugins know: rules by name are for what people put there.
const OWN: [&str; 26] = [
    "class",
    "args",
    "jid",
    "queue",
    "retry",
    "created_at",
    "enqueued_at",
    "failed_at",
    "retried_at",
    "retry_count",
    "error_class",
    "error_message",
    "error_backtrace",
    "backtrace",
    "tags",
    "wrapped",
    "locale",
    "cattr",
    "bid",
    "at",
    "dead",
    "retry_queue",
    "retry_for",
    "expires_in",
    "discarded_at",
    "display_class",
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
    /// The last error's message, which may well repeat an argument.
    Error,
    /// As [`plain`] writes it.
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

    /// And this rule: `Mailer:1`, `Payment*:args`, `*:iban`, `Login:error`.
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
            Err(_) if what == "error" => What::Error,
            Err(_) => What::Name(plain(what)),
        };
        self.rules.push(Rule {
            class: class.to_owned(),
            what,
        });
        Ok(self)
    }

    /// What holds for a job of these classes.
    pub(crate) fn of<'a>(&'a self, class: &str, wrapped: &str) -> Hides<'a> {
        let mut hides = Hides {
            wrapped: class != wrapped,
            ..Hides::default()
        };
        for rule in &self.rules {
            let (outer, inner) = (fits(&rule.class, class), fits(&rule.class, wrapped));
            match &rule.what {
                _ if !outer && !inner => {}
                What::All => hides.all = true,
                What::Error => hides.error = true,
                What::Position(position) => {
                    if outer {
                        hides.positions.push(*position);
                    }
                    if inner && hides.wrapped {
                        hides.inner.push(*position);
                    }
                }
                What::Name(name) => hides.names.push(name),
            }
        }
        hides
    }

    /// What holds for bytes that are no job: nobody knows of which class they were, and where their arguments stand.
    pub(crate) fn of_bytes(&self) -> Hides<'_> {
        let mut hides = Hides::default();
        for rule in &self.rules {
            match &rule.what {
                What::All | What::Position(_) | What::Error => hides.all = true,
                What::Name(name) => hides.names.push(name),
            }
        }
        hides
    }

    /// Whether something of arguments is hidden, so that who looks for it by its value can guess it.
    pub(crate) fn hides_arguments(&self) -> bool {
        self.rules.iter().any(|rule| rule.what != What::Error)
    }

    /// The same of errors.
    pub(crate) fn hides_errors(&self) -> bool {
        self.rules.iter().any(|rule| rule.what == What::Error)
    }
}

/// What is hidden of one job.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hides<'a> {
    pub(crate) all: bool,
    /// The last error's message.
    pub(crate) error: bool,
    /// Its arguments stand within the first one, as ActiveJob has it.
    pub(crate) wrapped: bool,
    positions: Vec<usize>,
    inner: Vec<usize>,
    names: Vec<&'a str>,
}

impl Hides<'_> {
    pub(crate) fn position(&self, position: usize) -> bool {
        self.all || self.positions.contains(&position)
    }

    /// Of the arguments within the first one.
    pub(crate) fn inner(&self, position: usize) -> bool {
        self.all || self.inner.contains(&position)
    }

    pub(crate) fn name(&self, name: &str) -> bool {
        // A name of kilobytes is looked at with each pattern; what is hidden begins early.
        let name = plain(&name.chars().take(200).collect::<String>());
        self.names.iter().any(|pattern| fits(pattern, &name))
    }

    /// Whether a JSON text holds data of its own, such as JSON or YAML, with a name in it that is hidden.
    pub(crate) fn within(&self, quoted: &str) -> bool {
        let begins = quoted.trim_start_matches(['"', ' ']);
        let serialised = ["{", "[", "---", "\\u007b", "\\u005b", "\\n"]
            .iter()
            .any(|mark| begins.starts_with(mark));
        serialised && self.mentions(quoted)
    }

    /// Whether a name that is hidden at any depth occurs in it, whatever it is.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        // Short names, such as pin, occur in many words.
        let long = |pattern: &&&str| pattern.contains('*') || pattern.len() > 5;
        let mut names = self.names.iter().filter(long).peekable();
        if names.peek().is_none() {
            return false;
        }
        let letters: String = text
            .chars()
            .filter(|char| char.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        names.any(|pattern| match pattern.trim_matches('*') {
            core if core.contains(['*', '?']) => fits(&format!("*{core}*"), &letters),
            // Megabytes are gone through quickly.
            core => letters.contains(core),
        })
    }

    /// A field of the payload itself.
    pub(crate) fn field(&self, name: &str) -> bool {
        match OWN.contains(&name) {
            true => self.error && name == "error_message",
            false => self.name(name),
        }
    }

    /// The message of the last error, or what stands in its place.
    pub(crate) fn message(&self, message: String) -> String {
        match self.error && !message.is_empty() {
            true => HIDDEN.to_owned(),
            false => message,
        }
    }
}

/// `privateKey`, `private_key` and `Private-Key` are one name.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|char| !matches!(char, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
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
            "privateKey",
            "X-Api-Key",
            "aws_access_key_id",
            "sessionId",
            "PIN",
        ] {
            assert!(hides.name(name) && hides.field(name), "{name}");
        }
        assert!(!hides.name("user_id") && !hides.position(0) && !hides.name("shipping"));
    }

    #[test]
    fn fields_of_sidekiq_are_shown_and_what_wraps_has_arguments_of_its_own() {
        let all = Redaction::default()
            .rule("Mailer:1")
            .and_then(|all| all.rule("*:error"))
            .unwrap();
        let mailer = all.of("Wrapper", "Mailer");
        assert!(mailer.inner(1) && !mailer.inner(0) && !mailer.position(1));
        assert!(mailer.field("error_message") && mailer.field("api_token"));
        assert!(!mailer.field("error_class") && !mailer.field("args"));
        assert_eq!(mailer.message("x".to_owned()), HIDDEN);
        assert!(all.hides_arguments() && all.hides_errors() && all.of_bytes().all);
        let usual = Redaction::default();
        assert!(usual.hides_arguments() && !usual.of_bytes().all);
        assert!(!Redaction::none().hides_arguments());
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
