//! What happened, written by producers and handlers themselves, in files that survive their `kill -9`.
//!
//! One line per event, one file per writer, opened with O_APPEND and written with one write(2): the kernel has the
//! line before the handler goes on, so a `kill -9` cannot take it back. Redis is not used for this: what is under test
//! must not be its own witness. Ruby's handlers write the same lines (`tests/ruby/worker.rb`).
//!
//! A line is `event jid worker microseconds-since-1970`, with single spaces; a missing jid is `-`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::report::Report;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A producer is about to push this jid.
    Attempted,
    /// Redis acknowledged the push.
    Acknowledged,
    /// The push failed without an answer: it may or may not have happened.
    Unknown,
    /// A handler began.
    Start,
    /// A handler is done with it, for good.
    End,
    /// The test killed this worker (no jid).
    Kill,
}

impl EventKind {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Attempted, "attempted"),
        (Self::Acknowledged, "acknowledged"),
        (Self::Unknown, "unknown"),
        (Self::Start, "start"),
        (Self::End, "end"),
        (Self::Kill, "kill"),
    ];

    fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("?", |(_, word)| word)
    }

    fn parse(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, w)| *w == word);
        found.map(|(kind, _)| *kind)
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To which job; `-` if to none.
    pub jid: String,
    /// Who wrote it, or who was killed. One name per life of a process: a restarted worker is another worker.
    pub worker: String,
    /// When, since 1970, by this machine's clock.
    pub at: Duration,
}

impl Event {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let event = Self {
            kind: EventKind::parse(words.next()?)?,
            jid: words.next()?.to_owned(),
            worker: words.next()?.to_owned(),
            at: Duration::from_micros(words.next()?.parse().ok()?),
        };
        words.next().is_none().then_some(event)
    }
}

/// A folder of event files, removed with the test.
#[derive(Debug)]
pub struct History {
    dir: TempDir,
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    /// An empty history in a new temporary folder.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[track_caller]
    pub fn new() -> Self {
        let dir = TempDir::with_prefix("gandy-history-").expect("no temporary folder");
        Self { dir }
    }

    /// The folder, to hand to processes (by convention in `GANDY_TEST_HISTORY`).
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A writer of this process under the given name.
    #[track_caller]
    pub fn writer(&self, name: &str) -> HistoryWriter {
        HistoryWriter::open(self.path(), name)
    }

    /// All events so far, by time.
    ///
    /// # Panics
    /// When a line cannot be understood: a history with holes proves nothing.
    #[track_caller]
    pub fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for entry in fs::read_dir(self.path()).expect("the history folder is gone") {
            let path = entry.expect("the history folder cannot be read").path();
            let text = fs::read_to_string(&path)
                .unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
            for line in text.split_inclusive('\n') {
                // A writer may be in the middle of its last line only on file systems that let us see that.
                let Some(line) = line.strip_suffix('\n') else {
                    continue;
                };
                let event = Event::parse(line)
                    .unwrap_or_else(|| panic!("bad line in {}: {line:?}", path.display()));
                events.push(event);
            }
        }
        events.sort_by_key(|e| e.at);
        events
    }

    /// How many different jobs have ended.
    #[track_caller]
    pub fn ended(&self) -> usize {
        let ended = |e: &Event| e.kind == EventKind::End;
        let jids: BTreeSet<String> = self
            .events()
            .into_iter()
            .filter(ended)
            .map(|e| e.jid)
            .collect();
        jids.len()
    }

    /// The verdict, when nothing is left in Redis.
    #[track_caller]
    pub fn report(&self) -> Report {
        Report::new(&self.events(), &BTreeSet::new())
    }

    /// The verdict, when these jids are still kept in Redis (queues, retry, schedule, dead): they are not lost.
    #[track_caller]
    pub fn report_with_held(&self, held: &BTreeSet<String>) -> Report {
        Report::new(&self.events(), held)
    }

    /// The same where Redis knows of suspects that the events do not show.
    pub fn report_beside(&self, held: &BTreeSet<String>, suspects: &BTreeSet<String>) -> Report {
        Report::beside(&self.events(), held, suspects)
    }
}

/// Appends events to one file. Can be shared by threads: each line is one write.
#[derive(Debug)]
pub struct HistoryWriter {
    file: File,
    worker: String,
    path: PathBuf,
}

impl HistoryWriter {
    /// Opens a new file in `dir`. `worker` is written into each line; blanks in it become `_`.
    ///
    /// # Panics
    /// When the file cannot be created.
    #[track_caller]
    pub fn open(dir: &Path, worker: &str) -> Self {
        let worker = worker.replace(char::is_whitespace, "_");
        let (file, path) = tempfile::Builder::new()
            .suffix(".history")
            .append(true)
            .tempfile_in(dir)
            .map(|file| file.keep().map_err(|e| e.error))
            .and_then(|kept| kept)
            .unwrap_or_else(|e| panic!("cannot create a history in {}: {e}", dir.display()));
        Self { file, worker, path }
    }

    /// A producer is about to push.
    pub fn attempted(&self, jid: &str) {
        self.write(EventKind::Attempted, jid, &self.worker);
    }

    /// Redis acknowledged the push.
    pub fn acknowledged(&self, jid: &str) {
        self.write(EventKind::Acknowledged, jid, &self.worker);
    }

    /// The push ended without an answer.
    pub fn unknown(&self, jid: &str) {
        self.write(EventKind::Unknown, jid, &self.worker);
    }

    /// A handler began.
    pub fn start(&self, jid: &str) {
        self.write(EventKind::Start, jid, &self.worker);
    }

    /// A handler is done.
    pub fn end(&self, jid: &str) {
        self.write(EventKind::End, jid, &self.worker);
    }

    /// The test is about to kill this worker (its name in its own lines).
    pub fn kill(&self, worker: &str) {
        self.write(EventKind::Kill, "-", worker);
    }

    fn write(&self, kind: EventKind, jid: &str, worker: &str) {
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let line = format!("{} {jid} {worker} {}\n", kind.word(), at.as_micros());
        // One call of write(2): write_all would hide a short write, which a regular file does not give.
        let written = (&self.file).write(line.as_bytes());
        assert!(
            matches!(written, Ok(n) if n == line.len()),
            "cannot append to {}: {written:?}",
            self.path.display()
        );
    }
}
