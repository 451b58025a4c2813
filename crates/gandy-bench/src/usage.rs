//! What a process and its descendants have used: CPU time and memory, from the kernel.

use std::collections::BTreeMap;
use std::fs;

use nix::sys::time::TimeValLike;
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// Ticks of /proc's times a second; 100 on every Linux of the last twenty years.
const TICKS: f64 = 100.0;

/// Microseconds of CPU that the tree under `pid` has used, ended children included.
pub(crate) fn tree_cpu_us(pid: u32) -> f64 {
    tree(pid).into_iter().map(process_cpu_us).sum()
}

/// Microseconds of CPU of one process, with what its ended children used.
pub(crate) fn process_cpu_us(pid: u32) -> f64 {
    // The process' clock counts nanoseconds and includes ended threads; /proc/PID/stat counts in 10 ms.
    let own = i32::try_from(pid)
        .ok()
        .and_then(|pid| clock_getcpuclockid(Pid::from_raw(pid)).ok())
        .and_then(|clock| clock.now().ok())
        .map_or(0.0, |time| time.num_nanoseconds() as f64 / 1e3);
    let ended: f64 = stat(pid).map_or(0.0, |fields| {
        let ticks = fields
            .iter()
            .skip(13)
            .take(2)
            .filter_map(|text| text.parse::<f64>().ok());
        ticks.sum::<f64>() / TICKS * 1e6
    });
    own + ended
}

/// Peak resident memory of the tree, MB.
pub(crate) fn tree_peak_mb(pid: u32) -> f64 {
    tree(pid)
        .into_iter()
        .map(|pid| status_mb(pid, "VmHWM:"))
        .sum()
}

/// Resident memory of the tree now, MB.
pub(crate) fn tree_resident_mb(pid: u32) -> f64 {
    tree(pid)
        .into_iter()
        .map(|pid| status_mb(pid, "VmRSS:"))
        .sum()
}

fn status_mb(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?.trim().strip_suffix("kB")?;
        rest.trim().parse::<f64>().ok()
    });
    kib.unwrap_or(0.0) / 1024.0
}

/// The fields of /proc/PID/stat after the program's name.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = stat.rsplit_once(')')?.1;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// `root` and its descendants.
fn tree(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let parent = stat(pid).and_then(|fields| fields.get(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(pid);
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        found.extend(children.get(pid).into_iter().flatten());
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn cpu_of_this_process_grows_as_it_computes() {
        let pid = std::process::id();
        let before = process_cpu_us(pid);
        let end = Instant::now() + Duration::from_secs(20);
        // Another test's thread counts too, so only the lower bound can be told.
        while process_cpu_us(pid) < before + 20_000.0 {
            assert!(Instant::now() < end, "20 ms of CPU were not seen");
        }
        assert!(tree_cpu_us(pid) >= before);
        assert!(tree_peak_mb(pid) >= tree_resident_mb(pid) * 0.5);
        assert!(tree_peak_mb(pid) > 0.5);
    }
}
