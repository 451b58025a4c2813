//! What `meter` is without the feature `metrics`: nothing is counted, and nothing is spent.

use std::time::Duration;

use super::{core::Core, meter_words::*};
use crate::{Context, registry::Registry};

/// Counts nothing.
#[derive(Debug)]
pub(crate) struct Meter;

#[allow(clippy::unused_self)]
impl Meter {
    pub(crate) fn new<'a>(_: &Registry, _: impl Iterator<Item = &'a String>) -> Self {
        Self
    }

    pub(crate) fn count(&self, _: &Context, _: RunEnd, _: Duration) {}

    pub(crate) fn recovered(&self, _: Recovery, _: u64) {}

    pub(crate) fn poisoned(&self, _: u64) {}

    pub(crate) fn fetch_failed(&self, _: gandy_store::Kind) {}

    pub(crate) fn publish(&self, _: &Core) {}

    pub(crate) fn page(&self, _: &Core) -> Option<String> {
        None
    }
}
