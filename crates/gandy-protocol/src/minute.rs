//! A minute of a UTC day, as the names of Sidekiq's statistics keys hold it.
//!
//! Belongs here: from milliseconds since 1970 to its parts. Does not belong here: which keys exist, and reading times from
//! payloads (`stamp`).

use std::fmt;

use chrono::{DateTime, Datelike as _, Timelike as _};

/// 0000-01-01T00:00 and 9999-12-31T23:59:59.999: other years have no four digits.
const FOUR_DIGIT_YEARS: (i64, i64) = (-62_167_219_200_000, 253_402_300_799_999);

/// A minute of a UTC day, as Sidekiq's statistics keys name it. Displayed as `YYYY-MM-DDTHH:MMZ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute {
    /// The year, 2026.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

impl Minute {
    /// The minute in which `millis` since 1970-01-01 UTC lies. Times outside the years 0 to 9999 are held to them.
    pub fn from_millis(millis: i64) -> Minute {
        let (first, last) = FOUR_DIGIT_YEARS;
        // chrono holds 262,000 years to either side, so the default is never taken.
        let instant =
            DateTime::from_timestamp_millis(millis.clamp(first, last)).unwrap_or_default();
        Minute {
            year: instant.year(),
            month: instant.month() as u8,
            day: instant.day() as u8,
            hour: instant.hour() as u8,
            minute: instant.minute() as u8,
        }
    }

    /// The day as `stat:processed:…` names it: `YYYY-MM-DD`.
    pub fn date(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Minute { hour, minute, .. } = self;
        write!(f, "{}T{hour:02}:{minute:02}Z", self.date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stamp;

    #[test]
    fn known_instants() {
        let text = |millis| Minute::from_millis(millis).to_string();
        assert_eq!(text(0), "1970-01-01T00:00Z");
        assert_eq!(text(-1), "1969-12-31T23:59Z");
        assert_eq!(text(951_782_400_000), "2000-02-29T00:00Z");
        assert_eq!(text(1_795_398_104_597), "2026-11-23T01:41Z");
        assert_eq!(text(i64::MAX), "9999-12-31T23:59Z");
        assert_eq!(text(i64::MIN), "0000-01-01T00:00Z");
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_day_before() {
        let mut millis = -11_676_096_000_000;
        assert_eq!(Minute::from_millis(millis).date(), "1600-01-01");
        for year in 1600..2400 {
            for month in 1..=12 {
                for day in 1..=month_length(year, month) {
                    let minute = Minute::from_millis(millis);
                    assert_eq!((minute.year, minute.month, minute.day), (year, month, day));
                    let raw = format!("\"{minute}\"");
                    assert_eq!(Stamp::from_json(&raw), Some(Stamp::from_millis(millis)));
                    millis += 86_400_000;
                }
            }
        }
    }

    fn month_length(year: i32, month: u8) -> u8 {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        match month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}
