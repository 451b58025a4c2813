//! Progress bars: on standard error, and only on a terminal.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::words::count;

/// A bar with what was done, how fast, and how long it still takes; nothing where there is no terminal.
#[derive(Debug)]
pub(crate) struct Meter {
    bar: Option<ProgressBar>,
    began: Instant,
}

impl Meter {
    /// A bar up to `length`; none: nobody knows where it ends.
    pub(crate) fn new(length: Option<u64>) -> Self {
        let began = Instant::now();
        if !stderr().is_terminal() {
            return Self { bar: None, began };
        }
        let (bar, template) = match length {
            Some(length) => (
                ProgressBar::new(length),
                "{bar:30} {percent:>3} %  {msg}  {eta} left",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {msg}  {elapsed}"),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        // The templates are constants, which the terminal tests draw.
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        let bar = Some(bar);
        Self { bar, began }
    }

    /// How far along the length it came, and what was done so far: `12 jobs retried`.
    pub(crate) fn show(&self, position: u64, done: u64, what: &str) {
        if let Some(bar) = &self.bar {
            let rate = per_second(done, self.began.elapsed());
            bar.set_message(format!("{} {what}, {rate}/s", count(done, "job")));
            bar.set_position(position);
        }
    }

    /// Takes the bar off the terminal; the result is said in words.
    pub(crate) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn per_second(done: u64, elapsed: Duration) -> u64 {
    // A moment after the beginning every rate is a guess.
    (done as f64 / elapsed.as_secs_f64().max(0.1)) as u64
}
