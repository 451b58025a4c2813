//! Alerts, dashboard and scaling name metrics and labels that exist, and pages that say what to do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::expression::named;
use crate::tools::{files, read, yaml};

const PAGE: &str = "docs/operations.md";
const BEGIN: &str = "<!-- metrics: begin -->\n";
const END: &str = "<!-- metrics: end -->";
/// What Prometheus itself puts on every series.
const SCRAPED: [&str; 4] = ["job", "instance", "namespace", "pod"];

/// Each metric of the table with its labels.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let page = read(PAGE);
    let (_, rest) = page.split_once(BEGIN).unwrap();
    let (table, _) = rest.split_once(END).unwrap();
    let mut metrics = BTreeMap::new();
    for row in table.lines().skip(2) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, kind, labels, _, what, _] = cells[..] else {
            panic!("{row}");
        };
        assert!(!what.is_empty(), "{row}");
        let name = name.trim_matches('`');
        let mut labels: BTreeSet<String> = labels
            .split(", ")
            .filter(|label| label.starts_with('`'))
            .map(|label| label.trim_matches('`').to_owned())
            .collect();
        labels.extend(SCRAPED.map(str::to_owned));
        match kind {
            "histogram" => {
                for part in ["sum", "count"] {
                    metrics.insert(format!("{name}_{part}"), labels.clone());
                }
                labels.insert("le".into());
                metrics.insert(format!("{name}_bucket"), labels);
            }
            "counter" | "gauge" => {
                assert_eq!(kind == "counter", name.ends_with("_total"), "{row}");
                metrics.insert(name.to_owned(), labels);
            }
            _ => panic!("{row}"),
        }
    }
    assert!(metrics.len() > 30, "{}", metrics.len());
    metrics
}

/// The table as Markdown.
fn printed() -> String {
    let mut table =
        String::from("| Metric | Type | Labels | Served by | What |\n|---|---|---|---|---|\n");
    for metric in gandy::METRICS {
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let labels = match labels.len() {
            0 => "–".to_owned(),
            _ => labels.join(", "),
        };
        table += &format!(
            "| `{}` | {} | {labels} | {} | {} |\n",
            metric.name,
            metric.kind.word(),
            metric.served_by.word(),
            metric.what
        );
    }
    table
}

#[test]
fn the_table_of_metrics_is_the_one_in_the_code() {
    let page = read(PAGE);
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    if std::env::var_os("GANDY_BLESS").is_some() {
        let page = format!("{before}{BEGIN}{}{END}{after}", printed());
        std::fs::write(crate::tools::root().join(PAGE), page).unwrap();
        return;
    }
    assert_eq!(
        table,
        printed(),
        "\n{PAGE} prints another table than gandy::METRICS; run GANDY_BLESS=1 cargo test -p gandy-tests --test deploy"
    );
}

fn check(place: &str, expression: &str, table: &BTreeMap<String, BTreeSet<String>>) -> usize {
    let found = named(expression);
    for metric in &found {
        let Some(labels) = table.get(&metric.metric) else {
            panic!("{place} asks for {}, which nobody serves", metric.metric);
        };
        let wrong: Vec<_> = metric.labels.difference(labels).collect();
        assert!(
            wrong.is_empty(),
            "{place}: {} has no {wrong:?}",
            metric.metric
        );
    }
    found.len()
}

/// Every text under the key `key`, wherever it stands.
fn texts<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_str() {
                    Some(text) if name == key => found.push(text),
                    _ => texts(field, key, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist() {
    let table = table();
    for path in files("deploy/grafana", ".json") {
        let board: Value = serde_json::from_str(&read(&path)).unwrap();
        let mut asked = 0;
        for key in ["expr", "definition"] {
            let mut found = Vec::new();
            texts(&board, key, &mut found);
            asked += found
                .iter()
                .map(|text| check(&path, text, &table))
                .sum::<usize>();
        }
        assert!(asked > 40, "{path} asks for {asked} metrics only");
    }
}

#[test]
fn the_dashboard_s_panels_lie_beside_each_other() {
    let board: Value = serde_json::from_str(&read("deploy/grafana/gandy.json")).unwrap();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in board["panels"].as_array().unwrap() {
        let (id, grid) = (&panel["id"], &panel["gridPos"]);
        assert!(ids.insert(id.as_u64().unwrap()), "{id} is there twice");
        let side = |name: &str| grid[name].as_u64().unwrap();
        assert!(side("x") + side("w") <= 24, "panel {id} is too wide");
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(taken.insert((x, y)), "panel {id} covers another");
            }
        }
    }
}

/// Each alert with its expression and annotations.
fn alerts() -> Option<Vec<Value>> {
    let rules = yaml("deploy/prometheus/alerts.yml")?;
    let groups = rules[0]["groups"].as_array().unwrap();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    Some(rules.cloned().collect())
}

#[test]
fn the_alerts_ask_for_metrics_that_exist_and_are_tested() {
    let table = table();
    let Some(alerts) = alerts() else {
        return;
    };
    let tests = read("deploy/prometheus/alerts_test.yml");
    let page = read(PAGE);
    assert!(page.contains(&format!("has {} alerts", alerts.len())));
    for alert in &alerts {
        let name = alert["alert"].as_str().unwrap();
        check(name, alert["expr"].as_str().unwrap(), &table);
        let case = format!("alertname: {name}\n");
        assert!(tests.contains(&case), "{name} has no test");
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}"
        );
        assert!(alert["annotations"]["summary"].is_string(), "{name}");
        let book = alert["annotations"]["runbook"].as_str().unwrap();
        let (file, anchor) = book.split_once('#').unwrap();
        assert_eq!(file, PAGE, "{name}");
        let heading = |line: &str| {
            let text = line.trim_start_matches('#').trim().to_lowercase();
            line.starts_with('#') && text.replace(' ', "-") == anchor
        };
        assert!(page.lines().any(heading), "{name}: no part {anchor}");
    }
}

#[test]
fn scaling_asks_for_metrics_that_exist_and_holds_without_them() {
    let table = table();
    let Some(objects) = yaml("deploy/kubernetes/keda.yaml") else {
        return;
    };
    let scaled = &objects[0]["spec"];
    assert!(scaled["minReplicaCount"].as_u64().unwrap() >= 2);
    let triggers = scaled["triggers"].as_array().unwrap();
    assert!(!triggers.is_empty());
    for trigger in triggers {
        let query = trigger["metadata"]["query"].as_str().unwrap();
        assert!(check("keda.yaml", query, &table) > 0, "{query}");
        assert_eq!(trigger["metadata"]["ignoreNullValues"], "false", "{query}");
    }
}

#[test]
fn jobs_are_scraped_under_the_names_that_alerts_expect() {
    let Some(config) = yaml("deploy/prometheus/scrape.yml") else {
        return;
    };
    let jobs: Vec<&str> = config[0]["scrape_configs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["job_name"].as_str().unwrap())
        .collect();
    assert_eq!(jobs, ["gandy-worker", "gandy-exporter"]);
    for monitor in yaml("deploy/kubernetes/monitors.yaml").unwrap() {
        // The label's value becomes the job's name.
        let label = monitor["spec"]["jobLabel"].as_str().unwrap();
        let labels = &monitor["spec"]["selector"]["matchLabels"];
        assert!(
            jobs.contains(&labels[label].as_str().unwrap()),
            "{monitor:#}"
        );
    }
}
