//! What stands in Redis: a million retries in Sidekiq's shape, a long queue, some scheduled and dead jobs, and eight hours of
//! twenty classes' metrics.

use std::io::Write as _;

use anyhow::Result;

use crate::case::Case;
use crate::floor::fill::fill;
use crate::payload::{self, now_ns};
use crate::resp::Conn;
use crate::stage::Stage;
use crate::task::Task;

/// The long queue; nobody works on it.
pub(super) const LONG: &str = "default";
/// Whose workers have nothing to do.
pub(super) const IDLE: &str = "low";
/// Whose worker is never done.
pub(super) const BUSY: &str = "mail";
/// A class that has metrics of eight hours, with a histogram of each minute.
pub(super) const CLASS: &str = "Class00";

/// Five a second: for longer than a case takes.
const RUNS: u64 = 5_000;
/// Scheduled, and dead as Sidekiq keeps them.
const OTHERS: u64 = 10_000;
/// Retries become due so many a second, from an hour on.
const A_SECOND: u64 = 10;
const AHEAD_S: u64 = 3_600;
/// Sidekiq keeps minutes for so long.
const MINUTES: u64 = 480;
const CLASSES: u64 = 20;

/// Entries in one command, and payload bytes on their way before replies are read.
const SLICE: u64 = 1_000;
const AHEAD_BYTES: usize = 8 << 20;

/// What was filled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data {
    now_s: u64,
    retries: u64,
}

impl Data {
    /// Fills the stage's Redis: as many retries as the case has jobs, and a fifth of it in a queue.
    pub(super) fn fill(stage: &mut Stage, case: &Case) -> Result<Self> {
        let data = Self {
            now_s: now_ns() / 1_000_000_000,
            retries: case.jobs,
        };
        let address = stage.address();
        let mut conn = Conn::connect(&address)?;
        data.set(&mut conn, "retry", data.retries)?;
        data.set(&mut conn, "schedule", OTHERS)?;
        data.set(&mut conn, "dead", OTHERS)?;
        data.metrics(&mut conn)?;
        let first = 1 << 40;
        for (queue, task, many) in [
            (LONG, Task::Noop, data.retries / 5),
            (BUSY, Task::Sleep1000, RUNS),
        ] {
            fill(
                &address,
                &format!("queue:{queue}"),
                queue,
                task,
                first..first + many,
            )?;
        }
        stage.probe.ask(&["SADD", "queues", LONG, IDLE, BUSY])?;
        Ok(data)
    }

    /// The score of the retry in the middle.
    pub(super) fn middle(&self) -> String {
        self.score(self.retries / 2)
    }

    /// The id of one retry.
    pub(super) fn jid(number: u64) -> String {
        format!("{number:024x}")
    }

    fn score(&self, number: u64) -> String {
        format!(
            "{}.{:06}",
            self.now_s + AHEAD_S + number / A_SECOND,
            number % 1_000_000
        )
    }

    fn set(&self, conn: &mut Conn, key: &str, many: u64) -> Result<()> {
        let mut bytes = Vec::new();
        let mut owed = 0;
        for first in (0..many).step_by(usize::try_from(SLICE)?) {
            let last = many.min(first + SLICE);
            conn.begin(2 + 2 * usize::try_from(last - first)?);
            conn.part(b"ZADD");
            conn.part(key.as_bytes());
            for number in first..last {
                let score = match key {
                    "dead" => format!("{}.{number:06}", self.now_s - 86_400 + number),
                    _ => self.score(number),
                };
                conn.part(score.as_bytes());
                bytes.clear();
                match key {
                    "schedule" => {
                        payload::write(Task::Noop, LONG, (1 << 41) + number, &mut bytes);
                    }
                    "dead" => write_failed((1 << 42) + number, self.now_s, &mut bytes),
                    _ => write_failed(number, self.now_s, &mut bytes),
                }
                conn.part(&bytes);
            }
            owed += 1;
            if conn.gathered() >= AHEAD_BYTES || last == many {
                conn.flush()?;
                for _ in 0..owed {
                    conn.skim()?;
                }
                owed = 0;
            }
        }
        Ok(())
    }

    /// As Sidekiq 8 writes them: a hash for each minute, and a histogram of 26 counters for one class.
    fn metrics(&self, conn: &mut Conn) -> Result<()> {
        let mut histogram = vec![0_u8; 52];
        histogram[5] = 40;
        histogram[7] = 20;
        for back in 0..MINUTES {
            let minute = Minute::at(self.now_s - back * 60);
            let key = minute.key();
            conn.begin(2 + 6 * usize::try_from(CLASSES)?);
            conn.part(b"HSET");
            conn.part(key.as_bytes());
            for class in 0..CLASSES {
                for (name, value) in [("p", 60 + back % 7), ("f", back % 3), ("ms", 3_000)] {
                    conn.part(format!("Class{class:02}|{name}").as_bytes());
                    conn.part(value.to_string().as_bytes());
                }
            }
            conn.push(&[b"SET", minute.histogram(CLASS).as_bytes(), &histogram]);
        }
        conn.flush()?;
        for _ in 0..MINUTES * 2 {
            conn.skim()?;
        }
        Ok(())
    }
}

/// A job that failed, as Sidekiq leaves it in `retry` and `dead`: about 430 bytes.
fn write_failed(number: u64, now_s: u64, into: &mut Vec<u8>) {
    let pick = |names: &[&'static str]| names[number as usize % names.len()];
    let (class, queue) = (pick(&["Mailer", "Invoice", "Sync", "Thumbnail"]), LONG);
    let error = pick(&["Net::OpenTimeout", "Errno::ECONNREFUSED", "RuntimeError"]);
    let (at, failed) = ((now_s - 7_200) * 1_000, (now_s - 3_600) * 1_000);
    // A write into memory does not fail.
    let _ = write!(
        into,
        r#"{{"retry":true,"queue":"{queue}","args":[{number},"{:x<102}"],"class":"{class}","jid":"{}","created_at":{at},"enqueued_at":{at},"error_message":"smtp-{}.example.com did not answer within 5 seconds","error_class":"{error}","failed_at":{failed},"retry_count":{}}}"#,
        "",
        Data::jid(number),
        number % 7,
        number % 5,
    );
}

/// A minute of UTC, as names of metrics have it.
#[derive(Debug, PartialEq, Eq)]
struct Minute {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
}

impl Minute {
    /// Howard Hinnant's way from days to a date, for times after 1970.
    fn at(seconds: u64) -> Self {
        let days = seconds / 86_400 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        Self {
            year: year + era * 400 + u64::from(month <= 2),
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
        }
    }

    fn key(&self) -> String {
        let Self {
            month, day, hour, ..
        } = self;
        let year = self.year % 100;
        format!("j|{year:02}{month:02}{day:02}|{hour}:{:02}", self.minute)
    }

    fn histogram(&self, class: &str) -> String {
        format!("h|{class}-{}-{}:{}", self.day, self.hour, self.minute)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_of_metrics_are_those_that_ruby_gave() {
        // 2026-11-23 01:41 UTC.
        let minute = Minute::at(1_795_398_104);
        assert_eq!(minute.key(), "j|261123|1:41");
        assert_eq!(minute.histogram("OkJob"), "h|OkJob-23-1:41");
        assert_eq!(Minute::at(1_709_210_096).key(), "j|240229|12:34");
        assert_eq!(Minute::at(1_767_225_599).key(), "j|251231|23:59");
    }

    #[test]
    fn a_failed_job_is_what_sidekiq_leaves() {
        let mut bytes = Vec::new();
        write_failed(123_456, 1_795_398_104, &mut bytes);
        assert!((400..=460).contains(&bytes.len()), "{}", bytes.len());
        let job = gandy::Payload::parse(bytes).unwrap();
        assert_eq!(job.jid(), Data::jid(123_456));
        assert_eq!(job.field("error_class"), Some(r#""Net::OpenTimeout""#));
        assert_eq!(job.retry_count(), Some(1));
    }

    #[test]
    fn the_middle_is_the_score_of_a_job() {
        let data = Data {
            now_s: 1_000_000,
            retries: 2_468,
        };
        assert_eq!(data.middle(), "1003723.001234");
    }
}
