//! Pushing jobs from an application.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use gandy_protocol::{Keys, Stamp, StampFormat};
use gandy_store::{Caution, Kind, Line, Producer, Server, StoreError};

use crate::{Error, Job, Push, ambient, push::When, testing::Recorder};

/// At most this many jobs go in one command…
const SLICE: usize = 1000;
/// …and no more once they have this many bytes: every other push waits behind it on the same connection.
const SLICE_BYTES: usize = 4 << 20;

/// Jobs that go in one command, each with its place among the results.
struct Slice {
    jobs: Vec<(usize, Ready)>,
    bytes: usize,
}

impl Slice {
    fn new(place: usize, job: Ready) -> Self {
        Self {
            bytes: job.payload.len(),
            jobs: vec![(place, job)],
        }
    }

    fn has_room(&self) -> bool {
        self.jobs.len() < SLICE && self.bytes < SLICE_BYTES
    }

    fn add(&mut self, place: usize, job: Ready) {
        self.bytes += job.payload.len();
        self.jobs.push((place, job));
    }
}

/// Pushes jobs. Clone it freely: one per application is enough, since concurrent pushes of all clones are pipelined on
/// one connection. A push whose future is dropped half-way leaves the client usable.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    target: Target,
    stamps: StampFormat,
    max_payload: usize,
    middleware: Vec<Box<dyn ClientMiddleware>>,
}

enum Target {
    Redis(Producer),
    Test(Recorder),
}

/// What became of a pushed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The job's id.
    pub jid: String,
    /// Where it is.
    pub outcome: Outcome,
}

/// Where a pushed job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// In its queue; Redis acknowledged it.
    Enqueued,
    /// In `schedule`; Redis acknowledged it.
    Scheduled,
    /// Nowhere: a client middleware stopped it.
    Stopped,
}

/// Looks at every job before it is pushed; may change it or stop it.
///
/// Unlike Ruby's, it does not run again when a scheduled or failed job moves to its queue: that move is one step inside
/// Redis.
pub trait ClientMiddleware: Send + Sync + 'static {
    /// Changes `push` as it likes and says whether it goes on.
    fn push(&self, push: &mut Push) -> Flow;
}

impl<F: Fn(&mut Push) -> Flow + Send + Sync + 'static> ClientMiddleware for F {
    fn push(&self, push: &mut Push) -> Flow {
        self(push)
    }
}

/// Whether a push goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It goes on to the next middleware, then to Redis.
    Go,
    /// It ends here; the caller sees [`Outcome::Stopped`].
    Stop,
}

/// Builds a [`Client`]; see [`Client::builder`].
#[derive(Default)]
pub struct ClientBuilder {
    server: Option<Server>,
    namespace: String,
    stamps: StampFormat,
    max_payload: Option<usize>,
    middleware: Vec<Box<dyn ClientMiddleware>>,
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("server", &self.server)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// The Redis to push to. Default: what the environment says ([`Server::from_env`]).
    #[must_use]
    pub fn server(mut self, server: Server) -> Self {
        self.server = Some(server);
        self
    }

    /// Puts `NAME:` before every key. Default: none, as Sidekiq 7 and 8.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = name.into();
        self
    }

    /// How times are written into payloads. Default milliseconds; [`StampFormat::Seconds`] while any Ruby below
    /// Sidekiq 8 reads them.
    #[must_use]
    pub fn stamps(mut self, format: StampFormat) -> Self {
        self.stamps = format;
        self
    }

    /// The largest payload in bytes. Default 1 MiB.
    #[must_use]
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = Some(bytes);
        self
    }

    /// Adds a middleware; they run in the order in which they were added.
    #[must_use]
    pub fn middleware(mut self, middleware: impl ClientMiddleware) -> Self {
        self.middleware.push(Box::new(middleware));
        self
    }

    /// A client that connects when it first pushes.
    ///
    /// # Errors
    /// A wrong URL in the environment, or a namespace that cannot be one.
    pub fn build(mut self) -> Result<Client, Error> {
        let server = match self.server.take() {
            Some(server) => server,
            None => Server::from_env()?,
        };
        let keys = Keys::new(&self.namespace).map_err(|error| Error::config(error.to_string()))?;
        let reply = server.patience().reply;
        Ok(self.over(Target::Redis(Producer::new(Line::single(
            server, keys, reply,
        )))))
    }

    /// A client that connects now and checks the server's version.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`], and when the server cannot be reached, refuses the credentials or is too old.
    pub async fn connect(self) -> Result<Client, Error> {
        let client = self.build()?;
        client.check().await?;
        Ok(client)
    }

    pub(crate) fn test(self, recorder: Recorder) -> Client {
        self.over(Target::Test(recorder))
    }

    fn over(self, target: Target) -> Client {
        Client {
            inner: Arc::new(Inner {
                target,
                stamps: self.stamps,
                max_payload: self.max_payload.unwrap_or(1 << 20),
                middleware: self.middleware,
            }),
        }
    }
}

impl Client {
    /// Connects to the Redis at `url` and checks its version.
    ///
    /// # Errors
    /// A wrong URL, an unreachable server, wrong credentials, a server older than Redis 7.0 or Valkey 7.2.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::builder().server(Server::new(url)?).connect().await
    }

    /// Begins a client with other settings.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Asks the server about itself and returns what an operator should know. Eviction is a caution here, not a
    /// refusal: a web application should start even when its Redis is badly configured, the workers refuse.
    ///
    /// # Errors
    /// The server cannot be reached, refuses, or is too old.
    pub async fn check(&self) -> Result<Vec<Caution>, Error> {
        let Target::Redis(producer) = &self.inner.target else {
            return Ok(Vec::new());
        };
        let line = producer.line();
        let facts = match line.facts().await {
            Ok(facts) => facts,
            // A producer's rights may well not include INFO: then the first push is the check.
            Err(StoreError::Refused { cause, .. }) if cause.starts_with("NOPERM") => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        };
        Ok(facts.judge(line.server().address(), line.keys(), true)?)
    }

    /// Pushes a job to its queue.
    ///
    /// # Errors
    /// [`Error::Unknown`]: it may be enqueued. Any other: it is not.
    pub async fn push<J: Job>(&self, job: J) -> Result<Receipt, Error> {
        self.send(Push::new(&job)?).await
    }

    /// Pushes a job to run after `delay`.
    ///
    /// # Errors
    /// As [`Client::push`].
    pub async fn push_in<J: Job>(&self, delay: Duration, job: J) -> Result<Receipt, Error> {
        self.send(Push::new(&job)?.after(delay)).await
    }

    /// Pushes a job to run at `time`; a time that has passed means now.
    ///
    /// # Errors
    /// As [`Client::push`].
    pub async fn push_at<J: Job>(&self, time: SystemTime, job: J) -> Result<Receipt, Error> {
        self.send(Push::new(&job)?.at(time)).await
    }

    /// Pushes a job of any class; `args` is a JSON array as text.
    ///
    /// # Errors
    /// As [`Client::push`], and [`Error::Record`] when `args` is no JSON array.
    pub async fn push_raw(
        &self,
        class: impl Into<String>,
        args: impl Into<String>,
    ) -> Result<Receipt, Error> {
        self.send(Push::raw(class, args)).await
    }

    /// Pushes many jobs, up to 1,000 in one command. The results stand in the order of the jobs.
    pub async fn push_all<J: Job>(
        &self,
        jobs: impl IntoIterator<Item = J>,
    ) -> Vec<Result<Receipt, Error>> {
        let mut results = Vec::new();
        let mut pushes = Vec::new();
        let mut places = Vec::new();
        for job in jobs {
            match Push::new(&job) {
                Ok(push) => {
                    places.push(results.len());
                    // Overwritten below; every push gets its result.
                    results.push(Err(Error::config("not sent")));
                    pushes.push(push);
                }
                Err(error) => results.push(Err(error)),
            }
        }
        for (place, result) in places.into_iter().zip(self.send_all(pushes).await) {
            results[place] = result;
        }
        results
    }

    /// Pushes one prepared job.
    ///
    /// # Errors
    /// As [`Client::push`].
    pub async fn send(&self, push: Push) -> Result<Receipt, Error> {
        let ready = match self.prepare(push) {
            Ok(ready) => ready,
            Err(result) => return *result,
        };
        let mut one = [(0, ready)];
        let sent = self.store(&mut one).await;
        let [(_, ready)] = one;
        sent.map(|()| ready.receipt())
            .map_err(|error| ready.error(error))
    }

    /// Pushes many prepared jobs, up to 1,000 of one queue in one command. The results stand in the order of `pushes`.
    pub async fn send_all(
        &self,
        pushes: impl IntoIterator<Item = Push>,
    ) -> Vec<Result<Receipt, Error>> {
        let mut results: Vec<Option<Result<Receipt, Error>>> = Vec::new();
        // Each goes in one command: jobs of one queue, or scheduled ones.
        let mut slices: Vec<Slice> = Vec::new();
        for push in pushes {
            let place = results.len();
            results.push(None);
            match self.prepare(push) {
                // The last ones are the ones with room.
                Ok(job) => match slices
                    .iter_mut()
                    .rev()
                    .find(|slice| slice.jobs[0].1.joins(&job))
                {
                    Some(slice) if slice.has_room() => slice.add(place, job),
                    _ => slices.push(Slice::new(place, job)),
                },
                Err(result) => results[place] = Some(*result),
            }
        }
        for slice in &mut slices {
            let sent = self.store(&mut slice.jobs).await;
            for (place, ready) in &slice.jobs {
                results[*place] = Some(match &sent {
                    Ok(()) => Ok(ready.receipt()),
                    Err(error) => Err(ready.error(error.clone())),
                });
            }
        }
        results.into_iter().flatten().collect()
    }

    /// Middleware, checks, and the bytes. An `Err` is the push's final result.
    fn prepare(&self, mut push: Push) -> Result<Ready, Box<Result<Receipt, Error>>> {
        for middleware in &self.inner.middleware {
            if middleware.push(&mut push) == Flow::Stop {
                return Err(Box::new(Ok(Receipt {
                    jid: push.record.jid,
                    outcome: Outcome::Stopped,
                })));
            }
        }
        let now = ambient::now_ms();
        let at = match push.when {
            // Sidekiq pushes at once what is not in the future.
            When::At(at) if at > now => Some(at),
            _ => None,
        };
        push.record
            .check()
            .map_err(|error| Box::new(Err(error.into())))?;
        push.record.stamps = self.inner.stamps;
        push.record.enqueued_at = at.is_none().then(|| Stamp::from_millis(now));
        let payload = push.record.to_json();
        let (size, limit) = (payload.len(), self.inner.max_payload);
        if size > limit {
            let class = push.record.class;
            return Err(Box::new(Err(Error::TooLarge { class, size, limit })));
        }
        Ok(Ready {
            jid: push.record.jid,
            queue: push.record.queue,
            at,
            payload,
        })
    }

    /// Writes up to 1,000 jobs of one group.
    async fn store(&self, jobs: &mut [(usize, Ready)]) -> Result<(), StoreError> {
        let Some((_, first)) = jobs.first() else {
            return Ok(());
        };
        let (queue, scheduled) = (first.queue.clone(), first.at.is_some());
        match &self.inner.target {
            Target::Redis(producer) if scheduled => {
                let entries: Vec<(i64, String)> = jobs
                    .iter_mut()
                    .map(|(_, job)| (job.at.unwrap_or(0), job.take_payload()))
                    .collect();
                producer.schedule(&entries).await
            }
            Target::Redis(producer) => {
                let payloads: Vec<String> =
                    jobs.iter_mut().map(|(_, job)| job.take_payload()).collect();
                producer.push(&queue, &payloads).await
            }
            Target::Test(recorder) => {
                for (_, job) in jobs {
                    recorder.record(job.take_payload(), job.at).await;
                }
                Ok(())
            }
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let target = match &self.inner.target {
            Target::Redis(producer) => producer.line().server().address(),
            Target::Test(_) => "a test",
        };
        f.debug_struct("Client")
            .field("target", &target)
            .finish_non_exhaustive()
    }
}

/// A job that is checked and written.
struct Ready {
    jid: String,
    queue: String,
    at: Option<i64>,
    payload: String,
}

impl Ready {
    /// Whether both can go in one command.
    fn joins(&self, other: &Self) -> bool {
        self.at.is_some() == other.at.is_some() && (self.at.is_some() || self.queue == other.queue)
    }

    fn take_payload(&mut self) -> String {
        std::mem::take(&mut self.payload)
    }

    fn receipt(&self) -> Receipt {
        let outcome = if self.at.is_some() {
            Outcome::Scheduled
        } else {
            Outcome::Enqueued
        };
        Receipt {
            jid: self.jid.clone(),
            outcome,
        }
    }

    fn error(&self, error: StoreError) -> Error {
        match error.kind() {
            Kind::Unknown => Error::Unknown {
                jid: self.jid.clone(),
                source: error,
            },
            _ => error.into(),
        }
    }
}
