//! What a job does: the `WORK` of the contract with the contenders.

use anyhow::{Result, bail};

/// What the handler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Returns at once.
    Noop,
    /// Sleeps 1 ms.
    Sleep1,
    /// Sleeps 10 ms.
    Sleep10,
    /// Sleeps 1 s; only a worker of Gandy's is told so, for who looks at it.
    Sleep1000,
    /// Burns 1 ms of CPU.
    Compute1,
    /// Notes how long ago its push began.
    Latency,
    /// Fails, so that it goes to `retry`.
    Fail,
}

impl Task {
    const ALL: [Task; 7] = [
        Task::Noop,
        Task::Sleep1,
        Task::Sleep10,
        Task::Sleep1000,
        Task::Compute1,
        Task::Latency,
        Task::Fail,
    ];

    /// Its name in `WORK`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Task::Noop => "noop",
            Task::Sleep1 => "sleep1",
            Task::Sleep10 => "sleep10",
            Task::Sleep1000 => "sleep1000",
            Task::Compute1 => "compute1",
            Task::Latency => "latency",
            Task::Fail => "fail",
        }
    }

    /// Its class in a Sidekiq payload.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Task::Noop => "Noop",
            Task::Sleep1 => "Sleep1",
            Task::Sleep10 => "Sleep10",
            Task::Sleep1000 => "Sleep1000",
            Task::Compute1 => "Compute1",
            Task::Latency => "Latency",
            Task::Fail => "Fail",
        }
    }

    /// Reads `WORK`.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|task| task.name() == name) {
            Some(task) => Ok(task),
            None => bail!(
                "WORK is {name:?}; it must be one of noop, sleep1, sleep10, sleep1000, compute1, latency, fail"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_are_read_back() {
        for task in Task::ALL {
            assert_eq!(Task::parse(task.name()).unwrap(), task);
        }
        assert!(Task::parse("nap").unwrap_err().to_string().contains("nap"));
    }
}
