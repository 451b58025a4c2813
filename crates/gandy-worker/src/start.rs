//! From the command line to a checked configuration. Here: the order of steps and what they say.
//! Not here: the running worker.

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::environment::Environment;
use crate::config::{self, summary};
use crate::worker::Ready;
use crate::{exit, log, probes};

/// What a command line comes to.
#[derive(Debug)]
pub enum Start {
    /// A worker is to run.
    Run(Box<Ready>),
    /// All is said; the process ends with this code.
    End(u8),
}

/// Reads the command line and everything it points to. Says what is wrong on standard error, and what `--check`
/// and `--help` ask for on standard output.
pub fn start(words: impl IntoIterator<Item = OsString>, environment: &Environment) -> Start {
    let words: Vec<OsString> = words.into_iter().collect();
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            say(without_passwords(error.to_string(), &words).trim_end());
            return Start::End(exit::USAGE);
        }
        Err(error) => {
            let _ = error.print();
            return Start::End(exit::CLEAN);
        }
    };
    if let Some(Command::Health(health)) = &cli.command {
        let (code, why) = match config::probes_of(cli.config.as_deref(), environment, cli.probes) {
            Ok(probes) => probes::ask(probes, health.path()),
            Err(why) => (exit::CONFIG, why),
        };
        if !why.is_empty() {
            say(&log::escape(&why));
        }
        return Start::End(code);
    }
    let flags = match cli.layer() {
        Ok(flags) => flags,
        Err(error) => {
            say(&format!("error: {error}"));
            return Start::End(exit::USAGE);
        }
    };
    let ready = config::load(cli.config.as_deref(), environment, flags)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
        .and_then(|loaded| {
            let file = loaded.path.display().to_string();
            Ready::new(loaded).map_err(|why| vec![format!("{file}: {why}")])
        });
    let mut wrong: Vec<String> = ready.as_ref().err().cloned().unwrap_or_default();
    wrong.extend(log::check(environment).err());
    match ready {
        Ok(ready) if wrong.is_empty() => {
            if !cli.check {
                return Start::Run(Box::new(ready));
            }
            let loaded = &ready.loaded;
            for warning in &loaded.warnings {
                say(&format!("warning: {warning}"));
            }
            let source = loaded.path.display();
            let comes_to = summary::of(&loaded.config);
            Start::End(print(&format!(
                "# {source}: right; with environment and flags it comes to:\n{comes_to}"
            )))
        }
        _ => {
            for problem in wrong {
                say(&problem);
            }
            Start::End(exit::CONFIG)
        }
    }
}

/// Clap repeats a word that it does not understand, and that word may be a URL in the wrong place.
fn without_passwords(mut text: String, words: &[OsString]) -> String {
    for word in words.iter().filter_map(|word| word.to_str()) {
        let value = word.split_once('=').map_or(word, |(_, value)| value);
        for secret in [word, value] {
            if secret.contains("://") {
                text = text.replace(secret, &summary::redacted(secret));
            }
        }
    }
    text
}

// A closed standard error or output is the reader's choice, so it is no reason to panic as `println!` does.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn print(text: &str) -> u8 {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => exit::CLEAN,
        Err(_) => exit::SOFTWARE,
    }
}
