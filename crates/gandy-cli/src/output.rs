//! Standard output and standard error. A reader that goes away (`| head`) is no error, and nothing here panics as
//! `println!` does.

use std::io::{ErrorKind, Write, stderr, stdout};

use crate::failure::Failure;
use crate::style::{self, Paint};

/// Writes a result, and a line break, to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::io(format!(
            "the result could not be written to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Writes what is not the result to standard error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(stderr().lock(), "{text}");
}

/// Something that a person should know; never with `--json`'s document, and never an error.
pub(crate) fn note(text: &str) {
    let mark = Paint::Blue.on("note:", style::of_stderr());
    say(&format!("{mark} {text}"));
}

/// Writes an error to standard error.
pub(crate) fn complain(text: &str) {
    let mark = Paint::Red.on("error:", style::of_stderr());
    say(&format!("{mark} {text}"));
}
