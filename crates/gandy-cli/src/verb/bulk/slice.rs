//! A slice of the input: up to 1,000 jobs, parsed and checked before the first of them is sent.

use std::time::Duration;

use gandy::{Client, Error, Push};

use super::lines::{Line, Lines, Text};
use super::{Stop, Tally};
use crate::connection::MAX_PAYLOAD;
use crate::failure::Failure;
use crate::printable::printable;

/// The most jobs in a slice, as in one command of the library.
const JOBS_MAX: usize = 1000;

/// A slice ends at the line that takes it over so many bytes: a thousand large payloads would be one command of a
/// gigabyte, which Redis refuses.
const BYTES_MAX: usize = 4 << 20;

/// So long a slice that has jobs waits for its next line, so that what trickles in is pushed as it comes.
const PATIENCE: Duration = Duration::from_millis(200);

/// What the client adds to a record when it sends it: `,"enqueued_at":1795398104597`.
const ADDED_BYTES: usize = 28;

#[derive(Debug)]
pub(super) struct Slice {
    jobs: Vec<(u64, Push)>,
    end: End,
}

#[derive(Debug)]
enum End {
    /// More lines may follow.
    Full,
    /// The input has ended.
    Input,
    /// This line is no job.
    Bad(Stop),
}

impl Slice {
    /// Takes lines until the slice is full, the input pauses or ends, or a line is no job.
    pub(super) async fn gather(lines: &mut Lines) -> Self {
        let mut jobs = Vec::new();
        let mut bytes = 0;
        while jobs.len() < JOBS_MAX && bytes < BYTES_MAX {
            let next = if jobs.is_empty() {
                lines.next().await
            } else {
                match tokio::time::timeout(PATIENCE, lines.next()).await {
                    Ok(next) => next,
                    Err(_) => break,
                }
            };
            let Some(line) = next else {
                return Self {
                    jobs,
                    end: End::Input,
                };
            };
            let number = line.number;
            match job(line) {
                Ok(None) => {}
                Ok(Some((push, size))) => {
                    jobs.push((number, push));
                    bytes += size;
                }
                Err(failure) => {
                    return Self {
                        jobs,
                        end: End::Bad(Stop {
                            line: number,
                            failure,
                        }),
                    };
                }
            }
        }
        Self {
            jobs,
            end: End::Full,
        }
    }

    /// Whether nothing comes after it.
    pub(super) fn is_last(&self) -> bool {
        !matches!(self.end, End::Full)
    }

    /// The line at which it ended because it is no job.
    pub(super) fn into_bad_line(self) -> Option<Stop> {
        match self.end {
            End::Bad(stop) => Some(stop),
            _ => None,
        }
    }

    /// Sends it, queue by queue, and stops at the first error: each further queue could cost another time-out.
    pub(super) async fn send(&self, client: &Client, tally: &mut Tally) -> Result<(), Stop> {
        let mut done = vec![false; self.jobs.len()];
        let mut stopped = None;
        for group in self.by_queue() {
            let pushes: Vec<Push> = group
                .iter()
                .map(|place| self.jobs[*place].1.clone())
                .collect();
            for (place, result) in group.iter().zip(client.send_all(pushes).await) {
                match result {
                    Ok(_) => done[*place] = true,
                    Err(error) => {
                        tally.unknown += u64::from(matches!(error, Error::Unknown { .. }));
                        stopped.get_or_insert(error);
                    }
                }
            }
            if stopped.is_some() {
                break;
            }
        }
        tally.acknowledged += done.iter().filter(|done| **done).count() as u64;
        let (Some(first), Some(error)) = (done.iter().position(|done| !done), stopped) else {
            return Ok(());
        };
        tally.beyond = done[first..].iter().filter(|done| **done).count() as u64;
        // The library's words for a push in doubt name one job; here they are many, and counted.
        let failure = match error {
            Error::Unknown { source, .. } => Failure::unknown(printable(&source.to_string())),
            error => error.into(),
        };
        Err(Stop {
            line: self.jobs[first].0,
            failure,
        })
    }

    /// The places of the jobs of each queue, in the order in which the queues come.
    fn by_queue(&self) -> Vec<Vec<usize>> {
        let mut names: Vec<&str> = Vec::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (place, (_, push)) in self.jobs.iter().enumerate() {
            let queue = push.record().queue.as_str();
            match names.iter().position(|name| *name == queue) {
                Some(at) => groups[at].push(place),
                None => {
                    names.push(queue);
                    groups.push(vec![place]);
                }
            }
        }
        groups
    }
}

/// The job in a line and its size; none in an empty line.
fn job(line: Line) -> Result<Option<(Push, usize)>, Failure> {
    let bad = |words: &str| Failure::data(format!("line {}: {}", line.number, printable(words)));
    let bytes = match line.text {
        Text::Whole(bytes) => bytes,
        Text::TooLong => {
            return Err(bad(
                "is longer than 2 MiB; store the data elsewhere and push its key",
            ));
        }
        Text::Failed(error) => {
            return Err(Failure::io(format!(
                "standard input could not be read at line {}: {error}",
                line.number
            )));
        }
    };
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text.trim_ascii(),
        Err(error) => return Err(bad(&format!("not UTF-8 at byte {}", error.valid_up_to()))),
    };
    if text.is_empty() {
        return Ok(None);
    }
    let push = Push::from_json(text).map_err(|error| match error {
        Error::Record(wrong) => bad(&wrong.to_string()),
        other => bad(&other.to_string()),
    })?;
    let size = push.record().to_json().len() + ADDED_BYTES;
    if size > MAX_PAYLOAD {
        // Found before it is sent, or the lines after it would be pushed and this one not.
        let error = Error::TooLarge {
            class: push.class().to_owned(),
            size,
            limit: MAX_PAYLOAD,
        };
        return Err(bad(&error.to_string()));
    }
    Ok(Some((push, size)))
}
