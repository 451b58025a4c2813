//! What a handler's error says: why the run failed, and what happens to the job next.

use std::{error::Error as StdError, fmt, time::Duration};

/// The error of a run. Any [`std::error::Error`] becomes one through `?` and means "retry".
///
/// ```
/// use gandy::JobError;
/// fn parse(text: &str) -> Result<u32, JobError> {
///     Ok(text.parse()?) // retried with Sidekiq's delays
/// }
/// assert_eq!(parse("x").unwrap_err().message(), "invalid digit found in string");
/// let gone = JobError::discard("RecordGone", "user 42 was deleted");
/// assert_eq!(gone.class(), "RecordGone");
/// ```
pub struct JobError {
    next: Next,
    class: String,
    message: String,
    backtrace: Vec<String>,
}

/// What happens to the job after the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// It is retried by the job's retry rules.
    Retry,
    /// It is retried after this delay (plus Sidekiq's jitter) instead of the usual one; it spends an attempt.
    RetryIn(Duration),
    /// It is dropped. Death hooks run.
    Discard,
    /// It goes into `dead` at once. Death hooks run.
    Bury,
    /// It runs again after this delay as if this run had never been: no attempt is spent, nothing is recorded.
    Snooze(Duration),
}

impl JobError {
    fn new(next: Next, class: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            next,
            class: class.into(),
            message: message.into(),
            backtrace: Vec::new(),
        }
    }

    /// Retry by the job's rules. `class` is shown as the error's class, as Ruby's exception class is.
    #[must_use]
    pub fn retry(class: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Next::Retry, class, message)
    }

    /// Retry after `delay`; Sidekiq's jitter of up to 10 s for each attempt is added.
    #[must_use]
    pub fn retry_in(delay: Duration, class: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Next::RetryIn(delay), class, message)
    }

    /// Drop the job; death hooks run.
    #[must_use]
    pub fn discard(class: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Next::Discard, class, message)
    }

    /// Put the job into `dead` now, however many retries are left; death hooks run.
    #[must_use]
    pub fn bury(class: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Next::Bury, class, message)
    }

    /// Run the job again after `delay` without spending an attempt.
    #[must_use]
    pub fn snooze(delay: Duration) -> Self {
        Self::new(Next::Snooze(delay), "Snooze", "")
    }

    /// From what converts into a boxed error, such as `anyhow::Error`: retry by the job's rules.
    ///
    /// ```
    /// # use gandy::JobError;
    /// let error: Box<dyn std::error::Error + Send + Sync> = "disk full".into();
    /// assert_eq!(JobError::from_any(error).message(), "disk full");
    /// ```
    #[must_use]
    pub fn from_any(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let error = error.into();
        Self::new(Next::Retry, "Error", chain(&*error))
    }

    /// The same error with another consequence.
    #[must_use]
    pub fn then(mut self, next: Next) -> Self {
        self.next = next;
        self
    }

    /// The same error with lines of a backtrace; stored only where the job's `backtrace` option asks for it.
    #[must_use]
    pub fn with_backtrace(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.backtrace = lines.into_iter().collect();
        self
    }

    /// What happens to the job.
    #[must_use]
    pub fn next(&self) -> Next {
        self.next
    }

    /// The error's class, shown as `error_class`.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.class
    }

    /// What went wrong, shown as `error_message`.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The lines given by [`JobError::with_backtrace`].
    #[must_use]
    pub fn backtrace(&self) -> &[String] {
        &self.backtrace
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::new(Next::Retry, std::any::type_name::<E>(), chain(&error))
    }
}

/// The error and its causes, as one line.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        // Many errors repeat their cause in their own words already.
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobError")
            .field("next", &self.next)
            .field("class", &self.class)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}
