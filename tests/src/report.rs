//! The verdict over a history: the total-queue check of Jepsen, with what a job system needs beside it (a bound on
//! extra runs, and how long recovery took). Pure: events in, numbers out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::history::{Event, EventKind};

/// How many jids a message names before it only counts.
const NAMED: usize = 10;

/// What a history says. Sound means that `lost` and `unexpected` are empty; extra runs are for the test to bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Pushes begun, acknowledged or not.
    pub attempted: usize,
    /// Pushes that Redis acknowledged.
    pub acknowledged: usize,
    /// Different jobs that ended at least once.
    pub ended: usize,
    /// Acknowledged, never ended, and held nowhere.
    pub lost: BTreeSet<String>,
    /// Started or ended, though nobody tried to push them.
    pub unexpected: BTreeSet<String>,
    /// Ended, though their push was never acknowledged. Allowed: the reply may have been lost.
    pub recovered: BTreeSet<String>,
    /// Starts beyond the first of each job.
    pub extra_starts: usize,
    /// Ends beyond the first of each job: the duplicates that a user sees.
    pub extra_ends: usize,
    /// Starts without an end of the same worker: what was running when that worker died, or runs now.
    pub cut_off: usize,
    /// Starts of a job that had ended before.
    pub runs_after_end: usize,
    /// From the kill of a worker to the next start of each job that it cut off; shortest first. Of jobs that no other kill
    /// cut off: the others are suspects, and come back later.
    pub recovery_times: Vec<Duration>,
    /// The same of the suspects.
    pub suspects_recovery_times: Vec<Duration>,
}

impl Report {
    /// Judges `events`, which are in order of time. `held` are the jids that Redis still keeps.
    pub fn new(events: &[Event], held: &BTreeSet<String>) -> Self {
        Self::beside(events, held, &BTreeSet::new())
    }

    /// The same where Redis knows of more `suspects` than the events show: a job that was claimed and had not begun when
    /// its worker was killed was aboard, too.
    pub fn beside(events: &[Event], held: &BTreeSet<String>, suspects: &BTreeSet<String>) -> Self {
        let of = |kind: EventKind| -> BTreeSet<&str> {
            let of_kind = events.iter().filter(move |e| e.kind == kind);
            of_kind.map(|e| e.jid.as_str()).collect()
        };
        let count = |kind: EventKind| events.iter().filter(|e| e.kind == kind).count();
        let acknowledged = of(EventKind::Acknowledged);
        // A producer that only notes what was acknowledged has attempted it too.
        let attempted: BTreeSet<&str> = &of(EventKind::Attempted) | &acknowledged;
        let (started, ended) = (of(EventKind::Start), of(EventKind::End));
        let own = |jids: BTreeSet<&str>| jids.into_iter().map(str::to_owned).collect();
        let ran = &started | &ended;
        let (recovery_times, suspects_recovery_times) = recovery_times(events, suspects);
        Self {
            attempted: attempted.len(),
            acknowledged: acknowledged.len(),
            ended: ended.len(),
            lost: own(acknowledged
                .iter()
                .copied()
                .filter(|jid| !ended.contains(jid) && !held.contains(*jid))
                .collect()),
            unexpected: own(&ran - &attempted),
            recovered: own(&(&ended & &attempted) - &acknowledged),
            extra_starts: count(EventKind::Start) - started.len(),
            extra_ends: count(EventKind::End) - ended.len(),
            cut_off: cut_off(events).values().map(BTreeMap::len).sum(),
            runs_after_end: runs_after_end(events),
            recovery_times,
            suspects_recovery_times,
        }
    }

    /// The longest time from a kill to the next start of a job that it cut off.
    pub fn slowest_recovery(&self) -> Option<Duration> {
        self.recovery_times.last().copied()
    }

    /// Fails the test unless every acknowledged job ended (or is held) and nothing ran that nobody pushed.
    ///
    /// # Panics
    /// With the whole report when something was lost or came out of thin air.
    #[track_caller]
    pub fn assert_sound(&self) {
        assert!(
            self.lost.is_empty() && self.unexpected.is_empty(),
            "jobs were lost or came from nowhere: {self}"
        );
    }
}

/// Per worker: the jobs that it started and did not end, with the time of the start.
fn cut_off(events: &[Event]) -> BTreeMap<&str, BTreeMap<&str, Duration>> {
    let mut open: BTreeMap<&str, BTreeMap<&str, Duration>> = BTreeMap::new();
    for event in events {
        let of_worker = open.entry(&event.worker).or_default();
        match event.kind {
            EventKind::Start => {
                of_worker.insert(&event.jid, event.at);
            }
            EventKind::End => {
                of_worker.remove(event.jid.as_str());
            }
            _ => {}
        }
    }
    open
}

fn runs_after_end(events: &[Event]) -> usize {
    let mut ended = BTreeSet::new();
    let mut count = 0;
    for event in events {
        match event.kind {
            EventKind::End => {
                ended.insert(event.jid.as_str());
            }
            EventKind::Start if ended.contains(event.jid.as_str()) => count += 1,
            _ => {}
        }
    }
    count
}

/// Of jobs that one kill cut off, and of those that several did.
fn recovery_times(events: &[Event], suspects: &BTreeSet<String>) -> (Vec<Duration>, Vec<Duration>) {
    let cut_off = cut_off(events);
    let mut starts: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for event in events.iter().filter(|e| e.kind == EventKind::Start) {
        starts.entry(&event.jid).or_default().push(event.at);
    }
    let kills = || events.iter().filter(|e| e.kind == EventKind::Kill);
    let aboard = |kill: &Event| cut_off.get(kill.worker.as_str()).into_iter().flatten();
    let mut deaths: BTreeMap<&str, usize> = BTreeMap::new();
    for (jid, _) in kills().flat_map(aboard) {
        *deaths.entry(*jid).or_default() += 1;
    }
    let (mut once, mut often) = (Vec::new(), Vec::new());
    for kill in kills() {
        for (jid, _) in aboard(kill) {
            // Sorted, as events are.
            let starts = starts.get(*jid).map_or(&[][..], Vec::as_slice);
            let next = starts.partition_point(|at| *at <= kill.at);
            let times = if deaths[*jid] > 1 || suspects.contains(*jid) {
                &mut often
            } else {
                &mut once
            };
            times.extend(starts.get(next).map(|at| at.saturating_sub(kill.at)));
        }
    }
    once.sort();
    often.sort();
    (once, often)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "attempted {}, acknowledged {}, ended {}, lost {}, unexpected {}, recovered {}, extra starts {}, \
             extra ends {}, cut off {}, runs after end {}, slowest recovery {:?}",
            self.attempted,
            self.acknowledged,
            self.ended,
            self.lost.len(),
            self.unexpected.len(),
            self.recovered.len(),
            self.extra_starts,
            self.extra_ends,
            self.cut_off,
            self.runs_after_end,
            self.slowest_recovery()
        )?;
        for (what, jids) in [("lost", &self.lost), ("unexpected", &self.unexpected)] {
            if !jids.is_empty() {
                let some: Vec<&str> = jids.iter().take(NAMED).map(String::as_str).collect();
                write!(f, "\n  {what}, for example: {}", some.join(" "))?;
            }
        }
        Ok(())
    }
}
