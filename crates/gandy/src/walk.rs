//! Walking over all jobs of a place, those that fit a filter: page by page, however many there are.
//!
//! Not here: what is done with them (`act`), and single pages by number (`inspect`).

use gandy_protocol::{Filter, Payload};
use gandy_store::{Cursor, Entry, Place};

use crate::{Error, Inspect, JobInfo, inspect::job_info};

/// Clocks of hosts may differ by so much from Redis'. Not more: a job that is retried and fails again must not be taken for
/// one that was there before.
const SKEW_MS: i64 = 2_000;

/// A walk over the jobs of one place. It holds one page at a time, and ends although jobs keep coming in.
#[derive(Debug, Clone)]
pub struct Walk {
    pub(crate) inspect: Inspect,
    pub(crate) cursor: Cursor,
    pub(crate) page: Vec<Entry>,
    filter: Option<Filter>,
    began_ms: i64,
    examined: u64,
}

impl Inspect {
    /// Begins a walk over the jobs of `place` that fit `filter`, or all of them: of a queue in the order in which they will
    /// be popped, of a set by time. A job that stays where it is all the while is met once.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn walk(
        &self,
        place: &Place,
        filter: Option<Filter>,
        youngest_first: bool,
    ) -> Result<Walk, Error> {
        let began_ms = self.line.now_us().await? / 1000;
        let cursor = self.line.walk_over(place, youngest_first).await?;
        Ok(Walk {
            inspect: self.clone(),
            cursor,
            page: Vec::new(),
            filter,
            began_ms,
            examined: 0,
        })
    }
}

impl Walk {
    /// The jobs that fit among the next entries, at most `most` (and at most 500); none at all is no end, `None` is.
    ///
    /// # Errors
    /// As [`Inspect::totals`]; a repeat goes on where it was.
    pub async fn next(&mut self, most: usize) -> Result<Option<Vec<JobInfo>>, Error> {
        let found = self.fitting(most).await?;
        Ok(found.map(|found| found.into_iter().map(|(_, job)| job).collect()))
    }

    /// The same with each one's place in the page.
    pub(crate) async fn fitting(
        &mut self,
        most: usize,
    ) -> Result<Option<Vec<(usize, JobInfo)>>, Error> {
        self.page = self.inspect.line.next_page(&mut self.cursor, most).await?;
        if self.page.is_empty() {
            return Ok(None);
        }
        self.examined += self.page.len() as u64;
        let place = self.cursor.place();
        let jobs = self.page.iter().enumerate();
        let fitting = jobs.filter_map(|(at, entry)| {
            let job = job_info(place, entry.clone());
            self.fits(&job).then_some((at, job))
        });
        Ok(Some(fitting.collect()))
    }

    /// Bytes that are no job fit no filter: nobody can say what they are.
    fn fits(&self, job: &JobInfo) -> bool {
        let Some(filter) = &self.filter else {
            return true;
        };
        let age = |payload| Some(self.began_ms.saturating_sub(since_ms(job, payload)?));
        (job.payload.as_ref()).is_ok_and(|payload| filter.matches(payload, || age(payload)))
    }

    /// How many entries were looked at so far.
    #[must_use]
    pub fn examined(&self) -> u64 {
        self.examined
    }

    /// Whether the job came to where it is after the walk had begun, as far as it says so. A queue is asked too: a walk
    /// takes as many of its jobs as there were, and where workers pop meanwhile, those pushed later are among so many.
    #[must_use]
    pub fn is_newer(&self, job: &JobInfo) -> bool {
        let since = match (&job.place, &job.payload) {
            (_, Ok(payload)) => since_ms(job, payload),
            (Place::Dead, Err(_)) => job.at_ms,
            (_, Err(_)) => None,
        };
        since.is_some_and(|since| since > self.began_ms.saturating_add(SKEW_MS))
    }
}

/// Since when a job is where it is, milliseconds since the epoch: in a queue since it was enqueued, in `retry` since it
/// failed, in `dead` since it died, in `schedule` since it was created.
pub(crate) fn since_ms(job: &JobInfo, payload: &Payload) -> Option<i64> {
    let stamp = |name| payload.stamp(name).map(|stamp| stamp.millis());
    let since = match &job.place {
        Place::Queue(_) => stamp("enqueued_at"),
        Place::Retry => stamp("retried_at").or_else(|| stamp("failed_at")),
        Place::Dead => job.at_ms,
        Place::Schedule => None,
    };
    since.or_else(|| stamp("created_at"))
}

/// For how long a job that waits in no set (it is held by a worker) has been known.
pub(crate) fn age_in_queue(payload: &Payload, now_ms: i64) -> Option<i64> {
    let since = payload
        .stamp("enqueued_at")
        .or_else(|| payload.stamp("created_at"))?;
    Some(now_ms.saturating_sub(since.millis()))
}
