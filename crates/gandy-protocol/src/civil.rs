//! Calendar time in UTC: between milliseconds since 1970 and the year, month, day, hour and minute that key names hold.
//!
//! Belongs here: the proleptic Gregorian calendar. Does not belong here: time zones, and which keys exist.

use std::fmt;

const DAY_MS: i64 = 86_400_000;

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
        let millis = millis.clamp(-62_167_219_200_000, 253_402_300_799_999);
        let (year, month, day) = date(millis.div_euclid(DAY_MS));
        let minutes = millis.rem_euclid(DAY_MS) / 60_000;
        Minute {
            year: year as i32,
            month: month as u8,
            day: day as u8,
            hour: (minutes / 60) as u8,
            minute: (minutes % 60) as u8,
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

/// Days since 1970-01-01 of a date that exists; `None` for one that does not (month 13, 30 February).
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 || day > month_length(year, month) {
        return None;
    }
    // Years that begin in March put the leap day last, so that months have one formula for their start.
    let year = year - i64::from(month <= 2);
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(365 * year + leap_days + day_of_year - 719_468)
}

fn month_length(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of a number of days since 1970-01-01: the inverse of [`days`].
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut expect = days(1600, 1, 1).unwrap_or_default();
        for year in 1600..2400 {
            for month in 1..=12 {
                for day in 1..=month_length(year, month) {
                    assert_eq!(days(year, month, day), Some(expect));
                    assert_eq!(date(expect), (year, month, day));
                    expect += 1;
                }
            }
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        for (year, month, day) in [
            (2026, 2, 29),
            (1900, 2, 29),
            (2026, 13, 1),
            (2026, 0, 1),
            (2026, 4, 31),
            (2026, 1, 0),
        ] {
            assert_eq!(days(year, month, day), None, "{year}-{month}-{day}");
        }
    }
}
