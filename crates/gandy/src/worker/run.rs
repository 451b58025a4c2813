//! Runs one job: starts it, guards it against panics, timeouts and interruptions, and says how it ended.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use gandy_protocol::RetryRules;
use gandy_store::Exit;
use tokio_util::sync::CancellationToken;

use super::{
    capsule::{Ending, Station},
    core::Core,
    hooks::Hooks,
    label::label,
    life::Held,
    slots::Taken,
    verdict::{Circumstances, judge},
};
use crate::{Context, JobError, ambient, registry::Registry};

/// The place of one run; the pumps are told when it is free again. A thread that cannot be stopped shares it with its
/// run, so that it stays taken until both are over.
#[derive(Debug)]
pub(crate) struct Seat {
    slot: Option<Taken>,
    station: Arc<Station>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        drop(self.slot.take());
        self.station.wake.notify_one();
    }
}

/// Runs a held job and hands in how it ended. Its place is free again when this and every thread of it has returned.
pub(crate) async fn run(core: Arc<Core>, station: Arc<Station>, job: Arc<Held>, slot: Taken) {
    let seat = Arc::new(Seat {
        slot: Some(slot),
        station: Arc::clone(&station),
    });
    if let Some(context) = &job.context
        && job.start()
    {
        context.sit(&seat);
        let _ = job.started_at.set(ambient::now_ms() / 1000);
        let conducted = conduct(&core, &job, context, &station.life.closed);
        // A subscriber of logs may panic, and so may we: a job without an ending would stay in flight while we live.
        let ending = catch_panics(conducted).await.unwrap_or_else(|panic| {
            let reason = format!("gandy panicked while it recorded the end of a run: {panic}");
            Some(Ending::Exit(job.token.clone(), Exit::Raw(reason)))
        });
        if let Some(ending) = ending {
            station.hand_in(ending);
        }
    }
}

/// The run itself; `None` when it was interrupted and is left to whoever gives it back.
async fn conduct(
    core: &Core,
    job: &Held,
    ctx: &Context,
    closed: &CancellationToken,
) -> Option<Ending> {
    let options = core
        .registry
        .get(ctx.class())
        .map(|registered| registered.options)
        .unwrap_or_default();
    tracing::info!(
        jid = label(ctx.jid()),
        class = label(ctx.class()),
        queue = ctx.queue(),
        "start"
    );
    let started = Instant::now();
    let result = perform(&core.registry, ctx, options.timeout).await;
    let elapsed = started.elapsed();
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let Err(error) = result else {
        tracing::info!(
            jid = label(ctx.jid()),
            class = label(ctx.class()),
            queue = ctx.queue(),
            elapsed_ms,
            "done"
        );
        core.stats
            .count(ctx.payload().display_class(), elapsed, true);
        return Some(Ending::Done(job.token.clone()));
    };
    if job.was_interrupted() {
        tracing::info!(
            jid = label(ctx.jid()),
            class = label(ctx.class()),
            queue = ctx.queue(),
            elapsed_ms,
            "interrupted"
        );
        // A life that is closed gives everything back at once and in order.
        return (!closed.is_cancelled()).then(|| Ending::Return(job.token.clone()));
    }
    let sentence = judge(
        ctx.payload(),
        &error,
        Circumstances {
            queue: ctx.queue(),
            options,
            rules: RetryRules {
                max_retries: core.config.max_retries,
            },
            stamps: core.config.stamps,
            now_ms: ambient::now_ms(),
            random: fastrand::f64(),
        },
    );
    if sentence.failed {
        // Hooks run before the step that ends the job, so that a crash between the two repeats them (I4).
        core.stats
            .count(ctx.payload().display_class(), elapsed, false);
        Hooks::fire_job("error", &core.hooks.error, ctx, &error);
    }
    if sentence.dies {
        Hooks::fire_job("death", &core.hooks.death, ctx, &error);
    }
    tracing::info!(
        jid = label(ctx.jid()),
        class = label(ctx.class()),
        queue = ctx.queue(),
        elapsed_ms,
        error_class = error.class(),
        dies = sentence.dies,
        "fail"
    );
    Some(Ending::Exit(job.token.clone(), sentence.exit))
}

/// Performs a job: panics become errors, and so does running out of time.
pub(crate) async fn perform(
    registry: &Registry,
    ctx: &Context,
    timeout: Option<Duration>,
) -> Result<(), JobError> {
    // Around the timeout too: dropping a run that is cut off runs the handler's destructors, and those may panic.
    catch_panics(async {
        let Some(limit) = timeout else {
            return registry.perform(ctx).await;
        };
        match tokio::time::timeout(limit, registry.perform(ctx)).await {
            Ok(result) => result,
            Err(_) => {
                ctx.cancellation().cancel();
                Err(JobError::retry(
                    "Timeout",
                    format!("the run took longer than its limit of {limit:?}"),
                ))
            }
        }
    })
    .await
    .unwrap_or_else(|panic| Err(JobError::retry("Panic", panic)))
}

/// What a future gives, or what its panic says.
async fn catch_panics<T>(run: impl Future<Output = T>) -> Result<T, String> {
    let mut run = std::pin::pin!(run);
    poll_fn(
        move |cx| match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => {
                let text = words(&*panic);
                // A payload may panic when it is dropped, and the next one again: the second is leaked.
                if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
                    std::mem::forget(again);
                }
                Poll::Ready(Err(text))
            }
        },
    )
    .await
}

fn words(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "the handler panicked without a message".to_owned()
    }
}
