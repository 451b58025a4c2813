//! What the container may use: CPU quota and memory of the control group this process is in, versions 1 and 2.
//! Pure but for reading files; `root` is `/sys/fs/cgroup`, and another folder in tests.

use std::path::{Path, PathBuf};

/// Memory of a control group, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// In use, without the page cache that the kernel takes back before it kills anybody.
    pub used: u64,
    /// The limit.
    pub limit: u64,
}

/// Version 1 writes "no limit" as the largest multiple of a page.
const NO_LIMIT: u64 = 1 << 62;

/// The control groups of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    root: PathBuf,
    /// `/proc/self/cgroup`.
    membership: String,
}

impl Cgroup {
    /// Those of this process. `root`: where the file system of control groups is, if not at `/sys/fs/cgroup`.
    pub fn of_process(root: Option<&Path>) -> Cgroup {
        let root = root.unwrap_or(Path::new("/sys/fs/cgroup"));
        let membership = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Cgroup::new(root, membership)
    }

    /// Those of a process whose `/proc/PID/cgroup` reads `membership`.
    pub fn new(root: &Path, membership: String) -> Cgroup {
        Cgroup {
            root: root.to_owned(),
            membership,
        }
    }

    /// How many CPUs' time it may use; `None`: no quota.
    pub fn cpus(&self) -> Option<f64> {
        let least = |found: Vec<f64>| found.into_iter().reduce(f64::min);
        let second = self.folders(None).into_iter();
        let quotas = second.filter_map(|folder| cpu_max(&read(&folder, "cpu.max")?));
        least(quotas.collect()).or_else(|| {
            let first = self.folders(Some("cpu")).into_iter();
            let quotas = first.filter_map(|folder| {
                let quota = read(&folder, "cpu.cfs_quota_us")?;
                cfs(&quota, &read(&folder, "cpu.cfs_period_us")?)
            });
            least(quotas.collect())
        })
    }

    /// Its memory, of several nested limits the one that is nearest; `None`: no limit.
    pub fn memory(&self) -> Option<Memory> {
        let second = self.folders(None).into_iter().filter_map(|folder| {
            memory(
                &read(&folder, "memory.max")?,
                &read(&folder, "memory.current")?,
                &read(&folder, "memory.stat").unwrap_or_default(),
                &["inactive_file", "active_file", "slab_reclaimable"],
            )
        });
        let first = self.folders(Some("memory")).into_iter();
        let first = first.filter_map(|folder| {
            memory(
                &read(&folder, "memory.limit_in_bytes")?,
                &read(&folder, "memory.usage_in_bytes")?,
                &read(&folder, "memory.stat").unwrap_or_default(),
                &["total_inactive_file", "total_active_file"],
            )
        });
        let share = |memory: &Memory| memory.used as f64 / memory.limit as f64;
        second
            .chain(first)
            .max_by(|one, other| share(one).total_cmp(&share(other)))
    }

    /// From the process' own group up to the root: a limit of any of them counts. `controller`: of version 1, where each
    /// has a tree of its own. In a container the root is the own group, whatever the path says.
    fn folders(&self, controller: Option<&str>) -> Vec<PathBuf> {
        let (top, path) = match controller {
            None => (self.root.clone(), path_of(&self.membership, "")),
            Some(name) => (self.root.join(name), path_of(&self.membership, name)),
        };
        let path = path.unwrap_or("/").trim_start_matches('/');
        // `..` is a group outside of what this container sees.
        let path = if path.split('/').any(|part| part == "..") {
            ""
        } else {
            path
        };
        let own = top.join(path);
        own.ancestors()
            .take_while(|folder| folder.starts_with(&top))
            .map(Path::to_owned)
            .collect()
    }
}

/// The path behind a controller in `/proc/self/cgroup`; the empty one is version 2's.
fn path_of<'a>(membership: &'a str, controller: &str) -> Option<&'a str> {
    membership.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        controllers
            .split(',')
            .any(|name| name == controller)
            .then_some(path)
    })
}

fn read(folder: &Path, name: &str) -> Option<String> {
    std::fs::read_to_string(folder.join(name)).ok()
}

/// `cpu.max`: `QUOTA PERIOD`, or `max PERIOD`.
fn cpu_max(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    cfs(quota, period)
}

/// Quota and period in microseconds; a quota of -1 is none.
fn cfs(quota: &str, period: &str) -> Option<f64> {
    let quota: f64 = quota.trim().parse().ok()?;
    let period: f64 = period.trim().parse().ok()?;
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// `cache` are the lines of what the kernel takes back before it kills anybody: files that were read, and its own caches.
fn memory(limit: &str, used: &str, stat: &str, cache: &[&str]) -> Option<Memory> {
    let limit: u64 = limit.trim().parse().ok()?;
    let used: u64 = used.trim().parse().ok()?;
    let amounts = stat.lines().filter_map(|line| {
        let (name, bytes) = line.split_once(' ')?;
        let bytes = bytes.parse::<u64>().ok()?;
        cache.contains(&name).then_some(bytes)
    });
    let cache = amounts.sum();
    (limit > 0 && limit < NO_LIMIT).then_some(Memory {
        used: used.saturating_sub(cache),
        limit,
    })
}

/// Jobs at once for a quota: five for each CPU, which is Sidekiq's number for a process that has one; from 2 to 50.
pub fn concurrency(cpus: f64) -> usize {
    // Between the bounds a float is a small whole number.
    (cpus * 5.0).ceil().clamp(2.0, 50.0) as usize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tempfile::TempDir;

    fn tree(files: &[(&str, &str)]) -> TempDir {
        let root = TempDir::new().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn version_2_is_read_in_a_container_and_on_a_host() {
        let root = tree(&[
            ("cpu.max", "150000 100000\n"),
            ("memory.max", "1000000\n"),
            ("memory.current", "900000\n"),
            (
                "memory.stat",
                "anon 1\ninactive_file 60000\nactive_file 30000\nslab_reclaimable 10000\nslab 7\n",
            ),
            ("a/cpu.max", "max 100000\n"),
            ("a/memory.max", "max\n"),
            ("a/memory.current", "5\n"),
            ("a/b/cpu.max", "200000 100000\n"),
            ("a/b/memory.max", "400000\n"),
            ("a/b/memory.current", "390000\n"),
        ]);
        let within = Cgroup::new(root.path(), "0::/\n".into());
        assert_eq!(within.cpus(), Some(1.5));
        let memory = Memory {
            used: 800_000,
            limit: 1_000_000,
        };
        assert_eq!(within.memory(), Some(memory));
        // The own quota is larger than that of the group around it.
        let host = Cgroup::new(root.path(), "0::/a/b\n".into());
        assert_eq!(host.cpus(), Some(1.5));
        let memory = Memory {
            used: 390_000,
            limit: 400_000,
        };
        assert_eq!(host.memory(), Some(memory));
        // The path of the host, which is not to be seen from within.
        for foreign in ["0::/kubepods/pod1/c1\n", "0::/../../a\n"] {
            let foreign = Cgroup::new(root.path(), foreign.into());
            assert_eq!(foreign.cpus(), Some(1.5));
        }
    }

    #[test]
    fn version_1_is_read_controller_by_controller() {
        let root = tree(&[
            ("cpu/docker/x/cpu.cfs_quota_us", "50000\n"),
            ("cpu/docker/x/cpu.cfs_period_us", "100000\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/memory.usage_in_bytes", "77\n"),
            ("memory/docker/x/memory.limit_in_bytes", "1000\n"),
            ("memory/docker/x/memory.usage_in_bytes", "700\n"),
            (
                "memory/docker/x/memory.stat",
                "inactive_file 1\ntotal_inactive_file 200\n",
            ),
        ]);
        let membership = "12:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n0::/\n";
        let cgroup = Cgroup::new(root.path(), membership.into());
        assert_eq!(cgroup.cpus(), Some(0.5));
        let memory = Memory {
            used: 500,
            limit: 1000,
        };
        assert_eq!(cgroup.memory(), Some(memory));
    }

    #[test]
    fn without_limits_there_are_none() {
        let root = tree(&[
            ("cpu.max", "max 100000\n"),
            ("memory.max", "max\n"),
            ("memory.current", "5\n"),
            ("cpu/cpu.cfs_quota_us", "-1\n"),
            ("cpu/cpu.cfs_period_us", "100000\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/memory.usage_in_bytes", "5\n"),
        ]);
        for root in [root.path(), Path::new("/nowhere")] {
            let cgroup = Cgroup::new(root, "0::/\n".into());
            assert_eq!((cgroup.cpus(), cgroup.memory()), (None, None));
        }
    }

    #[test]
    fn a_quota_of_two_cpus_is_the_default_of_ten() {
        let jobs = [0.1, 0.5, 1.0, 2.0, 2.5, 64.0].map(concurrency);
        assert_eq!(jobs, [2, 3, 5, 10, 13, 50]);
    }
}
