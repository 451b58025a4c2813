//! Times in payloads: four forms are read, two are written.
//!
//! Belongs here: the forms. Does not belong here: which field holds a time, and what time it is now.

use chrono::format::{self, Parsed, StrftimeItems};
use chrono::{FixedOffset, NaiveDate, NaiveTime};

use crate::payload::integer;
use crate::text;

/// Beyond this many milliseconds (the year 287396) an `f64` is no longer exact and arithmetic on times could overflow.
const LIMIT_MS: i64 = 1 << 53;

/// An instant, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(i64);

impl Stamp {
    /// An instant from milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Stamp {
        Stamp(millis)
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Reads the raw JSON of a time field. Sidekiq's own rule for numbers: with a fraction or an exponent it is seconds
    /// (6.x, 7.x), an integer is milliseconds (8.x). The same in quotes (Oj made such payloads), or an ISO-8601 string
    /// with date, time and zone (none: UTC). `None` for anything else and beyond 2^53 ms.
    ///
    /// ```
    /// use gandy_protocol::Stamp;
    /// let millis = |raw| Stamp::from_json(raw).map(Stamp::millis);
    /// assert_eq!(millis("1795398104.597"), Some(1795398104597));
    /// assert_eq!(millis("1795398104597"), Some(1795398104597));
    /// assert_eq!(millis("\"1795398104597\""), Some(1795398104597));
    /// assert_eq!(millis("\"2026-11-23T01:41:44.597Z\""), Some(1795398104597));
    /// ```
    pub fn from_json(raw: &str) -> Option<Stamp> {
        let raw = raw.trim_ascii();
        match text::unquoted(raw) {
            Some(inner) => number(inner.trim_ascii()).or_else(|| iso8601(inner.trim_ascii())),
            None => number(raw),
        }
    }

    /// An instant from seconds since 1970, as scores of `schedule`, `retry` and `dead` hold them. `None` beyond 2^53 ms.
    pub fn from_seconds(seconds: f64) -> Option<Stamp> {
        let millis = (seconds * 1_000.0).round();
        (millis.abs() <= LIMIT_MS as f64).then_some(Stamp(millis as i64))
    }
}

fn number(text: &str) -> Option<Stamp> {
    if let Some(millis) = integer(text) {
        return (-LIMIT_MS..=LIMIT_MS)
            .contains(&millis)
            .then_some(Stamp(millis));
    }
    // Rust also parses "inf", "nan" and ".5", which JSON has not.
    let digit = text.strip_prefix('-').unwrap_or(text).bytes().next()?;
    if !digit.is_ascii_digit() {
        return None;
    }
    text.parse().ok().and_then(Stamp::from_seconds)
}

/// `2026-11-23T01:41:44.597+01:00` and its common variants: a space for `T`, a comma for the point, no seconds, `Z`, `UTC`,
/// `+0100`, `+01`, no zone. chrono also takes numbers without their leading zero. A leap second is the next minute's
/// first, as for every clock that counts.
fn iso8601(text: &str) -> Option<Stamp> {
    let text = text.replace(',', ".");
    let (date, rest) = NaiveDate::parse_and_remainder(&text, "%Y-%m-%d").ok()?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, rest) = NaiveTime::parse_and_remainder(rest, "%H:%M:%S%.f")
        .or_else(|_| NaiveTime::parse_and_remainder(rest, "%H:%M"))
        .ok()?;
    let instant = date
        .and_time(time)
        .and_local_timezone(zone(rest)?)
        .single()?;
    Some(Stamp(instant.timestamp_millis()))
}

fn zone(text: &str) -> Option<FixedOffset> {
    let text = match text.trim_start() {
        "" | "UTC" => "Z",
        offset => offset,
    };
    let mut parsed = Parsed::new();
    format::parse(&mut parsed, text, StrftimeItems::new("%#z")).ok()?;
    parsed.to_fixed_offset().ok()
}

/// How times are written into payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StampFormat {
    /// Integer milliseconds, as Sidekiq 8 writes and reads.
    #[default]
    Milliseconds,
    /// Seconds with a fraction: for as long as a Sidekiq below 8 reads the payloads. It takes an integer for seconds.
    /// A worker then also shows its running jobs where Sidekiq up to 6.4.1 looks for them.
    Seconds,
}

impl StampFormat {
    /// The JSON number for an instant. Seconds always have a point, because its absence would make them milliseconds.
    ///
    /// ```
    /// use gandy_protocol::StampFormat;
    /// assert_eq!(StampFormat::Milliseconds.write(1795398164364), "1795398164364");
    /// assert_eq!(StampFormat::Seconds.write(1795398164364), "1795398164.364");
    /// assert_eq!(StampFormat::Seconds.write(1795398164000), "1795398164.0");
    /// ```
    pub fn write(self, millis: i64) -> String {
        let mut out = String::with_capacity(24);
        self.push(&mut out, millis);
        out
    }

    /// Appends what [`StampFormat::write`] gives.
    pub(crate) fn push(self, out: &mut String, millis: i64) {
        match self {
            StampFormat::Milliseconds => out.push_str(itoa::Buffer::new().format(millis)),
            StampFormat::Seconds => out.push_str(&seconds(millis)),
        }
    }
}

/// Seconds with a fraction, as scores of `schedule`, `retry` and `dead` are written by every version of Sidekiq.
/// Exact: made from the digits, not through a float.
pub fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let whole = millis.unsigned_abs() / 1_000;
    let fraction = format!("{:03}", millis.unsigned_abs() % 1_000);
    let fraction = fraction.trim_end_matches('0');
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    format!("{sign}{whole}.{fraction}")
}

/// The milliseconds that [`seconds`] has written; none for any other text.
pub fn from_seconds(seconds: &str) -> Option<i64> {
    let (whole, fraction) = seconds.split_once('.')?;
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !(1..=3).contains(&fraction.len()) {
        return None;
    }
    format!("{whole}{fraction:0<3}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis_of(raw: &str) -> Option<i64> {
        Stamp::from_json(raw).map(Stamp::millis)
    }

    #[test]
    fn four_forms_are_read() {
        // 6.4.1 and 8.1.7, as observed.
        assert_eq!(millis_of("1795398164.3647704"), Some(1_795_398_164_365));
        assert_eq!(millis_of("1795398104598"), Some(1_795_398_104_598));
        assert_eq!(millis_of("\"1795398164.3647704\""), Some(1_795_398_164_365));
        assert_eq!(millis_of("\"1795398104598\""), Some(1_795_398_104_598));
        assert_eq!(millis_of("1.7953981e9"), Some(1_795_398_100_000));
        assert_eq!(millis_of("-0"), Some(0));
    }

    #[test]
    fn iso_strings_are_read_with_their_zone() {
        let expect = Some(1_795_398_104_597);
        for text in [
            "2026-11-23T01:41:44.597Z",
            "2026-11-23t01:41:44.597z",
            "2026-11-23 01:41:44.597 UTC",
            "2026-11-23T01:41:44.5979999",
            "2026-11-23T02:41:44.597+01:00",
            "2026-11-22 20:11:44.597 -0530",
            "2026-11-23T03:41:44,597+02",
        ] {
            assert_eq!(millis_of(&format!("\"{text}\"")), expect, "{text}");
        }
        assert_eq!(millis_of("\"2026-11-23T01:41Z\""), Some(1_795_398_060_000));
        assert_eq!(
            millis_of("\"2016-12-31T23:59:60Z\""),
            millis_of("\"2017-01-01T00:00:00Z\"")
        );
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        for date in [
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-04-31",
            "2026-01-00",
        ] {
            assert_eq!(millis_of(&format!("\"{date}T00:00Z\"")), None, "{date}");
        }
        assert!(millis_of("\"2000-02-29T00:00Z\"").is_some());
    }

    #[test]
    fn what_is_no_time_is_none() {
        for raw in [
            "null",
            "true",
            "[1]",
            "{}",
            "\"\"",
            "\"soon\"",
            "\"nan\"",
            "\"inf\"",
            "\".5\"",
            "1e400",
            "99999999999999999999",
            "\"2026-11-23\"",
            "\"2026-13-01T00:00:00Z\"",
            "\"2026-02-29T00:00:00Z\"",
            "\"2026-01-01T24:00:00Z\"",
            "\"2026-01-01T00:00:00.Z\"",
            "\"2026-01-01T00:00:00X1\"",
            "\"2026-01-01T00:00:00+\"",
            "\"2026-01-01T00:00:00 \u{e9}\"",
        ] {
            assert_eq!(millis_of(raw), None, "{raw}");
        }
    }

    #[test]
    fn seconds_always_have_a_point() {
        assert_eq!(seconds(0), "0.0");
        assert_eq!(seconds(-1), "-0.001");
        assert_eq!(seconds(1_795_398_164_360), "1795398164.36");
        assert_eq!(seconds(i64::MIN), "-9223372036854775.808");
        for millis in [0, -1, 1_795_398_164_360, i64::MAX, i64::MIN] {
            assert_eq!(from_seconds(&seconds(millis)), Some(millis));
        }
        for other in ["", "1", "1.", "1.2345", "1.-5", "a.5", "inf"] {
            assert_eq!(from_seconds(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in -LIMIT_MS / 10..LIMIT_MS / 10) {
            for format in [StampFormat::Milliseconds, StampFormat::Seconds] {
                let raw = format.write(millis);
                prop_assert_eq!(millis_of(&raw), Some(millis));
                let quoted = format!("\"{}\"", raw);
                prop_assert_eq!(millis_of(&quoted), Some(millis));
            }
        }

        #[test]
        fn iso_strings_agree_with_the_calendar(millis in 0i64..253_402_300_799_999) {
            let minute = crate::Minute::from_millis(millis).to_string();
            prop_assert_eq!(millis_of(&format!("\"{minute}\"")), Some(millis - millis.rem_euclid(60_000)));
        }

        #[test]
        fn no_text_panics(text in any::<String>(), near in "[0-9T: .+Z-]{0,30}") {
            let _ = Stamp::from_json(&text);
            let _ = Stamp::from_json(&format!("\"{near}\""));
        }
    }
}
