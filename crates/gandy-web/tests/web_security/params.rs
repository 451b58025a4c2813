//! Nonsense in each parameter of each route: an answer that says so, at once, and nothing is kept of it.

use std::time::{Duration, Instant};

use gandy_tests::RedisServer;
use reqwest::Method;

use crate::data;
use crate::routes::{self, filled, usual};
use crate::support::{Site, of, send};

/// All names of parameters.
const NAMES: [&str; 28] = [
    "filter", "from", "count", "view", "end", "days", "range", "q", "n", "page", "at", "within",
    "copy", "class", "queue", "to", "entry", "args", "in", "order", "look", "all", "place",
    "retry", "tags", "fields", "back", "_token",
];

/// Where most is read.
const READERS: [&str; 11] = [
    "/",
    "/retries",
    "/queues/low",
    "/jobs/x",
    "/push",
    "/metrics",
    "/live",
    "/search",
    "/api/v1/dead",
    "/api/v1/queues/low",
    "/api/v1/history",
];

/// As they stand in a URL.
fn hostile() -> Vec<String> {
    let mut values: Vec<String> = [
        "",
        "0",
        "-1",
        "1e999",
        "NaN",
        "99999999999999999999999",
        "%00",
        "%ff%fe",
        "%0d%0aX-Evil:1",
        "../../etc/passwd",
        "%2e%2e%2f",
        "%F0%9F%92%A9",
        "%E2%80%AE",
        "'%20OR%201=1--",
        "*",
        "(((((((((((((((((((",
        "%22",
        "%5C",
        "[[[[",
        "%7B%7B",
        "~4294967295",
        "1e308~1",
        "-inf~0",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@1e308",
        "act:99999999999999999999999",
        "queue:%00",
        "age%3E99999999999999d",
        "attempt%3E%3D%3D1",
        "-%20-%20-%20!!",
        "class:****************************x",
    ]
    .map(str::to_owned)
    .to_vec();
    values.push("a".repeat(8_000));
    values.push("%2A%3F".repeat(300));
    values.push("class:a%20".repeat(100));
    values
}

/// Every place of every route with every value, and a third of the names with it.
fn requests() -> Vec<(Method, String, Option<String>)> {
    let values = hostile();
    let mut all = Vec::new();
    for route in routes::all() {
        let path = &route.path;
        let plain = filled(path, usual);
        for (is, method) in [(route.get, Method::GET), (route.post, Method::POST)] {
            if !is {
                continue;
            }
            for (at, value) in values.iter().enumerate() {
                if path.contains('{') && !value.is_empty() {
                    let hot = filled(path, |_| value.replace('/', "%2F"));
                    all.push((method.clone(), hot, Some(String::new())));
                }
                // Which third differs by value, so that in all each name meets each route.
                let pairs: Vec<String> = NAMES
                    .iter()
                    .skip(at % 5)
                    .step_by(5)
                    .map(|name| format!("{name}={value}"))
                    .collect();
                let pairs = pairs.join("&");
                match method {
                    Method::POST => all.push((method.clone(), plain.clone(), Some(pairs))),
                    _ => all.push((method.clone(), format!("{plain}?{pairs}"), None)),
                }
            }
        }
    }
    // One at a time where most is read: each value meets each reader, and each name too.
    for (at, name) in NAMES.iter().enumerate() {
        for (value_at, value) in values.iter().enumerate() {
            for step in [0, 5] {
                let path = READERS[(at + value_at + step) % READERS.len()];
                all.push((Method::GET, format!("{path}?{name}={value}"), None));
            }
        }
    }
    all
}

async fn ask(site: &Site, (method, path, body): &(Method, String, Option<String>)) -> Duration {
    let mut request = site
        .request(method.clone(), path)
        .header("sec-fetch-site", "same-origin");
    if let Some(body) = body {
        request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.clone());
    }
    let began = Instant::now();
    let page = send(request).await;
    let took = began.elapsed();
    let shown: String = path.chars().take(200).collect();
    assert!(
        page.status.as_u16() < 500,
        "{method} {shown} {body:?}: {} {}",
        page.status,
        page.body
    );
    assert!(page.headers.get("x-evil").is_none(), "{shown}");
    took
}

/// Resident memory of this process, KB.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_params() {
    let redis = RedisServer::start();
    data::fill(&redis, &["harmless".to_owned()]);
    let site = Site::start(of(&redis)).await;
    let requests = requests();
    assert!(requests.len() > 3_000, "{}", requests.len());
    // What is kept for good, such as connections and what was read for all, is there after some of them.
    let (first, rest) = requests.split_at(requests.len() / 3);
    let mut times = Vec::new();
    for request in first {
        times.push(ask(&site, request).await);
    }
    let before = memory();
    for request in rest {
        times.push(ask(&site, request).await);
    }
    let after = memory();
    eprintln!(
        "{} requests in {:?}",
        times.len(),
        times.iter().sum::<Duration>()
    );
    times.sort();
    let median = times[times.len() / 2];
    assert!(median < Duration::from_millis(50), "{median:?}");
    if let (Some(before), Some(after)) = (before, after) {
        assert!(
            after < before + 32 * 1024,
            "{before} KB before, {after} KB after"
        );
    }
    // And it is as it was.
    site.get("/").await.ok();
}
