//! Gathering what an explanation needs, by bounded reads.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use gandy_protocol::Payload;
use gandy_store::Place;
use serde::Deserialize;

use super::{
    reason::{Capsule, Facts, Listener, Reason, explain},
    report::{JobReport, Whereabouts},
    running::{RunningJob, of_processes},
};
use crate::{Error, Inspect, JobInfo, ProcessInfo};

/// Of so many of the jobs that are taken next it is looked up how long such jobs run.
const SAMPLE: usize = 100;

/// Why a job does not run, and what is known of it.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// What is known of the job.
    pub report: JobReport,
    /// The time by Redis' clock, milliseconds since the epoch.
    pub now_ms: i64,
    /// Why it does not run; never empty.
    pub reasons: Vec<Reason>,
}

impl Inspect {
    /// Explains why a job does not run. Looks for it as [`Inspect::report`] does.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn why(
        &self,
        jid: &str,
        within: Duration,
        places: &[Place],
    ) -> Result<Explanation, Error> {
        let processes = self.processes().await?;
        let report = self.report_among(jid, within, places, &processes).await?;
        self.explained(report, &processes).await
    }

    /// The same for a job that somebody holds or runs, without a look into sets and queues; `None`: nobody does.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn why_at_work(
        &self,
        jid: &str,
        within: Duration,
    ) -> Result<Option<Explanation>, Error> {
        let report = self.report_at_work(jid, within).await?;
        if report.sightings.is_empty() {
            return Ok(None);
        }
        let processes = self.processes().await?;
        self.explained(report, &processes).await.map(Some)
    }

    /// The same for a job that was just seen where it waits, behind so many others: without a search.
    ///
    /// # Errors
    /// As [`Inspect::totals`], and [`Error::Config`] for bytes that are no job.
    pub async fn why_of(&self, job: &JobInfo, ahead: u64) -> Result<Explanation, Error> {
        let processes = self.processes().await?;
        let report = self.report_of(job, ahead).await?;
        self.explained(report, &processes).await
    }

    async fn explained(
        &self,
        report: JobReport,
        processes: &[ProcessInfo],
    ) -> Result<Explanation, Error> {
        let queues: HashSet<String> = report
            .sightings
            .iter()
            .filter_map(|sighting| match &sighting.whereabouts {
                Whereabouts::Queue { name, .. } => Some(name.clone()),
                _ => sighting.payload.queue().map(str::to_owned),
            })
            .collect();
        let names: Vec<String> = queues.into_iter().collect();
        let rows = self.line.queue_rows(&names).await?;
        let ahead = report
            .sightings
            .iter()
            .find_map(|sighting| match &sighting.whereabouts {
                Whereabouts::Queue { name, ahead } if *ahead > 0 => Some(name.clone()),
                _ => None,
            });
        let mean_run = match ahead {
            Some(queue) => self.mean_run_of(&queue).await?,
            None => None,
        };
        let facts = Facts {
            now_ms: self.line.now_us().await? / 1000,
            sightings: report.sightings.clone(),
            outcome: report.outcome.clone(),
            looked_at: report.looked_at,
            gave_up: report.gave_up,
            paused: rows
                .into_iter()
                .filter(|row| row.paused)
                .map(|row| row.name)
                .collect(),
            listeners: self.listeners(processes).await?,
            mean_run,
        };
        Ok(Explanation {
            now_ms: facts.now_ms,
            reasons: explain(&facts),
            report,
        })
    }

    /// How long the jobs that are taken next from this queue run in the mean, as far as that is known.
    async fn mean_run_of(&self, queue: &str) -> Result<Option<Duration>, Error> {
        let means = self.mean_runs().await?;
        let place = Place::Queue(queue.to_owned());
        let mut known = Vec::new();
        for entry in self.line.page(&place, 0, SAMPLE).await? {
            let payload = Payload::parse(entry.bytes).ok();
            let mean = payload.and_then(|payload| means.get(payload.display_class()).copied());
            known.extend(mean);
        }
        let count = u32::try_from(known.len()).unwrap_or(u32::MAX);
        Ok((count > 0).then(|| known.iter().sum::<Duration>() / count))
    }

    /// The processes that live: of the fleet those whose lease holds, and Ruby's that show themselves.
    async fn listeners(&self, processes: &[ProcessInfo]) -> Result<Vec<Listener>, Error> {
        let members = self.line.muster().await?;
        let dying: HashSet<String> = self
            .line
            .dying()
            .await?
            .iter()
            .map(ToString::to_string)
            .collect();
        let running = of_processes(processes);
        let shown: HashMap<&str, &ProcessInfo> = processes
            .iter()
            .map(|process| (process.identity.as_str(), process))
            .collect();
        let mut listeners = Vec::new();
        for member in members.iter().filter(|member| member.leased) {
            let published: Published = serde_json::from_str(&member.published).unwrap_or_default();
            let identity = member.identity.as_str();
            let capsules = shown.get(identity).map_or_else(Vec::new, |it| capsules(it));
            listeners.push(Listener {
                // Until its first heartbeat it has not said how many slots there are: one at least.
                capsules: match capsules.is_empty() {
                    true => vec![Capsule {
                        slots: 1,
                        queues: published.queues,
                    }],
                    false => capsules,
                },
                classes: published.classes,
                quiet: shown.get(identity).is_some_and(|process| process.quiet),
                running: of(&running, identity),
                identity: identity.to_owned(),
            });
        }
        let fleet: HashSet<&str> = members
            .iter()
            .map(|member| member.identity.as_str())
            .collect();
        let rubies = processes.iter().filter(|process| {
            let identity = process.identity.as_str();
            !process.info.is_empty() && !fleet.contains(identity) && !dying.contains(identity)
        });
        for ruby in rubies {
            listeners.push(Listener {
                identity: ruby.identity.clone(),
                classes: None,
                capsules: capsules(ruby),
                quiet: ruby.quiet,
                running: of(&running, &ruby.identity),
            });
        }
        Ok(listeners)
    }
}

/// What a process of the fleet published.
#[derive(Default, Deserialize)]
struct Published {
    #[serde(default)]
    queues: Vec<String>,
    classes: Option<Vec<String>>,
}

/// What a heartbeat says of slots.
#[derive(Default, Deserialize)]
struct Info {
    #[serde(default)]
    queues: Vec<String>,
    #[serde(default)]
    capsules: HashMap<String, InfoCapsule>,
}

#[derive(Deserialize)]
struct InfoCapsule {
    concurrency: u64,
    weights: HashMap<String, f64>,
}

/// Its capsules; before Sidekiq 8.0.9 a process does not name them, and is taken for one.
fn capsules(process: &ProcessInfo) -> Vec<Capsule> {
    let info: Info = serde_json::from_str(&process.info).unwrap_or_default();
    if info.capsules.is_empty() {
        return vec![Capsule {
            slots: process.concurrency.max(1),
            queues: info.queues,
        }];
    }
    let capsules = info.capsules.into_values();
    capsules
        .map(|capsule| Capsule {
            slots: capsule.concurrency,
            queues: capsule.weights.into_keys().collect(),
        })
        .collect()
}

fn of(running: &[RunningJob], identity: &str) -> Vec<RunningJob> {
    let here = running.iter().filter(|job| job.identity == identity);
    here.cloned().collect()
}
