//! A person is asked before many jobs are touched; a script says that it means it.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use super::report::Word;
use super::{Manner, shown};
use crate::failure::Failure;
use crate::words::count;

/// Told before anything is looked at: nobody is there to be asked.
pub(crate) fn needed(manner: &Manner, word: &Word) -> Result<(), Failure> {
    if manner.yes || manner.dry_run || (stdin().is_terminal() && stderr().is_terminal()) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "nothing was {}: there is no terminal to ask on. Say --yes to do it, or --dry-run to see how many jobs that is",
        word.done
    )))
}

/// Asks.
pub(crate) fn ask(word: Word, matched: u64, what: &str) -> Result<bool, Failure> {
    let mut err = stderr().lock();
    // Nobody who reads it is the same as nobody who says yes.
    let _ = write!(
        err,
        "{} {} of {}? [y/N] ",
        word.todo,
        count(matched, "job"),
        shown(what)
    );
    let _ = err.flush();
    let mut answer = String::new();
    stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::io(format!("the answer could not be read: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
}
