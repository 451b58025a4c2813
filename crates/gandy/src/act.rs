//! Acts by hand: run now, delete, bury, move to another queue; one job, or all of a set that fit a filter.
//!
//! Not here: the step on the server (`gandy_store`), and which jobs are met in which order (`walk`).

use std::collections::VecDeque;

use gandy_protocol::{Filter, QueueName, StampFormat, jid::jid, retry::count_after_manual_retry};
use gandy_store::{Acted, Place, Target};

use crate::{Error, Inspect, JobInfo, Walk, ambient};

/// What is done with a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It goes to its queue to run now; a retry by hand spends no attempt (Sidekiq's rule).
    Retry,
    /// It goes away.
    Delete,
    /// It goes into `dead` as it is. Where that holds as many as [`crate::Grave`] allows, or more, as many of its oldest go as
    /// came in, and no more; by hand none goes for its age.
    Bury,
    /// It goes to this queue to run now, and names it from then on.
    Move(String),
}

/// What became of the jobs that were to be acted on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acts {
    /// Jobs that fit.
    pub matched: u64,
    /// Jobs that it was done with.
    pub done: u64,
    /// Jobs that somebody else had taken away in between.
    pub gone: u64,
    /// Jobs that it cannot be done with, and that stay: bytes that are no job cannot be run.
    pub skipped: u64,
    /// Jobs that could not be written where they should go, and stay: a queue's key that is no list.
    pub refused: u64,
    /// Jobs that fit and came in after it had begun; they are not counted as matched, and stay.
    pub newer: u64,
}

impl Act {
    /// Where a job goes, and as which bytes; or why it cannot go there.
    pub(crate) fn target(&self, job: &JobInfo, stamps: StampFormat) -> Result<Target, String> {
        match self {
            Act::Delete => Ok(Target::Nowhere),
            Act::Bury => Ok(Target::Dead),
            Act::Retry => to_queue(job, None, stamps),
            Act::Move(queue) => to_queue(job, Some(queue), stamps),
        }
    }
}

fn to_queue(job: &JobInfo, to: Option<&str>, stamps: StampFormat) -> Result<Target, String> {
    let cannot = |why: &dyn std::fmt::Display| format!("the job cannot be run: {why}");
    if let Place::Queue(name) = &job.place
        && to.is_none_or(|to| to == name)
    {
        return Err(format!("the job waits in queue {name} already"));
    }
    let payload = job.payload.as_ref().map_err(|reason| cannot(reason))?;
    let queue = to.unwrap_or_else(|| payload.queue().unwrap_or("default"));
    QueueName::check(queue).map_err(|error| cannot(&error))?;
    let mut edit = payload
        .edit()
        .set("enqueued_at", stamps.write(ambient::now_ms()))
        .remove("at");
    if let Some(to) = to {
        edit = edit.set_str("queue", to);
    }
    if matches!(job.place, Place::Retry | Place::Dead)
        && let Some(count) = count_after_manual_retry(payload)
    {
        edit = edit.set("retry_count", count.to_string());
    }
    Ok(Target::Queue(queue.to_owned(), edit.finish()))
}

/// An act on all jobs of a place that fit a filter, in bounded steps: cut off at any moment it has lost and doubled
/// nothing, and a repeat does what is left.
#[derive(Debug)]
pub struct Sweep {
    pub(crate) walk: Walk,
    pub(crate) act: Act,
    mark: String,
    /// Of the present page: jobs not acted on yet, and which entries have left it.
    pending: VecDeque<(usize, JobInfo)>,
    gone: Vec<bool>,
    so_far: Acts,
}

impl Inspect {
    /// Does it with this one job. `false`: it is not there any more.
    ///
    /// # Errors
    /// As [`Inspect::totals`], and [`Error::Config`] when it cannot be done with this job.
    pub async fn act(&self, job: &JobInfo, act: &Act) -> Result<bool, Error> {
        let target = act.target(job, self.stamps).map_err(Error::config)?;
        Ok(self
            .line
            .relocate(&job.place, &job.bytes, &target, self.grave)
            .await?)
    }

    /// Prepares the act on all jobs of `place` that fit `filter`, or all of them; [`Sweep::step`] does it. Jobs that come in
    /// later are left alone, so that it ends.
    ///
    /// # Errors
    /// As [`Inspect::totals`], and [`Error::Config`] for a queue whose jobs would go where they are.
    pub async fn sweep(
        &self,
        place: &Place,
        filter: Option<Filter>,
        act: Act,
    ) -> Result<Sweep, Error> {
        let there = match (&act, place) {
            (Act::Retry, Place::Queue(_)) => Some("the jobs of a queue wait there already"),
            (Act::Move(to), Place::Queue(from)) if to == from => Some("the jobs are there already"),
            (Act::Bury, Place::Dead) => Some("the jobs of dead are there already"),
            _ => None,
        };
        if let Some(words) = there {
            return Err(Error::config(words));
        }
        if let Act::Move(to) = &act {
            QueueName::check(to).map_err(|error| Error::config(error.to_string()))?;
        }
        // No entry can be the same: nobody knows it before.
        let mark = format!("gandy:taken:{}", jid(ambient::bytes()));
        Ok(Sweep {
            walk: self.walk(place, filter, false).await?,
            act,
            mark,
            pending: VecDeque::new(),
            gone: Vec::new(),
            so_far: Acts::default(),
        })
    }
}

impl Sweep {
    /// Looks at the next page, or acts on at most `most` of the jobs found there, in one step. `false`: all is done.
    ///
    /// # Errors
    /// As [`Inspect::totals`]. After [`gandy_store::Kind::Unknown`] that step was done or not; a new sweep does what is left.
    pub async fn step(&mut self, most: usize) -> Result<bool, Error> {
        let most = most.max(1);
        if self.pending.is_empty() {
            return self.look(most).await;
        }
        let mut steps = Vec::new();
        while steps.len() < most
            && let Some((at, job)) = self.pending.pop_front()
        {
            match self.act.target(&job, self.walk.inspect.stamps) {
                Ok(target) => steps.push((at, target)),
                Err(_) => self.so_far.skipped += 1,
            }
        }
        let page = &self.walk.page;
        let entries: Vec<_> = steps
            .iter()
            .map(|(at, target)| (&page[*at], target.clone()))
            .collect();
        let Inspect { line, grave, .. } = &self.walk.inspect;
        let outcomes = line
            .act(&self.walk.cursor, &entries, &self.mark, *grave)
            .await?;
        for ((at, _), outcome) in steps.iter().zip(outcomes) {
            match outcome {
                Acted::Done => self.so_far.done += 1,
                Acted::Gone => self.so_far.gone += 1,
                Acted::Refused => self.so_far.refused += 1,
            }
            self.gone[*at] = outcome != Acted::Refused;
        }
        if self.pending.is_empty() {
            self.walk.cursor.removed(&self.walk.page, &self.gone);
        }
        Ok(true)
    }

    async fn look(&mut self, most: usize) -> Result<bool, Error> {
        // Jobs of a queue stand elsewhere soon, so that no more of them are read than are acted on at once.
        let most = match self.walk.cursor.place() {
            Place::Queue(_) => most,
            _ => usize::MAX,
        };
        let Some(found) = self.walk.fitting(most).await? else {
            return Ok(false);
        };
        let before = found.len();
        self.pending = found
            .into_iter()
            .filter(|(_, job)| !self.walk.is_newer(job))
            .collect();
        self.so_far.newer += (before - self.pending.len()) as u64;
        self.so_far.matched += self.pending.len() as u64;
        self.gone = vec![false; self.walk.page.len()];
        Ok(true)
    }

    /// What became of the jobs so far.
    #[must_use]
    pub fn so_far(&self) -> Acts {
        self.so_far
    }

    /// How many entries were looked at so far.
    #[must_use]
    pub fn examined(&self) -> u64 {
        self.walk.examined()
    }
}
