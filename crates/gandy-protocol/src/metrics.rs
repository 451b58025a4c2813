//! Sidekiq 8's execution metrics: key names, field names and the histogram's steps.
//!
//! Belongs here: names and steps. Does not belong here: counting, and when counts are flushed.

use crate::minute::Minute;

/// Seconds that a minute key and a histogram live.
pub const MINUTE_TTL_S: u32 = 8 * 3_600;
/// Seconds that a ten-minute key lives.
pub const TEN_MINUTES_TTL_S: u32 = 3 * 24 * 3_600;

/// The upper bounds of the histogram's buckets in milliseconds; a duration lies in the first bucket whose bound is
/// greater. One more bucket takes the rest.
pub const BUCKET_BOUNDS_MS: [u32; 25] = [
    20, 30, 45, 65, 100, 150, 225, 335, 500, 750, 1_100, 1_700, 2_500, 3_800, 5_750, 8_500, 13_000,
    20_000, 30_000, 45_000, 65_000, 100_000, 150_000, 225_000, 335_000,
];

/// Buckets in a histogram: 16-bit counters, number `n` at `#n` of the bitfield.
pub const BUCKETS: usize = BUCKET_BOUNDS_MS.len() + 1;

/// The bucket of a duration, 0 to 25.
pub fn bucket(millis: u64) -> usize {
    BUCKET_BOUNDS_MS.partition_point(|bound| u64::from(*bound) <= millis)
}

/// `j|YYMMDD|H:MM`, without prefix: the hour is not padded, the minute is.
pub(crate) fn minute_key(minute: Minute) -> String {
    let Minute {
        year,
        month,
        day,
        hour,
        minute,
    } = minute;
    let year = year.rem_euclid(100);
    format!("j|{year:02}{month:02}{day:02}|{hour}:{minute:02}")
}

/// `j|YYMMDD|H:M`, without prefix: the minute's key without its last digit.
pub(crate) fn ten_minutes_key(minute: Minute) -> String {
    let mut key = minute_key(minute);
    key.pop();
    key
}

/// `h|<Class>-D-H:M`, without prefix: nothing is padded.
pub(crate) fn histogram_key(class: &str, minute: Minute) -> String {
    let Minute {
        day, hour, minute, ..
    } = minute;
    format!("h|{class}-{day}-{hour}:{minute}")
}

/// The field that counts a class's executions, failed ones included.
pub fn executions_field(class: &str) -> String {
    format!("{class}|p")
}

/// The field that counts a class's failures.
pub fn failures_field(class: &str) -> String {
    format!("{class}|f")
}

/// The field that sums the milliseconds of a class's successful executions.
pub fn milliseconds_field(class: &str) -> String {
    format!("{class}|ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_sidekiq_8() {
        let minute = Minute::from_millis(1_795_398_104_597);
        assert_eq!(minute_key(minute), "j|261123|1:41");
        assert_eq!(ten_minutes_key(minute), "j|261123|1:4");
        assert_eq!(histogram_key("OkJob", minute), "h|OkJob-23-1:41");
    }

    #[test]
    fn only_the_minute_of_the_minute_key_is_padded() {
        let minute = Minute {
            year: 2007,
            month: 2,
            day: 3,
            hour: 4,
            minute: 5,
        };
        assert_eq!(minute_key(minute), "j|070203|4:05");
        assert_eq!(ten_minutes_key(minute), "j|070203|4:0");
        assert_eq!(histogram_key("A::B", minute), "h|A::B-3-4:5");
    }

    #[test]
    fn a_duration_lies_below_its_bucket_bound() {
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(19), 0);
        assert_eq!(bucket(20), 1);
        assert_eq!(bucket(334_999), 24);
        assert_eq!(bucket(335_000), 25);
        assert_eq!(bucket(u64::MAX), 25);
        for (index, bound) in BUCKET_BOUNDS_MS.iter().enumerate() {
            assert_eq!(bucket(u64::from(*bound) - 1), index);
            assert_eq!(bucket(u64::from(*bound)), index + 1);
        }
    }

    #[test]
    fn fields_name_the_class() {
        assert_eq!(executions_field("A::B"), "A::B|p");
        assert_eq!(failures_field("A::B"), "A::B|f");
        assert_eq!(milliseconds_field("A::B"), "A::B|ms");
    }
}
