//! What happens to a job after a failed run: again, to the dead set, or away.
//!
//! Belongs here: the decision, as a pure function. Does not belong here: the payload that is written then (`failure`),
//! hooks, and what counts as a failure.

use std::time::Duration;

use crate::payload::{Payload, integer};

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
    pub fn to_json(self) -> Option<String> {
        match self {
            RetrySetting::Absent => None,
            RetrySetting::Always => Some("true".to_owned()),
            RetrySetting::Never => Some("false".to_owned()),
            RetrySetting::Times(times) => Some(times.to_string()),
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
    if payload.field("dead") == Some("false") {
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
    let count = integer(payload.field("retry_count")?)?;
    Some(count.saturating_sub(1).max(-1))
}

/// Whether the payload records no failure yet.
pub(crate) fn never_failed(payload: &Payload) -> bool {
    payload.field("retry_count").and_then(integer).is_none()
}

fn first_failure_ms(payload: &Payload, now_ms: i64) -> i64 {
    let recorded = payload
        .stamp("failed_at")
        .filter(|_| !never_failed(payload));
    recorded.map_or(now_ms, |stamp| stamp.millis())
}

fn retry_for_ms(payload: &Payload) -> Option<i64> {
    let raw = payload.field("retry_for")?;
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
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_795_398_164_364;

    fn payload(fields: &str) -> Payload {
        let comma = if fields.is_empty() { "" } else { "," };
        let raw = format!(r#"{{"class":"A","args":[],"jid":"1"{comma}{fields}}}"#);
        Payload::parse(raw.into_bytes()).unwrap()
    }

    /// The verdict without jitter, delay in seconds.
    fn verdict(fields: &str, handler: RetrySetting) -> Verdict {
        decide(
            &payload(fields),
            handler,
            &RetryRules::default(),
            NOW,
            None,
            0.0,
        )
    }

    fn retry(count: u32) -> Verdict {
        Verdict::Retry {
            delay_ms: (u64::from(count).pow(4) + 15) * 1_000,
            count,
        }
    }

    #[test]
    fn retry_true_means_max_retries() {
        let absent = RetrySetting::Absent;
        assert_eq!(verdict(r#""retry":true"#, absent), retry(0));
        assert_eq!(verdict(r#""retry":true,"retry_count":0"#, absent), retry(1));
        assert_eq!(
            verdict(r#""retry":true,"retry_count":23"#, absent),
            retry(24)
        );
        assert_eq!(
            verdict(r#""retry":true,"retry_count":24"#, absent),
            Verdict::Dead
        );
        let rules = RetryRules { max_retries: 2 };
        let third = payload(r#""retry":true,"retry_count":1"#);
        assert_eq!(
            decide(&third, absent, &rules, NOW, None, 0.0),
            Verdict::Dead
        );
    }

    #[test]
    fn the_default_25_retries_wait_for_20_days() {
        let total: u64 = (0..25).map(|count| delay_ms(count, None, 0.0)).sum();
        assert_eq!(total, 1_763_395_000);
    }

    #[test]
    fn retry_number_counts_retries_and_zero_goes_straight_to_dead() {
        let absent = RetrySetting::Absent;
        assert_eq!(verdict(r#""retry":0"#, absent), Verdict::Dead);
        assert_eq!(verdict(r#""retry":-1"#, absent), Verdict::Dead);
        assert_eq!(verdict(r#""retry":2"#, absent), retry(0));
        assert_eq!(verdict(r#""retry":2,"retry_count":0"#, absent), retry(1));
        assert_eq!(
            verdict(r#""retry":2,"retry_count":1"#, absent),
            Verdict::Dead
        );
        assert_eq!(
            verdict(r#""retry":99999999999999999999,"retry_count":30"#, absent),
            retry(31)
        );
    }

    #[test]
    fn retry_false_drops_without_an_entry_in_dead() {
        for fields in [
            r#""retry":false"#,
            r#""retry":false,"retry_for":3600"#,
            r#""retry":false,"dead":true,"retry_count":3"#,
        ] {
            assert_eq!(
                verdict(fields, RetrySetting::Always),
                Verdict::Drop,
                "{fields}"
            );
        }
    }

    #[test]
    fn absent_null_and_wrong_typed_retry_mean_the_handlers_setting_then_true() {
        for fields in [
            "",
            r#""retry":null"#,
            r#""retry":"x""#,
            r#""retry":[1]"#,
            r#""retry":2.5"#,
        ] {
            assert_eq!(verdict(fields, RetrySetting::Absent), retry(0), "{fields}");
            assert_eq!(
                verdict(fields, RetrySetting::Never),
                Verdict::Drop,
                "{fields}"
            );
            assert_eq!(
                verdict(fields, RetrySetting::Times(0)),
                Verdict::Dead,
                "{fields}"
            );
        }
        assert_eq!(verdict(r#""retry":true"#, RetrySetting::Never), retry(0));
        assert_eq!(verdict(r#""retry":1"#, RetrySetting::Never), retry(0));
    }

    #[test]
    fn dead_false_drops_when_retries_are_used_up() {
        let absent = RetrySetting::Absent;
        assert_eq!(verdict(r#""retry":0,"dead":false"#, absent), Verdict::Drop);
        assert_eq!(verdict(r#""retry":1,"dead":false"#, absent), retry(0));
        for keeps in ["true", "null", "0", "\"false\""] {
            assert_eq!(
                verdict(&format!(r#""retry":0,"dead":{keeps}"#), absent),
                Verdict::Dead
            );
        }
    }

    #[test]
    fn retry_for_is_a_window_from_the_first_failure_and_replaces_the_count() {
        let absent = RetrySetting::Absent;
        let failed = |seconds_ago: i64, rest: &str| {
            format!(
                r#""retry_count":40,"failed_at":{},{rest}"#,
                NOW - seconds_ago * 1_000
            )
        };
        assert_eq!(
            verdict(&failed(3_600, r#""retry_for":3600"#), absent),
            retry(41)
        );
        assert_eq!(
            verdict(&failed(3_601, r#""retry_for":3600"#), absent),
            Verdict::Dead
        );
        assert_eq!(
            verdict(&failed(3_601, r#""retry_for":3600,"dead":false"#), absent),
            Verdict::Drop
        );
        assert_eq!(
            verdict(&failed(60, r#""retry_for":3600,"retry":0"#), absent),
            retry(41)
        );
        assert_eq!(
            verdict(&failed(61, r#""retry_for":60.5"#), absent),
            Verdict::Dead
        );
        assert_eq!(verdict(r#""retry_for":0"#, absent), retry(0));
        // A Sidekiq below 8 writes seconds.
        assert_eq!(
            verdict(
                r#""retry_for":60,"retry_count":0,"failed_at":1795398064.364"#,
                absent
            ),
            Verdict::Dead
        );
    }

    #[test]
    fn retry_for_over_a_billion_or_of_another_type_is_ignored() {
        let absent = RetrySetting::Absent;
        for window in ["1000000001", "1e10", "null", "\"3600\"", "true", "[3600]"] {
            let fields =
                format!(r#""retry_for":{window},"retry":1,"retry_count":0,"failed_at":{NOW}"#);
            assert_eq!(verdict(&fields, absent), Verdict::Dead, "{window}");
        }
        let fields =
            format!(r#""retry_for":1000000000,"retry":1,"retry_count":0,"failed_at":{NOW}"#);
        assert_eq!(verdict(&fields, absent), retry(1));
    }

    #[test]
    fn retry_for_starts_anew_for_a_job_without_failures() {
        // Somebody pushed a copy of a failed job without its count.
        let fields = r#""retry_for":60,"failed_at":1000"#;
        assert_eq!(verdict(fields, RetrySetting::Absent), retry(0));
    }

    #[test]
    fn a_count_below_zero_from_a_manual_retry_is_the_first_again() {
        let failed_once = payload(r#""retry_count":0"#);
        assert_eq!(count_after_manual_retry(&failed_once), Some(-1));
        assert_eq!(
            verdict(r#""retry_count":-1"#, RetrySetting::Absent),
            retry(0)
        );
        assert_eq!(
            count_after_manual_retry(&payload(r#""retry_count":7"#)),
            Some(6)
        );
        assert_eq!(count_after_manual_retry(&payload("")), None);
    }

    #[test]
    fn a_custom_delay_replaces_the_base_and_keeps_the_jitter() {
        let third = payload(r#""retry_count":1"#);
        let rules = RetryRules::default();
        let delay = |base: Option<Duration>, random| match decide(
            &third,
            RetrySetting::Absent,
            &rules,
            NOW,
            base,
            random,
        ) {
            Verdict::Retry { delay_ms, count: 2 } => delay_ms,
            other => panic!("{other:?}"),
        };
        assert_eq!(delay(Some(Duration::from_millis(1_500)), 0.0), 1_500);
        assert_eq!(delay(Some(Duration::from_secs(60)), 0.5), 75_000);
        assert_eq!(delay(Some(Duration::ZERO), 0.0), 31_000);
        assert_eq!(delay(Some(Duration::MAX), 0.5), LONGEST_DELAY_MS);
    }

    proptest! {
        #[test]
        fn jitter_stays_below_ten_seconds_for_each_failure(count in 0u32..100, random in 0.0..1.0f64) {
            let least = delay_ms(count, None, 0.0);
            let delay = delay_ms(count, None, random);
            prop_assert!(delay >= least);
            prop_assert!(delay < least + 10_000 * (u64::from(count) + 1));
        }

        #[test]
        fn no_count_and_no_random_number_breaks_the_delay(count in any::<u32>(), random in any::<f64>(), base in any::<Option<u64>>()) {
            let delay = delay_ms(count, base.map(Duration::from_millis), random);
            prop_assert!(delay <= LONGEST_DELAY_MS);
        }
    }
}
