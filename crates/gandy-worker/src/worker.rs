//! The running worker: the configuration made into the library's worker, and its end into an exit code.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gandy::metrics::Exposition;
use gandy::{CapsuleConfig, Error, Kind, Server, Worker, WorkerBuilder, WorkerConfig};
use tokio::runtime::{Builder, Runtime};

use crate::config::environment::Environment;
use crate::config::job::Target;
use crate::config::queue::Queue;
use crate::config::{Config, Loaded, summary};
use crate::exec::launcher::Launcher;
use crate::handler::{ExecHandler, HttpHandler, options};
use crate::http::{self, Trust};
use crate::systemd::Notifier;
#[cfg(feature = "otel")]
use crate::traces::Traces;
use crate::{config, exit, limits, log, memory_guard, probes};

/// A configuration that the library accepts too.
#[derive(Debug)]
pub struct Ready {
    /// What was read.
    pub loaded: Loaded,
    /// The library's half of it.
    pub settings: WorkerConfig,
}

impl Ready {
    /// Checks a configuration as the library does.
    ///
    /// # Errors
    ///
    /// What the library does not accept.
    pub fn new(loaded: Loaded) -> Result<Ready, Error> {
        let settings = settings(&loaded.config)?;
        settings.validate()?;
        Ok(Ready { loaded, settings })
    }
}

/// Runs a worker until it is stopped; gives the exit code.
pub fn run(ready: Ready, environment: &Environment) -> u8 {
    let jobs = ready.loaded.config.jobs.iter();
    let levels = jobs.filter_map(|(class, job)| Some((class.clone(), job.log?)));
    if let Err(why) = log::start(environment, levels.collect()) {
        let _ = writeln!(std::io::stderr(), "{why}");
        return exit::CONFIG;
    }
    // An error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the runtime");
            return exit::SOFTWARE;
        }
    };
    #[cfg(feature = "otel")]
    let traces = match Traces::start(environment, runtime.handle()) {
        Ok(traces) => traces,
        Err(why) => {
            tracing::error!("{why}");
            return exit::CONFIG;
        }
    };
    let around = |builder| {
        #[cfg(feature = "otel")]
        let builder = traces.around(builder);
        builder
    };
    let code = runtime.block_on(serve(ready, environment, around));
    #[cfg(feature = "otel")]
    traces.end();
    end(runtime);
    code
}

/// Ends without waiting for threads: a name that is being looked up may take half a minute.
fn end(runtime: Runtime) {
    runtime.shutdown_background();
}

async fn serve(
    ready: Ready,
    environment: &Environment,
    around: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
) -> u8 {
    let Ready { loaded, settings } = ready;
    announce(&loaded);
    let builder = prepare(around(Worker::builder(settings)), &loaded.config)
        .and_then(|builder| told(builder, &loaded.config));
    let builder = match builder {
        Ok(builder) => builder,
        Err(why) => {
            tracing::error!("{why}");
            return exit::CONFIG;
        }
    };
    let worker = match builder.build() {
        Ok(worker) => worker,
        Err(error) => {
            tracing::error!("{error}");
            return code(&error);
        }
    };
    let restart = Arc::new(AtomicBool::new(false));
    if loaded.config.memory_guard {
        let cgroup = config::cgroup_of(environment);
        memory_guard::start(cgroup, worker.handle(), Arc::clone(&restart));
    }
    match Notifier::of(environment) {
        Ok(Some(notifier)) => notifier.start(worker.handle()),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "systemd cannot be told: NOTIFY_SOCKET is of no use"),
    }
    match worker.run().await {
        Ok(()) if restart.load(Ordering::Acquire) => exit::RESTART,
        Ok(()) => exit::CLEAN,
        Err(error) => {
            tracing::error!("{error}");
            code(&error)
        }
    }
}

/// Probes and metrics, where they can be served.
fn told(builder: WorkerBuilder, config: &Config) -> Result<WorkerBuilder, String> {
    Ok(match probes::listen(config.probes)? {
        Some(listener) => builder.probes(listener).metrics(Exposition::default()),
        None => builder,
    })
}

fn announce(loaded: &Loaded) {
    let config = &loaded.config;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        file = %loaded.path.display(),
        redis = summary::redacted(config.redis_url.expose()),
        concurrency = config.concurrency,
        cpu_quota = config.cpu_quota,
        queues = ?config.queues.iter().map(Queue::to_string).collect::<Vec<_>>(),
        classes = ?config.jobs.keys().collect::<Vec<_>>(),
        "gandy-worker starts"
    );
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
}

fn prepare(mut builder: WorkerBuilder, config: &Config) -> Result<WorkerBuilder, String> {
    let launcher =
        Launcher::of_process().map_err(|error| format!("cannot find the own binary: {error}"))?;
    if std::process::id() == 1 {
        tokio::spawn(launcher.clone().reap_orphans());
    }
    let at_once = config
        .capsules
        .values()
        .map(|capsule| capsule.concurrency)
        .sum::<usize>();
    if let Err(why) = limits::raise_open_files(config.concurrency + at_once) {
        tracing::warn!("{why}");
    }
    let client = http::client(trust(config)).map_err(|why| {
        format!("cannot speak https: {why}; install ca-certificates or set SSL_CERT_FILE")
    })?;
    for (class, job) in &config.jobs {
        let class = class.clone();
        builder = match job.target.clone() {
            Target::Exec(target) => {
                let launcher = launcher.clone();
                let handler = ExecHandler {
                    class,
                    target,
                    launcher,
                };
                builder.raw_handler(&handler.class.clone(), options(job), handler)
            }
            Target::Http(target) => {
                let client = client.clone();
                let handler = HttpHandler {
                    class,
                    target,
                    client,
                };
                builder.raw_handler(&handler.class.clone(), options(job), handler)
            }
        };
    }
    Ok(builder)
}

/// A bare image has no certificates, which is no reason not to start where none is needed.
fn trust(config: &Config) -> Trust {
    let is_https =
        |target: &Target| matches!(target, Target::Http(target) if target.url.scheme() == "https");
    if config.jobs.values().any(|job| is_https(&job.target)) {
        Trust::System
    } else {
        Trust::Only(Vec::new())
    }
}

/// The library's settings for a configuration.
fn settings(config: &Config) -> Result<WorkerConfig, Error> {
    let names = |queues: &[Queue]| queues.iter().map(ToString::to_string).collect::<Vec<_>>();
    let server = Server::new(config.redis_url.expose())?
        .with_tls_files(&config.redis_tls)?
        .with_functions(config.functions);
    let mut settings = WorkerConfig::new(server);
    settings.namespace = config.namespace.clone().unwrap_or_default();
    settings.queues = names(&config.queues);
    settings.concurrency = config.concurrency;
    settings.capsules = config
        .capsules
        .iter()
        .map(|(name, capsule)| CapsuleConfig {
            name: name.clone(),
            queues: names(&capsule.queues),
            concurrency: capsule.concurrency,
        })
        .collect();
    settings.timeout = config.timeout;
    settings.stamps = config.stamps;
    settings.crash_budget = config.crash_budget;
    settings.max_retries = config.max_retries;
    settings.dead_max_jobs = config.dead_max_jobs;
    settings.dead_timeout = config.dead_timeout;
    settings.allow_eviction = config.allow_eviction;
    settings.fail_fast = config.fail_fast;
    settings.max_fetch_payload = config.max_fetch_payload;
    settings.tag = config.tag.clone().unwrap_or_default();
    settings.labels.clone_from(&config.labels);
    Ok(settings)
}

fn code(error: &Error) -> u8 {
    match error.kind() {
        Kind::Retry | Kind::Unknown => exit::UNAVAILABLE,
        Kind::Input => exit::CONFIG,
        _ => exit::SOFTWARE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::default;

    #[test]
    fn our_defaults_are_the_librarys() {
        let theirs = WorkerConfig::new(Server::new(default::REDIS_URL).expect("a URL"));
        assert_eq!(theirs.concurrency, default::CONCURRENCY);
        assert_eq!(theirs.queues, [default::QUEUE]);
        assert_eq!(theirs.timeout, default::TIMEOUT);
        assert_eq!(theirs.crash_budget, default::CRASH_BUDGET);
        assert_eq!(theirs.max_retries, default::MAX_RETRIES);
        assert_eq!(theirs.dead_max_jobs, default::DEAD_MAX_JOBS);
        assert_eq!(theirs.dead_timeout, default::DEAD_TIMEOUT);
        assert_eq!(theirs.max_fetch_payload, default::MAX_FETCH_PAYLOAD);
        assert_eq!(theirs.stamps, gandy::StampFormat::Milliseconds);
    }
}
