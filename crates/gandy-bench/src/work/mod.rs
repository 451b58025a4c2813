//! The works: what is measured, for whom, and how it is measured once. One file for each.

mod drain;

use anyhow::Result;

use crate::case::{Case, Sample};
use crate::contender::Contender;
use crate::server::Persistence;

/// One work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// What `--work` says.
    pub(crate) name: &'static str,
    /// Of its figure.
    pub(crate) unit: &'static str,
    /// The cases of one contender; none where the work is not for it.
    pub(crate) cases: fn(&Contender, &Scope) -> Vec<Case>,
    /// Measures one case once.
    pub(crate) measure: fn(&Contender, &Case) -> Result<Sample>,
}

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Small and once: to see a change, not to publish.
    pub(crate) quick: bool,
    /// What Redis writes to disk, each a condition of its own.
    pub(crate) persistence: Vec<Persistence>,
}

impl Scope {
    /// One of two numbers.
    pub(crate) fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// All of them, in the order in which they run.
pub(crate) const ALL: &[Work] = &[drain::DRAIN];
