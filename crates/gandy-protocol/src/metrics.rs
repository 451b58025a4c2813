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

/// The histogram that a bitfield's bytes hold: 16 bits each, the high byte first. What is missing at its end is 0.
pub fn counts(bytes: &[u8]) -> [u64; BUCKETS] {
    let mut counts = [0; BUCKETS];
    for (count, pair) in counts.iter_mut().zip(bytes.chunks_exact(2)) {
        *count = u64::from(pair[0]) << 8 | u64::from(pair[1]);
    }
    counts
}

/// About how long, in milliseconds, the fastest `share` (0 to 1) of the runs took at most: within a bucket runs count as
/// spread evenly, and those of the last one, which has no bound, as that bucket's lower bound. `None`: there was none.
pub fn quantile(counts: &[u64; BUCKETS], share: f64) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let rank = share.clamp(0.0, 1.0) * total as f64;
    let mut below = 0.0;
    let mut low = 0.0;
    for (index, &count) in counts.iter().enumerate() {
        let Some(&high) = BUCKET_BOUNDS_MS.get(index) else {
            break;
        };
        let here = count as f64;
        if count > 0 && below + here >= rank {
            return Some(low + (f64::from(high) - low) * ((rank - below) / here).max(0.0));
        }
        below += here;
        low = f64::from(high);
    }
    Some(low)
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
    fn quantiles_lie_in_their_bucket() {
        let mut histogram = [0; BUCKETS];
        assert_eq!(quantile(&histogram, 0.5), None);
        histogram[0] = 50;
        histogram[4] = 50;
        assert_eq!(quantile(&histogram, 0.5), Some(20.0));
        assert_eq!(quantile(&histogram, 0.25), Some(10.0));
        assert_eq!(quantile(&histogram, 1.0), Some(100.0));
        assert_eq!(quantile(&histogram, 0.75), Some(82.5));
        let mut slow = [0; BUCKETS];
        slow[25] = 1;
        assert_eq!(quantile(&slow, 0.5), Some(335_000.0));
    }

    #[test]
    fn a_bitfield_is_read_as_redis_writes_it() {
        // `BITFIELD k INCRBY u16 #0 1 INCRBY u16 #2 258` makes these six bytes.
        let counts = counts(&[0, 1, 0, 0, 1, 2]);
        assert_eq!(
            (counts[0], counts[1], counts[2], counts[25]),
            (1, 0, 258, 0)
        );
    }

    #[test]
    fn fields_name_the_class() {
        assert_eq!(executions_field("A::B"), "A::B|p");
        assert_eq!(failures_field("A::B"), "A::B|f");
        assert_eq!(milliseconds_field("A::B"), "A::B|ms");
    }
}
