//! How many jobs are queued or in flight.

use std::time::Duration;

use anyhow::Result;

use crate::contender::{Contender, Kind};
use crate::probe::Probe;
use crate::resp::Reply;

/// The commands that add up to what is pending.
#[derive(Debug)]
pub(crate) struct Pending {
    commands: Vec<Vec<String>>,
    /// Gandy's hashes of jobs in flight are known only once the workers have registered.
    fleet: bool,
    asked: Vec<Vec<String>>,
    end: i64,
}

impl Pending {
    /// A contender's own.
    pub(crate) fn of(who: &Contender) -> Self {
        Self::new(who.pending.clone(), who.kind == Kind::Gandy)
    }

    /// These commands; with `fleet`, also what Gandy's workers hold.
    pub(crate) fn new(commands: Vec<Vec<String>>, fleet: bool) -> Self {
        let asked = commands.clone();
        Self {
            commands,
            fleet,
            asked,
            end: 0,
        }
    }

    /// Counts down to this many instead of none.
    pub(crate) fn ends_at(&mut self, end: i64) {
        self.end = end;
    }

    /// The time between two looks: they cost Redis something too.
    pub(crate) fn pace(&self) -> Duration {
        Duration::from_millis(if self.commands.len() > 8 { 25 } else { 5 })
    }

    /// Queued or in flight now.
    pub(crate) fn read(&mut self, probe: &mut Probe) -> Result<i64> {
        // A worker registers before it claims, so whoever takes the first job is found here.
        if self.fleet && self.asked.len() == self.commands.len() {
            let living = probe.ask(&["HKEYS", "gandy:fleet"])?.array()?;
            for identity in living {
                let key = format!("gandy:inflight:{}", identity.text()?);
                self.asked.push(vec!["HLEN".into(), key]);
            }
        }
        // In the order in which jobs move: one on its way is counted twice, never not at all.
        let replies = probe.ask_all(&self.asked)?;
        let sum = replies.iter().map(Reply::int).sum::<Result<i64>>()?;
        Ok(sum - self.end)
    }
}
