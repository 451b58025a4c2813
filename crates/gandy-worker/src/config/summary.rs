//! The effective configuration as people read it: what `--check` prints and what the worker logs at start.
//! No secret is in it.

use std::fmt::Write;

use gandy::StampFormat;

use super::Config;
use super::job::{Job, Retry, Target};
use super::queue::Queue;
use gandy::span::show;

/// The configuration, one key a line, written as the TOML file would hold it.
pub fn of(config: &Config) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        let _ = writeln!(text, "{key} = {value}");
    };
    line("redis_url", quoted(&redacted(config.redis_url.expose())));
    let tls = &config.redis_tls;
    for (key, path) in [
        ("redis_tls_ca", &tls.ca),
        ("redis_tls_cert", &tls.cert),
        ("redis_tls_key", &tls.key),
    ] {
        if let Some(path) = path {
            line(key, quoted(&path.to_string_lossy()));
        }
    }
    if let Some(namespace) = &config.namespace {
        line("namespace", quoted(namespace));
    }
    line(
        "concurrency",
        match config.cpu_quota {
            None => config.concurrency.to_string(),
            Some(cpus) => format!("{} # for a quota of {cpus} CPUs", config.concurrency),
        },
    );
    line("queues", queues(&config.queues));
    line("crash_budget", config.crash_budget.to_string());
    line("timeout", quoted(&show(config.timeout)));
    line("stamps", quoted(stamps(config.stamps)));
    line("max_retries", config.max_retries.to_string());
    line("dead_max_jobs", config.dead_max_jobs.to_string());
    line("dead_timeout", quoted(&show(config.dead_timeout)));
    line("max_fetch_payload", config.max_fetch_payload.to_string());
    line("allow_eviction", config.allow_eviction.to_string());
    line("fail_fast", config.fail_fast.to_string());
    line("functions", config.functions.to_string());
    line("probes", quoted(&config.probes.shown()));
    line("memory_guard", config.memory_guard.to_string());
    if let Some(tag) = &config.tag {
        line("tag", quoted(tag));
    }
    line("labels", list(config.labels.iter().map(String::as_str)));
    for (name, capsule) in &config.capsules {
        let name = super::section::join("capsules", name);
        line(&format!("{name}.queues"), queues(&capsule.queues));
        line(
            &format!("{name}.concurrency"),
            capsule.concurrency.to_string(),
        );
    }
    for (class, job) in &config.jobs {
        let name = super::section::join("jobs", class);
        for (key, value) in job_lines(job) {
            line(&format!("{name}.{key}"), value);
        }
    }
    text
}

fn job_lines(job: &Job) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut line = |key: &str, value: String| lines.push((key.to_owned(), value));
    match &job.target {
        Target::Exec(target) => {
            let words = list(target.words.iter().map(String::as_str));
            let program = crate::log::escape(&target.program.to_string_lossy());
            line("exec", format!("{words} # {program}"));
            line("cwd", quoted(&target.cwd.to_string_lossy()));
            let names: Vec<_> = target
                .env
                .keys()
                .map(|name| format!("{} = \"***\"", quoted(&name.to_string_lossy())))
                .collect();
            line("env", format!("{{ {} }}", names.join(", ")));
            line("bury_on", format!("{:?}", target.bury_on));
            line("discard_on", format!("{:?}", target.discard_on));
            line("output_limit", target.output_limit.to_string());
        }
        Target::Http(target) => {
            line("http", quoted(&target.shown_url()));
            for (name, given) in target.headers.given() {
                line(&format!("headers.{name}"), given.to_string());
            }
            if let Some(hmac) = &target.hmac {
                line("hmac.secret", hmac.given.to_string());
                line("hmac.header", quoted(hmac.header.as_str()));
            }
            line("response_limit", target.response_limit.to_string());
        }
    }
    line("timeout", quoted(&show(job.timeout)));
    match job.retry {
        None => {}
        Some(Retry::Default) => line("retry", "true".to_owned()),
        Some(Retry::Never) => line("retry", "false".to_owned()),
        Some(Retry::Times(times)) => line("retry", times.to_string()),
    }
    if let Some(level) = job.log {
        line("log", quoted(&level.to_string()));
    }
    lines
}

fn stamps(format: StampFormat) -> &'static str {
    match format {
        StampFormat::Milliseconds => "milliseconds",
        StampFormat::Seconds => "seconds",
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", crate::log::escape(text))
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", items.map(quoted).collect::<Vec<_>>().join(", "))
}

fn queues(queues: &[Queue]) -> String {
    let names: Vec<_> = queues.iter().map(ToString::to_string).collect();
    list(names.iter().map(String::as_str))
}

/// A Redis URL without user, password and the values of its query. Works on the text and not on a parsed URL,
/// so that one with a stray `@` or `/` in its password is hidden whole.
pub fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "***".to_owned();
    };
    let is_path = scheme.contains("unix");
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) if !is_path => ("***@", rest),
        _ => ("", rest),
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, _)) => (rest, "?***"),
        None => (rest, ""),
    };
    format!("{scheme}://{user}{rest}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_password_is_left_in_a_url() {
        for (url, shown) in [
            ("redis://host:6379/0", "redis://host:6379/0"),
            ("redis://:S3CR3T@host", "redis://***@host"),
            ("rediss://user:S3C/R?3@T@host/1", "rediss://***@host/1"),
            (
                "unix:///run/r.sock?db=1&pass=S3@CR3T",
                "unix:///run/r.sock?***",
            ),
            (
                "redis+sentinel://u:S3CR3T@s1,[::1]:7/m/1?sentinel_password=S3CR3T",
                "redis+sentinel://***@s1,[::1]:7/m/1?***",
            ),
            ("S3CR3T", "***"),
        ] {
            assert_eq!(redacted(url), shown);
        }
    }
}
