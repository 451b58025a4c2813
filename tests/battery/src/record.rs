//! The table of docs/reliability.md. A run replaces the rows of its own scenarios, each with date, commit and seed of its
//! own: a full run takes hours, and may be done in parts.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::page::Row;
use crate::scenario::{ALL, Scenario};

/// Between these the page has what was measured.
const MARKS: (&str, &str) = ("<!-- battery: begin -->\n", "<!-- battery: end -->");
const HEAD: &str =
    "| scenario | load and fault | bound | measured | took | run |\n|---|---|---|---|---|---|\n";

/// Writes the rows into docs/reliability.md.
///
/// # Errors
/// The page cannot be read or written, or has lost its marks.
pub(crate) fn record(full: bool, seed: u64, rows: &[Row]) -> io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reliability.md");
    let page = fs::read_to_string(&path)?;
    let profile = if cfg!(debug_assertions) {
        ", debug build"
    } else {
        ""
    };
    let run = format!(
        "`{} --seed {seed}`, {}, {}{profile}",
        if full { "--full" } else { "--quick" },
        said("date", &["-u", "+%Y-%m-%d"]),
        said("git", &["describe", "--always", "--dirty"]),
    );
    let redis = said("redis-server", &["--version"]);
    let machine = format!(
        "{} cores, {}, Redis {}.\n\n",
        std::thread::available_parallelism().map_or(0, usize::from),
        said("uname", &["-sr"]),
        redis.split("v=").nth(1).map_or("unknown", |rest| {
            rest.split_whitespace().next().unwrap_or_default()
        }),
    );
    let lines = rows.iter().map(|row| (row.scenario, line(row, &run)));
    let page = replaced(&page, &machine, &lines.collect());
    fs::write(
        path,
        page.ok_or_else(|| io::Error::other("its marks are gone"))?,
    )
}

fn line(row: &Row, run: &str) -> String {
    let about = Scenario::find(row.scenario).map_or("", |scenario| scenario.about);
    let verdict = match row.verdict() {
        "ok" => String::new(),
        verdict => format!("**{}** ", verdict.to_lowercase()),
    };
    // One line, whatever a panic said.
    let words = row.trouble.as_ref().or(row.skipped.as_ref());
    let words = words.map(|words| words.lines().next().unwrap_or_default().to_owned());
    let measured = words.unwrap_or_else(|| row.figures());
    let (name, bound, took) = (row.scenario, &row.bound, row.seconds);
    format!("| {name} | {about} | {bound} | {verdict}{measured} | {took} s | {run} |\n")
}

/// The page with these lines in the place of those that it has of the same scenarios. Pure.
fn replaced(page: &str, machine: &str, lines: &BTreeMap<&str, String>) -> Option<String> {
    let (before, rest) = page.split_once(MARKS.0)?;
    let (old, after) = rest.split_once(MARKS.1)?;
    let name_of = |line: &str| -> Option<String> {
        let name = line.strip_prefix("| ")?.split(" |").next()?;
        Some(name.to_owned())
    };
    let kept: BTreeMap<String, &str> = old
        .split_inclusive('\n')
        .filter_map(|line| Some((name_of(line)?, line)))
        .collect();
    let mut table = String::new();
    for scenario in ALL {
        let new = lines.get(scenario.name).map(String::as_str);
        table += new
            .or_else(|| kept.get(scenario.name).copied())
            .unwrap_or_default();
    }
    let (begin, end) = MARKS;
    Some(format!("{before}{begin}{machine}{HEAD}{table}{end}{after}"))
}

fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or_else(
        |_| "unknown".into(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_run_replaces_its_own_rows_and_keeps_the_others() {
        let page = format!("a\n{}{}b\n", MARKS.0, MARKS.1);
        let rows = |rows: &[(&'static str, &str)]| {
            let rows = rows
                .iter()
                .map(|(name, text)| (*name, format!("| {name} | {text} |\n")));
            rows.collect::<BTreeMap<_, _>>()
        };
        let first = rows(&[("soak", "1"), ("crash", "2")]);
        let page = replaced(&page, "m\n", &first).unwrap();
        let page = replaced(&page, "m\n", &rows(&[("soak", "3")])).unwrap();
        let table = format!("m\n{HEAD}| crash | 2 |\n| soak | 3 |\n");
        assert_eq!(page, format!("a\n{}{table}{}b\n", MARKS.0, MARKS.1));
        assert_eq!(replaced("no marks", "", &first), None);
    }
}
