//! Everything that a process has started, found and killed, also what left its process group with `setsid`.
//! Works in a process that is a "child subreaper": the orphans among its descendants become its children, so
//! nothing gets away by a double fork. Linux only; elsewhere the process group is all that is reached.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How long killed processes may take to go. One in uninterruptible sleep (a dead NFS server) takes for ever.
const DEADLINE: Duration = Duration::from_secs(2);

/// Makes this process the parent of its orphaned descendants.
pub fn adopt_orphans() {
    // Kernels that refuse (seccomp) leave us with the process group, which is what most programs stay in.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

/// Takes the exit of every child that has ended; gives the status of `wanted` if it was among them, and
/// whether any child is left.
pub fn reap(wanted: Pid) -> (Option<WaitStatus>, bool) {
    let mut found = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return (found, true),
            Ok(status) if status.pid() == Some(wanted) => found = Some(status),
            Err(Errno::ECHILD) => return (found, false),
            // EINVAL: ended by a real-time signal, which nix does not know.
            Ok(_) | Err(_) => {}
        }
    }
}

/// Kills every descendant of this process and waits until they are gone, at most two seconds.
pub fn kill_all() {
    let me = Pid::this();
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    // A pid that is no child: none is wanted here.
    while reap(Pid::from_raw(0)).1 && began.elapsed() < DEADLINE {
        for pid in below(me) {
            let _ = kill(pid, Signal::SIGKILL);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// The descendants of `root`, by the parent that each process under `/proc` names.
fn below(root: Pid) -> Vec<Pid> {
    let pairs: Vec<(i32, i32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, parent(&stat)?))
        })
        .collect();
    let mut found = vec![root.as_raw()];
    let mut next = 0;
    while let Some(&above) = found.get(next) {
        next += 1;
        let children = pairs.iter().filter(|(_, parent)| *parent == above);
        found.extend(children.map(|(pid, _)| *pid));
    }
    found.into_iter().skip(1).map(Pid::from_raw).collect()
}

/// The parent in a line of `/proc/PID/stat`. The name before it is in brackets and may hold brackets and
/// spaces itself, so the last closing one counts.
fn parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_a_hostile_name() {
        assert_eq!(parent("7 (a) S 1 2) S 42 7 7 0"), Some(42));
        assert_eq!(parent("7 (sh) R 3 7 7 0"), Some(3));
        assert_eq!(parent(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_is_among_the_descendants() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("pid"));
        assert!(below(Pid::this()).contains(&pid));
        child.kill().expect("kill");
        child.wait().expect("wait");
    }
}
