//! The jobs that workers hold, ours and Ruby's, looked at from outside.

use std::collections::HashSet;

use gandy_protocol::Filter;
use gandy_store::{Entry, Place, Presence};
use serde::Deserialize;

use crate::{Error, Inspect, JobInfo};

/// A job that a process holds. Its place is the queue that it was claimed from. Its `Debug` leaves the arguments out.
#[derive(Debug, Clone)]
pub struct HeldJob {
    /// The process' identity.
    pub process: String,
    /// The job.
    pub job: JobInfo,
}

/// What Ruby shows of a running job.
#[derive(Deserialize)]
struct Shown {
    queue: String,
    payload: String,
}

impl Inspect {
    /// Up to `limit` jobs in flight that fit `filter`, by process: exactly what Gandy's processes hold, the dying included,
    /// and what Ruby's showed at their last beat. A payload above 64 MB is not read, and left out.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn in_flight(
        &self,
        filter: Option<&Filter>,
        limit: usize,
    ) -> Result<Vec<HeldJob>, Error> {
        let now_ms = self.line.now_us().await? / 1000;
        let fits = |job: &JobInfo| filter.is_none_or(|filter| job.fits(filter, now_ms));
        let mut found = Vec::new();
        let mut ours = HashSet::new();
        let mut holders = self.line.fleet().await?;
        holders.extend(self.line.dying().await?);
        for holder in holders {
            if !ours.insert(holder.as_str().to_owned()) {
                continue;
            }
            for portion in self.line.portions(&holder).await? {
                for held in self.line.aboard(&holder, portion).await? {
                    let job = held_job(held.token.queue.to_string(), held.bytes);
                    if fits(&job) {
                        found.push(HeldJob {
                            process: holder.as_str().to_owned(),
                            job,
                        });
                    }
                }
                if found.len() >= limit {
                    found.truncate(limit);
                    return Ok(found);
                }
            }
        }
        for row in self.line.process_rows().await? {
            if ours.contains(&row.identity) {
                continue;
            }
            let work = row.work.iter().filter_map(|(_, json)| {
                let shown: Shown = serde_json::from_str(json).ok()?;
                Some(held_job(shown.queue, shown.payload.into_bytes()))
            });
            found.extend(work.filter(fits).map(|job| HeldJob {
                process: row.identity.clone(),
                job,
            }));
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Whether each of these processes is there, and quiet.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn presence(&self, identities: &[String]) -> Result<Vec<Presence>, Error> {
        Ok(self.line.presence(identities).await?)
    }
}

fn held_job(queue: String, bytes: Vec<u8>) -> JobInfo {
    JobInfo::new(&Place::Queue(queue), Entry { bytes, score: None })
}
