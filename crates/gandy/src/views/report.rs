//! Where one job is: every place where it stands, its outcome if it left one, and who died with it aboard. The search is
//! bounded by a deadline and says how far it came.

use std::time::{Duration, Instant};

use gandy_protocol::{Ended, Payload, recovery_id};
use gandy_store::{Kind, Place, Search, StoreError};

use super::running::{RunningJob, Steps, of_processes};
use crate::{Error, Inspect, JobInfo, ProcessInfo};

/// Where a job was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Whereabouts {
    /// In a queue, or in its landing list.
    Queue {
        /// The queue's name.
        name: String,
        /// About how many are taken before it.
        ahead: u64,
    },
    /// In `schedule` or `retry` with the time it is due, or in `dead` with the time it died.
    Set {
        /// Which.
        place: Place,
        /// Milliseconds since the epoch.
        at_ms: i64,
        /// The same in seconds, as Redis has it: by this and the digest of its bytes the entry is found again
        /// ([`Inspect::job_at`]).
        score: f64,
    },
    /// At a Gandy worker.
    InFlight {
        /// Whose process.
        identity: String,
        /// The queue it came from.
        queue: String,
        /// Whether that process lives. A dead one's jobs are given back as soon as another one sees it.
        alive: bool,
        /// Since when it runs, as its process showed at its last heartbeat; none: it was claimed lately and may not have begun.
        since_ms: Option<i64>,
        /// How far it has come, where its handler says.
        steps: Option<Steps>,
    },
    /// At a Ruby worker, as it shows itself.
    Ruby {
        /// Whose process.
        identity: String,
        /// The queue it came from.
        queue: Option<String>,
        /// Since when.
        since_ms: Option<i64>,
    },
}

/// A job at one place. Its `Debug` leaves the arguments out.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// Where.
    pub whereabouts: Whereabouts,
    /// The job as it stands there.
    pub payload: Payload,
    /// Why it was buried unread or as a suspect, where that was kept.
    pub reason: Option<String>,
}

/// What is known of a job.
#[derive(Debug, Clone)]
pub struct JobReport {
    /// Its id.
    pub jid: String,
    /// Every place where it was found. Where several entries of one place have its id it is one of them.
    pub sightings: Vec<Sighting>,
    /// How its last run ended, where it was pushed with `gandy_notify` or cancelled, for an hour.
    pub outcome: Option<Ended>,
    /// Identities of the processes that died with it aboard in the last 72 hours.
    pub died_aboard: Vec<String>,
    /// Entries that were looked at.
    pub looked_at: u64,
    /// The search ended at its deadline: the job may be where nobody looked.
    pub gave_up: bool,
    /// Places that could not be read, with the reason.
    pub unread: Vec<String>,
}

impl Inspect {
    /// Looks for a job everywhere, for at most about `within`: in flight, in `retry`, `schedule` and `dead`, and, where it
    /// was in none of these, in all queues. `places`, if there are any, are looked at instead of sets and queues.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn report(
        &self,
        jid: &str,
        within: Duration,
        places: &[Place],
    ) -> Result<JobReport, Error> {
        let processes = self.processes().await?;
        self.report_among(jid, within, places, &processes).await
    }

    pub(super) async fn report_among(
        &self,
        jid: &str,
        within: Duration,
        places: &[Place],
        processes: &[ProcessInfo],
    ) -> Result<JobReport, Error> {
        let mut search = Search::until(Instant::now() + within);
        let mut report = JobReport::of_nothing(jid);
        report.outcome = self.outcome(jid).await?;
        // Where a jid is too long for a key's name there is no key.
        if recovery_id(&named(jid)) == jid {
            report.died_aboard = self.line.died_aboard(jid).await?;
        }
        let running = of_processes(processes);
        report.at_work(self, &running, &mut search).await?;
        if places.is_empty() {
            for place in [Place::Retry, Place::Schedule, Place::Dead] {
                report.in_place(self, &place, &mut search).await?;
            }
            if report.sightings.is_empty() {
                for name in self.line.queue_names().await? {
                    report
                        .in_place(self, &Place::Queue(name), &mut search)
                        .await?;
                }
            }
        } else {
            for place in places {
                report.in_place(self, place, &mut search).await?;
            }
        }
        if report.sightings.is_empty() && !search.gave_up {
            // It may have moved on while it was looked for.
            report.at_work(self, &running, &mut search.clone()).await?;
            report.outcome = self.outcome(jid).await?;
        }
        report.looked_at = search.looked_at;
        report.gave_up = search.gave_up;
        Ok(report)
    }

    /// Of a job that was just seen where it waits.
    pub(super) async fn report_of(&self, job: &JobInfo, ahead: u64) -> Result<JobReport, Error> {
        let payload = job.payload.clone().map_err(Error::config)?;
        let mut report = JobReport::of_nothing(payload.jid());
        report.outcome = self.outcome(&report.jid).await?;
        if recovery_id(&named(&report.jid)) == report.jid {
            report.died_aboard = self.line.died_aboard(&report.jid).await?;
        }
        let whereabouts = match &job.place {
            Place::Queue(name) => Whereabouts::Queue {
                name: name.clone(),
                ahead,
            },
            set => Whereabouts::Set {
                place: set.clone(),
                at_ms: job.at_ms.unwrap_or(0),
                score: job.score.unwrap_or(0.0),
            },
        };
        let reason = match job.place {
            Place::Dead => self.reason(job).await?,
            _ => None,
        };
        report.looked_at = 1;
        report.sightings.push(Sighting {
            whereabouts,
            payload,
            reason,
        });
        Ok(report)
    }

    /// Where it is in flight, and nothing else.
    pub(super) async fn report_at_work(
        &self,
        jid: &str,
        within: Duration,
    ) -> Result<JobReport, Error> {
        let processes = self.processes().await?;
        let mut search = Search::until(Instant::now() + within);
        let mut report = JobReport::of_nothing(jid);
        report
            .at_work(self, &of_processes(&processes), &mut search)
            .await?;
        report.looked_at = search.looked_at;
        report.gave_up = search.gave_up;
        Ok(report)
    }

    /// How the last run ended of a job that was pushed with [`crate::Push::notify`], or cancelled, within the last hour.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn outcome(&self, jid: &str) -> Result<Option<Ended>, Error> {
        Ok(self.line.outcome(jid).await?.map(|(ended, _)| ended))
    }

    /// Waits until a job that was pushed with [`crate::Push::notify`] has left an outcome; `None`: not within `timeout`.
    /// Looks often at first and twice a second later.
    ///
    /// # Errors
    /// As [`Inspect::totals`]. An outage within the time is waited for.
    pub async fn wait(&self, jid: &str, timeout: Duration) -> Result<Option<Ended>, Error> {
        self.wait_for_change(jid, None, timeout).await
    }

    /// As [`Inspect::wait`], for an outcome with another text than `before`.
    pub(super) async fn wait_for_change(
        &self,
        jid: &str,
        before: Option<&str>,
        timeout: Duration,
    ) -> Result<Option<Ended>, Error> {
        let until = Instant::now() + timeout;
        let mut pause = Duration::from_millis(10);
        loop {
            let seen = self.line.outcome(jid).await;
            let left = until.saturating_duration_since(Instant::now());
            match seen {
                Ok(Some((ended, text))) if before != Some(text.as_str()) => {
                    return Ok(Some(ended));
                }
                Ok(_) if left.is_zero() => return Ok(None),
                Err(error) if left.is_zero() || !may_pass(&error) => return Err(error.into()),
                _ => {}
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 3 / 2).min(Duration::from_millis(500));
        }
    }
}

/// A payload that says nothing but its jid.
fn named(jid: &str) -> Vec<u8> {
    serde_json::json!({ "jid": jid }).to_string().into_bytes()
}

pub(super) fn may_pass(error: &StoreError) -> bool {
    matches!(error.kind(), Kind::Retry | Kind::Unknown)
}

impl JobReport {
    fn of_nothing(jid: &str) -> Self {
        Self {
            jid: jid.to_owned(),
            sightings: Vec::new(),
            outcome: None,
            died_aboard: Vec::new(),
            looked_at: 0,
            gave_up: false,
            unread: Vec::new(),
        }
    }

    /// Looks at who holds or runs it.
    async fn at_work(
        &mut self,
        inspect: &Inspect,
        running: &[RunningJob],
        search: &mut Search,
    ) -> Result<(), Error> {
        let held = inspect.line.seek_in_flight(&self.jid, search).await?;
        let living = if held.is_empty() {
            Vec::new()
        } else {
            inspect.line.muster().await?
        };
        let shows = |identity: &str| {
            running
                .iter()
                .find(|job| job.identity == identity && job.jid() == Some(&*self.jid))
        };
        for held in held {
            let Ok(payload) = Payload::parse(held.bytes) else {
                continue;
            };
            let shown = shows(held.identity.as_str());
            let is_living = |member: &gandy_store::doctor::Member| {
                member.identity == held.identity && member.leased
            };
            self.sightings.push(Sighting {
                whereabouts: Whereabouts::InFlight {
                    alive: living.iter().any(is_living),
                    queue: held.token.queue.to_string(),
                    since_ms: shown.and_then(|job| job.started_ms),
                    steps: shown.and_then(|job| job.steps.clone()),
                    identity: held.identity.to_string(),
                },
                payload,
                reason: None,
            });
        }
        if !self.sightings.is_empty() {
            return Ok(());
        }
        let here = running.iter().filter(|job| job.jid() == Some(&*self.jid));
        // What a Gandy process shows and does not hold any more has ended since its last heartbeat.
        let ours = match here.clone().next() {
            Some(_) => inspect.line.muster().await?,
            None => return Ok(()),
        };
        for job in here {
            let is_ours = ours
                .iter()
                .any(|member| member.identity.as_str() == job.identity);
            if let (false, Some(payload)) = (is_ours, &job.payload) {
                self.sightings.push(Sighting {
                    whereabouts: Whereabouts::Ruby {
                        identity: job.identity.clone(),
                        queue: job.queue.clone(),
                        since_ms: job.started_ms,
                    },
                    payload: payload.clone(),
                    reason: None,
                });
            }
        }
        Ok(())
    }

    /// Looks at one place; one that cannot be read is noted.
    async fn in_place(
        &mut self,
        inspect: &Inspect,
        place: &Place,
        search: &mut Search,
    ) -> Result<(), Error> {
        let found = match inspect.line.seek(place, &self.jid, search).await {
            Ok(found) => found,
            Err(StoreError::Refused { cause, .. }) => {
                self.unread.push(format!("{place:?}: {cause}"));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(waits) = found {
            let reason = match place {
                Place::Dead => inspect.line.reason(&waits.entry.bytes).await?,
                _ => None,
            };
            let Ok(payload) = Payload::parse(waits.entry.bytes) else {
                return Ok(());
            };
            let whereabouts = match (waits.place, waits.entry.score) {
                (Place::Queue(name), _) => Whereabouts::Queue {
                    name,
                    ahead: waits.ahead.unwrap_or(0),
                },
                (place, score) => {
                    let score = score.unwrap_or(0.0);
                    Whereabouts::Set {
                        place,
                        at_ms: (score * 1000.0).round() as i64,
                        score,
                    }
                }
            };
            self.sightings.push(Sighting {
                whereabouts,
                payload,
                reason,
            });
        }
        Ok(())
    }
}
