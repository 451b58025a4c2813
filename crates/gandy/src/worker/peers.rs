//! What the other processes of the fleet can run: asked when a job's class has no handler here.
//!
//! An entry of the fleet never changes, so each is read once, and a look at the fleet is a list of names. Who has left is
//! remembered for a while: between two releases, or between two lives of a worker that was taken for dead, there may be
//! nobody for seconds who has a new class, and a job must not pay for that.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use gandy_protocol::Identity;
use gandy_store::{Line, StoreError};
use serde::Deserialize;
use tokio::sync::Mutex;

/// How long it holds that somebody can run a class. That nobody can never holds: a job that met an answer from before its
/// time, 3 s old, spent an attempt though a process with the handler had just joined; one without retries was dropped.
const FRESH: Duration = Duration::from_secs(3);

/// For so long a process counts that was seen in the fleet and is gone: as long as Sidekiq shows one after its last
/// heartbeat.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The other processes of the fleet.
#[derive(Debug)]
pub(crate) struct Peers {
    line: Line,
    seen: Mutex<Seen>,
}

impl Peers {
    pub(crate) fn new(line: Line) -> Arc<Self> {
        Arc::new(Self {
            line,
            seen: Mutex::default(),
        })
    }

    /// Whether a process that is in the fleet, or was a moment ago, has a handler for `class` and listens to `queue`.
    ///
    /// # Errors
    /// Redis could not be asked.
    pub(crate) async fn can_run(&self, class: &str, queue: &str) -> Result<bool, StoreError> {
        let asked = Instant::now();
        let mut seen = self.seen.lock().await;
        if seen.is_newer_than(asked.checked_sub(FRESH)) && seen.can_run(class, queue) {
            return Ok(true);
        }
        // Whole fleets meet the same new class at once: those who waited here meanwhile share one look.
        if !seen.is_newer_than(Some(asked)) {
            let at = Instant::now();
            let fleet = self.line.fleet().await?;
            self.read(&mut seen, at, &fleet).await?;
        }
        Ok(seen.can_run(class, queue))
    }

    /// Takes in what somebody saw who looked at the fleet anyway, at `at`: to know who could run what even when that one
    /// has left before a job of its classes comes by.
    ///
    /// # Errors
    /// Redis could not be asked what the new ones can run.
    pub(crate) async fn meet(&self, at: Instant, fleet: &[Identity]) -> Result<(), StoreError> {
        let mut seen = self.seen.lock().await;
        self.read(&mut seen, at, fleet).await
    }

    async fn read(
        &self,
        seen: &mut Seen,
        at: Instant,
        fleet: &[Identity],
    ) -> Result<(), StoreError> {
        let new = seen.unknown(fleet);
        let entries = if new.is_empty() {
            Vec::new()
        } else {
            self.line.published(&new).await?
        };
        seen.note(at, fleet, entries);
        Ok(())
    }
}

/// What was seen of the fleet. Pure.
#[derive(Debug, Default)]
struct Seen {
    /// When the last look began.
    looked: Option<Instant>,
    members: HashMap<Identity, Member>,
}

#[derive(Debug)]
struct Member {
    /// One for all processes of a release.
    abilities: Arc<Abilities>,
    /// The last look that found it.
    last: Instant,
}

/// What an entry of the fleet says; sorted.
#[derive(Debug, Default, PartialEq, Eq, Hash, Deserialize)]
struct Abilities {
    #[serde(default)]
    queues: Vec<String>,
    #[serde(default)]
    classes: Vec<String>,
}

impl Abilities {
    /// One that cannot be read says nothing.
    fn parse(entry: &str) -> Self {
        let mut abilities: Self = serde_json::from_str(entry).unwrap_or_default();
        abilities.queues.sort_unstable();
        abilities.classes.sort_unstable();
        abilities
    }

    fn include(&self, class: &str, queue: &str) -> bool {
        let has = |all: &[String], one: &str| {
            let found = all.binary_search_by(|name| name.as_str().cmp(one));
            found.is_ok()
        };
        has(&self.classes, class) && has(&self.queues, queue)
    }
}

impl Seen {
    /// Whether the last look began at `moment` or later.
    fn is_newer_than(&self, moment: Option<Instant>) -> bool {
        self.looked
            .zip(moment)
            .is_some_and(|(looked, moment)| looked >= moment)
    }

    /// Those of whom nothing is known yet.
    fn unknown(&self, fleet: &[Identity]) -> Vec<Identity> {
        let unknown = |identity: &&Identity| !self.members.contains_key(*identity);
        fleet.iter().filter(unknown).cloned().collect()
    }

    /// A look that began at `at` found this fleet; `entries` are what its new members say.
    fn note(&mut self, at: Instant, fleet: &[Identity], entries: Vec<(Identity, String)>) {
        let known = self.members.values();
        let mut known: HashSet<_> = known.map(|one| Arc::clone(&one.abilities)).collect();
        for (identity, entry) in entries {
            let parsed = Abilities::parse(&entry);
            let abilities = known.get(&parsed).cloned();
            let abilities = abilities.unwrap_or_else(|| Arc::new(parsed));
            known.insert(Arc::clone(&abilities));
            let last = at;
            self.members.insert(identity, Member { abilities, last });
        }
        for identity in fleet {
            if let Some(member) = self.members.get_mut(identity) {
                member.last = member.last.max(at);
            }
        }
        self.looked = self.looked.max(Some(at));
        let gone_for = |member: &Member| at.saturating_duration_since(member.last);
        self.members
            .retain(|_, member| gone_for(member) < REMEMBERED);
    }

    fn can_run(&self, class: &str, queue: &str) -> bool {
        let mut members = self.members.values();
        members.any(|member| member.abilities.include(class, queue))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(pid: u32) -> Identity {
        Identity::new("host", pid, [0; 6])
    }

    /// A look at these processes, `seconds` after `began`; all that are new say what `entry` does.
    fn look(seen: &mut Seen, began: Instant, seconds: u64, pids: &[u32], entry: &str) {
        let fleet: Vec<Identity> = pids.iter().copied().map(name).collect();
        let new = seen.unknown(&fleet).into_iter();
        let entries = new.map(|identity| (identity, entry.to_owned())).collect();
        seen.note(began + Duration::from_secs(seconds), &fleet, entries);
    }

    #[test]
    fn a_class_is_known_on_the_queues_of_those_who_have_it() {
        let (mut seen, began) = (Seen::default(), Instant::now());
        let entries = [
            r#"{"queues":["a"],"classes":["Old"],"version":"1"}"#,
            r#"{"queues":["b","a"],"classes":["Old","New"]}"#,
            "no JSON",
            r#"{"queues":7,"classes":{}}"#,
            "{}",
        ];
        for (entry, pid) in entries.into_iter().zip(1..) {
            look(&mut seen, began, 0, &[pid], entry);
        }
        assert!(seen.can_run("Old", "b") && seen.can_run("New", "a"));
        assert!(!seen.can_run("New", "c") && !seen.can_run("Other", "a"));
    }

    #[test]
    fn an_entry_is_read_once_and_kept_once_for_a_release() {
        let (mut seen, began) = (Seen::default(), Instant::now());
        let entry = |pid| format!(r#"{{"queues":["a"],"classes":["New"],"started_at":{pid}}}"#);
        for pid in 1..4 {
            look(&mut seen, began, 0, &[pid], &entry(pid));
        }
        assert_eq!(
            seen.unknown(&[name(1), name(2), name(3), name(4)]),
            [name(4)]
        );
        let first = &seen.members[&name(1)].abilities;
        assert_eq!(Arc::strong_count(first), 3);
    }

    #[test]
    fn who_has_left_counts_for_a_minute() {
        let (mut seen, began) = (Seen::default(), Instant::now());
        let entry = r#"{"queues":["a"],"classes":["New"]}"#;
        look(&mut seen, began, 0, &[1, 2], entry);
        look(&mut seen, began, 50, &[2], entry);
        look(&mut seen, began, 70, &[], entry);
        assert_eq!(seen.members.len(), 1, "one was last seen 70 s ago");
        assert!(seen.can_run("New", "a"));
        look(&mut seen, began, 109, &[], entry);
        assert!(seen.can_run("New", "a"));
        look(&mut seen, began, 110, &[], entry);
        assert!(!seen.can_run("New", "a") && seen.members.is_empty());
    }

    #[test]
    fn a_look_that_comes_late_makes_nothing_older() {
        let (mut seen, began) = (Seen::default(), Instant::now());
        let entry = r#"{"queues":["a"],"classes":["New"]}"#;
        look(&mut seen, began, 9, &[1], entry);
        look(&mut seen, began, 8, &[1], entry);
        let second = |count| Some(began + Duration::from_secs(count));
        assert!(seen.is_newer_than(second(9)) && !seen.is_newer_than(second(10)));
        assert_eq!(Some(seen.members[&name(1)].last), second(9));
        assert!(!seen.is_newer_than(None) && !Seen::default().is_newer_than(second(0)));
    }
}
