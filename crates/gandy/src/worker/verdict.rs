//! What happens to a job after a run that did not succeed. Pure.

use std::time::Duration;

use gandy_protocol::{
    ErrorInfo, Payload, RetryRules, StampFormat, Verdict, failure,
    retry::{decide, next_count},
};
use gandy_store::Exit;

use crate::{HandlerOptions, JobError, job_error::Next};

/// What a verdict needs beside the job and its error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances<'a> {
    pub(crate) queue: &'a str,
    pub(crate) options: HandlerOptions,
    pub(crate) rules: RetryRules,
    pub(crate) stamps: StampFormat,
    pub(crate) now_ms: i64,
    /// A person cancelled the run: what would be retried is buried, from where a person can retry it.
    pub(crate) cancelled: bool,
    /// Uniform in `[0, 1)`.
    pub(crate) random: f64,
}

/// A verdict.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sentence {
    pub(crate) exit: Exit,
    /// The job will not run again: death hooks run.
    pub(crate) dies: bool,
    /// The run counts as failed.
    pub(crate) failed: bool,
}

/// Judges a failed run. Error fields are written into the job's original bytes, so that nothing a handler or middleware
/// did to its copy is kept (Sidekiq does the same).
pub(crate) fn judge(payload: &Payload, error: &JobError, now: Circumstances<'_>) -> Sentence {
    let info = ErrorInfo {
        class: error.class(),
        message: error.message(),
        backtrace: Some(error.backtrace()),
    };
    let record = |count| failure::record(payload, &info, count, now.now_ms, now.stamps, now.queue);
    let next = match error.next() {
        Next::Retry | Next::RetryIn(_) if now.cancelled => Next::Bury,
        next => next,
    };
    let verdict = match next {
        Next::Snooze(delay) => {
            // Promotion goes by the payload's queue; this one may have been fetched from another, or names none.
            let payload = if payload.queue() == Some(now.queue) {
                payload.raw().to_owned()
            } else {
                payload.edit().set_str("queue", now.queue).finish()
            };
            return Sentence {
                exit: Exit::Schedule(delay, payload),
                dies: false,
                failed: false,
            };
        }
        Next::Discard => Verdict::Drop,
        // As Sidekiq's :kill, it heeds `dead: false`.
        Next::Bury if payload.field("dead") == Some("false") => Verdict::Drop,
        Next::Bury => Verdict::Dead,
        Next::Retry => decide(
            payload,
            now.options.retry,
            &now.rules,
            now.now_ms,
            None,
            now.random,
        ),
        Next::RetryIn(delay) => decide(
            payload,
            now.options.retry,
            &now.rules,
            now.now_ms,
            Some(delay),
            now.random,
        ),
    };
    match verdict {
        Verdict::Retry { delay_ms, count } => {
            let exit = Exit::Retry(Duration::from_millis(delay_ms), record(count));
            Sentence {
                exit,
                dies: false,
                failed: true,
            }
        }
        Verdict::Dead => Sentence {
            exit: Exit::Dead(record(next_count(payload))),
            dies: true,
            failed: true,
        },
        Verdict::Drop => Sentence {
            exit: Exit::Drop,
            dies: true,
            failed: true,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn job(fields: &str) -> Payload {
        let raw = format!(r#"{{"class":"A","args":[1],"jid":"j1","queue":"q"{fields}}}"#);
        Payload::parse(raw.into_bytes()).unwrap()
    }

    fn sentence(fields: &str, error: &JobError) -> Sentence {
        let now = Circumstances {
            queue: "q",
            options: HandlerOptions::default(),
            rules: RetryRules::default(),
            stamps: StampFormat::Milliseconds,
            now_ms: 1_795_000_000_000,
            cancelled: false,
            random: 0.0,
        };
        judge(&job(fields), error, now)
    }

    #[test]
    fn each_word_of_an_error_has_its_consequence() {
        let retry = JobError::retry("E", "m");
        assert!(
            matches!(sentence("", &retry).exit, Exit::Retry(delay, _) if delay == Duration::from_secs(15))
        );
        let in_a_minute = JobError::retry_in(Duration::from_secs(60), "E", "m");
        assert!(
            matches!(sentence("", &in_a_minute).exit, Exit::Retry(delay, _) if delay == Duration::from_secs(60))
        );
        let dropped = sentence("", &JobError::discard("E", "m"));
        assert_eq!((dropped.exit, dropped.dies), (Exit::Drop, true));
        let buried = sentence("", &JobError::bury("E", "m"));
        assert!(matches!(buried.exit, Exit::Dead(_)) && buried.dies);
        assert_eq!(
            sentence(r#","dead":false"#, &JobError::bury("E", "m")).exit,
            Exit::Drop
        );
        let snoozed = sentence("", &JobError::snooze(Duration::from_secs(5)));
        assert_eq!(
            snoozed.exit,
            Exit::Schedule(Duration::from_secs(5), job("").raw().to_owned())
        );
        assert!(!snoozed.dies && !snoozed.failed);
    }

    #[test]
    fn what_was_cancelled_is_not_retried_and_ends_else_as_its_handler_says() {
        let judged = |fields: &str, error: &JobError| {
            let now = Circumstances {
                queue: "q",
                options: HandlerOptions::default(),
                rules: RetryRules::default(),
                stamps: StampFormat::Milliseconds,
                now_ms: 1_795_000_000_000,
                cancelled: true,
                random: 0.0,
            };
            judge(&job(fields), error, now).exit
        };
        let retry = JobError::retry("E", "m");
        assert!(matches!(judged("", &retry), Exit::Dead(_)));
        assert!(matches!(judged(r#","retry":false"#, &retry), Exit::Dead(_)));
        assert_eq!(judged(r#","dead":false"#, &retry), Exit::Drop);
        assert_eq!(judged("", &JobError::discard("E", "m")), Exit::Drop);
        let snooze = JobError::snooze(Duration::from_secs(5));
        assert!(matches!(judged("", &snooze), Exit::Schedule(..)));
    }

    #[test]
    fn retry_false_is_dropped_and_dies_and_retry_zero_is_buried() {
        let error = JobError::retry("E", "m");
        assert_eq!(sentence(r#","retry":false"#, &error).exit, Exit::Drop);
        assert!(sentence(r#","retry":false"#, &error).dies);
        assert!(matches!(
            sentence(r#","retry":0"#, &error).exit,
            Exit::Dead(_)
        ));
    }
}
