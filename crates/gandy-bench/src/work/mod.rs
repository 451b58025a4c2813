//! The works: what is measured, for whom, and how it is measured once. One file for each kind.

mod dashboard;
mod drain;
mod fail;
mod fleet;
mod growth;
mod memory;
mod pickup;
mod promote;
mod push;
mod remote;

use crate::case::Case;
use crate::contender::Contender;
use crate::server::Persistence;

/// One work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// What `--work` says.
    pub(crate) name: &'static str,
    /// The cases of one contender; none where the work is not for it.
    pub(crate) cases: fn(&Contender, &Scope) -> Vec<Case>,
}

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Small and once: to see a change, not to publish.
    pub(crate) quick: bool,
    /// What Redis writes to disk, each a condition of its own.
    pub(crate) persistence: Vec<Persistence>,
    /// As many jobs where a work does not say itself how many, instead of finding out.
    pub(crate) jobs: Option<u64>,
}

impl Scope {
    /// One of two numbers.
    pub(crate) fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// All of them, in the order in which they run.
pub(crate) const ALL: &[Work] = &[
    drain::DRAIN,
    drain::SLEEP1,
    drain::COMPUTE1,
    drain::SLEEP10,
    push::PUSH,
    push::PUSH64,
    push::BULK,
    pickup::PICKUP,
    remote::PROXY,
    fail::FAIL,
    promote::PROMOTE,
    growth::GROWTH,
    fleet::FLEET,
    memory::MEMORY,
    dashboard::DASHBOARD,
    dashboard::LIVE,
];
