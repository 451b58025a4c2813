//! Rows that stand alone, with many figures of different kinds, as tables of their own: a line for each figure.
//!
//! Not here: rows that are compared with each other (`table`).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::row::{Results, Row};
use crate::table::number;

/// Columns of the pages' table: how a figure's name begins, and what is above it.
const PAGES: [(&str, &str); 5] = [
    ("ms", "ms"),
    ("ms_p95", "p95 ms"),
    ("ms_beside", "ms while others look"),
    ("ms_rested", "ms when nobody has looked for 10 s"),
    ("kb", "KB"),
];

/// Whether a row is told here.
pub(crate) fn is_here(work: &str) -> bool {
    work.starts_with("dashboard")
}

/// The dashboard's section; empty where it was not measured.
pub(crate) fn dashboard(results: &Results) -> String {
    let mut text = String::new();
    for row in results.rows.iter().filter(|row| is_here(&row.work)) {
        if text.is_empty() {
            text += "### The dashboard\n";
        }
        if let Some(measured) = &row.measured
            && !text.contains(measured)
        {
            let _ = write!(text, "\nMeasured on {measured}.\n");
        }
        let jobs = number(row.conditions.queued as f64);
        let title = match row.work.as_str() {
            "dashboard-pages" => "Pages",
            "dashboard-search" => "A job looked for by its id alone",
            "dashboard-live" => "Fifty live pages",
            other => other,
        };
        let _ = write!(text, "\n{title}, {jobs} retries");
        if row.n > 1 {
            let _ = write!(text, ", medians of {}", row.n);
        }
        text += ":\n\n";
        text += &match &row.skipped {
            Some(why) if row.n == 0 => format!("skipped: {}\n", why.replace('\n', " ")),
            _ if row.work == "dashboard-pages" => pages(row),
            _ => lines(row),
        };
    }
    text
}

/// A line for each page.
fn pages(row: &Row) -> String {
    let paths: BTreeSet<&str> = row
        .more
        .keys()
        .filter_map(|name| name.strip_prefix("ms "))
        .collect();
    let mut text = String::from("| page |");
    let mut line = String::from("|---|");
    for (_, title) in PAGES {
        let _ = write!(text, " {title} |");
        line += "---|";
    }
    text = format!("{text}\n{line}\n");
    for path in paths {
        let _ = write!(text, "| {path} |");
        for (begin, _) in PAGES {
            let _ = write!(
                text,
                " {} |",
                cell(row.more.get(&format!("{begin} {path}")))
            );
        }
        text.push('\n');
    }
    let first = cell(row.more.get("first_load_kb"));
    let _ = writeln!(
        text,
        "\nThe largest first visit, all that its page names: {first} KB."
    );
    text
}

/// A line for each figure.
fn lines(row: &Row) -> String {
    let mut text = format!(
        "| | |\n|---|---|\n| **{}** | **{}** |\n",
        row.unit,
        cell(row.median.as_ref())
    );
    for (name, value) in &row.more {
        let _ = writeln!(text, "| {} | {} |", name.replace('_', " "), number(*value));
    }
    if let Some(peak) = row.rss_mb {
        let _ = writeln!(text, "| peak MB | {} |", number(peak));
    }
    text
}

fn cell(value: Option<&f64>) -> String {
    value.map_or("–".into(), |value| number(*value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::case::{Case, Sample};
    use crate::contender::Contender;

    fn results(work: &'static str, unit: &'static str, figures: &[(&str, f64)]) -> Results {
        let mut sample = Sample {
            value: 0.25,
            rss_mb: Some(24.0),
            ..Sample::default()
        };
        for (name, value) in figures {
            sample.note(name, *value);
        }
        let case = Case {
            unit,
            jobs: 1_000_000,
            ..Case::new(work, |_, _| Ok(Sample::default()))
        };
        let row = Row::new(&Contender::gandy().unwrap(), &case, &[sample]);
        Results {
            machine: String::new(),
            command: String::new(),
            rows: vec![row],
        }
    }

    #[test]
    fn pages_stand_below_each_other() {
        let figures = [
            ("ms /queues", 1.5),
            ("ms /", 3.25),
            ("ms_p95 /", 6.5),
            ("kb /", 3.7),
            ("first_load_kb", 41.0),
        ];
        let text = dashboard(&results("dashboard-pages", "ms", &figures));
        assert!(text.contains("Pages, 1,000,000 retries:\n"), "{text}");
        assert!(
            text.contains("| / | 3.25 | 6.50 | – | – | 3.70 |"),
            "{text}"
        );
        assert!(text.contains("| /queues | 1.50 | – |"), "{text}");
        assert!(text.contains("names: 41 KB."), "{text}");
    }

    #[test]
    fn other_figures_have_a_line_each() {
        let results = results(
            "dashboard-live",
            "% of a core",
            &[("commands_per_second", 13.0)],
        );
        let text = dashboard(&results);
        assert!(text.contains("| **% of a core** | **0.25** |"), "{text}");
        assert!(text.contains("| commands per second | 13 |"), "{text}");
        assert!(text.contains("| peak MB | 24 |"), "{text}");
        assert!(crate::table::tables(&results) == text);
    }
}
