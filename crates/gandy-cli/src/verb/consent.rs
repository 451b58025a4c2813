//! A person is asked before many jobs or processes are touched; a script says that it means it.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use crate::failure::Failure;
use crate::printable::printable;

/// Told before anything is looked at: nobody is there to be asked. `nothing` is what was not done, `hint` what else helps.
pub(crate) fn needed(given: bool, nothing: &str, hint: &str) -> Result<(), Failure> {
    if given || (stdin().is_terminal() && stderr().is_terminal()) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{nothing}: there is no terminal to ask on. Say --yes to do it, or {hint}"
    )))
}

/// Asks.
pub(crate) fn ask(question: &str) -> Result<bool, Failure> {
    let mut err = stderr().lock();
    // Nobody who reads it is the same as nobody who says yes.
    let _ = write!(err, "{}? [y/N] ", printable(question));
    let _ = err.flush();
    let mut answer = String::new();
    stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::io(format!("the answer could not be read: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
}
