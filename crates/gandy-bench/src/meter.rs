//! What pushing takes, as the process that pushes measures it itself.

use std::time::Instant;

use anyhow::Result;

use crate::told::Told;
use crate::usage;

/// Time, CPU, and what the process grew by.
#[derive(Debug)]
pub(crate) struct Meter {
    begun: Instant,
    cpu_us: f64,
    baseline_mb: f64,
}

impl Meter {
    /// Begins before the client connects; [`Meter::go`] starts the clock.
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            cpu_us: 0.0,
            baseline_mb: usage::tree_peak_mb(std::process::id()),
        }
    }

    /// Connected: from now on it counts.
    pub(crate) fn go(&mut self) {
        self.cpu_us = usage::process_cpu_us(std::process::id());
        self.begun = Instant::now();
    }

    /// Stops the clock and prints what it measured.
    pub(crate) fn tell(&self) -> Result<()> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let pid = std::process::id();
        Told {
            seconds,
            grown_mb: Some(usage::tree_peak_mb(pid) - self.baseline_mb),
            cpu_us: Some(usage::process_cpu_us(pid) - self.cpu_us),
        }
        .tell()
    }
}
