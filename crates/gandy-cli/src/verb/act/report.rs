//! What became of it, in words and as JSON.

use gandy::{Act, Acts};
use serde::Serialize;

use super::{code, shown};
use crate::failure::Failure;
use crate::words::count;
use crate::{document, output};

/// An act in words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    pub(crate) name: &'static str,
    pub(crate) todo: &'static str,
    pub(crate) done: &'static str,
}

impl Word {
    pub(crate) fn of(act: &Act) -> Self {
        let (name, todo, done) = match act {
            Act::Retry => ("retry", "Retry", "retried"),
            Act::Delete => ("delete", "Delete", "deleted"),
            Act::Bury => ("bury", "Bury", "buried"),
            Act::Move(_) => ("move", "Move", "moved"),
        };
        Self { name, todo, done }
    }
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Report {
    word: Word,
    pub(crate) acts: Acts,
    /// Ids that were found nowhere.
    pub(crate) missing: Vec<String>,
    pub(crate) dry_run: bool,
    pub(crate) interrupted: bool,
    /// A person said no.
    pub(crate) declined: bool,
    /// What ended it early.
    pub(crate) failure: Option<Failure>,
}

#[derive(Serialize)]
struct Document<'a> {
    act: &'a str,
    matched: u64,
    done: u64,
    gone: u64,
    skipped: u64,
    refused: u64,
    newer: u64,
    missing: &'a [String],
    dry_run: bool,
    interrupted: bool,
    declined: bool,
    error: Option<&'a str>,
}

impl Report {
    pub(crate) fn new(word: Word) -> Self {
        Self {
            word,
            acts: Acts::default(),
            missing: Vec::new(),
            dry_run: false,
            interrupted: false,
            declined: false,
            failure: None,
        }
    }

    /// Says it, and gives the exit code.
    pub(crate) fn print(self, json: bool) -> Result<u8, Failure> {
        self.remarks();
        let code = code(&self);
        let done = self.summary();
        let shown = if json {
            let Acts {
                matched,
                done,
                gone,
                skipped,
                refused,
                newer,
            } = self.acts;
            document::print(&Document {
                act: self.word.name,
                matched,
                done,
                gone,
                skipped,
                refused,
                newer,
                missing: &self.missing,
                dry_run: self.dry_run,
                interrupted: self.interrupted,
                declined: self.declined,
                error: self.failure.as_ref().map(|failure| failure.text.as_str()),
            })
        } else {
            output::print(&done)
        };
        let shown = shown.map_err(|failure| failure.and(&format!("{done}.")));
        match self.failure {
            Some(failure) => Err(failure.and(&format!("{done}."))),
            None => shown.map(|()| code),
        }
    }

    fn summary(&self) -> String {
        let jobs = |number| count(number, "job");
        if self.dry_run {
            let Acts {
                matched, skipped, ..
            } = self.acts;
            return format!("{} would be {}", jobs(matched - skipped), self.word.done);
        }
        if self.declined {
            return format!("nothing was {}", self.word.done);
        }
        format!("{} {}", jobs(self.acts.done), self.word.done)
    }

    fn remarks(&self) {
        let Acts {
            gone,
            skipped,
            refused,
            newer,
            ..
        } = self.acts;
        let jobs = |number| count(number, "job");
        if gone > 0 {
            output::note(&format!(
                "{} had been taken by somebody else in between",
                jobs(gone)
            ));
        }
        if newer > 0 {
            output::note(&format!(
                "{} came in after it had begun, and stayed",
                jobs(newer)
            ));
        }
        let stay = if self.dry_run { "would stay" } else { "stayed" };
        if skipped > 0 {
            output::complain(&format!(
                "{} cannot be run and {stay}: not a job, or waiting in that queue already",
                jobs(skipped)
            ));
        }
        if refused > 0 {
            output::complain(&format!(
                "{} could not be written where they should go, and stayed; is that queue's key a list?",
                jobs(refused)
            ));
        }
        for jid in &self.missing {
            output::complain(&format!(
                "{}: no such job in retry, schedule, dead or a queue; gandy jobs inflight shows those that run",
                shown(jid)
            ));
        }
        if self.interrupted {
            output::note("interrupted; run it again, and it does what is left");
        }
    }
}
