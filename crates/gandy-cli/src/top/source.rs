//! Reads Redis for the screen: totals, health and one page, each bounded in number, and what a filter looks through also
//! in bytes.

use gandy::{Error, Inspect, Place};

use super::event::{Ask, Body, Found, Seen};
use crate::words;

/// A filter looks through so many entries,
const FRONT: usize = 1_000;
/// in steps of so many,
const STEP: usize = 100;
/// and ends after so many bytes: payloads can be megabytes.
const FRONT_BYTES: usize = 8 << 20;

/// One reading.
pub(super) async fn read(inspect: &Inspect, ask: &Ask) -> Result<Seen, Error> {
    let health = inspect.health().await?;
    let totals = inspect.totals().await?;
    let body = match ask {
        Ask::Queues => Body::Queues(inspect.queues().await?),
        Ask::Processes => Body::Processes(inspect.processes().await?),
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
