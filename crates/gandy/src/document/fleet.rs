//! Processes, and what they run.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Shown, raw};
use crate::views::RunningJob;
use crate::{ProcessInfo, WorkInfo};

/// A process, as `gandy processes --json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Process<'a> {
    identity: &'a str,
    concurrency: u64,
    busy: u64,
    quiet: bool,
    beat_ms: Option<i64>,
    rss_kb: u64,
    rtt_us: u64,
    lease_ms: Option<u64>,
    classes: &'a [String],
    info: Option<&'a RawValue>,
    work: Vec<Work<'a>>,
}

#[derive(Debug, Clone, Serialize)]
struct Work<'a> {
    id: &'a str,
    entry: Shown<'a>,
}

impl<'a> Process<'a> {
    /// With what `show` lets through of each running job's entry: its payload is in there.
    #[must_use]
    pub fn of(process: &'a ProcessInfo, show: impl Fn(&'a WorkInfo) -> Shown<'a>) -> Self {
        let work = process.work.iter();
        Self {
            identity: &process.identity,
            concurrency: process.concurrency,
            busy: process.busy,
            quiet: process.quiet,
            beat_ms: process.beat_ms,
            rss_kb: process.rss_kb,
            rtt_us: process.rtt_us,
            lease_ms: process.lease_ms,
            classes: &process.classes,
            info: raw(&process.info),
            work: work
                .map(|work| Work {
                    id: &work.id,
                    entry: show(work),
                })
                .collect(),
        }
    }

    /// With everything.
    #[must_use]
    pub fn whole(process: &'a ProcessInfo) -> Self {
        Self::of(process, |work| raw(&work.json).map(Cow::Borrowed))
    }
}

/// A running job, as `gandy busy --json` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Run<'a> {
    process: &'a str,
    id: &'a str,
    queue: Option<&'a str>,
    class: Option<&'a str>,
    jid: Option<&'a str>,
    since_ms: Option<i64>,
    progress: Option<Progress<'a>>,
}

#[derive(Debug, Clone, Serialize)]
struct Progress<'a> {
    done: u64,
    total: Option<u64>,
    note: &'a str,
}

impl<'a> From<&'a RunningJob> for Run<'a> {
    fn from(job: &'a RunningJob) -> Self {
        Self {
            process: &job.identity,
            id: &job.id,
            queue: job.queue.as_deref(),
            class: job.class(),
            jid: job.jid(),
            since_ms: job.started_ms,
            progress: job.steps.as_ref().map(|steps| Progress {
                done: steps.done,
                total: steps.total,
                note: &steps.note,
            }),
        }
    }
}
