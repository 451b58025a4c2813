//! The command line. Here: flags and their help. What a flag's value may be is the same rule as for file and
//! environment (`config::keys`).

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::keys;
use crate::config::layer::{Layer, Redis};
use crate::config::probes::Probes;
use crate::config::queue::Queue;
use crate::config::raw::Raw;
use crate::config::secret::Secret;

const EXAMPLES: &str = r#"EXAMPLES
  gandy-worker                                 run what ./gandy.toml says
  gandy-worker -C /etc/gandy.toml --check      say what is wrong with a file, or what it comes to
  gandy-worker -q critical,3 -q default -c 25  two queues, the first drawn three times as often
  REDIS_URL_FILE=/run/secrets/redis gandy-worker --fail-fast
  gandy-worker health                          does the worker on this host live? (exit code 0 or 1)

  # gandy.toml
  concurrency = 25
  queues = ["critical,3", "default"]
  [jobs.ResizeImage]
  exec = ["./resize"]                          # arguments as JSON on standard input
  [jobs.Webhook]
  http = "https://example.com/jobs"            # arguments as JSON in a POST

ENVIRONMENT
  Every top-level key of the file is also a variable: REDIS_URL, REDIS_URL_FILE, REDIS_TLS_CA, REDIS_TLS_CERT,
  REDIS_TLS_KEY, and GANDY_ with the key in capitals (GANDY_CONCURRENCY, GANDY_QUEUES="critical,3 default", GANDY_CAPSULES_MAIL_QUEUES ...).
  GANDY_CONFIG names the file. GANDY_LOG is a filter (info, gandy=debug), GANDY_LOG_FORMAT text or json.
  Order: flag, environment, file, default.
  With Sentinel: REDIS_URL=redis+sentinel://[USER:PASSWORD@]SENTINEL1[:26379],SENTINEL2/MASTER[/DB], TLS by
  rediss+sentinel://; a login of the sentinels' own: ?sentinel_username=USER&sentinel_password=PASSWORD.

PROBES
  GET /livez (its parts move; says nothing of Redis), /readyz (it claims, and Redis answers), /startupz (it has joined
  the fleet once), /metrics (for Prometheus), on port 7433. A default port that is taken is a warning; one that was asked
  for is an error.

SIGNALS
  TSTP stop fetching; TERM or INT stop, giving running jobs the timeout and then giving them back;
  TTIN log what is running

EXIT CODES
  0 stopped as asked, configuration right, or healthy; 1 not healthy (health), 64 wrong command line,
  69 Redis cannot be reached (--fail-fast), 70 internal error, 75 memory is at its limit: start it again,
  78 wrong configuration"#;

/// A Sidekiq-compatible worker that runs programs and HTTP endpoints as job handlers.
#[derive(Debug, Parser)]
#[command(name = "gandy-worker", version, after_help = EXAMPLES)]
pub struct Cli {
    /// Configuration file [default: gandy.toml if it is there]
    #[arg(short = 'C', long = "config", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Queue to fetch from, with an optional weight; may be given many times
    #[arg(short, long = "queue", value_name = "NAME[,WEIGHT]", value_parser = Queue::parse)]
    pub queues: Vec<Queue>,

    /// Jobs at once in the default capsule [default: 10]
    #[arg(short, long, value_name = "N", allow_negative_numbers = true, value_parser = concurrency)]
    pub concurrency: Option<usize>,

    /// How long running jobs may go on after TERM, such as 25 or 2m [default: 25]
    #[arg(short, long, value_name = "SECS", allow_negative_numbers = true, value_parser = timeout)]
    pub timeout: Option<Duration>,

    /// Redis: redis://, rediss://, unix:// or redis+sentinel:// (others can see flags; keep passwords in REDIS_URL or a file)
    #[arg(long, value_name = "URL", value_parser = secret)]
    pub redis: Option<Secret>,

    /// Put NAME and a colon before every key
    #[arg(long, value_name = "NAME", value_parser = namespace)]
    pub namespace: Option<String>,

    /// End with code 69 when Redis cannot be reached at start, instead of waiting for it
    #[arg(long)]
    pub fail_fast: bool,

    /// Start even if Redis may evict keys, which loses jobs without a word
    #[arg(long)]
    pub allow_eviction: bool,

    /// Where /livez, /readyz, /startupz and /metrics are served: an address with a port, a port, or off [default: 0.0.0.0:7433]
    #[arg(long, value_name = "ADDR|off", global = true, value_parser = probes)]
    pub probes: Option<Probes>,

    /// Check the configuration, print what it comes to, and end
    #[arg(long)]
    pub check: bool,

    /// What to do instead of running jobs.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What is done instead of running jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask the worker on this host whether it lives (exit code 0) or not (1), for images without curl
    Health(Health),
}

/// What `health` asks.
#[derive(Debug, Args)]
pub struct Health {
    /// Ask whether it claims jobs (/readyz)
    #[arg(long, conflicts_with = "startup")]
    pub ready: bool,

    /// Ask whether it has joined the fleet (/startupz)
    #[arg(long)]
    pub startup: bool,
}

impl Health {
    /// The path to ask for.
    pub fn path(&self) -> &'static str {
        match (self.ready, self.startup) {
            (true, _) => "/readyz",
            (_, true) => "/startupz",
            _ => "/livez",
        }
    }
}

impl Cli {
    /// The flags as a layer of settings.
    ///
    /// # Errors
    ///
    /// A queue named twice; a Redis URL that is none (clap itself would print it, with its password).
    pub fn layer(&self) -> Result<Layer, String> {
        let names: Vec<_> = self.queues.iter().map(ToString::to_string).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let queues = match names.is_empty() {
            true => None,
            false => Some(Queue::parse_list(&names).map_err(|why| format!("--queue {why}"))?),
        };
        let redis = match &self.redis {
            None => None,
            Some(url) => {
                let url = keys::redis_url(Raw::Text(url.expose()));
                Some(Redis::Url(url.map_err(|why| format!("--redis {why}"))?))
            }
        };
        Ok(Layer {
            queues,
            concurrency: self.concurrency,
            timeout: self.timeout,
            redis,
            namespace: self.namespace.clone(),
            fail_fast: self.fail_fast.then_some(true),
            allow_eviction: self.allow_eviction.then_some(true),
            probes: self.probes,
            ..Layer::default()
        })
    }
}

fn concurrency(text: &str) -> Result<usize, String> {
    keys::concurrency(Raw::Text(text))
}

fn probes(text: &str) -> Result<Probes, String> {
    Probes::read(Raw::Text(text))
}

fn timeout(text: &str) -> Result<Duration, String> {
    keys::timeout(Raw::Text(text))
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

fn namespace(text: &str) -> Result<String, String> {
    keys::namespace(Raw::Text(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_command_has_its_page_in_the_book() {
        let bless = "cargo test -p gandy-worker the_command_has_its_page";
        gandy_tests::hold_pages(Cli::command(), "gandy-worker.md", bless);
    }

    #[test]
    fn flags_become_a_layer() {
        let words = "gandy-worker -q critical,3 -q default -c 7 -t 1m --redis redis://h --namespace n --fail-fast";
        let layer = Cli::try_parse_from(words.split(' '))
            .unwrap()
            .layer()
            .unwrap();
        assert_eq!(layer.concurrency, Some(7));
        assert_eq!(layer.timeout, Some(Duration::from_secs(60)));
        assert_eq!(layer.fail_fast, Some(true));
        assert_eq!(layer.allow_eviction, None);
        assert_eq!(layer.queues.unwrap().len(), 2);
        let bare = Cli::try_parse_from(["gandy-worker"]).unwrap();
        assert_eq!(bare.layer().unwrap(), Layer::default());
    }
}
