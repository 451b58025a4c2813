//! Reads Redis for the screen: totals, health and one page, each bounded in number, and what a filter looks through also
//! in bytes. Metrics are read more seldom than the rest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gandy::views::{Metrics, Pick, Window};
use gandy::{Error, Inspect, Place};

use super::event::{Ask, Body, Found, Seen};
use crate::words;

/// A filter looks through so many entries,
const FRONT: usize = 1_000;
/// in steps of so many,
const STEP: usize = 100;
/// and ends after so many bytes: payloads can be megabytes.
const FRONT_BYTES: usize = 8 << 20;

/// The time of `gandy metrics`, so that the numbers are the same.
const METRICS: Window = Window::Minutes(60);
/// The classes with the most runs. Each costs a reading of its histograms, up to one a minute.
const CLASSES: usize = 50;
/// Between two readings of metrics: workers of Gandy count every 5 s, Ruby's every 10 s, so more would show no more.
const METRICS_PERIOD: Duration = Duration::from_secs(5);

/// What reads.
#[derive(Debug)]
pub(super) struct Source {
    inspect: Inspect,
    metrics: Kept<Arc<Metrics>>,
}

impl Source {
    pub(super) fn new(inspect: Inspect) -> Self {
        let metrics = Kept(None);
        Self { inspect, metrics }
    }

    /// One reading.
    pub(super) async fn read(&mut self, ask: &Ask) -> Result<Seen, Error> {
        let inspect = &self.inspect;
        let health = inspect.health().await?;
        let totals = inspect.totals().await?;
        let body = match ask {
            Ask::Queues => Body::Queues(inspect.queues().await?),
            Ask::Processes => Body::Processes(inspect.processes().await?),
            Ask::Metrics => Body::Metrics(self.metrics().await?),
            Ask::Page { place, from, count } => Body::Jobs {
                jobs: page(inspect, place, *from, *count).await?,
                size: inspect.size(place).await?,
            },
            Ask::Front(place) => Body::Jobs {
                jobs: front(inspect, place).await?,
                size: inspect.size(place).await?,
            },
        };
        Ok(Seen {
            now_ms: words::now_ms(),
            totals,
            health,
            ask: ask.clone(),
            body,
        })
    }

    async fn metrics(&mut self) -> Result<Arc<Metrics>, Error> {
        if let Some(kept) = self.metrics.at(Instant::now()) {
            return Ok(Arc::clone(kept));
        }
        let read = Arc::new(
            self.inspect
                .metrics(METRICS, Pick::busiest(CLASSES))
                .await?,
        );
        // From its end on: a reading that takes long does not follow on itself.
        self.metrics = Kept(Some((Instant::now(), Arc::clone(&read))));
        Ok(read)
    }
}

/// What was read, and when.
#[derive(Debug)]
struct Kept<T>(Option<(Instant, T)>);

impl<T> Kept<T> {
    /// It, while it is new enough.
    fn at(&self, now: Instant) -> Option<&T> {
        let (read, what) = self.0.as_ref()?;
        (now.saturating_duration_since(*read) < METRICS_PERIOD).then_some(what)
    }
}

async fn page(
    inspect: &Inspect,
    place: &Place,
    from: usize,
    count: usize,
) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for job in inspect.jobs(place, from, count).await? {
        // Who failed says so itself; only what was buried unread has its reason elsewhere.
        let failed = |payload: &gandy::Payload| payload.field("error_class").is_some();
        let asks = *place == Place::Dead && !job.payload.as_ref().is_ok_and(failed);
        let reason = if asks {
            inspect.reason(&job).await?
        } else {
            None
        };
        found.push(Found { job, reason });
    }
    Ok(found)
}

async fn front(inspect: &Inspect, place: &Place) -> Result<Vec<Found>, Error> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    while found.len() < FRONT && bytes < FRONT_BYTES {
        let step = inspect.jobs(place, found.len(), STEP).await?;
        let last = step.len() < STEP;
        bytes += step.iter().map(|job| job.bytes.len()).sum::<usize>();
        found.extend(step.into_iter().map(|job| Found { job, reason: None }));
        if last {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_again_after_some_seconds_and_not_before() {
        let now = Instant::now();
        assert_eq!(Kept::<u8>(None).at(now), None);
        let kept = Kept(Some((now, 7)));
        assert_eq!(
            kept.at(now + METRICS_PERIOD - Duration::from_millis(1)),
            Some(&7)
        );
        assert_eq!(kept.at(now + METRICS_PERIOD), None);
    }
}
