//! The `Retry-After` header (RFC 9110, 10.2.3): seconds, or a date.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// A wrong or hostile header must not put a job off for years.
pub const LONGEST: Duration = Duration::from_secs(86_400);

/// The delay that a header asks for, at most [`LONGEST`]; a date that is past is no delay. `None` when it is
/// neither seconds nor a date.
pub fn parse(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let at = DateTime::parse_from_rfc2822(value).ok()?;
    let delay = (at.to_utc() - now).to_std().unwrap_or(Duration::ZERO);
    Some(delay.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_at_noon(value: &str) -> Option<u64> {
        let now =
            DateTime::from_timestamp(1_795_435_200, 0).expect("Mon, 23 Nov 2026 12:00:00 GMT");
        parse(value, now).map(|delay| delay.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_delays_with_a_limit() {
        for (value, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999", Some(86_400)),
            ("Mon, 23 Nov 2026 12:00:30 GMT", Some(30)),
            ("Mon, 23 Nov 2026 11:00:00 GMT", Some(0)),
            ("Wed, 23 Nov 2033 12:00:00 GMT", Some(86_400)),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(parse_at_noon(value), expected, "{value}");
        }
    }
}
