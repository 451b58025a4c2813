//! One run of a job: begun, guarded against panics, timeouts and interruptions, and judged when it ends.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{self, Poll, Waker},
    time::{Duration, Instant},
};

use gandy_protocol::RetryRules;
use gandy_store::{Exit, Notice};

use super::{
    aside::step_aside,
    capsule::{Ending, Station},
    core::Core,
    hooks::Hooks,
    label::label,
    life::{Held, Leash},
    meter_words::RunEnd,
    verdict::{Circumstances, judge},
};
use crate::{Context, JobError, ambient, handler::Run, registry::Registry};

/// The place of runs, one after another. A thread that cannot be stopped shares it with its run, so that it stays taken
/// until both are over.
#[derive(Debug)]
pub(crate) struct Seat {
    station: Arc<Station>,
}

impl Seat {
    /// A free one.
    pub(crate) fn take(station: &Arc<Station>) -> Option<Arc<Self>> {
        let station = Arc::clone(station);
        station.capsule.slots.take().then(|| {
            // Whoever watches over what runs hold up must not sleep now.
            station.life.stir();
            Arc::new(Self { station })
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.station.vacate();
    }
}

/// A run that has begun, or is about to.
pub(crate) struct Attempt {
    job: Arc<Held>,
    /// None before the first poll, and after the last.
    future: Option<Run<'static>>,
    began: Instant,
}

/// What a first poll came to.
pub(crate) enum Begun {
    /// The run is over, at this time. Without an ending it is left to whoever gives the job back.
    Over(Option<Ending>, Instant),
    /// It goes on in a task.
    Pending(Attempt),
}

impl Attempt {
    /// Starts a run in `seat`; `None` when the job was taken back before. `wall_ms` is the time of day.
    pub(crate) fn start(
        job: Arc<Held>,
        seat: &Arc<Seat>,
        now: Instant,
        wall_ms: i64,
    ) -> Option<Self> {
        let context = job.context.as_ref()?;
        if !job.start() {
            return None;
        }
        context.sit(seat);
        let _ = job.started_at.set(wall_ms / 1000);
        Some(Self {
            job,
            future: None,
            began: now,
        })
    }

    /// Polls once, where the job was claimed. Whoever polls next does so in a task of its own, so nobody needs waking.
    pub(crate) fn begin(mut self, core: &Core, station: &Station) -> Begun {
        let job = Arc::clone(&self.job);
        let Some(context) = &job.context else {
            return Begun::Over(None, self.began);
        };
        let mut waker = task::Context::from_waker(Waker::noop());
        let polled = poll(&mut self.future, &core.registry, context, &mut waker);
        let now = Instant::now();
        if let Some(registered) = core.registry.get(context.class()) {
            registered.pace.note(now - self.began, polled.is_ready());
        }
        match polled {
            Poll::Ready(result) => Begun::Over(
                conclude(core, station, &job, context, result, now - self.began),
                now,
            ),
            Poll::Pending => Begun::Pending(self),
        }
    }

    /// Runs to the end in the present task. The ending, and how long the run took.
    async fn finish(&mut self, core: &Core, station: &Station) -> (Option<Ending>, Duration) {
        let job = Arc::clone(&self.job);
        let Some(context) = &job.context else {
            return (None, Duration::ZERO);
        };
        let registered = core.registry.get(context.class());
        let timeout = registered.and_then(|registered| registered.options.timeout);
        let limit = timeout.map(|timeout| (timeout, self.began + timeout));
        let mut pace = None;
        if self.future.is_none() {
            pace = registered.map(|registered| &registered.pace);
        }
        let future = &mut self.future;
        let run = poll_fn(|cx| {
            let first = pace.take().map(|pace| (pace, Instant::now()));
            let polled = poll(future, &core.registry, context, cx);
            if let Some((pace, began)) = first {
                pace.note(began.elapsed(), polled.is_ready());
            }
            polled
        });
        let result = match limit {
            None => run.await,
            Some((timeout, at)) => match tokio::time::timeout_at(at.into(), run).await {
                Ok(result) => result,
                Err(_) => cut_off(&mut self.future, context, timeout),
            },
        };
        let took = self.began.elapsed();
        (conclude(core, station, &job, context, result, took), took)
    }
}

/// What a task begins with.
pub(crate) enum First {
    /// A job that nobody has started: the task may be long in coming to it, and until then it can be given back (I9).
    Fresh(Arc<Held>),
    /// A run that has begun.
    Begun(Attempt),
}

impl First {
    /// Its job.
    pub(crate) fn job(&self) -> &Held {
        match self {
            Self::Fresh(job) => job,
            Self::Begun(attempt) => &attempt.job,
        }
    }
}

/// Runs jobs in one seat, one after another, while any waits for a slot.
pub(crate) async fn work(
    core: Arc<Core>,
    station: Arc<Station>,
    seat: Arc<Seat>,
    leash: Arc<Leash>,
    first: First,
) {
    let started = match first {
        First::Begun(attempt) => Some(attempt),
        First::Fresh(job) => start_one(&station, &seat, &leash, Some(job)),
    };
    let Some(mut attempt) = started else { return };
    loop {
        let (ending, took) = attempt.finish(&core, &station).await;
        let class = attempt.job.context.as_ref().map_or("", Context::class);
        let registered = core.registry.get(class);
        // A thread that its run left behind may still sit here. And what is over at once belongs into the claim loop:
        // two threads that share such runs hinder each other.
        let free = Arc::strong_count(&seat) == 1
            && !registered.is_some_and(|registered| registered.pace.is_at_home_there());
        let next = match ending {
            Some(ending) if free => station.exchange(ending, took, false),
            Some(ending) => {
                station.hand_in(ending, took);
                None
            }
            None if free => station.next(),
            None => None,
        };
        let Some(next) = next else { return };
        let class = next.context.as_ref().map_or("", Context::class);
        let registered = core.registry.get(class);
        if registered.is_some_and(|registered| registered.pace.is_quick()) {
            // Runs that end at once must not keep this thread from everything else.
            tokio::task::consume_budget().await;
        } else {
            // The claim loop that was just woken waits for this very thread: should the next run block it, the ending would
            // lie until that one is over, and nothing would be claimed meanwhile. Until this task comes back, the job can
            // be withdrawn (I9).
            step_aside().await;
        }
        let started = start_one(&station, &seat, &leash, Some(next));
        let Some(next) = started else { return };
        attempt = next;
    }
}

/// Starts this job or, if it was taken back, the next that waits.
fn start_one(
    station: &Station,
    seat: &Arc<Seat>,
    leash: &Arc<Leash>,
    mut job: Option<Arc<Held>>,
) -> Option<Attempt> {
    loop {
        let next = job?;
        next.put_on(leash);
        let started = Attempt::start(next, seat, Instant::now(), ambient::now_ms());
        if started.is_some() {
            return started;
        }
        job = station.next();
    }
}

/// What a run comes to: counted, logged, and for a failure judged. `None` when it was interrupted and is left to whoever
/// gives it back.
fn conclude(
    core: &Core,
    station: &Station,
    job: &Arc<Held>,
    ctx: &Context,
    result: Result<(), JobError>,
    elapsed: Duration,
) -> Option<Ending> {
    // A subscriber of logs may panic, and so may we: a job without an ending would stay in flight while we live.
    let concluded = catch_unwind(AssertUnwindSafe(|| match result {
        Ok(()) => {
            tracing::info!(
                jid = label(ctx.jid()),
                class = label(ctx.class()),
                queue = ctx.queue(),
                attempt = ctx.attempt(),
                elapsed_ms = millis(elapsed),
                "done"
            );
            core.meter.count(ctx, RunEnd::Done, elapsed);
            core.stats
                .count(ctx.payload().display_class(), elapsed, true);
            // Nobody waits for most jobs, and those are finished by the cycle: one command for many.
            let waited_for = ctx.payload().notifies() || job.was_cancelled();
            Some(if waited_for {
                Ending::Exit(Arc::clone(job), noted(core, ctx, Exit::Done, None))
            } else {
                Ending::Done(Arc::clone(job))
            })
        }
        Err(error) => fail(core, station, job, ctx, &error, elapsed),
    }));
    concluded.unwrap_or_else(|panic| {
        let panic = words(panic);
        let reason = format!("gandy panicked while it recorded the end of a run: {panic}");
        Some(Ending::Exit(Arc::clone(job), Exit::Raw(reason)))
    })
}

fn fail(
    core: &Core,
    station: &Station,
    job: &Arc<Held>,
    ctx: &Context,
    error: &JobError,
    elapsed: Duration,
) -> Option<Ending> {
    // A life that is closed gives everything back at once and in order.
    let closed = station.life.closed.is_cancelled();
    // Whom a person has cancelled is not to run again because something else interrupted it, too.
    if job.was_interrupted() && (closed || !job.was_cancelled()) {
        tracing::info!(
            jid = label(ctx.jid()),
            class = label(ctx.class()),
            queue = ctx.queue(),
            attempt = ctx.attempt(),
            elapsed_ms = millis(elapsed),
            "interrupted"
        );
        core.meter.count(ctx, RunEnd::Returned, elapsed);
        return (!closed).then(|| Ending::Return(Arc::clone(job)));
    }
    let registered = core.registry.get(ctx.class());
    let sentence = judge(
        ctx.payload(),
        error,
        Circumstances {
            queue: ctx.queue(),
            options: registered
                .map(|registered| registered.options)
                .unwrap_or_default(),
            rules: RetryRules {
                max_retries: core.config.max_retries,
            },
            stamps: core.config.stamps,
            now_ms: ambient::now_ms(),
            cancelled: job.was_cancelled(),
            random: fastrand::f64(),
        },
    );
    core.meter.count(ctx, RunEnd::of(&sentence.exit), elapsed);
    if sentence.failed {
        // Hooks run before the step that ends the job, so that a crash between the two repeats them (I4).
        core.stats
            .count(ctx.payload().display_class(), elapsed, false);
        Hooks::fire_job("error", &core.hooks.error, ctx, error);
    }
    if sentence.dies {
        Hooks::fire_job("death", &core.hooks.death, ctx, error);
    }
    tracing::info!(
        jid = label(ctx.jid()),
        class = label(ctx.class()),
        queue = ctx.queue(),
        attempt = ctx.attempt(),
        elapsed_ms = millis(elapsed),
        error_class = error.class(),
        dies = sentence.dies,
        "fail"
    );
    let waited_for = ctx.payload().notifies() || job.was_cancelled();
    let exit = if waited_for && sentence.failed {
        noted(core, ctx, sentence.exit, Some(error))
    } else {
        sentence.exit
    };
    Some(Ending::Exit(Arc::clone(job), exit))
}

/// The exit of a job for which somebody waits: its outcome is written in the same step.
fn noted(core: &Core, ctx: &Context, exit: Exit, error: Option<&JobError>) -> Exit {
    let error = error.map(|error| (error.class(), error.message()));
    let notice = Notice::new(&core.keys, ctx.jid(), &exit, error);
    Exit::Noted(Box::new((exit, notice)))
}

fn say_start(ctx: &Context) {
    tracing::info!(
        jid = label(ctx.jid()),
        class = label(ctx.class()),
        queue = ctx.queue(),
        attempt = ctx.attempt(),
        "start"
    );
}

/// Performs a job without a worker: panics become errors, and so does running out of time.
pub(crate) async fn perform(
    registry: &Registry,
    ctx: &Context,
    timeout: Option<Duration>,
) -> Result<(), JobError> {
    let mut future = None;
    let run = poll_fn(|cx| poll(&mut future, registry, ctx, cx));
    let Some(limit) = timeout else {
        return run.await;
    };
    match tokio::time::timeout(limit, run).await {
        Ok(result) => result,
        Err(_) => cut_off(&mut future, ctx, limit),
    }
}

/// Polls a run, which begins with the first poll; a panic ends it as an error.
fn poll(
    future: &mut Option<Run<'static>>,
    registry: &Registry,
    ctx: &Context,
    cx: &mut task::Context<'_>,
) -> Poll<Result<(), JobError>> {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let run = future.get_or_insert_with(|| {
            // Within the guard: a subscriber of logs may panic.
            say_start(ctx);
            registry.perform(ctx)
        });
        let polled = run.as_mut().poll(cx);
        if polled.is_ready() {
            // What it owns may panic when it is dropped.
            *future = None;
        }
        polled
    }));
    polled.unwrap_or_else(|panic| {
        let text = words(panic);
        let _ = guarded_drop(future);
        Poll::Ready(Err(JobError::retry("Panic", text)))
    })
}

/// Ends a run whose time is over.
fn cut_off(
    future: &mut Option<Run<'static>>,
    ctx: &Context,
    limit: Duration,
) -> Result<(), JobError> {
    ctx.cancellation().cancel();
    guarded_drop(future)?;
    Err(JobError::retry(
        "Timeout",
        format!("the run took longer than its limit of {limit:?}"),
    ))
}

/// Dropping a run that is cut off runs the handler's destructors, and those may panic.
fn guarded_drop(future: &mut Option<Run<'static>>) -> Result<(), JobError> {
    catch_unwind(AssertUnwindSafe(|| *future = None))
        .map_err(|panic| JobError::retry("Panic", words(panic)))
}

/// What a panic says.
fn words(panic: Box<dyn Any + Send>) -> String {
    let text = if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "the handler panicked without a message".to_owned()
    };
    // A payload may panic when it is dropped, and the next one again: the second is leaked.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    text
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
