//! What is printed and kept as JSON: one row a scenario. `record` writes the same for readers.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use comfy_table::Table;
use serde::Serialize;

use crate::mutants::Mutant;
use crate::outcome::{Bound, Outcome};
use crate::scenario::Scenario;

/// One scenario's results.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) scenario: &'static str,
    /// Whether every bound held.
    pub(crate) ok: bool,
    /// All bounds in words.
    pub(crate) bound: String,
    /// All figures by name, those without a bound too.
    measured: BTreeMap<String, f64>,
    /// Each bound beside its figure.
    bounds: Vec<Bound>,
    /// Why it could not be run to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
    /// Why it could not be tried here. Then it is not ok, and not broken either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skipped: Option<String>,
    pub(crate) seconds: f64,
}

impl Row {
    pub(crate) fn new(
        scenario: &Scenario,
        outcome: Outcome,
        trouble: Option<String>,
        took: Duration,
    ) -> Self {
        let words = |bound: &Bound| format!("{} {}", bound.what, bound.bound);
        let ok = trouble.is_none() && outcome.ok();
        let bound: Vec<String> = outcome.bounds.iter().map(words).collect();
        let figures = outcome
            .bounds
            .iter()
            .map(|bound| (bound.what.clone(), bound.measured));
        Self {
            scenario: scenario.name,
            ok,
            bound: bound.join(", "),
            measured: figures.chain(outcome.notes).collect(),
            bounds: outcome.bounds,
            trouble,
            skipped: outcome.skipped,
            seconds: (took.as_secs_f64() * 10.0).round() / 10.0,
        }
    }

    /// Whether a bound did not hold, or the scenario did not come to its end.
    pub(crate) fn is_broken(&self) -> bool {
        !self.ok && self.skipped.is_none()
    }

    /// How it went, in a word.
    pub(crate) fn verdict(&self) -> &'static str {
        match (&self.skipped, self.ok) {
            (Some(_), _) => "skipped",
            (None, true) => "ok",
            (None, false) => "BROKEN",
        }
    }

    /// In one line, as soon as it is known.
    pub(crate) fn line(&self) -> String {
        let words = self.trouble.as_ref().or(self.skipped.as_ref());
        let words = words.cloned().unwrap_or_else(|| self.figures());
        let (verdict, seconds) = (self.verdict(), self.seconds);
        format!("{verdict:<8}{:<14}{seconds:>6} s  {words}", self.scenario)
    }

    /// What broke, in words.
    pub(crate) fn why(&self) -> Option<String> {
        let broken = self.bounds.iter().filter(|bound| !bound.ok);
        let words = |bound: &Bound| {
            format!(
                "{} {}, bound {}",
                bound.what,
                number(bound.measured),
                bound.bound
            )
        };
        let first_line = |words: &String| words.lines().next().unwrap_or_default().to_owned();
        self.trouble.as_ref().map(first_line).or_else(|| {
            let broken: Vec<String> = broken.map(words).collect();
            (!broken.is_empty()).then(|| broken.join("; "))
        })
    }

    /// All figures in words.
    pub(crate) fn figures(&self) -> String {
        let figure = |(what, value): (&String, &f64)| format!("{what} {}", number(*value));
        let figures: Vec<String> = self.measured.iter().map(figure).collect();
        figures.join(", ")
    }
}

/// Without a fraction where it is whole, else with two digits.
fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value}")
    } else {
        format!("{value:.2}")
    }
}

/// Every bound beside its figure, for people.
pub(crate) fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.set_header(["scenario", "what", "bound", "measured", ""]);
    for row in rows {
        let mut name = row.scenario;
        for bound in &row.bounds {
            let verdict = if bound.ok { "ok" } else { "BROKEN" };
            let measured = number(bound.measured);
            table.add_row([name, &bound.what, &bound.bound, &measured, verdict]);
            name = "";
        }
        if let Some(words) = row.trouble.as_ref().or(row.skipped.as_ref()) {
            table.add_row([name, words, "", "", row.verdict()]);
        }
    }
    table.to_string()
}

/// Writes the results as JSON.
pub(crate) fn write(path: &Path, seed: u64, rows: &[Row], mutants: &[Mutant]) -> io::Result<()> {
    let all = serde_json::json!({ "seed": seed, "rows": rows, "mutants": mutants });
    fs::write(path, format!("{all:#}\n"))
}
