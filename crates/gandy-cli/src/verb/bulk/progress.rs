//! The progress bar of `gandy push --stdin`: on standard error, and only on a terminal.

use std::fs::File;
use std::io::{IsTerminal, stderr, stdin};
use std::os::fd::AsFd;

use indicatif::{ProgressBar, ProgressStyle};

use crate::words::count;

#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar over the bytes of a file, or a count where the input is a pipe, whose length nobody knows.
    pub(super) fn of_stdin() -> Self {
        if !stderr().is_terminal() {
            return Self { bar: None };
        }
        let (bar, template) = match file_length() {
            Some(length) => (
                ProgressBar::new(length),
                "{bar:30} {percent:>3} %  {msg}  {eta} left",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {msg}  {elapsed}"),
        };
        // The templates are constants, which the terminal test draws.
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        Self { bar: Some(bar) }
    }

    /// After a slice.
    pub(super) fn show(&mut self, bytes: u64, acknowledged: u64) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{} acknowledged", count(acknowledged, "job")));
            bar.set_position(bytes);
        }
    }

    /// Takes the bar off the terminal; the result is said in words.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn file_length() -> Option<u64> {
    let file = File::from(stdin().as_fd().try_clone_to_owned().ok()?);
    let metadata = file.metadata().ok()?;
    metadata.is_file().then_some(metadata.len())
}
