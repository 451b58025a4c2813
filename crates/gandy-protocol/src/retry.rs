//! What happens to a job after a failed run: again, to the dead set, or away.
//!
//! Belongs here: the decision, as a pure function. Does not belong here: the payload that is written then (`failure`),
//! hooks, and what counts as a failure.

use std::borrow::Cow;
use std::time::Duration;

use crate::payload::{Field, Payload, integer};

/// The `retry` setting of a payload or a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RetrySetting {
    /// Not set (absent or null): the next setting down decides.
    #[default]
    Absent,
    /// `true`: as often as [`RetryRules::max_retries`] says.
    Always,
    /// `false`: never, and no entry in the dead set either.
    Never,
    /// So many retries; 0 means straight to the dead set.
    Times(u32),
}

impl RetrySetting {
    /// Reads a `retry` field. Anything but a boolean or an integer is [`RetrySetting::Absent`]; below zero is zero.
    pub fn from_json(raw: &str) -> RetrySetting {
        match raw {
            "true" => RetrySetting::Always,
            "false" => RetrySetting::Never,
            _ => integer(raw).map_or(RetrySetting::Absent, |times| {
                RetrySetting::Times(u32::try_from(times.max(0)).unwrap_or(u32::MAX))
            }),
        }
    }

    /// The raw JSON of a `retry` field; `None` where there is to be no field.
    pub fn to_json(self) -> Option<Cow<'static, str>> {
        match self {
            RetrySetting::Absent => None,
            RetrySetting::Always => Some("true".into()),
            RetrySetting::Never => Some("false".into()),
            RetrySetting::Times(times) => Some(times.to_string().into()),
        }
    }

    /// This setting, or where it is absent the other.
    #[must_use]
    pub fn or(self, other: RetrySetting) -> RetrySetting {
        match self {
            RetrySetting::Absent => other,
            set => set,
        }
    }
}

/// `true` or `false`, as Sidekiq's option is written.
impl From<bool> for RetrySetting {
    fn from(again: bool) -> Self {
        if again {
            RetrySetting::Always
        } else {
            RetrySetting::Never
        }
    }
}

impl From<u32> for RetrySetting {
    fn from(times: u32) -> Self {
        RetrySetting::Times(times)
    }
}

/// The rules that hold for all jobs of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryRules {
    /// Retries of a job whose setting is [`RetrySetting::Always`]. 25 in Sidekiq: 20 days and 10 hours of waiting.
    pub max_retries: u32,
}

impl Default for RetryRules {
    fn default() -> Self {
        RetryRules { max_retries: 25 }
    }
}

/// What happens after a failed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Run it again.
    Retry {
        /// Milliseconds from now, jitter included.
        delay_ms: u64,
        /// The `retry_count` to write: 0 after the first failure.
        count: u32,
    },
    /// Into the dead set, with [`next_count`] as its `retry_count`.
    Dead,
    /// Away, without an entry anywhere: `retry: false`, or retries used up with `dead: false`. Death hooks still run.
    Drop,
}

/// No delay is longer: Sidekiq takes larger numbers for absolute times, and a count of 178 would get here (31 years).
const LONGEST_DELAY_MS: u64 = 1_000_000_000_000;

/// `retry_for` above this many seconds is refused by Sidekiq's client; here it is ignored.
const LONGEST_RETRY_FOR_S: f64 = 1e9;

/// Decides what happens to `payload` after a failed run.
///
/// * The payload's `retry` counts; where it is absent `handler_default`; where that is absent too, `true`.
/// * `retry_for` (seconds from the first failure), where it is a number up to 10^9, replaces the count, as in Sidekiq 8.1.
/// * `base_delay` is a handler's own wish; zero or none means Sidekiq's count^4 + 15 seconds.
/// * Jitter below 10 * (count + 1) seconds is added to either, from `random` in [0, 1).
pub fn decide(
    payload: &Payload,
    handler_default: RetrySetting,
    rules: &RetryRules,
    now_ms: i64,
    base_delay: Option<Duration>,
    random: f64,
) -> Verdict {
    let count = next_count(payload);
    let most = match payload.retry().or(handler_default) {
        RetrySetting::Never => return Verdict::Drop,
        RetrySetting::Times(times) => times,
        RetrySetting::Always | RetrySetting::Absent => rules.max_retries,
    };
    let exhausted = match retry_for_ms(payload) {
        Some(window) => first_failure_ms(payload, now_ms).saturating_add(window) < now_ms,
        None => count >= most,
    };
    if !exhausted {
        let delay_ms = delay_ms(count, base_delay, random);
        return Verdict::Retry { delay_ms, count };
    }
    if payload.known(Field::Dead) == Some("false") {
        Verdict::Drop
    } else {
        Verdict::Dead
    }
}

/// The `retry_count` to write after one more failure: 0 for the first.
pub fn next_count(payload: &Payload) -> u32 {
    payload
        .retry_count()
        .map_or(0, |count| count.saturating_add(1))
}

/// The `retry_count` to write when a person retries a job by hand: one less, so that the run is not charged (Sidekiq's
/// own rule; -1 is possible). `None`: the payload has no count to change.
pub fn count_after_manual_retry(payload: &Payload) -> Option<i64> {
    let count = integer(payload.known(Field::RetryCount)?)?;
    Some(count.saturating_sub(1).max(-1))
}

/// Whether the payload records no failure yet.
pub(crate) fn never_failed(payload: &Payload) -> bool {
    payload.known(Field::RetryCount).and_then(integer).is_none()
}

fn first_failure_ms(payload: &Payload, now_ms: i64) -> i64 {
    let recorded = payload
        .stamp("failed_at")
        .filter(|_| !never_failed(payload));
    recorded.map_or(now_ms, |stamp| stamp.millis())
}

fn retry_for_ms(payload: &Payload) -> Option<i64> {
    let raw = payload.known(Field::RetryFor)?;
    let number = raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let seconds: f64 = raw.parse().ok().filter(|_| number)?;
    (seconds <= LONGEST_RETRY_FOR_S).then_some((seconds * 1_000.0) as i64)
}

/// Jitter is drawn to the millisecond where Sidekiq draws whole seconds: jobs that failed together spread better.
fn delay_ms(count: u32, base_delay: Option<Duration>, random: f64) -> u64 {
    let count = u64::from(count);
    let base = match base_delay.filter(|delay| !delay.is_zero()) {
        Some(delay) => u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        None => count
            .saturating_pow(4)
            .saturating_add(15)
            .saturating_mul(1_000),
    };
    let random = if random.is_nan() {
        0.0
    } else {
        random.clamp(0.0, 1.0)
    };
    let bound = (count + 1) * 10_000;
    let jitter = ((bound as f64 * random) as u64).min(bound - 1);
    base.saturating_add(jitter).min(LONGEST_DELAY_MS)
}

#[cfg(test)]
mod tests;
