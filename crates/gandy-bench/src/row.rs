//! Results: samples of one case put together, as they stand in the JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::case::{Case, Sample};
use crate::contender::{Contender, Kind};

/// The results of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Machine, system, versions, day, commit.
    pub(crate) machine: String,
    /// How it was called.
    #[serde(default)]
    pub(crate) command: String,
    /// The rows.
    pub(crate) rows: Vec<Row>,
}

/// Under which conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conditions {
    /// Slots.
    pub(crate) concurrency: Option<usize>,
    /// `none` or `aof`.
    pub(crate) persistence: String,
    /// What the proxy added to a round trip.
    pub(crate) rtt_ms: u64,
    /// Jobs.
    pub(crate) queued: u64,
    /// How the contender was set beyond that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) setting: String,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Who, as `--only` names it.
    pub(crate) contender: String,
    /// Its versions.
    pub(crate) version: String,
    /// `gandy`, `floor` or `peer`.
    pub(crate) kind: String,
    /// What was measured.
    pub(crate) work: String,
    /// Under which conditions.
    pub(crate) conditions: Conditions,
    /// How often it was measured.
    pub(crate) n: usize,
    /// The middle of the measurements.
    pub(crate) median: Option<f64>,
    /// The least.
    pub(crate) min: Option<f64>,
    /// The greatest.
    pub(crate) max: Option<f64>,
    /// Of the three before.
    pub(crate) unit: String,
    /// CPU of the worker, microseconds a job (median).
    pub(crate) worker_us_per_job: Option<f64>,
    /// CPU of Redis, microseconds a job (median).
    pub(crate) redis_us_per_job: Option<f64>,
    /// Peak resident memory of the worker, MB (median).
    pub(crate) rss_mb: Option<f64>,
    /// What a crash does to running jobs.
    pub(crate) guarantee: String,
    /// What is not comparable.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
    /// Why there are no figures, or fewer than asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) skipped: Option<String>,
    /// Where and how, if not in the run that the results name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) measured: Option<String>,
    /// More figures (medians).
    #[serde(flatten)]
    pub(crate) more: BTreeMap<String, f64>,
}

impl Results {
    /// Adds the rows of another run; those that were measured again take the place of the old ones.
    pub(crate) fn add(&mut self, other: Results) {
        let elsewhere = other.machine != self.machine;
        if !elsewhere {
            self.command += &format!(" && scripts/bench {}", other.command);
        }
        let measured = format!("{}, `scripts/bench {}`", other.machine, other.command);
        for mut row in other.rows {
            if elsewhere {
                row.measured.get_or_insert_with(|| measured.clone());
            }
            match self.rows.iter_mut().find(|old| old.is_again(&row)) {
                Some(old) => *old = row,
                None => self.rows.push(row),
            }
        }
    }
}

/// The middle one; of an even number the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        even if even % 2 == 0 => Some((values[half - 1] + values[half]) / 2.0),
        _ => Some(values[half]),
    }
}

/// The value below which `share` of the values lie.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

impl Row {
    /// Puts samples together.
    pub(crate) fn new(who: &Contender, case: &Case, samples: &[Sample]) -> Self {
        let values = || samples.iter().map(|sample| sample.value);
        let mut more = BTreeMap::new();
        for name in samples.iter().flat_map(|sample| sample.more.keys()) {
            let found = samples.iter().filter_map(|sample| sample.more.get(name));
            if let Some(middle) = median(found.copied()) {
                more.insert(name.clone(), middle);
            }
        }
        Self {
            contender: who.id.clone(),
            version: who.version.clone(),
            kind: match who.kind {
                Kind::Gandy => "gandy",
                Kind::Floor => "floor",
                Kind::Peer => "peer",
            }
            .into(),
            work: case.work.into(),
            conditions: Conditions {
                concurrency: case.concurrency,
                persistence: case.persistence.name().into(),
                rtt_ms: case.rtt_ms,
                queued: case.jobs,
                setting: case.setting.clone(),
            },
            n: samples.len(),
            median: median(values()),
            min: values().min_by(f64::total_cmp),
            max: values().max_by(f64::total_cmp),
            unit: case.unit.into(),
            worker_us_per_job: median(samples.iter().filter_map(|sample| sample.worker_us)),
            redis_us_per_job: median(samples.iter().filter_map(|sample| sample.redis_us)),
            rss_mb: median(samples.iter().filter_map(|sample| sample.rss_mb)),
            guarantee: who.guarantee.clone(),
            note: who.note.clone(),
            skipped: None,
            measured: None,
            more,
        }
    }

    /// Whether both tell of the same, measured twice; how many jobs lasted for a while may differ.
    fn is_again(&self, other: &Row) -> bool {
        let of = |row: &Row| Conditions {
            queued: 0,
            ..row.conditions.clone()
        };
        self.contender == other.contender && self.work == other.work && of(self) == of(other)
    }

    /// A row without figures.
    pub(crate) fn skipped(who: &Contender, case: &Case, why: &str) -> Self {
        Self {
            skipped: Some(why.to_owned()),
            ..Self::new(who, case, &[])
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median([4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn quantiles_of_a_hundred() {
        let values: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), Some(50.0));
        assert_eq!(quantile(&values, 0.99), Some(99.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    fn sample(value: f64, worker: f64) -> Sample {
        let mut sample = Sample {
            value,
            worker_us: Some(worker),
            ..Sample::default()
        };
        sample.note("reads_per_job", worker / 10.0);
        sample
    }

    #[test]
    fn what_is_measured_again_takes_the_place_of_the_old() {
        let who = Contender::gandy().unwrap();
        let run = |machine: &str, works: [&'static str; 2], value| Results {
            machine: machine.into(),
            command: format!("--json {value}"),
            rows: works
                .map(|work| {
                    let case = Case::new(work, |_, _| Ok(Sample::default()));
                    Row::new(&who, &case, &[sample(value, 1.0)])
                })
                .into(),
        };
        let mut results = run("today", ["drain", "push"], 1.0);
        results.add(run("today", ["push", "bulk"], 2.0));
        results.add(run("tomorrow", ["bulk", "fail"], 3.0));
        let rows: Vec<(&str, Option<f64>, Option<&str>)> = results
            .rows
            .iter()
            .map(|row| (&*row.work, row.median, row.measured.as_deref()))
            .collect();
        let later = Some("tomorrow, `scripts/bench --json 3`");
        assert_eq!(
            rows,
            [
                ("drain", Some(1.0), None),
                ("push", Some(2.0), None),
                ("bulk", Some(3.0), later),
                ("fail", Some(3.0), later),
            ]
        );
        assert_eq!(results.command, "--json 1 && scripts/bench --json 2");
    }

    #[test]
    fn the_json_has_the_agreed_shape() {
        let who = Contender::gandy().unwrap();
        let case = Case {
            concurrency: Some(100),
            jobs: 500,
            ..Case::new("drain", |_, _| Ok(Sample::default()))
        };
        let samples = [sample(3.0, 2.0), sample(1.0, 4.0), sample(2.0, 9.0)];
        let results = Results {
            machine: "two cores".into(),
            command: String::new(),
            rows: vec![
                Row::new(&who, &case, &samples),
                Row::skipped(&who, &case, "no node"),
            ],
        };
        let text = serde_json::to_string(&results).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["machine"], "two cores");
        let row = &json["rows"][0];
        let condition = |name: &str| row["conditions"][name].clone();
        assert_eq!(condition("concurrency"), 100);
        assert_eq!(condition("persistence"), "none");
        assert_eq!(condition("rtt_ms"), 0);
        assert_eq!(condition("queued"), 500);
        assert_eq!(
            (row["contender"].as_str(), &row["n"]),
            (Some("gandy"), &3.into())
        );
        assert_eq!(
            [&row["median"], &row["min"], &row["max"]],
            [&2.0.into(), &1.0.into(), &3.0.into()] as [&serde_json::Value; 3]
        );
        assert_eq!(row["worker_us_per_job"], 4.0);
        assert_eq!(row["reads_per_job"], 0.4);
        assert!(row["rss_mb"].is_null() && row["redis_us_per_job"].is_null());
        assert_eq!(json["rows"][1]["skipped"], "no node");
        assert!(json["rows"][1]["median"].is_null());
        assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results);
    }
}
