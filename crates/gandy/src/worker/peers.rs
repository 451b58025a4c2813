//! What the other processes of the fleet can run: asked when a job's class has no handler here.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use gandy_store::{Line, StoreError};
use tokio::sync::Mutex;

/// How long an answer holds. Whole fleets meet the same new class at once, and each look reads the whole fleet's entries.
const FRESH: Duration = Duration::from_secs(3);

/// Queues by class.
type Abilities = HashMap<String, HashSet<Arc<str>>>;

/// The other processes of the fleet.
#[derive(Debug)]
pub(crate) struct Peers {
    line: Line,
    seen: Mutex<Option<(Instant, Abilities)>>,
}

impl Peers {
    pub(crate) fn new(line: Line) -> Arc<Self> {
        Arc::new(Self {
            line,
            seen: Mutex::default(),
        })
    }

    /// Whether a process of the fleet has a handler for `class` and listens to `queue`.
    ///
    /// # Errors
    /// Redis could not be asked.
    pub(crate) async fn can_run(&self, class: &str, queue: &str) -> Result<bool, StoreError> {
        let mut seen = self.seen.lock().await;
        let known = match &*seen {
            Some((at, known)) if at.elapsed() < FRESH => known,
            _ => {
                let known = abilities(&self.line.published().await?);
                &seen.insert((Instant::now(), known)).1
            }
        };
        Ok(known
            .get(class)
            .is_some_and(|queues| queues.contains(queue)))
    }
}

/// What these entries say. One that cannot be read says nothing.
fn abilities(published: &[String]) -> Abilities {
    let mut known = Abilities::new();
    for entry in published {
        let entry: serde_json::Value = serde_json::from_str(entry).unwrap_or_default();
        let words = |field: &str| entry[field].as_array().cloned().unwrap_or_default();
        let queues: Vec<Arc<str>> = words("queues")
            .iter()
            .filter_map(|queue| queue.as_str().map(Arc::from))
            .collect();
        for class in words("classes") {
            if let Some(class) = class.as_str() {
                let of_class = known.entry(class.to_owned()).or_default();
                of_class.extend(queues.iter().cloned());
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_known_on_the_queues_of_those_who_have_it() {
        let entries = [
            r#"{"queues":["a"],"classes":["Old"]}"#,
            r#"{"queues":["a","b"],"classes":["Old","New"]}"#,
            "no JSON",
            r#"{"queues":7,"classes":{}}"#,
        ];
        let known = abilities(&entries.map(str::to_owned));
        assert!(known["Old"].contains("b") && known["New"].contains("a"));
        assert!(!known["New"].contains("c") && known.len() == 2);
    }
}
