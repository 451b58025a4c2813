//! The README names what there is: every key, variable and exit code.
#![allow(clippy::unwrap_used)]

use gandy::span;
use gandy_worker::config::job;
use gandy_worker::config::keys::default;
use gandy_worker::config::layer::Layer;
use gandy_worker::{exec, exit, http};

const README: &str = include_str!("../README.md");

/// The row of a key, after its name.
fn row(key: &str) -> &'static str {
    README
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .find(|line| {
            let names = line.split('|').next().unwrap();
            names
                .split(", ")
                .any(|name| name.trim() == format!("`{key}`"))
        })
        .unwrap_or_else(|| panic!("no row for {key}"))
}

#[test]
fn every_key_has_its_row_and_its_default() {
    let of_jobs = [&job::KEYS[..], &job::EXEC_KEYS, &job::HTTP_KEYS].concat();
    for key in Layer::KEYS.into_iter().chain(of_jobs) {
        row(key);
    }
    for (key, value) in [
        ("redis_url", default::REDIS_URL.to_owned()),
        ("concurrency", default::CONCURRENCY.to_string()),
        ("queues", default::QUEUE.to_owned()),
        ("timeout", default::TIMEOUT.as_secs().to_string()),
        ("crash_budget", default::CRASH_BUDGET.to_string()),
        ("max_retries", default::MAX_RETRIES.to_string()),
        ("dead_max_jobs", default::DEAD_MAX_JOBS.to_string()),
        ("dead_timeout", span::show(default::DEAD_TIMEOUT)),
        ("max_fetch_payload", default::MAX_FETCH_PAYLOAD.to_string()),
        ("output_limit", exec::OUTPUT_LIMIT.to_string()),
        ("response_limit", http::RESPONSE_LIMIT.to_string()),
    ] {
        assert!(row(key).contains(&value), "{key}: {value} in {}", row(key));
    }
    assert!(README.contains(&format!(
        "| `timeout` | `\"{}\"`",
        span::show(default::JOB_TIMEOUT)
    )));
}

#[test]
fn every_exit_code_is_named() {
    let codes = README.split_once("Exit codes:").unwrap().1;
    for code in [
        exit::CLEAN,
        exit::UNHEALTHY,
        exit::RESTART,
        exit::USAGE,
        exit::UNAVAILABLE,
        exit::SOFTWARE,
        exit::CONFIG,
    ] {
        assert!(codes.contains(&format!(" {code} ")), "{code}");
    }
}
