//! docs/ARCHITECTURE.md is held to the code: the arrows between crates, the key table, every path and link that the
//! documents name, and the size of files.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a source file (house rule).
const LINES_MAX: usize = 700;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files that git knows, or would know with `git add`; what builds leave behind is none of them.
fn files(endings: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = folder.join(&name);
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// Each package of the workspace with the names it depends on, tests' and builds' needs left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let needs = package["dependencies"].as_array().unwrap().iter();
            let needs = needs.filter(|need| need["kind"].is_null());
            (name(package), needs.map(name).collect())
        })
        .collect()
}

#[test]
fn arrows_between_crates_go_one_way() {
    let may: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("gandy-protocol", &[][..]),
        ("gandy-derive", &[]),
        ("gandy-store", &["gandy-protocol"]),
        ("gandy", &["gandy-derive", "gandy-protocol", "gandy-store"]),
        ("gandy-worker", &["gandy"]),
        ("gandy-web", &["gandy"]),
        ("gandy-cli", &["gandy", "gandy-web"]),
        ("gandy-bench", &["gandy"]),
        ("gandy-examples", &["gandy"]),
        ("gandy-battery", &["gandy", "gandy-faults", "gandy-tests"]),
        ("gandy-faults", &[]),
        ("gandy-model", &[]),
        (
            "gandy-tests",
            &[
                "gandy",
                "gandy-faults",
                "gandy-model",
                "gandy-protocol",
                "gandy-store",
            ],
        ),
    ]);
    for (package, needs) in dependencies() {
        let Some(may) = may.get(package.as_str()) else {
            panic!("{package} is new: give it its place here and in docs/ARCHITECTURE.md");
        };
        let ours = needs.iter().filter(|need| need.starts_with("gandy"));
        let wrong: Vec<_> = ours.filter(|need| !may.contains(&need.as_str())).collect();
        assert!(
            wrong.is_empty(),
            "{package} must not depend on {wrong:?}; it may on {may:?}"
        );
    }
}

#[test]
fn the_protocol_is_pure_and_only_the_store_talks_to_redis() {
    let needs = dependencies();
    for name in ["tokio", "redis", "tracing", "getrandom", "fastrand"] {
        assert!(
            !needs["gandy-protocol"].contains(name),
            "gandy-protocol depends on {name}"
        );
    }
    for path in files(&[".rs"]) {
        let protocol = path.starts_with("crates/gandy-protocol/src/") && !path.contains("tests");
        for banned in ["::now()", "std::fs", "std::net", "std::env", "std::thread"] {
            assert!(
                !(protocol && read(&path).contains(banned)),
                "{path} uses {banned}; what the protocol needs is passed to it"
            );
        }
    }
    for package in ["gandy", "gandy-worker", "gandy-web", "gandy-cli"] {
        for name in ["redis", "deadpool-redis"] {
            assert!(
                !needs[package].contains(name),
                "{package} depends on {name}; operations on Redis belong into gandy-store"
            );
        }
    }
}

/// The key table as Markdown.
fn key_table() -> String {
    let mut table = String::from("| Key | Type | Whose | What | Ends |\n|---|---|---|---|---|\n");
    for row in gandy::KEY_TABLE {
        // In a table a bar ends a cell, also within code.
        let name = row.name.replace('|', "\\|");
        table += &format!(
            "| `{name}` | {} | {} | {} | {} |\n",
            row.kind, row.owner, row.what, row.ends
        );
    }
    table
}

#[test]
fn the_key_table_is_the_one_in_the_code() {
    const PAGE: &str = "docs/ARCHITECTURE.md";
    const BEGIN: &str = "<!-- keys: begin -->\n";
    const END: &str = "<!-- keys: end -->";
    let page = read(PAGE);
    let (before, rest) = page.split_once(BEGIN).expect("the mark before the table");
    let (table, after) = rest.split_once(END).expect("the mark after the table");
    if std::env::var_os("GANDY_BLESS").is_some() {
        let page = format!("{before}{BEGIN}{}{END}{after}", key_table());
        std::fs::write(root().join(PAGE), page).unwrap();
        return;
    }
    assert_eq!(
        table,
        key_table(),
        "\n{PAGE} prints another table than gandy::KEY_TABLE; run GANDY_BLESS=1 cargo test -p gandy-tests --test architecture"
    );
}

#[test]
fn every_invariant_is_stated_once() {
    let page = read("docs/ARCHITECTURE.md");
    for number in 1..=12 {
        let mark = format!("* **I{number}** ");
        assert_eq!(page.matches(&mark).count(), 1, "{mark}");
    }
}

/// What stands between backticks and looks like a path of this repository.
fn named_paths(page: &str) -> impl Iterator<Item = &str> {
    const FOLDERS: [&str; 7] = [
        "crates/",
        "deploy/",
        "tests/",
        "examples/",
        "scripts/",
        "docs/",
        ".ci/",
    ];
    let code = page.split('`').skip(1).step_by(2);
    code.filter(|text| FOLDERS.iter().any(|folder| text.starts_with(folder)))
        .map(|text| text.split_whitespace().next().unwrap_or_default())
}

/// The targets of links into this repository.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://"))
}

#[test]
fn every_path_and_link_of_the_documents_exists() {
    for page in files(&[".md"]) {
        let text = read(&page);
        for path in named_paths(&text) {
            // Written with the benchmarks themselves.
            if path != "docs/benchmarks/" {
                assert!(root().join(path).exists(), "{page} names {path}");
            }
        }
        let folder = Path::new(&page).parent().unwrap();
        for link in links(&text) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => root().join(&page),
                file => root().join(folder).join(file),
            };
            assert!(target.exists(), "{page} links to {link}");
            if !heading.is_empty() {
                let target = std::fs::read_to_string(target).unwrap();
                assert!(
                    headings(&target).any(|other| other == heading),
                    "{page} links to {link}, but there is no such heading"
                );
            }
        }
    }
}

/// The anchors of a page's headings, as GitHub makes them.
fn headings(page: &str) -> impl Iterator<Item = String> {
    page.lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| {
            let text = line.trim_start_matches('#').trim().to_lowercase();
            text.chars()
                .filter(|char| char.is_alphanumeric() || "-_ ".contains(*char))
                .map(|char| if char == ' ' { '-' } else { char })
                .collect()
        })
}

#[test]
fn the_readme_is_short_and_no_file_is_long() {
    assert!(read("README.md").lines().count() <= 150);
    for path in files(&[".rs", ".lua", ".rb"]) {
        let lines = read(&path).lines().count();
        assert!(
            lines <= LINES_MAX,
            "{path} has {lines} lines; split it by noun, the limit is {LINES_MAX}"
        );
    }
}
