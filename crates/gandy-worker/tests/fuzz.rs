//! No configuration file panics its reader, and none is taken for right that is no TOML.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use gandy_tests::fuzz;
use gandy_worker::config::environment::Environment;
use gandy_worker::config::file;
use proptest::prelude::*;

const SEEDS: [&str; 4] = [
    include_str!("../../../examples/gandy.toml"),
    r#"redis_url = "rediss://user:S3CR3T@h:1/2"
redis_tls_ca = "ca.pem"
namespace = "{app}"
concurrency = 25
queues = ["critical,3", "default"]
timeout = "1h30m"
stamps = "seconds"
max_retries = 0x19
dead_max_jobs = 10_000
dead_timeout = 86400
allow_eviction = true
labels = ["one", "two"]
[capsules."mail eu"]
queues = ["mail"]
concurrency = 2
"#,
    r#"[jobs."Mail::Welcome"]
exec = ["./resize", "--fast"]
timeout = 5
retry = 3
cwd = "sub"
env = { A = "text", B = { env = "NAME" } }
pass_env = ["TOKEN"]
bury_on = [3, 4]
discard_on = [5]
output_limit = 100
"#,
    r#"[jobs.Hook]
http = "https://user@h:8443/jobs?key=S3CR3T"
headers = { Authorization = { env = "TOKEN" }, X-Plain = "ü\u0001" }
hmac = { secret = "S3CR3T", header = "X-Signature" }
response_limit = 65536
retry = false
"#,
];

#[test]
fn configuration_files() {
    let seeds = SEEDS.map(|text| text.as_bytes().to_vec());
    let environment = Environment::from_pairs([("TOKEN", "S3CR3T"), ("NAME", "x")]);
    fuzz(&seeds, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mut problems = Vec::new();
        let read = file::read(Path::new("x.toml"), &text, &environment, &mut problems);
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        if problems.is_empty() {
            let table = text.parse::<toml::Table>();
            prop_assert!(table.is_ok(), "{table:?}");
        }
        for problem in &shown {
            let control = problem.chars().any(char::is_control);
            prop_assert!(!control, "{problem:?}");
            prop_assert!(problem.len() < 20_000 + text.len(), "{}", problem.len());
        }
        let _ = format!("{read:?}");
        Ok(())
    });
}
