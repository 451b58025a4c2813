//! A worker on a Redis of its own, a handler that does as its arguments say, and what was seen of it.

use std::{
    panic::panic_any,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gandy::{Context, JobError, RunningWorker, Worker, WorkerBuilder, WorkerConfig};
use gandy_tests::wait_until;

use crate::support::{Entry, SOON, Site};

/// What handlers and hooks saw: `jid what detail`, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, ctx: &Context, what: &str, detail: impl std::fmt::Display) {
        let line = format!("{} {what} {detail}", ctx.jid());
        self.0.lock().unwrap().push(line);
    }

    pub(crate) fn of(&self, jid: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let own = lines
            .iter()
            .filter_map(|line| line.strip_prefix(&format!("{jid} ")));
        own.map(str::to_owned).collect()
    }
}

/// A Redis, a worker on queue `q`, and what was seen.
pub(crate) struct Bench {
    pub(crate) site: Site,
    pub(crate) worker: RunningWorker,
    pub(crate) log: Log,
    next: AtomicUsize,
}

impl Bench {
    pub(crate) fn start() -> Self {
        Self::with(|_| {}, |builder| builder)
    }

    pub(crate) fn with(
        config: impl FnOnce(&mut WorkerConfig),
        more: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
    ) -> Self {
        let site = Site::start();
        let mut settings = site.config();
        settings.queues = vec!["q".into()];
        config(&mut settings);
        let log = Log::default();
        let (runs, errors, deaths) = (log.clone(), log.clone(), log.clone());
        let builder = Worker::builder(settings)
            .signals(false)
            .handler_fn(
                "Do",
                move |(what, number): (String, Option<u64>), ctx: Context| {
                    runs.note(&ctx, "run", ctx.attempt());
                    async move { act(&what, number.unwrap_or_default(), &ctx).await }
                },
            )
            .on_error(move |ctx, error| errors.note(ctx, "error", error.class()))
            .on_death(move |ctx, error| deaths.note(ctx, "death", error.class()));
        let worker = more(builder).build().unwrap().start();
        Self {
            site,
            worker,
            log,
            next: AtomicUsize::new(0),
        }
    }

    /// Pushes a job with these further fields (raw JSON) and returns its id.
    pub(crate) fn push(&self, args: &str, fields: &str) -> String {
        self.push_class("Do", args, fields)
    }

    pub(crate) fn push_class(&self, class: &str, args: &str, fields: &str) -> String {
        let jid = format!("jid{}", self.next.fetch_add(1, Ordering::Relaxed));
        let comma = if fields.is_empty() { "" } else { "," };
        let job = format!(
            r#"{{"class":"{class}","args":{args},"jid":"{jid}","queue":"q"{comma}{fields}}}"#
        );
        self.site.push("q", job);
        jid
    }

    /// Pushes a job, waits until it has ended, and says where it is.
    pub(crate) fn fate(&self, args: &str, fields: &str) -> (String, Fate) {
        let jid = self.push(args, fields);
        self.site.settle();
        let fate = self.whereabouts(&jid);
        (jid, fate)
    }

    pub(crate) fn whereabouts(&self, jid: &str) -> Fate {
        let found = ["retry", "schedule", "dead"].map(|set| (set, self.site.entry(set, jid)));
        let mut found = found
            .into_iter()
            .filter_map(|(set, entry)| Some((set, entry?)));
        let fate = found.next();
        assert!(found.next().is_none(), "{jid} is in two places");
        match fate {
            Some(("retry", entry)) => Fate::Retry(entry),
            Some(("schedule", entry)) => Fate::Schedule(entry),
            Some((_, entry)) => Fate::Dead(entry),
            None => Fate::Gone,
        }
    }

    /// Brings the waiting retry forward and waits until it has run.
    pub(crate) fn retry_now(&self, jid: &str) -> Fate {
        let runs = self.log.of(jid).len();
        self.site
            .make_due("retry", &self.site.entry("retry", jid).unwrap());
        wait_until(SOON, "the retry to run", || self.log.of(jid).len() > runs);
        self.site.settle();
        self.whereabouts(jid)
    }

    pub(crate) async fn end(self) {
        self.worker.stop().await.unwrap();
    }
}

#[derive(Debug, PartialEq)]
pub(crate) enum Fate {
    Retry(Entry),
    Schedule(Entry),
    Dead(Entry),
    Gone,
}

impl Fate {
    #[track_caller]
    pub(crate) fn retry(self) -> Entry {
        match self {
            Fate::Retry(entry) => entry,
            other => panic!("not in retry: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn dead(self) -> Entry {
        match self {
            Fate::Dead(entry) => entry,
            other => panic!("not in dead: {other:?}"),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Fate::Retry(_) => "retry",
            Fate::Schedule(_) => "schedule",
            Fate::Dead(_) => "dead",
            Fate::Gone => "gone",
        }
    }
}

async fn act(what: &str, number: u64, ctx: &Context) -> Result<(), JobError> {
    let seconds = Duration::from_secs(number);
    match what {
        "ok" => Ok(()),
        "fail" => Err(JobError::retry("Boom", "no luck")),
        "shout" => Err(JobError::retry("Boom", "ä".repeat(number as usize))),
        "trace" => Err(JobError::retry("Boom", "no luck")
            .with_backtrace((0..number).map(|line| format!("app.rs:{line}")))),
        "retry_in" => Err(JobError::retry_in(seconds, "Later", "not now")),
        "discard" => Err(JobError::discard("Gone", "no such user")),
        "bury" => Err(JobError::bury("Hopeless", "never will")),
        // Snoozes in the first run only.
        "snooze" if ctx.field("seen").is_none() => Err(JobError::snooze(seconds)),
        "panic_str" => panic!("a plain text"),
        "panic_string" => panic!("a text with {number}"),
        "panic_other" => panic_any(number),
        "panic_drop" => panic_any(DropsBadly),
        "sleep" => {
            tokio::time::sleep(Duration::from_millis(number)).await;
            Ok(())
        }
        other => Err(JobError::bury("Test", format!("unknown verb {other}"))),
    }
}

pub(crate) struct DropsBadly;

impl Drop for DropsBadly {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("even its drop panics");
        }
    }
}

pub(crate) fn int(entry: &Entry, field: &str) -> i64 {
    let value = &entry.json()[field];
    value
        .as_i64()
        .unwrap_or_else(|| panic!("{field} is {value} in {}", entry.text()))
}
