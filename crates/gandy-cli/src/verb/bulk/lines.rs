//! Standard input as numbered lines. A thread reads, because a blocked read must not keep the connection to Redis from
//! being served; at the end of the process it may still be blocked, and is left so.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};

use tokio::sync::mpsc;

/// A line longer than this is not read to its end. Twice the largest payload, since a line may hold white space.
const LINE_MAX: usize = 2 * crate::connection::MAX_PAYLOAD;

/// Bytes that are asked of the input at once. The lines in them go over to the other thread together: one by one the
/// two threads would spend their time in waking each other.
const BUFFER: usize = 1 << 16;

/// Such bundles of lines read ahead.
const AHEAD: usize = 4;

/// What the next line is.
#[derive(Debug)]
pub(super) enum Text {
    /// Its bytes, without the line break.
    Whole(Vec<u8>),
    /// It has more than [`LINE_MAX`] bytes.
    TooLong,
    /// The input could not be read.
    Failed(std::io::Error),
}

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: u64,
    pub(super) text: Text,
    /// Bytes up to the end of this line.
    end: u64,
}

/// The lines still to come.
#[derive(Debug)]
pub(super) struct Lines {
    bundles: mpsc::Receiver<Vec<Line>>,
    bundle: VecDeque<Line>,
    bytes_read: u64,
}

impl Lines {
    pub(super) fn of_stdin() -> Self {
        Self::of(std::io::stdin())
    }

    fn of(input: impl Read + Send + 'static) -> Self {
        let (sender, bundles) = mpsc::channel(AHEAD);
        std::thread::spawn(move || read(BufReader::with_capacity(BUFFER, input), &sender));
        Self {
            bundles,
            bundle: VecDeque::new(),
            bytes_read: 0,
        }
    }

    /// The next line; none at the end of the input.
    pub(super) async fn next(&mut self) -> Option<Line> {
        if self.bundle.is_empty() {
            self.bundle = self.bundles.recv().await?.into();
        }
        let line = self.bundle.pop_front()?;
        self.bytes_read = line.end;
        Some(line)
    }

    /// Bytes of all lines that were taken.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

fn read(mut input: BufReader<impl Read>, sender: &mpsc::Sender<Vec<Line>>) {
    let mut bundle = Vec::new();
    let mut end = 0;
    for number in 1.. {
        let mut bytes = Vec::new();
        let read = (&mut input)
            .take(LINE_MAX as u64 + 1)
            .read_until(b'\n', &mut bytes);
        end += bytes.len() as u64;
        let text = match read {
            Ok(0) => return,
            Err(error) => Text::Failed(error),
            Ok(_) => {
                if bytes.last() == Some(&b'\n') {
                    bytes.pop();
                }
                if bytes.len() > LINE_MAX {
                    Text::TooLong
                } else {
                    Text::Whole(bytes)
                }
            }
        };
        let last = !matches!(text, Text::Whole(_));
        bundle.push(Line { number, text, end });
        // The next line may be long in coming, so what there is goes on.
        let waits = !input.buffer().contains(&b'\n');
        if last || waits {
            let sent = sender.blocking_send(std::mem::take(&mut bundle));
            // Nobody takes lines any more when the push has failed.
            if last || sent.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Cursor;

    use super::*;

    fn lines(input: &[u8]) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut lines = Lines::of(Cursor::new(input.to_vec()));
        let mut all = Vec::new();
        while let Some(line) = runtime.block_on(lines.next()) {
            let text = match line.text {
                Text::Whole(bytes) => String::from_utf8(bytes).unwrap(),
                other => format!("{other:?}"),
            };
            all.push(format!("{}:{text}", line.number));
        }
        assert!(lines.bytes_read() <= input.len() as u64);
        all
    }

    #[test]
    fn lines_are_numbered_and_the_last_needs_no_break() {
        assert_eq!(lines(b""), Vec::<String>::new());
        assert_eq!(lines(b"a\n\nb"), ["1:a", "2:", "3:b"]);
        assert_eq!(lines(b"a\r\n"), ["1:a\r"]);
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let longest = "x".repeat(LINE_MAX);
        assert_eq!(
            lines(format!("{longest}\na").as_bytes()),
            [format!("1:{longest}"), "2:a".into()]
        );
        assert_eq!(
            lines(format!("a\n{longest}x\nb").as_bytes()),
            ["1:a", "2:TooLong"]
        );
    }
}
