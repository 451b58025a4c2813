//! A job as it stands in Redis.
//!
//! Not here: finding it (`inspect`, `walk`), and what becomes of it (`act`).

use std::fmt;

use gandy_protocol::{Filter, Payload};
use gandy_store::{Entry, Place};

/// A job as it stands in a queue or a set. Its `Debug` leaves the arguments out.
#[derive(Clone)]
pub struct JobInfo {
    /// Where it is.
    pub place: Place,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
    /// When it is due (or, in `dead`, when it died), milliseconds since the epoch.
    pub at_ms: Option<i64>,
    /// Its exact score in a set: the same in seconds.
    pub score: Option<f64>,
    /// The parsed job, or why it cannot be parsed.
    pub payload: Result<Payload, String>,
}

impl JobInfo {
    pub(crate) fn new(place: &Place, entry: Entry) -> Self {
        let payload =
            Payload::parse(entry.bytes.clone()).map_err(|unparsable| unparsable.to_string());
        let at_ms = entry.score.map(|seconds| (seconds * 1000.0).round() as i64);
        JobInfo {
            place: place.clone(),
            bytes: entry.bytes,
            at_ms,
            score: entry.score,
            payload,
        }
    }

    /// Since when it is where it is, milliseconds since the epoch, as far as it says so: in a queue since it was enqueued, in
    /// `retry` since it failed, in `dead` since it died, in `schedule` since it was created.
    #[must_use]
    pub fn since_ms(&self) -> Option<i64> {
        let payload = self.payload.as_ref().ok();
        let stamp = |name| Some(payload?.stamp(name)?.millis());
        let since = match &self.place {
            Place::Queue(_) => payload.and_then(Payload::waits_since_ms),
            Place::Retry => stamp("retried_at").or_else(|| stamp("failed_at")),
            Place::Dead => self.at_ms,
            Place::Schedule => None,
        };
        since.or_else(|| stamp("created_at"))
    }

    /// Whether the filter fits it; `now_ms` is for ages. Bytes that are no job fit none: nobody can say what they are.
    #[must_use]
    pub fn fits(&self, filter: &Filter, now_ms: i64) -> bool {
        let age = || Some(now_ms.saturating_sub(self.since_ms()?));
        (self.payload.as_ref()).is_ok_and(|payload| filter.matches(payload, age))
    }
}

/// Arguments are people's data and do not belong into logs.
impl fmt::Debug for JobInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobInfo")
            .field("place", &self.place)
            .field("at_ms", &self.at_ms)
            .field("payload", &self.payload)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}
