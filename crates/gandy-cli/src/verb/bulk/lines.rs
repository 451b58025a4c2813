//! An input as numbered lines. A thread reads, because a blocked read must not keep the connection to Redis from
//! being served; at the end of the process it may still be blocked, and is left so.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::os::fd::AsFd;

use tokio::sync::mpsc;

/// A line of jobs longer than this is not read to its end. Twice the largest payload, since a line may hold white space.
pub(super) const LINE_MAX: usize = 2 * crate::connection::MAX_PAYLOAD;

/// Bytes that are asked of the input at once. The lines in them go over to the other thread together: one by one the
/// two threads would spend their time in waking each other.
const BUFFER: usize = 1 << 16;

/// Such bundles of lines read ahead.
const AHEAD: usize = 4;

/// What the next line is.
#[derive(Debug)]
pub(crate) enum Text {
    /// Its bytes, without the line break.
    Whole(Vec<u8>),
    /// It has more bytes than a line may have.
    TooLong,
    /// The input could not be read.
    Failed(std::io::Error),
}

/// One line.
#[derive(Debug)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) number: u64,
    pub(crate) text: Text,
    /// Bytes up to the end of this line.
    end: u64,
}

/// The lines still to come.
#[derive(Debug)]
pub(crate) struct Lines {
    bundles: mpsc::Receiver<Vec<Line>>,
    bundle: VecDeque<Line>,
    skip: u64,
    taken: u64,
    bytes_read: u64,
}

/// How many bytes standard input has, where it is a file.
pub(crate) fn stdin_length() -> Option<u64> {
    let file = File::from(stdin().as_fd().try_clone_to_owned().ok()?);
    let metadata = file.metadata().ok()?;
    metadata.is_file().then_some(metadata.len())
}

impl Lines {
    /// The lines of an input, each of at most `line_max` bytes; the first `skip` are left out.
    pub(crate) fn of(input: impl Read + Send + 'static, line_max: usize, skip: u64) -> Self {
        let (sender, bundles) = mpsc::channel(AHEAD);
        std::thread::spawn(move || {
            read(BufReader::with_capacity(BUFFER, input), line_max, &sender)
        });
        Self {
            bundles,
            bundle: VecDeque::new(),
            skip,
            taken: 0,
            bytes_read: 0,
        }
    }

    /// The next line; none at the end of the input.
    pub(crate) async fn next(&mut self) -> Option<Line> {
        loop {
            if self.bundle.is_empty() {
                self.bundle = self.bundles.recv().await?.into();
            }
            let line = self.bundle.pop_front()?;
            self.bytes_read = line.end;
            self.taken = line.number;
            if line.number > self.skip || !matches!(line.text, Text::Whole(_)) {
                return Some(line);
            }
        }
    }

    /// The number of the line that was taken last, or left out.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes of all lines that were taken.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

fn read(mut input: BufReader<impl Read>, line_max: usize, sender: &mpsc::Sender<Vec<Line>>) {
    let mut bundle = Vec::new();
    let mut end = 0;
    for number in 1.. {
        let mut bytes = Vec::new();
        let read = (&mut input)
            .take(line_max as u64 + 1)
            .read_until(b'\n', &mut bytes);
        end += bytes.len() as u64;
        let text = match read {
            Ok(0) => return,
            Err(error) => Text::Failed(error),
            Ok(_) => {
                if bytes.last() == Some(&b'\n') {
                    bytes.pop();
                }
                if bytes.len() > line_max {
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
        behind(input, 0)
    }

    fn behind(input: &[u8], skip: u64) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut lines = Lines::of(Cursor::new(input.to_vec()), LINE_MAX, skip);
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
        assert_eq!(behind(b"a\nb\nc\n", 2), ["3:c"]);
        assert_eq!(behind(b"a\nb", 9), Vec::<String>::new());
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
