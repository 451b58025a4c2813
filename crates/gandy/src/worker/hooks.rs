//! What users hang into a worker's life and its jobs' ends.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Context, JobError};

type Event = Box<dyn Fn() + Send + Sync>;
type JobEvent = Box<dyn Fn(&Context, &JobError) + Send + Sync>;

/// Hooks in the order in which they were added; those of quiet and shutdown run in reverse, as in Sidekiq.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) startup: Vec<Event>,
    pub(crate) quiet: Vec<Event>,
    pub(crate) shutdown: Vec<Event>,
    pub(crate) heartbeat: Vec<Event>,
    pub(crate) error: Vec<JobEvent>,
    pub(crate) death: Vec<JobEvent>,
}

impl Hooks {
    pub(crate) fn fire(name: &'static str, hooks: &[Event], reverse: bool) {
        let call = |hook: &Event| guard(name, hook);
        if reverse {
            hooks.iter().rev().for_each(call)
        } else {
            hooks.iter().for_each(call)
        }
    }

    pub(crate) fn fire_job(
        name: &'static str,
        hooks: &[JobEvent],
        ctx: &Context,
        error: &JobError,
    ) {
        for hook in hooks {
            guard(name, || hook(ctx, error));
        }
    }
}

/// A hook that panics is its own problem.
fn guard(name: &'static str, hook: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(hook)).is_err() {
        tracing::error!(hook = name, "a hook panicked");
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
