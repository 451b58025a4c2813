//! Reading what is not TOML, and the tools that check it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a folder of deploy/ with this ending.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut files: Vec<String> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(ending))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no {ending} in {folder}");
    files
}

fn skipped(what: &str, tool: &str) {
    // Past libtest, which keeps to itself what a passing test prints with eprintln.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: {what}: {tool} is not installed"
    );
}

/// Runs a tool; `None` when this machine has none.
pub(crate) fn run(tool: &str, args: &[&str]) -> Option<Output> {
    let output = Command::new(tool).args(args).current_dir(root()).output();
    match output {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{tool} {args:?}: {error}"),
    }
}

/// Asks a tool that only some machines have.
fn ask(what: &str, tool: &str, args: &[&str]) -> Option<String> {
    let Some(output) = run(tool, args) else {
        skipped(what, tool);
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {args:?}:\n{text}");
    Some(text)
}

/// All documents of a YAML file. Ruby reads it, which the tests need anyway: the crates for YAML are unmaintained or
/// young, and nothing of ours reads YAML. `None` where there is no Ruby, which CI has.
pub(crate) fn yaml(path: &str) -> Option<Vec<Value>> {
    const SCRIPT: &str = "puts JSON.generate(YAML.load_stream(File.read(ARGV[0])))";
    let Some(output) = run("ruby", &["-ryaml", "-rjson", "-e", SCRIPT, path]) else {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
        assert!(!ci, "{path} cannot be read without Ruby, under CI");
        skipped(path, "ruby");
        return None;
    };
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path}: {words}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// scripts/test puts one where promtool is on no path.
fn promtool() -> String {
    std::env::var("PROMTOOL").unwrap_or_else(|_| "promtool".into())
}

#[test]
fn promtool_accepts_rules_and_configuration() {
    let what = "the rules of alerts.yml";
    let rules = [
        "check",
        "rules",
        "--lint-fatal",
        "deploy/prometheus/alerts.yml",
    ];
    ask(what, &promtool(), &rules);
    let config = ["check", "config", "deploy/prometheus/scrape.yml"];
    ask(what, &promtool(), &config);
}

#[test]
fn each_alert_fires_when_it_should() {
    let rules = ["test", "rules", "deploy/prometheus/alerts_test.yml"];
    let Some(said) = ask("the alerts", &promtool(), &rules) else {
        return;
    };
    assert!(said.contains("SUCCESS"), "{said}");
}

/// What scaling asks, over series of a minute's interval. A paused queue's wait is none, and no answer at all is no 0.
#[test]
fn scaling_asks_what_it_means_to() {
    let Some(objects) = yaml("deploy/kubernetes/keda.yaml") else {
        return;
    };
    let triggers = objects[0]["spec"]["triggers"].as_array().unwrap();
    let [latency, busy] = &triggers[..] else {
        panic!("{triggers:?}");
    };
    let query = |trigger: &Value| trigger["metadata"]["query"].clone();
    let wait = |queue: &str, seconds: &str| {
        let name = format!("gandy_queue_latency_seconds{{queue=\"{queue}\"}}");
        json!({"series": name, "values": seconds})
    };
    let paused = |queue: &str, paused: &str| {
        let name = format!("gandy_queue_paused{{queue=\"{queue}\"}}");
        json!({"series": name, "values": paused})
    };
    let plain = |name: &str, value: &str| json!({"series": name, "values": value});
    let up = |value: &str| plain("gandy_up{job=\"gandy-exporter\"}", value);
    let case = |trigger: &Value, series: Vec<Value>, answer: Option<f64>| {
        let samples: Vec<Value> = answer
            .into_iter()
            .map(|value| json!({"labels": "{}", "value": value}))
            .collect();
        let asked = json!({"expr": query(trigger), "eval_time": "1m", "exp_samples": samples});
        json!({"interval": "1m", "input_series": series, "promql_expr_test": [asked]})
    };
    let (low, held) = (wait("low", "12x2"), wait("held", "900x2"));
    let (open, closed) = (paused("low", "0x2"), paused("held", "1x2"));
    let cases = json!({"tests": [
        case(latency, vec![low, held.clone(), open, closed.clone(), up("1x2")], Some(12.0)),
        case(latency, vec![held, closed, up("1x2")], Some(0.0)),
        case(latency, vec![up("0x2")], None),
        case(latency, vec![], None),
        case(busy, vec![plain("gandy_fleet_busy", "30x2"), plain("gandy_fleet_concurrency", "40x2")], Some(0.75)),
        case(busy, vec![], None),
    ]});
    // JSON is YAML.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), cases.to_string()).unwrap();
    let path = file.path().to_str().unwrap();
    ask("what scaling asks", &promtool(), &["test", "rules", path]);
}

#[test]
fn kustomize_builds_what_stands_in_the_folder() {
    let what = "deploy/kubernetes";
    let Some(built) = ask(what, "kubectl", &["kustomize", what]) else {
        return;
    };
    for kind in [
        "Deployment",
        "Service",
        "ConfigMap",
        "PodDisruptionBudget",
        "NetworkPolicy",
    ] {
        assert!(built.contains(&format!("kind: {kind}\n")), "no {kind}");
    }
    assert!(built.contains("image: registry.example.com/gandy-worker:0.1.0"));
}

#[test]
fn systemd_understands_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for path in files("deploy/systemd", ".service") {
        // What is to be started has to exist, and a template needs an instance.
        let text = read(&path).replace("/usr/local/bin/gandy-worker", "/bin/true");
        let text = text.replace("/usr/local/bin/gandy", "/bin/true");
        let name = Path::new(&path).file_name().unwrap().to_str().unwrap();
        let unit = folder.path().join(name.replace('@', "@1"));
        std::fs::write(&unit, text).unwrap();
        units.push(unit.to_str().unwrap().to_owned());
    }
    let mut args = vec!["verify", "--man=no"];
    args.extend(units.iter().map(String::as_str));
    if let Some(said) = ask("the units of systemd", "systemd-analyze", &args) {
        assert!(!said.contains(folder.path().to_str().unwrap()), "{said}");
    }
}

/// A minute of grace, the watchdog and what a restart does not mend.
#[test]
fn the_worker_s_unit_gives_it_time_and_a_limit() {
    let unit = read("deploy/systemd/gandy-worker@.service");
    for line in [
        "Type=notify",
        "WatchdogSec=60",
        "TimeoutStopSec=40",
        "KillSignal=SIGTERM",
        "Restart=always",
        "MemoryMax=512M",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "DynamicUser=yes",
        "CapabilityBoundingSet=",
    ] {
        assert!(unit.lines().any(|other| other == line), "{line}");
    }
}
