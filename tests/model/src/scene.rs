//! A small world to look at: who is in it, what they may do, what may go wrong.

use crate::{Budget, Rules};

/// The bounds of one exploration.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    /// For the report.
    pub name: &'static str,
    /// Worker processes, all with the same queue.
    pub workers: usize,
    /// Jobs.
    pub jobs: usize,
    /// Runs at once in a process.
    pub slots: usize,
    /// Jobs that one claim takes at most, 1 or 2.
    pub batch: usize,
    /// Claims of a process under way at once.
    pub depth: usize,
    /// Producers push the jobs one after another; else all lie in the queue when it begins.
    pub pushes: bool,
    /// Idle workers wait with a blocking move into the landing list.
    pub bells: bool,
    /// Claims are sent although there is nothing to claim.
    pub idle_claims: bool,
    /// Workers give back what they have not begun, and strays that they could run themselves.
    pub gives_up: bool,
    /// The lease thread gives back for a claim loop that stands still, beside who else does.
    pub stalls: bool,
    /// Deaths are counted for each job, so that suspects go through `schedule` and the third death buries.
    pub charges: bool,
    /// Requests of the fleet's chores (condemn, reap, forget, unland, promote) under way at once.
    pub chores: usize,
    /// What may go wrong.
    pub budget: Budget,
    /// The protocol, whole or without a rule.
    pub rules: Rules,
}

impl Scene {
    /// Two workers with one slot each, claiming from one queue in which `jobs` jobs lie. Nothing goes wrong yet.
    #[must_use]
    pub fn small(name: &'static str, jobs: usize) -> Self {
        Self {
            name,
            workers: 2,
            jobs,
            slots: 1,
            batch: 1,
            depth: 1,
            pushes: false,
            bells: false,
            idle_claims: false,
            gives_up: false,
            stalls: false,
            charges: false,
            chores: 1,
            budget: Budget::default(),
            rules: Rules::ALL,
        }
    }

    /// The same with these faults.
    #[must_use]
    pub fn with(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }
}
