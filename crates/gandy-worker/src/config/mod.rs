//! The worker's configuration: TOML file, environment and flags, laid over each other in the order
//! flag, environment, file, default; every mistake is gathered before anything is refused.
//!
//! * `keys`: the rule and default of each key; `raw`, `queue`, `secret`, `probes`: the types of values
//! * `layer`: what one source sets; `file` (with `section`, `job`, `exec_job`, `http_job`, `program`) and `variables` (with
//!   `environment`): the sources; flags are in `cli`
//! * `problem`, `suggest`: what is wrong, where, and what was meant
//! * `summary`: the effective configuration as people read it

pub mod environment;
pub mod exec_job;
pub mod file;
pub mod http_job;
pub mod job;
pub mod keys;
pub mod layer;
pub mod probes;
pub mod problem;
pub mod program;
pub mod queue;
pub mod raw;
pub mod secret;
pub mod section;
pub mod suggest;
pub mod summary;
pub mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gandy::{StampFormat, TlsFiles};

use crate::cgroup::{self, Cgroup};
use environment::Environment;
use file::File;
use job::Job;
use keys::default;
use layer::{Layer, Redis};
use probes::Probes;
use problem::{Place, Problem};
use queue::Queue;
use secret::Secret;

/// The file that is read when none is named, if it is there.
pub const FILE: &str = "gandy.toml";

/// What a worker is started with, checked.
#[derive(Debug, Clone)]
#[allow(
    missing_docs,
    reason = "each field is the key of its name, documented in `keys`"
)]
pub struct Config {
    pub redis_url: Secret,
    pub redis_tls: TlsFiles,
    pub namespace: Option<String>,
    pub concurrency: usize,
    /// CPUs of the control group's quota, where that has decided `concurrency`.
    pub cpu_quota: Option<f64>,
    pub queues: Vec<Queue>,
    pub crash_budget: usize,
    pub timeout: Duration,
    pub stamps: StampFormat,
    pub max_retries: u32,
    pub dead_max_jobs: u64,
    pub dead_timeout: Duration,
    pub max_fetch_payload: usize,
    pub allow_eviction: bool,
    pub fail_fast: bool,
    pub functions: bool,
    pub probes: Probes,
    pub memory_guard: bool,
    pub tag: Option<String>,
    pub labels: Vec<String>,
    pub capsules: BTreeMap<String, Capsule>,
    pub jobs: BTreeMap<String, Job>,
}

/// Queues with jobs at once of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capsule {
    /// Where it fetches from.
    pub queues: Vec<Queue>,
    /// Its jobs at once.
    pub concurrency: usize,
}

/// A configuration with what is worth a warning.
#[derive(Debug)]
pub struct Loaded {
    /// The effective configuration.
    pub config: Config,
    /// The file that was read.
    pub path: PathBuf,
    /// Not wrong, but probably not meant.
    pub warnings: Vec<String>,
}

/// Reads file and environment, lays the flags over them and checks the whole.
///
/// `named` is the file of `-C`; without it `GANDY_CONFIG` names one, and without that `gandy.toml` is read
/// if it is there.
///
/// # Errors
///
/// Everything that is wrong, in the order of the file.
pub fn load(
    named: Option<&Path>,
    environment: &Environment,
    flags: Layer,
) -> Result<Loaded, Vec<Problem>> {
    let mut problems = Vec::new();
    let path = find(named, environment);
    let file = match &path {
        None => File::default(),
        Some(path) => match std::fs::read_to_string(path) {
            Ok(text) => file::read(path, &text, environment, &mut problems),
            Err(error) => {
                let message = format!("cannot read the file: {error}");
                return Err(vec![Problem::new(Place::Whole(path.clone()), "", message)]);
            }
        },
    };
    let capsules = file.layer.capsules.keys().map(String::as_str);
    let variables = variables::read(environment, capsules, &mut problems);
    let layer = flags.over(variables).over(file.layer);
    let whole = path.clone().unwrap_or_else(|| FILE.into());
    // Which handlers are wrong is noted already; that none is left is then no news.
    if file.jobs.is_empty() && problems.is_empty() {
        let message = if path.is_some() {
            "has no [jobs.CLASS] table: a worker without handlers would fail every job"
        } else {
            "is not here and no other file was named (-C FILE): its [jobs.CLASS] tables say what to run"
        };
        problems.push(Problem::new(Place::Whole(whole.clone()), "", message));
    }
    let cpus = cgroup_of(environment).cpus();
    let config = resolve(layer, file.jobs, cpus, &whole, &mut problems);
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded {
            config,
            path: whole,
            warnings: variables::suspects(environment),
        }),
        _ => {
            problems.sort_by_key(|problem| problem.order());
            Err(problems)
        }
    }
}

/// The control groups of this process.
pub fn cgroup_of(environment: &Environment) -> Cgroup {
    let root = environment.get(variables::CGROUP);
    Cgroup::of_process(root.filter(|root| !root.is_empty()).map(Path::new))
}

/// Where the worker that is started like this answers probes. What else is wrong with its configuration is not asked: the
/// answer is for a probe, many times a minute.
///
/// # Errors
///
/// An address that is none.
pub fn probes_of(
    named: Option<&Path>,
    environment: &Environment,
    flag: Option<Probes>,
) -> Result<Probes, String> {
    if let Some(probes) = flag {
        return Ok(probes);
    }
    let mut problems = Vec::new();
    let variables = variables::read(environment, [], &mut problems).probes;
    let of_file = || {
        let path = find(named, environment)?;
        let text = std::fs::read_to_string(&path).ok()?;
        let file = file::read(&path, &text, environment, &mut Vec::new());
        file.layer.probes
    };
    match environment.text("GANDY_PROBES") {
        Some(Ok(text)) if !text.is_empty() && variables.is_none() => {
            Probes::read(raw::Raw::Text(text))
                .map_err(|why| format!("environment GANDY_PROBES {why}"))
        }
        _ => Ok(variables.or_else(of_file).unwrap_or_default()),
    }
}

fn find(named: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    named
        .map(Path::to_owned)
        .or_else(|| {
            environment
                .get("GANDY_CONFIG")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        })
        .or_else(|| Path::new(FILE).exists().then(|| FILE.into()))
}

fn resolve(
    layer: Layer,
    jobs: BTreeMap<String, Job>,
    cpus: Option<f64>,
    whole: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    let redis_url = match layer.redis {
        None => Some(Secret::new(default::REDIS_URL)),
        Some(Redis::Url(url)) => Some(url),
        Some(Redis::File(path)) => read_url(&path, problems),
    };
    let cpu_quota = cpus.filter(|_| layer.concurrency.is_none());
    let concurrency = layer
        .concurrency
        .or(cpu_quota.map(cgroup::concurrency))
        .unwrap_or(default::CONCURRENCY);
    let mut capsules = BTreeMap::new();
    for (name, capsule) in layer.capsules {
        match capsule.queues {
            Some(queues) => {
                let concurrency = capsule.concurrency.unwrap_or(concurrency);
                capsules.insert(
                    name,
                    Capsule {
                        queues,
                        concurrency,
                    },
                );
            }
            // A wrong `queues` was noted and reads as none; only a capsule that is otherwise right is news.
            None if problems.is_empty() => {
                let key = section::join("capsules", &name);
                let message = "has no queues: a capsule fetches from its own queues only";
                problems.push(Problem::new(Place::Whole(whole.to_owned()), key, message));
            }
            None => {}
        }
    }
    Some(Config {
        redis_url: redis_url?,
        redis_tls: layer.redis_tls,
        namespace: layer.namespace,
        concurrency,
        cpu_quota,
        queues: layer.queues.unwrap_or_else(|| {
            vec![Queue {
                name: default::QUEUE.to_owned(),
                weight: None,
            }]
        }),
        crash_budget: layer.crash_budget.unwrap_or(default::CRASH_BUDGET),
        timeout: layer.timeout.unwrap_or(default::TIMEOUT),
        stamps: layer.stamps.unwrap_or(StampFormat::Milliseconds),
        max_retries: layer.max_retries.unwrap_or(default::MAX_RETRIES),
        dead_max_jobs: layer.dead_max_jobs.unwrap_or(default::DEAD_MAX_JOBS),
        dead_timeout: layer.dead_timeout.unwrap_or(default::DEAD_TIMEOUT),
        max_fetch_payload: layer
            .max_fetch_payload
            .unwrap_or(default::MAX_FETCH_PAYLOAD),
        allow_eviction: layer.allow_eviction.unwrap_or(false),
        fail_fast: layer.fail_fast.unwrap_or(false),
        functions: layer.functions.unwrap_or(false),
        probes: layer.probes.unwrap_or_default(),
        memory_guard: layer.memory_guard.unwrap_or(true),
        tag: layer.tag,
        labels: layer.labels.unwrap_or_default(),
        capsules,
        jobs,
    })
}

fn read_url(path: &Path, problems: &mut Vec<Problem>) -> Option<Secret> {
    Secret::from_file(path)
        .and_then(|text| {
            keys::redis_url(raw::Raw::Text(text.expose()))
                .map_err(|message| format!("the text in {} {message}", path.display()))
        })
        .map_err(|message| {
            problems.push(Problem::new(
                Place::Whole(path.to_owned()),
                "redis_url_file",
                message,
            ));
        })
        .ok()
}
