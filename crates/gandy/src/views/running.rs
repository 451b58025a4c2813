//! What runs now, as the processes themselves show it with their heartbeats: Ruby's every 10 s, Gandy's every 5 s.

use gandy_protocol::Payload;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Error, Inspect, ProcessInfo};

/// A running job. A large one is shown without its arguments.
#[derive(Debug, Clone)]
pub struct RunningJob {
    /// Whose process.
    pub identity: String,
    /// The place in it: a thread id in Ruby, a token number in Gandy.
    pub id: String,
    /// The queue it came from.
    pub queue: Option<String>,
    /// The job; none where what is shown cannot be read.
    pub payload: Option<Payload>,
    /// When the run began, to the second, in milliseconds since the epoch.
    pub started_ms: Option<i64>,
    /// How far it has come, where its handler says.
    pub steps: Option<Steps>,
}

/// How far a running job has come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Steps {
    /// Steps done.
    pub done: u64,
    /// Steps in all, where that is known.
    pub total: Option<u64>,
    /// A short text for people.
    #[serde(default)]
    pub note: String,
}

/// The JSON of one entry; what is not there or of another type is left out field by field.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    queue: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    run_at: Option<&'a RawValue>,
    #[serde(borrow)]
    gandy_progress: Option<&'a RawValue>,
}

impl RunningJob {
    fn read(identity: &str, id: &str, json: &str) -> Self {
        let entry = serde_json::from_str::<Entry<'_>>(json).ok();
        let raw = |pick: for<'a> fn(&Entry<'a>) -> Option<&'a RawValue>| {
            entry.as_ref().and_then(pick).map(RawValue::get)
        };
        // A string since Sidekiq 6.0.2, before that the object itself.
        let payload = raw(|entry| entry.payload).and_then(|raw| {
            let text = serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned());
            Payload::parse(text.into_bytes()).ok()
        });
        Self {
            identity: identity.to_owned(),
            id: id.to_owned(),
            queue: raw(|entry| entry.queue).and_then(|raw| serde_json::from_str(raw).ok()),
            payload,
            started_ms: raw(|entry| entry.run_at)
                .and_then(|raw| raw.parse::<f64>().ok())
                .map(|seconds| (seconds * 1000.0) as i64),
            steps: raw(|entry| entry.gandy_progress).and_then(|raw| serde_json::from_str(raw).ok()),
        }
    }

    /// What these processes run, the longest run first.
    #[must_use]
    pub fn all_of(processes: &[ProcessInfo]) -> Vec<Self> {
        of_processes(processes)
    }

    /// The job's id, where it can be read.
    #[must_use]
    pub fn jid(&self) -> Option<&str> {
        self.payload.as_ref().map(Payload::jid)
    }

    /// The class under which it counts.
    #[must_use]
    pub fn class(&self) -> Option<&str> {
        self.payload.as_ref().map(Payload::display_class)
    }
}

/// What these processes run, the longest run first.
pub(super) fn of_processes(processes: &[ProcessInfo]) -> Vec<RunningJob> {
    let mut running: Vec<RunningJob> = processes
        .iter()
        .flat_map(|process| {
            let work = process.work.iter();
            work.map(|work| RunningJob::read(&process.identity, &work.id, &work.json))
        })
        .collect();
    running.sort_by(|a, b| {
        let key = |job: &RunningJob| (job.started_ms.unwrap_or(i64::MAX), job.identity.clone());
        key(a).cmp(&key(b))
    });
    running
}

impl Inspect {
    /// The running jobs of all processes, Ruby's included, the longest run first.
    ///
    /// # Errors
    /// As [`Inspect::totals`].
    pub async fn busy(&self) -> Result<Vec<RunningJob>, Error> {
        Ok(of_processes(&self.processes().await?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_entry_is_read_in_both_of_sidekiqs_forms_and_ours() {
        let text = r#"{"queue":"q","payload":"{\"class\":\"A\",\"args\":[],\"jid\":\"j\"}","run_at":7,"gandy_progress":{"done":3,"total":null,"note":"n"}}"#;
        let job = RunningJob::read("h:1:a", "z", text);
        assert_eq!((job.jid(), job.class()), (Some("j"), Some("A")));
        assert_eq!(
            (job.queue.as_deref(), job.started_ms),
            (Some("q"), Some(7000))
        );
        let steps = job.steps.unwrap();
        assert_eq!((steps.done, steps.total, &*steps.note), (3, None, "n"));
        let object = r#"{"queue":7,"payload":{"class":"A","args":[],"jid":"j"},"run_at":"x"}"#;
        let job = RunningJob::read("h:1:a", "z", object);
        assert_eq!(
            (job.jid(), job.queue.as_deref(), job.started_ms),
            (Some("j"), None, None)
        );
        for nonsense in ["", "[]", "{}", "{\"payload\":\"no JSON\"}"] {
            assert_eq!(RunningJob::read("h", "z", nonsense).jid(), None);
        }
    }
}
