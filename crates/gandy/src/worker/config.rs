//! A worker's settings and their limits.

use std::{collections::HashSet, time::Duration};

use gandy_protocol::{Keys, QueueOrder, QueueSpec, StampFormat};
use gandy_store::{Grave, Server};

use crate::Error;

/// More would not make anything faster.
const CRASH_BUDGET_MAX: usize = 10_000;

/// A worker's settings. Start from [`WorkerConfig::new`] or [`WorkerConfig::from_env`] and change what differs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerConfig {
    /// Redis.
    pub server: Server,
    /// Puts `NAME:` before every key. Default: none, as Sidekiq 7 and 8.
    pub namespace: String,
    /// Queues of the default capsule as `NAME` or `NAME,WEIGHT`: strict order without weights. Default `default`.
    pub queues: Vec<String>,
    /// Jobs that run at once in the default capsule, 1 to 1,000. Default 10.
    pub concurrency: usize,
    /// More groups of queues, each with a concurrency of its own.
    pub capsules: Vec<CapsuleConfig>,
    /// How many jobs a crash of this process may touch at most: those that run and those claimed ahead, so that short
    /// jobs do not wait for Redis. What was claimed ahead and cannot begin within about 100 ms is given back. Capsules
    /// share it by their concurrency; at or below the concurrency nothing is claimed ahead. Default 400.
    pub crash_budget: usize,
    /// How long running jobs may go on after a stop before they are given back. Default 25 s, below the 30 s after
    /// which Kubernetes kills.
    pub timeout: Duration,
    /// How times are written into payloads. Default milliseconds, as Sidekiq 8. [`StampFormat::Seconds`] while any Ruby
    /// below Sidekiq 8 reads them; it also shows running jobs to Sidekiq up to 6.4.1, which looks in another key.
    pub stamps: StampFormat,
    /// Retries of a job with `retry: true`. Default 25.
    pub max_retries: u32,
    /// Entries that `dead` keeps (one fewer, as Sidekiq). Default 10,000.
    pub dead_max_jobs: u64,
    /// Age after which `dead` drops an entry. Default 180 days.
    pub dead_timeout: Duration,
    /// Starts although the server may evict keys. Default `false`.
    pub allow_eviction: bool,
    /// Gives up when the server cannot be reached at start, instead of waiting for it. Default `false`.
    pub fail_fast: bool,
    /// A claimed payload above this many bytes is buried unread. Default 64 MiB.
    pub max_fetch_payload: usize,
    /// A label shown with the process. Default: none.
    pub tag: String,
    /// More labels shown with the process.
    pub labels: Vec<String>,
}

/// A group of queues with a concurrency of its own (Sidekiq 7's capsule).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapsuleConfig {
    /// Its name; `default` is taken.
    pub name: String,
    /// Its queues, as [`WorkerConfig::queues`].
    pub queues: Vec<String>,
    /// Jobs that run at once in it, 1 to 1,000.
    pub concurrency: usize,
}

impl WorkerConfig {
    /// Sidekiq's defaults for this server.
    #[must_use]
    pub fn new(server: Server) -> Self {
        let grave = Grave::default();
        Self {
            server,
            namespace: String::new(),
            queues: vec!["default".into()],
            concurrency: 10,
            capsules: Vec::new(),
            crash_budget: 400,
            timeout: Duration::from_secs(25),
            stamps: StampFormat::default(),
            max_retries: 25,
            dead_max_jobs: grave.jobs_max,
            dead_timeout: grave.timeout,
            allow_eviction: false,
            fail_fast: false,
            max_fetch_payload: 64 << 20,
            tag: String::new(),
            labels: Vec::new(),
        }
    }

    /// The defaults for the server that `REDIS_URL` or `REDIS_URL_FILE` names, else the one on this host.
    ///
    /// # Errors
    /// As [`Server::from_env`].
    pub fn from_env() -> Result<Self, Error> {
        Ok(Self::new(Server::from_env()?))
    }

    /// Checks everything that the types leave open.
    ///
    /// # Errors
    /// [`Error::Config`] names the key, its value and what is allowed.
    pub fn validate(&self) -> Result<(), Error> {
        self.keys()?;
        let mut names = HashSet::from(["default"]);
        for capsule in &self.capsules {
            if capsule.name.is_empty() || !names.insert(&capsule.name) {
                return Err(Error::config(format!(
                    "capsules: the name {:?} is empty or taken; give each capsule a name of its own (not `default`)",
                    capsule.name
                )));
            }
        }
        for capsule in self.all_capsules() {
            // A script names the queues of a claim one by one, and takes only so many.
            if capsule.order()?.names().len() > 1000 {
                return Err(Error::config(format!(
                    "queues of capsule {}: more than 1000; spread them over capsules",
                    capsule.name
                )));
            }
            if !(1..=1000).contains(&capsule.concurrency) {
                return Err(Error::config(format!(
                    "concurrency of capsule {} is {}; it must be 1 to 1000",
                    capsule.name, capsule.concurrency
                )));
            }
        }
        if self.crash_budget > CRASH_BUDGET_MAX {
            return Err(Error::config(format!(
                "crash_budget is {}; it must be at most {CRASH_BUDGET_MAX}",
                self.crash_budget
            )));
        }
        if self.dead_max_jobs == 0 {
            return Err(Error::config("dead_max_jobs is 0; it must be at least 1"));
        }
        if self.max_fetch_payload < 1024 {
            return Err(Error::config(format!(
                "max_fetch_payload is {} bytes; it must be at least 1024",
                self.max_fetch_payload
            )));
        }
        Ok(())
    }

    /// The default capsule and the others.
    pub(crate) fn all_capsules(&self) -> Vec<CapsuleConfig> {
        let default = CapsuleConfig {
            name: "default".into(),
            queues: self.queues.clone(),
            concurrency: self.concurrency,
        };
        std::iter::once(default)
            .chain(self.capsules.iter().cloned())
            .collect()
    }

    /// A capsule's share of the crash budget.
    pub(crate) fn budget_of(&self, capsule: &CapsuleConfig) -> usize {
        let all: usize = self
            .all_capsules()
            .iter()
            .map(|capsule| capsule.concurrency)
            .sum();
        self.crash_budget.min(CRASH_BUDGET_MAX) * capsule.concurrency / all.max(1)
    }

    pub(crate) fn keys(&self) -> Result<Keys, Error> {
        Keys::new(&self.namespace).map_err(|error| Error::config(error.to_string()))
    }

    pub(crate) fn grave(&self) -> Grave {
        Grave {
            jobs_max: self.dead_max_jobs,
            timeout: self.dead_timeout,
        }
    }
}

impl CapsuleConfig {
    pub(crate) fn order(&self) -> Result<QueueOrder, Error> {
        let specs: Result<Vec<QueueSpec>, _> = self
            .queues
            .iter()
            .map(|spec| QueueSpec::parse(spec))
            .collect();
        specs
            .and_then(|specs| QueueOrder::new(&specs))
            .map_err(|error| Error::config(format!("queues of capsule {}: {error}", self.name)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config() -> WorkerConfig {
        WorkerConfig::new(Server::new("redis://127.0.0.1").unwrap())
    }

    fn problem(change: impl FnOnce(&mut WorkerConfig)) -> String {
        let mut config = config();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_valid() {
        config().validate().unwrap();
    }

    #[test]
    fn every_mistake_names_its_key() {
        assert!(problem(|c| c.concurrency = 0).contains("concurrency"));
        assert!(problem(|c| c.concurrency = 1001).contains("1 to 1000"));
        assert!(problem(|c| c.crash_budget = 10_001).contains("crash_budget"));
        assert!(problem(|c| c.queues = vec![]).contains("queues"));
        assert!(problem(|c| c.queues = vec!["a,0".into()]).contains("queues"));
        assert!(problem(|c| c.dead_max_jobs = 0).contains("dead_max_jobs"));
        assert!(problem(|c| c.namespace = "a b".into()).contains("namespace"));
        let twice = CapsuleConfig {
            name: "x".into(),
            queues: vec!["q".into()],
            concurrency: 1,
        };
        assert!(problem(|c| c.capsules = vec![twice.clone(), twice.clone()]).contains("capsules"));
    }
}
