//! What an act would do, counted before anybody consents to it: the same jobs, up to the same bound, and nothing is touched.
//!
//! Not here: the act itself (`act`), and in which order jobs are met (`walk`).

use crate::{Act, Acts, Error, Inspect, JobInfo, Sweep, Walk};

/// So many entries are looked at together.
const PAGE: usize = 500;

/// Counts what a [`Sweep`] would act on.
#[derive(Debug)]
pub struct Preview {
    walk: Walk,
    act: Act,
    so_far: Acts,
}

impl Inspect {
    /// Whether [`Inspect::act`] could be done with this job; nothing is touched.
    ///
    /// # Errors
    /// [`Error::Config`] says why it cannot.
    pub fn could(&self, job: &JobInfo, act: &Act) -> Result<(), Error> {
        act.target(job, self.stamps)
            .map(drop)
            .map_err(Error::config)
    }
}

impl Sweep {
    /// Counts what it would act on, from where it stands. The sweep keeps the bound that it began with: what comes in while
    /// a person looks at the number, and was not in it, is not touched either.
    #[must_use]
    pub fn preview(&self) -> Preview {
        Preview {
            walk: self.walk.clone(),
            act: self.act.clone(),
            so_far: Acts::default(),
        }
    }
}

impl Preview {
    /// Looks at the next page. `false`: there is none.
    ///
    /// # Errors
    /// As [`Inspect::totals`]; a repeat goes on where it was.
    pub async fn step(&mut self) -> Result<bool, Error> {
        let Some(found) = self.walk.next(PAGE).await? else {
            return Ok(false);
        };
        for job in &found {
            if self.walk.is_newer(job) {
                self.so_far.newer += 1;
                continue;
            }
            self.so_far.matched += 1;
            if self.walk.inspect.could(job, &self.act).is_err() {
                self.so_far.skipped += 1;
            }
        }
        Ok(true)
    }

    /// How many fit, how many of them would be skipped, and how many came in since.
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
