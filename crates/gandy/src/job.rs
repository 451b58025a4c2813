//! A job: what is enqueued. Its args, the name of its class, and the settings that all jobs of the class share.
//!
//! Belongs here: what producer and worker both know. Does not belong here: who runs it (`handler`), and the settings of a
//! single push (`push`).

use std::borrow::Cow;
use std::time::Duration;

use gandy_protocol::{Backtrace, RetrySetting};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A job class: a struct whose fields, in their order, are the job's positional arguments.
///
/// Usually derived, with the settings as `#[job(…)]` (all of them are listed at the derive macro of the same name):
///
/// ```
/// use gandy::Job;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Job)]
/// #[job(class = "WelcomeEmail", queue = "mailers", retry = 5)]
/// struct WelcomeEmail {
///     user_id: u64, // args are [42,"hi"]
///     template: String,
/// }
///
/// assert_eq!(WelcomeEmail::CLASS, "WelcomeEmail");
/// assert_eq!(WelcomeEmail::options().get_queue(), Some("mailers"));
/// ```
///
/// By hand it is as short, and allows what the macro cannot know, such as settings computed at run time:
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use gandy::{Job, JobOptions};
///
/// #[derive(Serialize, Deserialize)]
/// struct Cleanup {
///     bucket: String,
/// }
///
/// impl Job for Cleanup {
///     const CLASS: &'static str = "Maintenance::Cleanup";
///
///     fn options() -> JobOptions {
///         JobOptions::default().queue("low").retry(false)
///     }
/// }
/// ```
///
/// Reordering fields changes the arguments of every job in flight; add fields at the end, as `Option<T>` or with
/// `#[serde(default)]`. Which type becomes which arguments is in `gandy_protocol::args`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "needs `#[derive(Serialize, Deserialize, Job)]`",
    note = "a job is a struct with `#[derive(serde::Serialize, serde::Deserialize, gandy::Job)]`; its fields are the args",
    note = "for a class that has no struct there are `push_raw` and `handler_fn`"
)]
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// The name in Redis that connects jobs and handlers, and Ruby's class where Ruby shares the queue. It must not
    /// change while jobs of it are in flight: they would find no handler.
    const CLASS: &'static str;

    /// The settings that every job of this class is pushed and run with, where the push itself says nothing else.
    fn options() -> JobOptions {
        JobOptions::default()
    }
}

/// The settings of a job class. What is not set here is decided by the push, then by the worker.
///
/// Strings given as literals cost no allocation, so building this for each push is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobOptions {
    queue: Option<Cow<'static, str>>,
    retry: RetrySetting,
    timeout: Option<Duration>,
    retry_for: Option<Duration>,
    retry_queue: Option<Cow<'static, str>>,
    tags: Vec<Cow<'static, str>>,
    dead: Option<bool>,
    backtrace: Option<Backtrace>,
}

impl JobOptions {
    /// The queue that its jobs wait in. Default: `default`.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<Cow<'static, str>>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// How often a failed job is tried again: a number (0: straight to the dead set), `true` (as often as the worker's
    /// `max_retries`, 25) or `false` (never, and no entry in the dead set). Default: not set, which is the same as `true`.
    #[must_use]
    pub fn retry(mut self, retry: impl Into<RetrySetting>) -> Self {
        self.retry = retry.into();
        self
    }

    /// How long one run may take before it is cancelled and counts as failed. It stays in the worker and is never written
    /// to Redis. Default: not set, the worker's own limit holds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Retry until so long after the first failure instead of counting retries. Written in whole seconds, at most 10^9;
    /// Sidekiq reads it from 7.1.3 on. Default: not set, retries are counted.
    #[must_use]
    pub fn retry_for(mut self, window: Duration) -> Self {
        self.retry_for = Some(window);
        self
    }

    /// The queue that retries wait in. Default: the one that the failed run came from.
    #[must_use]
    pub fn retry_queue(mut self, queue: impl Into<Cow<'static, str>>) -> Self {
        self.retry_queue = Some(queue.into());
        self
    }

    /// Labels for people, shown in logs and dashboards; they replace the labels set before. Default: none.
    #[must_use]
    pub fn tags<T: Into<Cow<'static, str>>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a job that used up its retries goes to the dead set. Default: not set, which is the same as `true`.
    #[must_use]
    pub fn dead(mut self, dead: bool) -> Self {
        self.dead = Some(dead);
        self
    }

    /// How much of an error's backtrace is stored with the job: `true` or [`Backtrace::All`], a number of lines or
    /// [`Backtrace::Lines`], or `false`. Default: nothing.
    #[must_use]
    pub fn backtrace(mut self, backtrace: impl Into<BacktraceSetting>) -> Self {
        self.backtrace = backtrace.into().0;
        self
    }

    /// The queue, if set.
    pub fn get_queue(&self) -> Option<&str> {
        self.queue.as_deref()
    }

    /// The retry setting; [`RetrySetting::Absent`] if not set.
    pub fn get_retry(&self) -> RetrySetting {
        self.retry
    }

    /// The longest run, if set.
    pub fn get_timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The window for retries, if set.
    pub fn get_retry_for(&self) -> Option<Duration> {
        self.retry_for
    }

    /// The queue for retries, if set.
    pub fn get_retry_queue(&self) -> Option<&str> {
        self.retry_queue.as_deref()
    }

    /// The labels, in the order they were given.
    pub fn get_tags(&self) -> &[Cow<'static, str>] {
        &self.tags
    }

    /// Whether a job without retries left goes to the dead set, if set.
    pub fn get_dead(&self) -> Option<bool> {
        self.dead
    }

    /// How much of a backtrace is stored, if any.
    pub fn get_backtrace(&self) -> Option<Backtrace> {
        self.backtrace
    }
}

/// What [`JobOptions::backtrace`] takes: a boolean, a number of lines, or a [`Backtrace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BacktraceSetting(Option<Backtrace>);

impl From<bool> for BacktraceSetting {
    fn from(all: bool) -> Self {
        BacktraceSetting(all.then_some(Backtrace::All))
    }
}

impl From<u32> for BacktraceSetting {
    fn from(lines: u32) -> Self {
        BacktraceSetting(Some(Backtrace::Lines(lines)))
    }
}

impl From<Backtrace> for BacktraceSetting {
    fn from(backtrace: Backtrace) -> Self {
        BacktraceSetting(Some(backtrace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_set_by_default() {
        let options = JobOptions::default();
        assert_eq!(options.get_queue(), None);
        assert_eq!(options.get_retry(), RetrySetting::Absent);
        assert_eq!(options.get_timeout(), None);
        assert_eq!(options.get_retry_for(), None);
        assert_eq!(options.get_retry_queue(), None);
        assert!(options.get_tags().is_empty());
        assert_eq!(options.get_dead(), None);
        assert_eq!(options.get_backtrace(), None);
    }

    #[test]
    fn each_setting_can_be_read_back() {
        let options = JobOptions::default()
            .queue("mailers")
            .retry(5)
            .timeout(Duration::from_secs(30))
            .retry_for(Duration::from_secs(7_200))
            .retry_queue(String::from("slow"))
            .tags(["a", "b"])
            .dead(false)
            .backtrace(10);
        assert_eq!(options.get_queue(), Some("mailers"));
        assert_eq!(options.get_retry(), RetrySetting::Times(5));
        assert_eq!(options.get_timeout(), Some(Duration::from_secs(30)));
        assert_eq!(options.get_retry_for(), Some(Duration::from_secs(7_200)));
        assert_eq!(options.get_retry_queue(), Some("slow"));
        assert_eq!(options.get_tags(), ["a", "b"]);
        assert_eq!(options.get_dead(), Some(false));
        assert_eq!(options.get_backtrace(), Some(Backtrace::Lines(10)));
    }

    #[test]
    fn booleans_and_enums_are_settings_too() {
        let options = JobOptions::default();
        let retry = |retry: bool| options.clone().retry(retry).get_retry();
        assert_eq!(retry(true), RetrySetting::Always);
        assert_eq!(retry(false), RetrySetting::Never);
        let once = options.clone().retry(RetrySetting::Times(1));
        assert_eq!(once.get_retry(), RetrySetting::Times(1));

        let backtrace =
            |setting: BacktraceSetting| options.clone().backtrace(setting).get_backtrace();
        assert_eq!(backtrace(true.into()), Some(Backtrace::All));
        assert_eq!(backtrace(false.into()), None);
        assert_eq!(backtrace(Backtrace::All.into()), Some(Backtrace::All));
    }

    #[test]
    fn tags_may_be_owned_and_replace_each_other() {
        let options = JobOptions::default()
            .tags(["a"])
            .tags(vec![String::from("b")]);
        assert_eq!(options.get_tags(), ["b"]);
        let none: [&str; 0] = [];
        assert!(options.tags(none).get_tags().is_empty());
    }
}
