//! Sizes: of everything, and of each queue.

use serde::Serialize;

use crate::{QueueInfo, Survey, Totals};

/// The size of everything, as `gandy stats --json` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stats {
    processed: u64,
    failed: u64,
    busy: u64,
    in_flight: u64,
    enqueued: u64,
    scheduled: u64,
    retries: u64,
    dead: u64,
    processes: u64,
}

impl From<&Totals> for Stats {
    fn from(totals: &Totals) -> Self {
        Self {
            processed: totals.processed,
            failed: totals.failed,
            busy: totals.busy,
            in_flight: totals.in_flight,
            enqueued: totals.enqueued,
            scheduled: totals.scheduled,
            retries: totals.retries,
            dead: totals.dead,
            processes: totals.processes,
        }
    }
}

/// Of the queues that the survey looked at ([`crate::QUEUES_MAX`]).
impl From<&Survey> for Stats {
    fn from(survey: &Survey) -> Self {
        Self {
            processed: survey.processed,
            failed: survey.failed,
            busy: survey.busy,
            in_flight: survey.queues.iter().map(|queue| queue.busy).sum(),
            enqueued: survey.queues.iter().map(|queue| queue.size).sum(),
            scheduled: survey.schedule.size,
            retries: survey.retry.size,
            dead: survey.dead,
            processes: survey.processes,
        }
    }
}

/// A queue, as `gandy queues --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Queue<'a> {
    name: &'a str,
    size: u64,
    latency_ms: Option<u64>,
    in_flight: u64,
    rate: Option<f64>,
    paused: bool,
}

impl<'a> From<&'a QueueInfo> for Queue<'a> {
    fn from(queue: &'a QueueInfo) -> Self {
        Self {
            name: &queue.name,
            size: queue.size,
            latency_ms: queue
                .latency
                .map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
            in_flight: queue.in_flight,
            rate: queue.rate,
            paused: queue.paused,
        }
    }
}
