//! The command line: verbs, the flags that go with all of them, and what is said about a wrong one. A verb's own flags
//! are in its file under `verb/`.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use gandy::redact;

use crate::failure::exit;
use crate::settings::{self, Settings};
use crate::verb::{
    act, busy, cancel, clear, completions, dev, doctor, export, exporter, functions, history,
    import, job, jobs, man, mark, metrics, pause, processes, push, queues, signal, stats, top, web,
    why,
};
use crate::{output, style};

const MORE: &str = r#"EXAMPLES
  gandy push Mailer 42 '"hello"'                     push a job, print its jid
  gandy push Mailer 42 --queue low --in 10m          the same in ten minutes, on queue low
  gandy push Invoice 7 --idempotency-key invoice:7   push once, however often this runs in a day
  gandy push --stdin < jobs.jsonl                    push one job for each line of JSON
  gandy push Report 7 --wait --timeout 5m            push a job and wait until it has run
  gandy stats                                        how many jobs wait, run, failed
  gandy jobs queue:default --limit 5                 the jobs that run next
  gandy jobs dead --json | jq '.[].payload'          the exact payloads of what died
  gandy job JID                                      where a job is, its payload and its history
  gandy why JID                                      why a job does not run
  gandy busy                                         what runs now
  gandy metrics --minutes 15                         runs, failures and run times of each class
  gandy cancel JID                                   tell a running job to stop
  gandy jobs retry 'error:Timeout age>1h'            those that failed so, more than an hour ago
  gandy retry --from retry --filter 'error:Timeout'  run those now; it counts them and asks first
  gandy export dead > dead.jsonl                     keep them; gandy import puts them back
  gandy processes --redis redis://10.0.0.5:6379/1    who works there
  gandy doctor                                       what is wrong here, and how it is repaired
  gandy exporter --listen 0.0.0.0:7434               metrics of the fleet for Prometheus
  gandy top                                          all of it on a full screen, live
  gandy web                                          the same as web pages, on http://localhost:7435
  gandy dev                                          a private Redis, worker and dashboard, until Ctrl-C
  gandy VERB --help                                  examples of each verb

ENVIRONMENT
  REDIS_URL, else the file named by REDIS_URL_FILE, says where Redis is; --redis comes first, and without any it is
  redis://127.0.0.1:6379/0. Others on this machine can see a flag: keep passwords in the environment or the file.
  With Sentinel: redis+sentinel://[USER:PASSWORD@]SENTINEL1[:26379],SENTINEL2/MASTER[/DB], TLS by rediss+sentinel://;
  a login of the sentinels' own: ?sentinel_username=USER&sentinel_password=PASSWORD.
  REDIS_TLS_CA, REDIS_TLS_CERT and REDIS_TLS_KEY name files in PEM form for rediss://; --tls-ca and so on come first.
  GANDY_NAMESPACE puts its value and a colon before every key; --namespace comes first.
  GANDY_STAMPS, GANDY_DEAD_MAX_JOBS and GANDY_DEAD_TIMEOUT say how the fleet writes times and what dead may hold.
  Where neither flag nor environment says it, gandy-worker's file does, by its keys redis_url, redis_url_file,
  redis_tls_ca, redis_tls_cert, redis_tls_key, namespace, stamps, dead_max_jobs and dead_timeout: the file of --config,
  else of GANDY_CONFIG, else ./gandy.toml.
  NO_COLOR takes colours away, CLICOLOR_FORCE gives them to what is no terminal.

OUTPUT
  Tables are for people and may change. --json prints exactly one JSON document (lists are arrays, payloads exactly as
  they are in Redis) on standard output; everything else goes to standard error. The exception is gandy export, with
  or without --json one document a line.

EXIT CODES
  0 done, 1 what gandy doctor found wrong, a process of gandy dev that ended by itself, or nothing done since the
  person who was asked said no (for job, cancel and push --wait see their help), 2 wrong command line or settings,
  65 bad input data, 69 Redis unavailable (nothing was done), 70 a bug in gandy, 74 input could not be read or output
  not written, 75 a push, act or repair without an answer: it may have been done; or a wait that was too short,
  77 Redis refused, 130 interrupted, after the step that was being done"#;

/// Push background jobs, look at queues, sets and worker processes in Redis, and repair what is wrong there.
#[derive(Debug, Parser)]
#[command(name = "gandy", version, after_help = MORE, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Flags that go with every verb, before or after it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every verb, before or after it")]
pub(crate) struct Common {
    /// Where Redis is: redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://…, unix:///PATH or redis+sentinel://… [default: the environment's]
    #[arg(long, global = true, value_name = "URL", value_parser = |text: &str| Ok::<_, Infallible>(Url(text.to_owned())))]
    pub(crate) redis: Option<Url>,

    /// gandy-worker's file, for where Redis is [default: GANDY_CONFIG, else ./gandy.toml]
    #[arg(short = 'C', long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Authorities to trust for rediss:// [default: REDIS_TLS_CA, else the public ones]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,

    /// Certificate to show for rediss:// [default: REDIS_TLS_CERT]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key of that certificate [default: REDIS_TLS_KEY]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Put NAME and a colon before every key [default: GANDY_NAMESPACE]
    #[arg(long, global = true, value_name = "NAME", value_parser = settings::namespace)]
    pub(crate) namespace: Option<String>,

    /// Print the result as one JSON document
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// What the file says, and the namespace of the environment: [`Common::settle`].
    #[arg(skip)]
    pub(crate) settings: Settings,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Push(push::PushArgs),
    Stats(stats::StatsArgs),
    Queues(queues::QueuesArgs),
    Jobs(jobs::JobsArgs),
    Job(job::JobArgs),
    Why(why::WhyArgs),
    Busy(busy::BusyArgs),
    Processes(processes::ProcessesArgs),
    Retry(act::RetryArgs),
    Delete(act::DeleteArgs),
    Bury(act::BuryArgs),
    Move(act::MoveArgs),
    Clear(clear::ClearArgs),
    Pause(pause::PauseArgs),
    Unpause(pause::UnpauseArgs),
    Quiet(signal::QuietArgs),
    Stop(signal::StopArgs),
    Export(export::ExportArgs),
    Import(import::ImportArgs),
    History(history::HistoryArgs),
    Metrics(metrics::MetricsArgs),
    Mark(mark::MarkArgs),
    Cancel(cancel::CancelArgs),
    Doctor(doctor::DoctorArgs),
    Exporter(exporter::ExporterArgs),
    InstallFunctions(functions::FunctionsArgs),
    Top(top::TopArgs),
    Web(web::WebArgs),
    Dev(dev::DevArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Verb {
    /// Whether it looks at a Redis that is there already.
    pub(crate) fn asks_redis(&self) -> bool {
        !matches!(self, Verb::Dev(_) | Verb::Completions(_) | Verb::Man(_))
    }
}

/// A URL as it was given. It is read later and not by clap, whose errors would repeat it with its password.
#[derive(Clone)]
pub(crate) struct Url(pub(crate) String);

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0))
    }
}

/// Reads the command line; an `Err` has said all there is to say.
pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Cli, ExitCode> {
    let words = negations(words.collect());
    let error = match Cli::try_parse_from(&words) {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    if !error.use_stderr() {
        let printed = output::print(painted(&error, style::of_stdout()).trim_end());
        return Err(printed.map_or_else(|failure| failure.code.into(), |()| ExitCode::SUCCESS));
    }
    let text = painted(&error, style::of_stderr());
    let help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    output::say(
        if help {
            text
        } else {
            without_passwords(text, &words)
        }
        .trim_end(),
    );
    Err(exit::USAGE.into())
}

/// A negated term of a filter, `-class:Mailer*`, looks like flags. For `gandy jobs` it becomes `!class:Mailer*`, which means
/// the same; clap's own way (hyphens allowed) takes every flag behind the filter for a part of it.
fn negations(mut words: Vec<OsString>) -> Vec<OsString> {
    const NAMES: [&str; 8] = [
        "class", "queue", "jid", "arg", "error", "tag", "age", "attempt",
    ];
    if !words.iter().skip(1).any(|word| word == "jobs") {
        return words;
    }
    for word in &mut words {
        let Some(term) = word.to_str().and_then(|word| word.strip_prefix('-')) else {
            continue;
        };
        let name = term.split([':', '<', '>', '=']).next().unwrap_or_default();
        if name.len() < term.len() && NAMES.contains(&name) {
            *word = format!("!{term}").into();
        }
    }
    words
}

fn painted(error: &clap::Error, colour: bool) -> String {
    match colour {
        true => error.render().ansi().to_string(),
        false => error.render().to_string(),
    }
}

/// Clap repeats a word that it does not understand, and that word may be a URL in the wrong place.
fn without_passwords(mut text: String, words: &[OsString]) -> String {
    for word in words.iter().filter_map(|word| word.to_str()) {
        let value = word.split_once('=').map_or(word, |(_, value)| value);
        for secret in [word, value] {
            if secret.contains("://") {
                text = text.replace(secret, &redact(secret));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_negated_term_is_no_flag() {
        let words = [
            "gandy", "jobs", "retry", "-class:A", "-class=A", "-age>1h", "--limit", "3", "-h",
        ];
        let read: Vec<_> = negations(words.map(OsString::from).to_vec());
        let read: Vec<_> = read.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(
            read,
            [
                "gandy", "jobs", "retry", "!class:A", "!class=A", "!age>1h", "--limit", "3", "-h"
            ]
        );
        let push = ["gandy", "push", "A", "-age>1h"]
            .map(OsString::from)
            .to_vec();
        assert_eq!(negations(push.clone()), push);
    }

    #[test]
    fn every_command_has_its_page_in_the_book() {
        let bless = "cargo test -p gandy-cli every_command_has_its_page";
        gandy_tests::hold_pages(Cli::command(), "README.md", bless);
    }

    #[test]
    fn a_url_is_never_shown_whole() {
        let words = ["gandy", "stats", "--json=redis://u:S3CR3T@h"];
        let error = Cli::try_parse_from(words).unwrap_err().to_string();
        assert!(error.contains("S3CR3T"), "{error}");
        let shown = without_passwords(error, &words.map(OsString::from));
        assert!(
            shown.contains("redis://u:***@h") && !shown.contains("S3CR3T"),
            "{shown}"
        );
        let cli = Cli::try_parse_from(["gandy", "stats", "--redis", "redis://u:S3CR3T@h"]).unwrap();
        assert!(!format!("{cli:?}").contains("S3CR3T"));
    }
}
