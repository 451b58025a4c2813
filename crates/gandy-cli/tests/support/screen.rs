//! A program on a terminal of its own, and what its screen shows: as much of a terminal as ratatui speaks to.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gandy_tests::wait_until;
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;

/// A program with keyboard and screen.
pub(crate) struct Terminal {
    child: std::process::Child,
    keyboard: File,
    slave: std::os::fd::OwnedFd,
    screen: Arc<Mutex<Screen>>,
    before: LocalFlags,
}

impl Terminal {
    /// Starts it on 80 columns and 24 lines.
    pub(crate) fn start(mut command: Command) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let OpenptyResult { master, slave } = openpty(Some(&size), None).unwrap();
        let before = tcgetattr(&slave).unwrap().local_flags;
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = command
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(Screen::default()));
        let keyboard = File::from(master);
        let (mut reader, shown) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                shown.lock().unwrap().take(&bytes[..read]);
            }
        });
        Self {
            child,
            keyboard,
            slave,
            screen,
            before,
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// As a window does that is drawn larger.
    pub(crate) fn resize(&self, lines: u16, columns: u16) {
        let status = Command::new("stty")
            .args(["rows", &lines.to_string(), "cols", &columns.to_string()])
            .stdin(Stdio::from(self.slave.try_clone().unwrap()))
            .status()
            .unwrap();
        assert!(status.success());
        // The terminal would send it to its foreground; here it has none.
        self.signal(Signal::SIGWINCH);
    }

    /// Waits until the screen shows this.
    #[track_caller]
    pub(crate) fn shows(&self, words: &str) {
        self.until(words, |text| text.contains(words));
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut(&str) -> bool) {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_until(Duration::from_secs(30), what, || {
                last = self.screen.lock().unwrap().text();
                holds(&last)
            });
        }));
        assert!(found.is_ok(), "{what} is not shown:\n{last}");
    }

    /// Waits for the end; gives the exit code. The terminal has to be as it was.
    #[track_caller]
    pub(crate) fn ends(mut self) -> (i32, String) {
        let mut code = None;
        wait_until(Duration::from_secs(30), "the end", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        let after = tcgetattr(&self.slave).unwrap().local_flags;
        assert_eq!(after, self.before, "lines and echo are as before");
        let screen = Arc::clone(&self.screen);
        wait_until(Duration::from_secs(5), "the usual screen", || {
            !screen.lock().unwrap().is_alternate
        });
        let text = screen.lock().unwrap().text();
        assert!(
            !screen.lock().unwrap().is_hidden,
            "the cursor is there\n{text}"
        );
        (code.unwrap().code().unwrap_or(-1), text)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Default)]
struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    is_alternate: bool,
    is_hidden: bool,
    /// Bytes of a sequence or a character whose end has not come yet.
    rest: Vec<u8>,
}

impl Screen {
    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.rest);
        let valid = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap(),
        };
        self.rest = bytes[valid.len()..].to_vec();
        let mut characters = valid.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            match character {
                '\u{1b}' => {
                    let sequence = &valid[at..];
                    let end = sequence
                        .char_indices()
                        .skip(2)
                        .find(|(_, end)| ('@'..='~').contains(end));
                    let Some((length, end)) = end else {
                        self.rest = [sequence.as_bytes(), &self.rest].concat();
                        return;
                    };
                    self.obey(&sequence[2..length], end);
                    while characters
                        .next_if(|(next, _)| *next <= at + length)
                        .is_some()
                    {}
                }
                '\r' => self.column = 0,
                '\n' => self.row += 1,
                other => self.put(other),
            }
        }
    }

    fn obey(&mut self, words: &str, end: char) {
        let number = |index: usize| {
            words
                .split(';')
                .nth(index)
                .and_then(|n| n.parse::<usize>().ok())
        };
        match (words, end) {
            ("?1049", _) => {
                self.is_alternate = end == 'h';
                self.lines.clear();
                (self.row, self.column) = (0, 0);
            }
            ("?25", _) => self.is_hidden = end == 'l',
            (_, 'H') => {
                self.row = number(0).unwrap_or(1) - 1;
                self.column = number(1).unwrap_or(1) - 1;
            }
            (_, 'J') => self.lines.clear(),
            _ => {}
        }
    }

    fn put(&mut self, character: char) {
        if self.lines.len() <= self.row {
            self.lines.resize(self.row + 1, Vec::new());
        }
        let line = &mut self.lines[self.row];
        if line.len() <= self.column {
            line.resize(self.column + 1, ' ');
        }
        line[self.column] = character;
        self.column += 1;
    }

    fn text(&self) -> String {
        let lines = self
            .lines
            .iter()
            .map(|line| line.iter().collect::<String>());
        lines
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect()
    }
}
