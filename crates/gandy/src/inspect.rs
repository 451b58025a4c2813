//! Looking at what Redis holds, and moving single jobs by hand. The command and the dashboard use this and nothing else.

use std::{collections::HashMap, fmt, time::Duration};

use gandy_protocol::{Keys, Payload, StampFormat};
use gandy_store::{Entry, Grave, Line, Place, ProcessRow, Server, StoreError, Totals};

use crate::{Act, Error, JobInfo};

mod health;

/// A view of one Redis. Every call is a few bounded reads, or one step on the server.
#[derive(Debug, Clone)]
pub struct Inspect {
    pub(crate) line: Line,
    pub(crate) grave: Grave,
    pub(crate) stamps: StampFormat,
}

/// One queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueInfo {
    /// Bare name.
    pub name: String,
    /// Jobs waiting.
    pub size: u64,
    /// How long the job that is popped next has been waiting; none when the queue is empty or does not say.
    pub latency: Option<Duration>,
    /// Jobs of it that Gandy's processes hold. What Ruby's run is in their memory only.
    pub in_flight: u64,
    /// Whether it is paused.
    pub paused: bool,
    /// By how many jobs a second what waits and what is in flight grew, or (below 0) shrank, between two looks
    /// ([`Inspect::queues_over`]).
    pub rate: Option<f64>,
}

/// One process, ours or Ruby's.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessInfo {
    /// Its identity.
    pub identity: String,
    /// What it says of itself, as raw JSON; empty when it has not been heard of for a minute.
    pub info: String,
    /// Jobs it runs at once.
    pub concurrency: u64,
    /// Jobs it runs now.
    pub busy: u64,
    /// When it was last heard of, milliseconds since the epoch.
    pub beat_ms: Option<i64>,
    /// Whether it has stopped claiming.
    pub quiet: bool,
    /// Resident memory, KB.
    pub rss_kb: u64,
    /// Redis' round trip, microseconds.
    pub rtt_us: u64,
    /// For how many milliseconds more it counts as alive if it is not heard of again; none for Ruby's processes, which have
    /// no lease, and for one whose lease is over.
    pub lease_ms: Option<u64>,
    /// The classes that it has handlers for, sorted; empty for Ruby's processes, which do not say it.
    pub classes: Vec<String>,
    /// Its running jobs.
    pub work: Vec<WorkInfo>,
}

/// A running job as its process shows it. Its `Debug` leaves the job out.
#[derive(Clone, PartialEq, Eq)]
pub struct WorkInfo {
    /// The place in its process: a thread id in Ruby, a token number in Gandy.
    pub id: String,
    /// `{"queue":…,"payload":…,"run_at":…}` as raw JSON.
    pub json: String,
}

/// As [`JobInfo`]'s: the job is in its JSON.
impl fmt::Debug for WorkInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkInfo")
            .field("id", &self.id)
            .field("bytes", &self.json.len())
            .finish_non_exhaustive()
    }
}

impl Inspect {
    /// Looks at the Redis at `url`, under `namespace` (empty: none). Connects when first used.
    ///
    /// # Errors
    /// A wrong URL or namespace.
    pub fn new(server: Server, namespace: &str) -> Result<Self, Error> {
        let keys = Keys::new(namespace).map_err(|error| Error::config(error.to_string()))?;
        let line = Line::pooled(server, keys, 4)?;
        Ok(Self {
            line,
            grave: Grave::default(),
            stamps: StampFormat::default(),
        })
    }

    /// With other limits of the dead set than Sidekiq's.
    #[must_use]
    pub fn with_grave(mut self, grave: Grave) -> Self {
        self.grave = grave;
        self
    }

    /// The limits of the dead set that are kept to.
    #[must_use]
    pub fn grave(&self) -> Grave {
        self.grave
    }

    /// With times written as seconds into what is moved, while any Ruby below Sidekiq 8 reads it.
    #[must_use]
    pub fn with_stamps(mut self, stamps: StampFormat) -> Self {
        self.stamps = stamps;
        self
    }

    /// The size of everything.
    ///
    /// # Errors
    /// Redis cannot be reached or refuses.
    pub async fn totals(&self) -> Result<Totals, Error> {
        Ok(self.line.totals().await?)
    }

    /// All queues, by name.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn queues(&self) -> Result<Vec<QueueInfo>, Error> {
        let names = self.line.queue_names().await?;
        self.queues_of(&names).await
    }

    /// One queue, whether it is listed or not.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn queue(&self, name: &str) -> Result<Option<QueueInfo>, Error> {
        Ok(self.queues_of(&[name.to_owned()]).await?.pop())
    }

    async fn queues_of(&self, names: &[String]) -> Result<Vec<QueueInfo>, Error> {
        let now = self.line.now_us().await? / 1000;
        let rows = self.line.queue_rows(names).await?;
        let held = self.line.held_by_queue().await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let enqueued = row
                    .next
                    .and_then(|bytes| Payload::parse(bytes).ok()?.stamp("enqueued_at"));
                let latency = enqueued.map(|at| {
                    let since = now.saturating_sub(at.millis());
                    Duration::from_millis(u64::try_from(since).unwrap_or(0))
                });
                QueueInfo {
                    in_flight: held.get(&row.name).copied().unwrap_or(0),
                    rate: None,
                    name: row.name,
                    size: row.size,
                    latency,
                    paused: row.paused,
                }
            })
            .collect())
    }

    /// The same by two looks so far apart, with how fast each queue grows or shrinks. (Redis counts runs by class and by
    /// process, and not by queue; a counter of our own would cost every run.)
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn queues_over(&self, span: Duration) -> Result<Vec<QueueInfo>, Error> {
        let began = tokio::time::Instant::now();
        let first: HashMap<String, u64> = self
            .queues()
            .await?
            .into_iter()
            .map(|queue| (queue.name, queue.size + queue.in_flight))
            .collect();
        tokio::time::sleep(span).await;
        let mut queues = self.queues().await?;
        let seconds = began.elapsed().as_secs_f64().max(0.001);
        for queue in &mut queues {
            let before = first.get(&queue.name).copied().unwrap_or(0);
            let now = queue.size + queue.in_flight;
            queue.rate = Some((now as f64 - before as f64) / seconds);
        }
        Ok(queues)
    }

    /// Up to `count` (at most 1,000) jobs from position `from`: of a queue in the order in which they will be popped, of
    /// `schedule` and `retry` by time, of `dead` the youngest first.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn jobs(
        &self,
        place: &Place,
        from: usize,
        count: usize,
    ) -> Result<Vec<JobInfo>, Error> {
        let entries = self.line.page(place, from, count).await?;
        Ok(entries
            .into_iter()
            .map(|entry| JobInfo::new(place, entry))
            .collect())
    }

    /// How many jobs a place holds.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn size(&self, place: &Place) -> Result<u64, Error> {
        Ok(self.line.size(place).await?)
    }

    /// All processes, by identity.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn processes(&self) -> Result<Vec<ProcessInfo>, Error> {
        Ok(self
            .line
            .process_rows()
            .await?
            .into_iter()
            .map(process_info)
            .collect())
    }

    /// Finds a job by its id: first in `retry`, `schedule` and `dead`, then in the queues. Not one that is running.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn find(&self, jid: &str) -> Result<Option<JobInfo>, Error> {
        let mut places = vec![Place::Retry, Place::Schedule, Place::Dead];
        places.extend(self.line.queue_names().await?.into_iter().map(Place::Queue));
        for place in places {
            if let Some(job) = self.find_in(&place, jid).await? {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    /// Finds a job by its id in one place.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn find_in(&self, place: &Place, jid: &str) -> Result<Option<JobInfo>, Error> {
        Ok(self
            .line
            .find(place, jid)
            .await?
            .map(|entry| JobInfo::new(place, entry)))
    }

    /// Deletes this very job. `false`: it is not there any more.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn delete(&self, job: &JobInfo) -> Result<bool, Error> {
        self.act(job, &Act::Delete).await
    }

    /// Puts this very job into its queue to run now; a retry by hand spends no attempt (Sidekiq's rule). `false`: it is
    /// not there any more.
    ///
    /// # Errors
    /// As [`Inspect::totals`], and [`Error::Config`] when it cannot be parsed or waits in a queue already.
    pub async fn retry(&self, job: &JobInfo) -> Result<bool, Error> {
        self.act(job, &Act::Retry).await
    }

    /// Puts this very job into `dead`, as it is. `false`: it is not there any more.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn bury(&self, job: &JobInfo) -> Result<bool, Error> {
        self.act(job, &Act::Bury).await
    }

    /// Puts jobs back where an export found them: exact bytes, in a set with exact scores, which changes nothing for those
    /// that are there already; of a queue to the end that is popped last, behind what waits. How many are new; of a queue all.
    /// At most 1,000 at once.
    ///
    /// # Errors
    /// As [`Inspect::totals`]. After [`gandy_store::Kind::Unknown`] they may be there: into a set it may be repeated.
    pub async fn put_back(
        &self,
        place: &Place,
        jobs: Vec<(Option<f64>, Vec<u8>)>,
    ) -> Result<u64, Error> {
        let entry = |(score, bytes)| Entry { bytes, score };
        let entries: Vec<Entry> = jobs.into_iter().map(entry).collect();
        Ok(self.line.put_back(place, &entries).await?)
    }

    /// Takes a queue's name off the list of queues if no job waits in it, as Sidekiq's "clear queue" does.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn unlist(&self, queue: &str) -> Result<bool, Error> {
        Ok(self.line.unlist(queue).await?)
    }

    /// Why a job in `dead` was buried without being run, if a reason was kept.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn reason(&self, job: &JobInfo) -> Result<Option<String>, Error> {
        Ok(self.line.reason(&job.bytes).await?)
    }

    /// Installs Gandy's scripts as functions, for users who may run these and no others
    /// ([`Server::with_functions`]); gives the names of those that were not there yet. An administrator's business:
    /// it takes the right to `FUNCTION LOAD`.
    ///
    /// # Errors
    /// Any of Redis'; safe to repeat.
    pub async fn install_functions(&self) -> Result<Vec<String>, Error> {
        Ok(self.line.install_functions().await?)
    }

    /// Pauses a queue: Gandy's workers take nothing from it. Ruby's free workers do not heed it.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn pause(&self, queue: &str) -> Result<(), Error> {
        Ok(self.line.pause(queue).await?)
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn unpause(&self, queue: &str) -> Result<(), Error> {
        Ok(self.line.unpause(queue).await?)
    }

    /// Tells a process, ours or Ruby's, to stop claiming.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn quiet(&self, identity: &str) -> Result<(), Error> {
        Ok(self.line.send_signal(identity, "TSTP").await?)
    }

    /// Tells a process, ours or Ruby's, to end.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn stop(&self, identity: &str) -> Result<(), Error> {
        Ok(self.line.send_signal(identity, "TERM").await?)
    }

    /// Asks the server about itself and returns what an operator should know.
    ///
    /// # Errors
    /// As [`Inspect::totals`], and when it is too old.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        let facts = self.line.facts().await?;
        let cautions = facts.judge(self.line.server().address(), self.line.keys(), true)?;
        Ok(cautions.into_iter().map(|caution| caution.0).collect())
    }
}

fn process_info(row: ProcessRow) -> ProcessInfo {
    let fields: HashMap<String, String> = row.fields;
    let number = |name: &str| fields.get(name).and_then(|text| text.parse::<u64>().ok());
    let info = fields.get("info").cloned().unwrap_or_default();
    // Ruby before 8.1.3 says it inside `info` only.
    let inside = || {
        serde_json::from_str::<serde_json::Value>(&info)
            .ok()?
            .get("concurrency")?
            .as_u64()
    };
    ProcessInfo {
        concurrency: number("concurrency").or_else(inside).unwrap_or(0),
        busy: number("busy").unwrap_or(0),
        beat_ms: fields
            .get("beat")
            .and_then(|text| text.parse::<f64>().ok())
            .map(|beat| (beat * 1000.0) as i64),
        quiet: fields.get("quiet").is_some_and(|text| text == "true"),
        rss_kb: number("rss").unwrap_or(0),
        rtt_us: number("rtt_us").unwrap_or(0),
        lease_ms: row.lease_ms,
        classes: classes(row.published.as_deref().unwrap_or_default()),
        work: row
            .work
            .into_iter()
            .map(|(id, json)| WorkInfo { id, json })
            .collect(),
        identity: row.identity,
        info,
    }
}

/// Of what a process published when it joined the fleet.
fn classes(published: &str) -> Vec<String> {
    #[derive(Default, serde::Deserialize)]
    struct Published {
        #[serde(default)]
        classes: Vec<String>,
    }
    let published: Published = serde_json::from_str(published).unwrap_or_default();
    let mut classes = published.classes;
    classes.sort_unstable();
    classes
}
