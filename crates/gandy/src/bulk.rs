//! Many jobs pushed in one call.
//!
//! Belongs here: which of them go in one command, and what each caller is told. Does not belong here: what becomes of a
//! single job before it is written (`client`), and the commands (the store).

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use gandy_protocol::{args, jid::jid};
use gandy_store::{Parcel, Producer, StoreError, Undelivered};

use crate::{
    Error, Job, Push, Receipt, ambient,
    client::{Buffered, Held, Inner, Repeats, Retry, failed, is_far, is_kept},
    mould::Moulds,
};

/// Results for which memory is taken before there are any.
const FORESIGHT: usize = 10_000;
/// Ids drawn at once: 64 cost 0.05 us each, one alone 0.4 us, a third of what a job of a bulk push may cost in all.
const MADE: usize = 64;
/// Arguments that wait for their ids have no more bytes than this, and one job's more.
const MADE_BYTES: usize = 64 << 10;
/// Bytes of an id.
const ID: usize = 12;

/// Jobs of one call: up to 1,000 of one queue in one command, and while one command is on its way the next is filled.
pub(crate) struct Bulk<'a> {
    client: &'a Inner,
    producer: &'a Producer,
    expected: usize,
    results: Vec<Result<Receipt, Error>>,
    moulds: Moulds,
    /// One for each queue, and one for what is scheduled.
    slices: Vec<Slice>,
    /// The slice that the last job went to.
    last: usize,
    flight: Option<Flight<'a>>,
    /// Time left for repeats: of the whole call, since each of many commands would else wait in its turn.
    spare: Duration,
}

/// Jobs that go in one command, each with its place among the results.
struct Slice {
    parcel: Parcel,
    places: Vec<usize>,
}

/// A command on its way.
struct Flight<'a> {
    places: Vec<usize>,
    delivery: Delivery<'a>,
}

type Delivery<'a> = Pin<Box<dyn Future<Output = Delivered> + Send + 'a>>;

/// What became of a command, and how long it was repeated.
struct Delivered {
    result: Result<(), Box<Undelivered>>,
    spent: Duration,
}

/// Jobs of one type that have no id yet. They get theirs together, and each id is drawn for a job that is there: were the
/// process or the machine copied then, both would push the same jobs, not different ones under one id.
#[derive(Default)]
pub(crate) struct Made {
    /// Their arguments.
    jobs: Vec<String>,
    bytes: usize,
    ids: Vec<[u8; ID]>,
}

impl Made {
    pub(crate) fn add<J: Job>(&mut self, job: &J) -> Result<(), Error> {
        let args = args::to_args(job)?;
        self.bytes += args.len();
        self.jobs.push(args);
        Ok(())
    }

    /// Whether it is time for [`Bulk::add_made`].
    pub(crate) fn is_full(&self) -> bool {
        self.jobs.len() >= MADE || self.bytes >= MADE_BYTES
    }
}

impl<'a> Bulk<'a> {
    /// `jobs` is how many there will be at least.
    pub(crate) fn new(client: &'a Inner, producer: &'a Producer, jobs: usize) -> Self {
        Self {
            client,
            producer,
            expected: jobs,
            results: Vec::with_capacity(jobs.min(FORESIGHT)),
            moulds: Moulds::default(),
            slices: Vec::new(),
            last: 0,
            flight: None,
            spare: client.retry.total(),
        }
    }

    /// A job that is not pushed.
    pub(crate) fn refuse(&mut self, error: Error) {
        self.results.push(Err(error));
    }

    /// Adds a job; when a command is full with it, sends that. Whether the job was admitted.
    pub(crate) async fn add(&mut self, push: &mut Push) -> bool {
        let at_ms = match self.client.admit(push) {
            Ok(at_ms) => at_ms,
            Err(result) => {
                self.results.push(*result);
                return false;
            }
        };
        if push.once.is_some() {
            self.add_alone(push.clone(), at_ms).await;
        } else if let Some(full) = self.write(push, at_ms) {
            self.send(full).await;
        }
        true
    }

    /// A job with an idempotency key has a transaction of its own, behind all jobs before it.
    async fn add_alone(&mut self, mut push: Push, at_ms: Option<i64>) {
        self.send_all().await;
        let mut payload = push.record.to_json();
        let (size, limit) = (payload.len(), self.client.max_payload);
        let result = match size > limit {
            true => Err(push.too_large(size, limit)),
            false => {
                let spare = Some(&mut self.spare);
                let client = self.client;
                let sent = client.send_otherwise(&mut push, at_ms, &mut payload, spare);
                sent.await
            }
        };
        self.results.push(result);
    }

    /// Adds jobs that differ from `push`, which was admitted, in nothing but what `made` holds: there is no middleware, and
    /// nothing to check but what our own codec wrote.
    pub(crate) async fn add_made(&mut self, push: &mut Push, made: &mut Made) {
        if made.jobs.is_empty() {
            return;
        }
        made.ids.resize(made.jobs.len(), [0; ID]);
        ambient::fill(&mut made.ids);
        made.bytes = 0;
        // One look at the clock for all of them: Sidekiq takes one for a whole `push_bulk`.
        let now = ambient::now_ms();
        let at_ms = self.client.stamp(push, now);
        for (args, id) in made.jobs.drain(..).zip(&made.ids) {
            push.renew(args, jid(*id), now);
            debug_assert!(push.record.check().is_ok());
            if let Some(full) = self.write(push, at_ms) {
                self.send(full).await;
            }
        }
    }

    /// Sends what is left, and gives the results in the order of the jobs.
    pub(crate) async fn finish(mut self) -> Vec<Result<Receipt, Error>> {
        self.send_all().await;
        self.results
    }

    async fn send_all(&mut self) {
        for slice in std::mem::take(&mut self.slices) {
            self.send(slice).await;
        }
        self.land().await;
    }

    fn write(&mut self, push: &mut Push, at_ms: Option<i64>) -> Option<Slice> {
        let (first, expected) = (self.slices.is_empty(), self.expected);
        let place = self.slice(push, at_ms);
        let (slice, limit) = (&mut self.slices[place], self.client.max_payload);
        let size = self.moulds.cast(&push.record, |parts| {
            let size = parts.iter().map(|part| part.len()).sum();
            if first {
                // One queue and jobs of one size, as they mostly are: nothing is copied while the command grows.
                slice.parcel.reserve(expected, size);
            }
            if size <= limit {
                slice.parcel.add(at_ms, parts);
            }
            size
        });
        if size > limit {
            self.results.push(Err(push.too_large(size, limit)));
            return None;
        }
        slice.places.push(self.results.len());
        self.results.push(Ok(push.receipt(at_ms)));
        (!slice.parcel.has_room()).then(|| self.slices.swap_remove(place))
    }

    /// The place of the slice for this job.
    fn slice(&mut self, push: &Push, at_ms: Option<i64>) -> usize {
        let queue = at_ms.is_none().then_some(push.record.queue.as_str());
        let fits = |slice: &Slice| slice.parcel.queue() == queue;
        if !self.slices.get(self.last).is_some_and(fits) {
            let place = self.slices.iter().position(fits);
            self.last = place.unwrap_or(self.slices.len());
            if place.is_none() {
                let goal = push.goal(at_ms);
                self.slices.push(Slice {
                    parcel: self.producer.parcel(goal),
                    places: Vec::new(),
                });
            }
        }
        self.last
    }

    /// Waits for the command before, then hands this one to the connection and comes back without its reply.
    async fn send(&mut self, slice: Slice) {
        self.land().await;
        if slice.parcel.jobs() == 0 {
            return;
        }
        let buffer = self.client.buffer();
        if let Some(buffer) = buffer.filter(|buffer| !buffer.is_empty()) {
            self.keep(buffer, &slice.parcel, &slice.places, None);
            return;
        }
        // What is kept in memory is repeated there.
        let retry = match buffer {
            Some(_) => Retry::never(),
            None => self.client.retry,
        };
        let mut delivery: Delivery<'a> =
            Box::pin(deliver(self.producer, slice.parcel, retry, self.spare));
        let places = slice.places;
        if let Poll::Ready(outcome) = poll_fn(|cx| Poll::Ready(delivery.as_mut().poll(cx))).await {
            self.tell(&places, outcome);
            return;
        }
        self.flight = Some(Flight { places, delivery });
        // The connection's task, which may be waiting for this very thread, writes it.
        tokio::task::yield_now().await;
    }

    async fn land(&mut self) {
        if let Some(flight) = self.flight.take() {
            let outcome = flight.delivery.await;
            self.tell(&flight.places, outcome);
        }
    }

    fn tell(&mut self, places: &[usize], outcome: Delivered) {
        self.spare = self.spare.saturating_sub(outcome.spent);
        let Err(undelivered) = outcome.result else {
            return;
        };
        let Undelivered { error, parcel } = *undelivered;
        if let Some(buffer) = self.client.buffer().filter(|_| is_kept(&error)) {
            self.keep(buffer, &parcel, places, Some(&error));
            return;
        }
        for &place in places {
            let result = &mut self.results[place];
            if let Ok(receipt) = result {
                let jid = std::mem::take(&mut receipt.jid);
                *result = Err(failed(jid, error.clone()));
            }
        }
    }

    /// Keeps a command's jobs in memory, as far as there is room.
    fn keep(
        &mut self,
        buffer: &Buffered,
        parcel: &Parcel,
        places: &[usize],
        error: Option<&StoreError>,
    ) {
        for (&place, (at_ms, payload)) in places.iter().zip(parcel.payloads()) {
            let result = &mut self.results[place];
            if let Ok(receipt) = result {
                let job = Held {
                    jid: std::mem::take(&mut receipt.jid),
                    queue: parcel.queue().map(str::to_owned),
                    at_ms,
                    payload: payload.to_owned(),
                    once: None,
                };
                *result = buffer.keep(job, error.cloned());
            }
        }
    }
}

async fn deliver(producer: &Producer, parcel: Parcel, retry: Retry, spare: Duration) -> Delivered {
    let mut repeats = Repeats::new(retry, spare.min(retry.total()));
    let mut parcel = parcel;
    let result = loop {
        let mut undelivered = match producer.deliver(parcel).await {
            Ok(()) => break Ok(()),
            Err(undelivered) => undelivered,
        };
        let safe = || is_far(undelivered.parcel.earliest());
        if !repeats.again(&undelivered.error, safe).await {
            undelivered.error = repeats.verdict(undelivered.error);
            break Err(undelivered);
        }
        parcel = undelivered.parcel;
    };
    Delivered {
        result,
        spent: repeats.spent(),
    }
}
