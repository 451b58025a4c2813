//! deny.toml holds also where cargo-deny is not installed: licences, sources, bans and duplicates of everything in the lock
//! file that is built on this machine.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use toml::Table;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rules() -> Table {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    text.parse().unwrap()
}

/// The texts of a list; of tables the text under `key`.
fn texts(list: &toml::Value, key: &str) -> Vec<String> {
    let text = |item: &toml::Value| item.get(key).unwrap_or(item).as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(text).collect()
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .current_dir(root())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {words}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every package that this machine builds for the workspace, ours left out.
fn packages() -> Vec<Value> {
    let version = run("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let text = run(
        cargo,
        &[
            "metadata",
            "--format-version",
            "1",
            "--filter-platform",
            host.unwrap(),
        ],
    );
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let built: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let foreign = packages.filter(|package| {
        built.contains(package["id"].as_str().unwrap()) && package["source"].is_string()
    });
    let foreign: Vec<Value> = foreign.cloned().collect();
    assert!(foreign.len() > 100, "only {} packages", foreign.len());
    foreign
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

/// Whether a licence expression can be met with what is allowed: `AND` binds closer than `OR`, an old `/` means `OR`.
fn met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (met, rest) = either(&words, allowed);
    assert!(rest.is_empty(), "{expression}");
    met
}

fn either<'a, 'w>(words: &'w [&'a str], allowed: &BTreeSet<String>) -> (bool, &'w [&'a str]) {
    let (mut met, mut rest) = both(words, allowed);
    while let ["OR", more @ ..] = rest {
        let (other, left) = both(more, allowed);
        (met, rest) = (met || other, left);
    }
    (met, rest)
}

fn both<'a, 'w>(words: &'w [&'a str], allowed: &BTreeSet<String>) -> (bool, &'w [&'a str]) {
    let (mut met, mut rest) = one(words, allowed);
    while let ["AND", more @ ..] = rest {
        let (other, left) = one(more, allowed);
        (met, rest) = (met && other, left);
    }
    (met, rest)
}

fn one<'a, 'w>(words: &'w [&'a str], allowed: &BTreeSet<String>) -> (bool, &'w [&'a str]) {
    match words {
        ["(", inner @ ..] => {
            let (met, rest) = either(inner, allowed);
            (met, rest.split_first().map_or(rest, |(_, rest)| rest))
        }
        // An exception from a licence is another licence.
        [licence, "WITH", exception, rest @ ..] => {
            let whole = format!("{licence} WITH {exception}");
            (allowed.contains(&whole), rest)
        }
        [licence, rest @ ..] => (allowed.contains(*licence), rest),
        [] => (false, words),
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "ISC".to_owned()]);
    for (expression, fine) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("Apache-2.0 OR MIT", true),
        ("Apache-2.0/MIT", true),
        ("Apache-2.0 AND ISC", false),
        ("(MIT OR Apache-2.0) AND ISC", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("MIT WITH LLVM-exception", false),
        ("MIT OR GPL-3.0-only AND OpenSSL", true),
    ] {
        assert_eq!(met(expression, &allowed), fine, "{expression}");
    }
}

#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    let rules = rules();
    let licences = &rules["licenses"];
    let allowed: BTreeSet<String> = texts(&licences["allow"], "").into_iter().collect();
    for package in packages() {
        let mut allowed = allowed.clone();
        for exception in licences["exceptions"].as_array().unwrap() {
            if exception["crate"].as_str() == Some(name(&package)) {
                allowed.extend(texts(&exception["allow"], ""));
            }
        }
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(met(licence, &allowed), "{}: {licence}", name(&package));
    }
}

#[test]
fn every_dependency_comes_from_a_source_that_deny_toml_allows() {
    let sources = texts(&rules()["sources"]["allow-registry"], "");
    for package in packages() {
        let source = package["source"].as_str().unwrap();
        let registry = source.strip_prefix("registry+").unwrap_or(source);
        let known = sources.iter().any(|known| known == registry);
        assert!(known, "{} comes from {source}", name(&package));
    }
}

#[test]
fn nothing_is_banned_and_nothing_there_twice_without_a_reason() {
    let rules = rules();
    let bans = &rules["bans"];
    let banned = texts(&bans["deny"], "crate");
    let skipped = texts(&bans["skip"], "crate");
    for list in ["deny", "skip"] {
        let reasons = texts(&bans[list], "reason");
        assert!(
            reasons.iter().all(|reason| reason.len() > 10),
            "{reasons:?}"
        );
    }
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        let (name, version) = (name(&package), package["version"].as_str().unwrap());
        assert!(!banned.iter().any(|ban| ban == name), "{name} is banned");
        if !skipped.contains(&format!("{name}@{version}")) {
            versions
                .entry(name.into())
                .or_default()
                .push(version.into());
        }
    }
    versions.retain(|_, versions| versions.len() > 1);
    assert!(
        versions.is_empty(),
        "more than one version: {versions:?}; agree on one, or say in deny.toml why not"
    );
}
