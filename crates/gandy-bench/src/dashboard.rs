//! The dashboard as a child: `gandy web`, as people run it, over the stage's Redis.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::child::Child;
use crate::http::Http;
use crate::stage::Stage;
use crate::usage;

/// Of its start.
const DEADLINE: Duration = Duration::from_secs(10);

/// One that serves; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Dashboard {
    child: Child,
    port: u16,
}

impl Dashboard {
    /// Starts one. `poll`: how often its open pages look, where that is not to be the default.
    pub(crate) fn start(stage: &mut Stage, poll: Option<&str>) -> Result<Self> {
        let mut command = Command::new(program()?);
        command
            .args(["web", "--bind", "127.0.0.1:0"])
            .args(poll.iter().flat_map(|span| ["--poll", span]))
            .env("REDIS_URL", format!("redis://{}/0", stage.address()))
            // Nothing of whoever runs the bench.
            .env_remove("GANDY_NAMESPACE")
            .env_remove("GANDY_CONFIG")
            .current_dir(stage.file(""));
        let log = stage.log("dashboard");
        let mut child = Child::spawn("gandy web", command, &log)?;
        let end = Instant::now() + DEADLINE;
        loop {
            child.must_run()?;
            if let Some(port) = port(&child.tail()) {
                return Ok(Self { child, port });
            }
            ensure!(Instant::now() < end, "gandy web did not say where it is");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> Result<Http> {
        Http::connect(self.port)
    }

    /// Microseconds of CPU that it has used.
    pub(crate) fn cpu_us(&self) -> f64 {
        usage::process_cpu_us(self.child.pid())
    }

    /// Its memory now, MB.
    pub(crate) fn resident_mb(&self) -> f64 {
        usage::tree_resident_mb(self.child.pid())
    }

    /// The most it had, MB.
    pub(crate) fn peak_mb(&self) -> f64 {
        usage::tree_peak_mb(self.child.pid())
    }
}

/// `gandy`, built beside this program.
fn program() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("gandy");
    ensure!(
        path.is_file(),
        "there is no {}; scripts/bench builds it: cargo build --release --package gandy-cli",
        path.display()
    );
    Ok(path)
}

/// Of `the dashboard is at http://localhost:7435/`.
fn port(said: &str) -> Option<u16> {
    let (_, rest) = said.split_once("http://localhost:")?;
    rest.split_once('/')?.0.parse().ok()
}

/// The median and the value that 95 of 100 stay below, in milliseconds.
pub(crate) fn median_and_p95(times: &[Duration]) -> Result<(f64, f64)> {
    let mut millis: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    millis.sort_by(f64::total_cmp);
    let at = |share| crate::row::quantile(&millis, share).context("nothing was measured");
    Ok((at(0.5)?, at(0.95)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_port_is_read_from_what_it_says() {
        let said = "the dashboard is at http://localhost:40123/\n";
        assert_eq!(port(said), Some(40_123));
        // Half of the line.
        assert_eq!(port("the dashboard is at http://localhost:401"), None);
        assert_eq!(port(""), None);
    }

    #[test]
    fn times_are_summed_up() {
        let times: Vec<Duration> = (0..=100).map(Duration::from_millis).collect();
        assert_eq!(median_and_p95(&times).unwrap(), (50.0, 95.0));
        assert!(median_and_p95(&[]).is_err());
    }
}
