//! Pushes what a buffer keeps, in its order, as soon as Redis takes it.
//!
//! Does not belong here: what is kept, and for how long (`held`).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gandy_store::{Backoff, StoreError};

use tokio::runtime::Handle;

use super::{
    DropCause,
    held::{Held, Shared, State, passes},
};

/// Jobs in one write: so many may be doubled by one reply that is lost…
const BATCH: usize = 100;
/// …and no more once they have this many bytes.
const BATCH_BYTES: usize = 1 << 20;
/// How often it is said that Redis is still away.
const REMIND: Duration = Duration::from_secs(60);

/// The task that drains a buffer; it ends with the last job. Wherever it is dropped, its jobs wait again.
pub(crate) struct Drainer {
    shared: Arc<Shared>,
    /// On their way.
    batch: Vec<Held>,
    reminded: Instant,
    ended: bool,
}

impl Drainer {
    /// Starts one, if none is at work.
    pub(crate) fn start(shared: &Arc<Shared>) {
        // A push is awaited in a runtime; where there is none, the next push starts it.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        {
            let mut state = shared.state();
            if state.draining || state.waiting.is_empty() {
                return;
            }
            state.draining = true;
        }
        let drainer = Self {
            shared: Arc::clone(shared),
            batch: Vec::new(),
            reminded: Instant::now(),
            ended: false,
        };
        runtime.spawn(drainer.run());
    }

    async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            // A push has just failed.
            let pause = backoff.next(fastrand::f64());
            let _ = tokio::time::timeout(pause, self.shared.wake.notified()).await;
            loop {
                if !self.take() {
                    return;
                }
                let results = self.deliver().await;
                if !self.settle(results) {
                    break;
                }
                backoff.reset();
            }
            self.remind();
        }
    }

    /// Takes the next jobs; none: there are none, and this is over.
    fn take(&mut self) -> bool {
        let mut state = self.shared.state();
        let mut bytes = 0;
        while let Some(job) = state.waiting.front() {
            let alone = job.once.is_some();
            let full = self.batch.len() >= BATCH || bytes >= BATCH_BYTES;
            if full || (alone && !self.batch.is_empty()) {
                break;
            }
            bytes += job.payload.len();
            self.batch.extend(state.waiting.pop_front());
            if alone {
                break;
            }
        }
        if self.batch.is_empty() {
            // Under the lock: whoever keeps a job now starts the next one.
            state.draining = false;
            self.ended = true;
        }
        !self.ended
    }

    /// Pushes the batch. What became of each job, in its order.
    async fn deliver(&self) -> Vec<Result<(), StoreError>> {
        let producer = &self.shared.producer;
        if let [job] = self.batch.as_slice()
            && let Some(once) = &job.once
        {
            let pushed = once
                .push(producer, job.goal(), &job.payload, &job.jid)
                .await;
            return vec![pushed.map(|first| {
                if let Some(first) = first.filter(|first| *first != job.jid) {
                    tracing::info!(
                        jid = job.jid,
                        first,
                        "a buffered job's idempotency key is taken"
                    );
                }
            })];
        }
        let mut parcels = Vec::new();
        let mut queues: Vec<Option<&str>> = Vec::new();
        let mut places = Vec::with_capacity(self.batch.len());
        for job in &self.batch {
            let queue = job.queue.as_deref();
            let place = queues.iter().position(|other| *other == queue);
            let place = place.unwrap_or_else(|| {
                queues.push(queue);
                parcels.push(producer.parcel(job.goal()));
                parcels.len() - 1
            });
            parcels[place].add(job.at_ms, &[&job.payload]);
            places.push(place);
        }
        let results = producer.deliver_all(parcels).await;
        places.iter().map(|place| results[*place].clone()).collect()
    }

    /// Lets go what is pushed, puts back what has to wait, reports what is refused. Whether all is well.
    fn settle(&mut self, results: Vec<Result<(), StoreError>>) -> bool {
        let (mut wait, mut dropped) = (Vec::new(), Vec::new());
        let (mut jobs, mut bytes) = (0, 0);
        let mut state = self.shared.state();
        for (job, result) in self.batch.drain(..).zip(results) {
            match result {
                Err(error) if passes(&error) && !state.closed => {
                    state.trouble = Some(error);
                    wait.push(job);
                    continue;
                }
                Err(error) => {
                    jobs += 1;
                    bytes += job.payload.len();
                    let cause = match passes(&error) {
                        true => DropCause::ClientGone,
                        false => DropCause::Refused(error),
                    };
                    dropped.push((job, cause));
                }
                Ok(()) => {
                    jobs += 1;
                    bytes += job.payload.len();
                }
            }
        }
        let well = wait.is_empty();
        put_back(&mut state, wait);
        // Reported before they are let go: after a flush nobody asks any more.
        drop(state);
        for (job, cause) in dropped {
            self.shared.report(job, cause);
        }
        let mut state = self.shared.state();
        self.shared.let_go(&mut state, jobs, bytes);
        well
    }

    fn remind(&mut self) {
        if self.reminded.elapsed() < REMIND {
            return;
        }
        self.reminded = Instant::now();
        let state = self.shared.state();
        let error = state.trouble.as_ref().map(tracing::field::display);
        let jobs = state.waiting.len();
        tracing::warn!(jobs, error, "pushes are still kept in memory");
    }
}

/// To the front, in their order.
fn put_back(state: &mut State, jobs: Vec<Held>) {
    for job in jobs.into_iter().rev() {
        state.waiting.push_front(job);
    }
}

/// Its runtime ends while it waits or pushes: the next push, or flush, in another runtime goes on. What was on its way may
/// have arrived.
impl Drop for Drainer {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        let mut state = self.shared.state();
        state.draining = false;
        if !state.closed {
            put_back(&mut state, batch);
            return;
        }
        let bytes = batch.iter().map(|job| job.payload.len()).sum();
        self.shared.let_go(&mut state, batch.len(), bytes);
        drop(state);
        for job in batch {
            self.shared.report(job, DropCause::ClientGone);
        }
    }
}
