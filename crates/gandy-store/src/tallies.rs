//! What was counted: runs by day, and the execution metrics by class and minute. Bounded reads only.
//!
//! Not here: counting (`heartbeat`), and what the numbers come to.

use std::collections::HashMap;

use gandy_protocol::{
    Minute,
    metrics::{BUCKETS, counts},
};

use crate::{Line, StoreError, Tally};

/// What is counted of a class in a bucket: runs, failures, milliseconds.
const FIELDS: [&str; 3] = ["p", "f", "ms"];
/// Keys read in one write.
const PAGE: usize = 200;
/// The same of histograms, which have 52 bytes.
const SMALL_PAGE: usize = 500;

/// How wide the buckets of a metrics hash are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Kept for 8 hours.
    Minute,
    /// Kept for 3 days.
    TenMinutes,
}

/// What one class did in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Executed {
    /// Runs, failed ones included.
    pub runs: u64,
    /// Failed runs.
    pub failures: u64,
    /// Milliseconds that the others took together.
    pub millis: u64,
}

impl Line {
    /// The counters of the UTC days in which these times lie, in their order.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn days(&self, days: &[Minute]) -> Result<Vec<Tally>, StoreError> {
        let mut found = Vec::with_capacity(days.len());
        for page in days.chunks(PAGE) {
            let mut command = redis::cmd("MGET");
            for day in page {
                let date = day.date();
                command.arg(self.keys().stat_processed_day(&date));
                command.arg(self.keys().stat_failed_day(&date));
            }
            let counts: Vec<Option<Vec<u8>>> = self.query(&command).await?;
            found.extend(counts.chunks(2).map(|pair| Tally {
                processed: number(&pair[0]),
                failed: pair.get(1).map_or(0, number),
            }));
        }
        Ok(found)
    }

    /// What each class did in each of these buckets, in their order; or `only` one of them, without reading the others.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn executed(
        &self,
        width: Width,
        buckets: &[Minute],
        only: Option<&str>,
    ) -> Result<Vec<HashMap<String, Executed>>, StoreError> {
        let names = only.map(|class| FIELDS.map(|field| format!("{class}|{field}").into_bytes()));
        let mut found = Vec::with_capacity(buckets.len());
        for page in buckets.chunks(PAGE) {
            let mut pipe = redis::pipe();
            for minute in page {
                let key = match width {
                    Width::Minute => self.keys().metrics_minute(*minute),
                    Width::TenMinutes => self.keys().metrics_ten_minutes(*minute),
                };
                match &names {
                    Some(names) => pipe.cmd("HMGET").arg(key).arg(names),
                    None => pipe.cmd("HGETALL").arg(key),
                };
            }
            for reply in self.each(&pipe).await? {
                // A key of another type is the doctor's business.
                found.push(by_class(match (reply, &names) {
                    (Ok(value), None) => self.read(value).unwrap_or_default(),
                    (Ok(value), Some(names)) => {
                        let values: Vec<Option<Vec<u8>>> = self.read(value).unwrap_or_default();
                        let fields = names.iter().cloned().zip(values);
                        fields
                            .filter_map(|(name, value)| Some((name, value?)))
                            .collect()
                    }
                    (Err(_), _) => HashMap::new(),
                }));
            }
        }
        Ok(found)
    }

    /// How long the runs of these classes in these minutes took, in their order.
    ///
    /// # Errors
    /// Any; reads only.
    pub async fn histograms(
        &self,
        wanted: &[(&str, Minute)],
    ) -> Result<Vec<[u64; BUCKETS]>, StoreError> {
        let mut found = Vec::with_capacity(wanted.len());
        for page in wanted.chunks(SMALL_PAGE) {
            let mut command = redis::cmd("MGET");
            for (class, minute) in page {
                command.arg(self.keys().metrics_histogram(class, *minute));
            }
            // A key of another type is nil here.
            let replies: Vec<Option<Vec<u8>>> = self.query(&command).await?;
            found.extend(replies.iter().map(|reply| match reply {
                Some(bytes) => counts(bytes),
                None => [0; BUCKETS],
            }));
        }
        Ok(found)
    }
}

/// What is no number counts nothing.
fn number(count: &Option<Vec<u8>>) -> u64 {
    let text = count
        .as_ref()
        .and_then(|count| std::str::from_utf8(count).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The fields `<class>|p`, `|f` and `|ms` of a bucket's hash. What is no text or no number is none of ours.
fn by_class(fields: HashMap<Vec<u8>, Vec<u8>>) -> HashMap<String, Executed> {
    let mut classes: HashMap<String, Executed> = HashMap::new();
    for (field, value) in fields {
        let (Ok(field), Ok(value)) = (String::from_utf8(field), String::from_utf8(value)) else {
            continue;
        };
        let (Some((class, what)), Ok(value)) = (field.rsplit_once('|'), value.parse::<f64>())
        else {
            continue;
        };
        // Ruby may write milliseconds with a fraction.
        let value = value.max(0.0) as u64;
        let place = classes.entry(class.to_owned()).or_default();
        match what {
            "p" => place.runs = value,
            "f" => place.failures = value,
            "ms" => place.millis = value,
            _ => {}
        }
    }
    classes.retain(|_, executed| *executed != Executed::default());
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_bucket_are_read_by_class_and_nonsense_is_left_out() {
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let mut fields = HashMap::from([
            field("A::B|p", "3"),
            field("A::B|f", "1"),
            field("A::B|ms", "20.7"),
            field("odd|name|p", "2"),
            field("none", "5"),
            field("x|p", "many"),
            field("y|q", "1"),
        ]);
        fields.insert(vec![0xff], vec![b'1']);
        let classes = by_class(fields);
        assert_eq!(classes.len(), 2, "{classes:?}");
        let of = |runs, failures, millis| Executed {
            runs,
            failures,
            millis,
        };
        assert_eq!(classes["A::B"], of(3, 1, 20));
        assert_eq!(classes["odd|name"], of(2, 0, 0));
    }
}
