//! A job on its way to Redis: what is pushed, where, when, with which options.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gandy_protocol::{JobRecord, RetrySetting, Stamp, args, jid::jid};
use gandy_store::Goal;

use crate::{
    Error, Job, JobOptions, Outcome, Receipt, ambient,
    client::{KEPT, Once},
};

/// A job to push, with options of its own. Make one with [`Push::new`] or [`Push::raw`], hand it to
/// [`crate::Client::send`].
///
/// ```
/// # use gandy::{Error, Job, Push};
/// # use std::time::Duration;
/// # #[derive(serde::Serialize, serde::Deserialize, Job)] struct Mail { user: u64 }
/// # fn main() -> Result<(), Error> {
/// let push = Push::new(&Mail { user: 42 })?.queue("low").retry(3).tag("import").after(Duration::from_secs(60));
/// assert_eq!(push.class(), "Mail");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Push {
    pub(crate) record: JobRecord,
    pub(crate) when: When,
    /// In a box: few pushes have one, and all are moved.
    pub(crate) once: Option<Box<Once>>,
}

/// When a job is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    /// Milliseconds since the epoch.
    At(i64),
}

impl Push {
    /// A job with the options of its type.
    ///
    /// # Errors
    /// [`Error::Args`] when the fields cannot be written as a JSON array.
    pub fn new<J: Job>(job: &J) -> Result<Self, Error> {
        Ok(Self::raw(J::CLASS, args::to_args(job)?).options(&J::options()))
    }

    /// A job of any class; `args` is a JSON array as text. It is checked when it is sent.
    #[must_use]
    pub fn raw(class: impl Into<String>, args: impl Into<String>) -> Self {
        let created = Stamp::from_millis(ambient::now_ms());
        Self {
            record: JobRecord::new(class, args, jid(ambient::bytes()), created),
            when: When::Now,
            once: None,
        }
    }

    /// A job as a JSON object, such as `{"class":"Mail","args":[42],"queue":"low"}`. Missing fields get Sidekiq's
    /// defaults, unknown ones are kept, `at` schedules.
    ///
    /// # Errors
    /// [`Error::Record`] says which field is wrong and what it must be.
    pub fn from_json(line: &str) -> Result<Self, Error> {
        let created = Stamp::from_millis(ambient::now_ms());
        let line = JobRecord::from_json_line(line, || jid(ambient::bytes()), created)?;
        let when = line.at.map_or(When::Now, |at| When::At(at.millis()));
        Ok(Self {
            record: line.record,
            when,
            once: None,
        })
    }

    /// Becomes another job of the same type, made at `now` (milliseconds since the epoch). For bulk pushes: nothing but
    /// what differs is written anew.
    pub(crate) fn renew(&mut self, args: String, jid: String, now: i64) {
        self.record.args = args;
        self.record.jid = jid;
        self.record.created_at = Stamp::from_millis(now);
    }

    fn options(mut self, options: &JobOptions) -> Self {
        let record = &mut self.record;
        if let Some(queue) = options.get_queue() {
            record.queue = queue.to_owned();
        }
        if options.get_retry() != RetrySetting::Absent {
            record.retry = options.get_retry();
        }
        record.tags = options
            .get_tags()
            .iter()
            .map(|tag| tag.clone().into_owned())
            .collect();
        record.retry_for = options
            .get_retry_for()
            .map(|window| u32::try_from(window.as_secs()).unwrap_or(u32::MAX));
        record.retry_queue = options.get_retry_queue().map(str::to_owned);
        record.dead = options.get_dead();
        record.backtrace = options.get_backtrace();
        self
    }

    /// The queue.
    #[must_use]
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        self.record.queue = name.into();
        self
    }

    /// The retry setting: `true`, `false` or a number.
    #[must_use]
    pub fn retry(mut self, retry: impl Into<RetrySetting>) -> Self {
        self.record.retry = retry.into();
        self
    }

    /// One more tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.record.tags.push(tag.into());
        self
    }

    /// An id of your own instead of a drawn one.
    #[must_use]
    pub fn jid(mut self, jid: impl Into<String>) -> Self {
        self.record.jid = jid.into();
        self
    }

    /// To run after this delay.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        let delay = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        self.at_millis(ambient::now_ms().saturating_add(delay))
    }

    /// To run at this time; a time that has passed means now.
    #[must_use]
    pub fn at(self, time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.at_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// To run at this time, milliseconds since the epoch.
    #[must_use]
    pub fn at_millis(mut self, millis: i64) -> Self {
        self.when = When::At(millis);
        self
    }

    /// Pushes at most one job under `key` within 24 hours: a second push with it pushes nothing, and its receipt has
    /// [`Outcome::Duplicate`] and the id of the first. So a push whose outcome is unknown, of a request that a customer
    /// sends twice or of a program that is run again can be repeated.
    ///
    /// The key is the caller's own and holds for all classes and queues of a namespace: say what it is for, as in
    /// `invoice:7:reminder`. It is remembered in the same step in which the job is pushed, whether or not the job has run
    /// since, and costs a key in Redis for as long. Such a push takes two round trips, on a connection of its own. Where
    /// Redis evicts keys, or loses them in a failover, a second push is a second job.
    ///
    /// ```
    /// # use gandy::Push;
    /// let push = Push::raw("Remind", "[7]").idempotency_key("invoice:7:reminder");
    /// ```
    #[must_use]
    pub fn idempotency_key(self, key: impl Into<String>) -> Self {
        self.idempotency_key_for(key, KEPT)
    }

    /// As [`Push::idempotency_key`], remembered for so long from the push on, 1 s to 366 days, on Redis' clock.
    #[must_use]
    pub fn idempotency_key_for(mut self, key: impl Into<String>, kept: Duration) -> Self {
        let key = key.into();
        self.once = Some(Box::new(Once { key, kept }));
        self
    }

    /// Leaves its outcome behind for an hour when its run ends, for [`crate::Inspect::outcome`]: a Gandy worker writes it in
    /// the step that ends the run. It costs that job a step of its own, and others nothing.
    #[must_use]
    pub fn notify(mut self) -> Self {
        // A name of its own and plain JSON: neither can be refused.
        let _ = self.record.set_extra("gandy_notify", "true");
        self
    }

    /// A field of your own, as raw JSON, kept through every hop.
    ///
    /// # Errors
    /// [`Error::Record`] when it is no JSON or the name is one that Sidekiq uses.
    pub fn field(mut self, name: &str, raw_json: impl Into<String>) -> Result<Self, Error> {
        self.record.set_extra(name, raw_json)?;
        Ok(self)
    }

    /// The job's class.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.record.class
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.record.jid
    }

    /// Where it goes; `at_ms` is the time it is scheduled for, if it is.
    pub(crate) fn goal(&self, at_ms: Option<i64>) -> Goal<'_> {
        at_ms.map_or(Goal::Queue(&self.record.queue), Goal::Schedule)
    }

    /// What its caller is told when Redis has it. The push gives its id away.
    pub(crate) fn receipt(&mut self, at_ms: Option<i64>) -> Receipt {
        Receipt {
            jid: std::mem::take(&mut self.record.jid),
            outcome: at_ms.map_or(Outcome::Enqueued, |_| Outcome::Scheduled),
        }
    }

    /// As [`Push::receipt`]; `first` is the job that has its idempotency key.
    pub(crate) fn receipt_or(&mut self, at_ms: Option<i64>, first: Option<String>) -> Receipt {
        match first {
            Some(jid) => Receipt {
                jid,
                outcome: Outcome::Duplicate,
            },
            None => self.receipt(at_ms),
        }
    }

    /// What its caller is told when its payload is over the limit.
    pub(crate) fn too_large(&self, size: usize, limit: usize) -> Error {
        Error::TooLarge {
            class: self.record.class.clone(),
            size,
            limit,
        }
    }

    /// Everything that will be written, for middleware to read or change.
    pub fn record_mut(&mut self) -> &mut JobRecord {
        &mut self.record
    }

    /// Everything that will be written.
    #[must_use]
    pub fn record(&self) -> &JobRecord {
        &self.record
    }
}
