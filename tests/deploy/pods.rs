//! What containers may do and how long they get, on Kubernetes and with compose.

use std::time::Duration;

use serde_json::Value;

use crate::tools::{files, read, yaml};

/// Every object in deploy/kubernetes.
fn objects() -> Option<Vec<Value>> {
    let mut objects = Vec::new();
    for path in files("deploy/kubernetes", ".yaml") {
        objects.extend(yaml(&path)?);
    }
    for object in &objects {
        for field in ["apiVersion", "kind"] {
            assert!(object[field].is_string(), "{object:#} has no {field}");
        }
    }
    Some(objects)
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let found: Vec<_> = objects
        .iter()
        .filter(|object| object["kind"] == kind)
        .collect();
    assert!(!found.is_empty(), "no {kind}");
    found
}

fn named<'a>(items: &'a Value, name: &str) -> &'a Value {
    let mut items = items.as_array().unwrap().iter();
    items.find(|item| item["name"] == name).unwrap()
}

#[test]
fn pods_have_no_more_rights_than_they_need() {
    let Some(objects) = objects() else {
        return;
    };
    for deployment in of_kind(&objects, "Deployment") {
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["enableServiceLinks"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["runAsUser"], 65532);
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        for container in pod["containers"].as_array().unwrap() {
            let rights = &container["securityContext"];
            assert_eq!(rights["allowPrivilegeEscalation"], false);
            assert_eq!(rights["readOnlyRootFilesystem"], true);
            assert_eq!(rights["capabilities"]["drop"][0], "ALL");
            assert!(container["resources"]["limits"]["memory"].is_string());
            assert!(container["resources"]["requests"]["memory"].is_string());
            // A password in a variable is seen by whoever may describe the pod.
            let variables = container["env"].as_array().unwrap();
            assert!(variables.iter().any(|one| one["name"] == "REDIS_URL_FILE"));
            for variable in variables {
                let value = variable["value"].as_str().unwrap();
                assert!(!value.contains("redis://"), "{variable}");
            }
            for mount in container["volumeMounts"].as_array().unwrap() {
                named(&pod["volumes"], mount["name"].as_str().unwrap());
            }
        }
    }
}

#[test]
fn a_worker_s_probes_name_its_port_and_its_end_has_time() {
    let Some(objects) = objects() else {
        return;
    };
    let deployments = of_kind(&objects, "Deployment");
    let worker = deployments
        .iter()
        .find(|object| object["metadata"]["name"] == "gandy-worker");
    let worker = &worker.unwrap()["spec"];
    assert_eq!(worker["replicas"], 3);
    let pod = &worker["template"]["spec"];
    let container = &pod["containers"][0];
    for (probe, path) in [
        ("startupProbe", "/startupz"),
        ("livenessProbe", "/livez"),
        ("readinessProbe", "/readyz"),
    ] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
        assert_eq!(container[probe]["httpGet"]["port"], "probes");
    }
    assert_eq!(named(&container["ports"], "probes")["containerPort"], 7433);
    assert_eq!(
        named(&container["env"], "GANDY_PROBES")["value"],
        "0.0.0.0:7433"
    );
    let config: toml::Table = read("deploy/kubernetes/gandy.toml").parse().unwrap();
    let timeout = config["timeout"].as_str().unwrap();
    let timeout: u64 = timeout.strip_suffix('s').unwrap().parse().unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(
        grace >= timeout + 10,
        "{grace} s for a timeout of {timeout} s"
    );
    // Whoever is selected exists.
    for kind in ["PodDisruptionBudget", "NetworkPolicy"] {
        for object in of_kind(&objects, kind) {
            let spec = &object["spec"];
            let selector = if spec["selector"].is_object() {
                &spec["selector"]
            } else {
                &spec["podSelector"]
            };
            let wanted = &selector["matchLabels"];
            let found = deployments
                .iter()
                .any(|one| one["spec"]["selector"]["matchLabels"] == *wanted);
            assert!(found, "{object:#} selects no pod");
        }
    }
}

#[test]
fn the_workers_configurations_are_read_by_the_worker() {
    for path in ["deploy/kubernetes/gandy.toml", "examples/gandy.toml"] {
        let program = gandy_tests::cargo_bin("gandy-worker");
        let output = std::process::Command::new(program)
            .args(["--check", "--config"])
            .arg(crate::tools::root().join(path))
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{path}: {words}");
    }
}

#[test]
fn compose_starts_three_workers_that_are_watched() {
    let Some(compose) = yaml("docker-compose.yml") else {
        return;
    };
    let services = &compose[0]["services"];
    let worker = &services["worker"];
    assert_eq!(worker["deploy"]["replicas"], 3);
    let grace = worker["stop_grace_period"].as_str().unwrap();
    let grace: u64 = grace.strip_suffix('s').unwrap().parse().unwrap();
    assert!(Duration::from_secs(grace) > Duration::from_secs(25 + 2));
    for name in ["worker", "exporter", "dashboard", "app"] {
        assert_eq!(services[name]["read_only"], true, "{name}");
        assert_eq!(services[name]["cap_drop"][0], "ALL", "{name}");
    }
    // Prometheus finds them by these names and ports.
    let scrape = read("deploy/prometheus/scrape.yml");
    assert!(scrape.contains("names: [worker]") && scrape.contains("port: 7433"));
    assert_eq!(worker["environment"]["GANDY_PROBES"], "0.0.0.0:7433");
    assert!(scrape.contains("exporter:7434"));
    let exporter = services["exporter"]["command"].as_array().unwrap();
    assert!(exporter.contains(&Value::from("0.0.0.0:7434")));
    // Nobody but this machine reaches the dashboard, whose password stands in this repository.
    assert_eq!(services["dashboard"]["ports"][0], "127.0.0.1:7435:7435");
    let volumes = |name: &str| services[name]["volumes"].as_array().unwrap().clone();
    for volume in [volumes("prometheus"), volumes("dashboard")].concat() {
        if let Some(path) = volume.as_str().unwrap().strip_prefix("./") {
            read(path.split(':').next().unwrap());
        }
    }
}
