//! Programs and endpoints as handlers of the library.

use gandy::{Context, HandlerOptions, JobError, RawHandler, RetrySetting};
use reqwest::Client;

use crate::config::job::{Job, Retry};
use crate::exec::launcher::Launcher;
use crate::outcome::{Failure, Outcome};
use crate::run::Run;
use crate::{exec, http};

/// Runs a program for each job of a class.
#[derive(Debug)]
pub struct ExecHandler {
    /// The class as configured.
    pub class: String,
    /// The program.
    pub target: exec::Target,
    /// What starts it.
    pub launcher: Launcher,
}

/// Asks an endpoint for each job of a class.
#[derive(Debug)]
pub struct HttpHandler {
    /// The class as configured.
    pub class: String,
    /// The endpoint.
    pub target: http::Target,
    /// What asks it.
    pub client: Client,
}

impl RawHandler for ExecHandler {
    async fn perform(&self, args: &str, ctx: &Context) -> Result<(), JobError> {
        let trace = trace(ctx);
        let run = describe(&self.class, args, ctx, &trace);
        result(exec::run(&self.target, &self.launcher, &run, ctx.cancellation()).await)
    }
}

impl RawHandler for HttpHandler {
    async fn perform(&self, args: &str, ctx: &Context) -> Result<(), JobError> {
        let trace = trace(ctx);
        let run = describe(&self.class, args, ctx, &trace);
        result(http::run(&self.target, &self.client, &run, ctx.cancellation()).await)
    }
}

/// What the library is told of a configured job. Its limit is only a net below ours: it would drop the run
/// before the program has said its last words.
pub fn options(job: &Job) -> HandlerOptions {
    HandlerOptions {
        retry: match job.retry {
            None => RetrySetting::Absent,
            Some(Retry::Default) => RetrySetting::Always,
            Some(Retry::Never) => RetrySetting::Never,
            Some(Retry::Times(times)) => RetrySetting::Times(times),
        },
        timeout: Some(job.timeout + exec::OVERTIME),
    }
}

/// What programs and endpoints are told of the trace that the run belongs to, so that their spans join it.
fn trace(ctx: &Context) -> Vec<(&'static str, String)> {
    #[cfg(feature = "otel")]
    return gandy::otel::handed_on(ctx);
    #[cfg(not(feature = "otel"))]
    return {
        let _ = ctx;
        Vec::new()
    };
}

fn describe<'a>(
    class: &'a str,
    args: &'a str,
    ctx: &'a Context,
    trace: &'a [(&'static str, String)],
) -> Run<'a> {
    Run {
        jid: ctx.jid(),
        class,
        queue: ctx.queue(),
        attempt: ctx.attempt(),
        args,
        trace,
    }
}

fn result(outcome: Outcome) -> Result<(), JobError> {
    let (make, failure): (fn(&'static str, String) -> JobError, Failure) = match outcome {
        Outcome::Done => return Ok(()),
        Outcome::Retry(failure) => (JobError::retry, failure),
        Outcome::Bury(failure) => (JobError::bury, failure),
        Outcome::Discard(failure) => (JobError::discard, failure),
        Outcome::RetryIn(delay, failure) => {
            return Err(JobError::retry_in(delay, failure.class, failure.message));
        }
    };
    Err(make(failure.class, failure.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gandy::Consequence;
    use std::time::Duration;

    #[test]
    fn each_outcome_has_its_consequence() {
        let failure = || Failure::new("ExitStatus", "exit status 3", "why");
        let minute = Duration::from_secs(60);
        for (outcome, next) in [
            (Outcome::Retry(failure()), Consequence::Retry),
            (
                Outcome::RetryIn(minute, failure()),
                Consequence::RetryIn(minute),
            ),
            (Outcome::Bury(failure()), Consequence::Bury),
            (Outcome::Discard(failure()), Consequence::Discard),
        ] {
            let error = result(outcome).expect_err("a failure");
            assert_eq!(error.next(), next);
            assert_eq!(error.to_string(), "ExitStatus: exit status 3: why");
        }
        assert!(result(Outcome::Done).is_ok());
    }
}
