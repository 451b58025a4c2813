//! Results as Markdown tables, one for each work and condition.

use std::fmt::Write as _;

use crate::figures;
use crate::row::{Results, Row};

/// What shares a table: a work under conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    work: String,
    persistence: String,
    rtt_ms: u64,
}

impl Group {
    fn of(row: &Row) -> Self {
        Self {
            work: row.work.clone(),
            persistence: row.conditions.persistence.clone(),
            rtt_ms: row.conditions.rtt_ms,
        }
    }

    /// All, in the order in which they were measured.
    pub(crate) fn all(results: &Results) -> Vec<Group> {
        let mut groups = Vec::new();
        for row in &results.rows {
            let group = Self::of(row);
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups
    }

    /// Its rows.
    pub(crate) fn rows<'a>(&self, results: &'a Results) -> Vec<&'a Row> {
        let rows = results.rows.iter();
        rows.filter(|row| Self::of(row) == *self).collect()
    }

    /// For a file.
    pub(crate) fn name(&self) -> String {
        let mut name = self.work.clone();
        if self.persistence != "none" {
            let _ = write!(name, "-{}", self.persistence);
        }
        if self.rtt_ms > 0 {
            name += "-far";
        }
        name
    }

    /// For people.
    pub(crate) fn title(&self) -> String {
        let mut title = match self.work.as_str() {
            "drain" => "drain: jobs that do nothing",
            "sleep1" => "sleep1: jobs that sleep 1 ms",
            "compute1" => "compute1: jobs that compute for 1 ms",
            "sleep10" => "sleep10: jobs that sleep 10 ms",
            "push" => "push: one caller, one after another",
            "push64" => "push64: 64 callers at once",
            "bulk" => "bulk: 1,000 a call",
            "pickup" => "pickup: from push to start on an idle worker",
            "fail" => "fail: every job goes to retry",
            "promote" => "promote: due jobs move to their queue",
            "idle-fleet" => "idle-fleet: workers that have nothing to do",
            other => other,
        }
        .to_owned();
        if self.persistence == "aof" {
            title += ", append-only file";
        }
        if self.rtt_ms > 0 {
            let _ = write!(title, ", {} ms added to a round trip", self.rtt_ms);
        }
        title
    }
}

/// All tables.
pub(crate) fn tables(results: &Results) -> String {
    let one = |group: Group| {
        let rows = group.rows(results);
        format!("### {}\n\n{}\n", group.title(), table(&rows))
    };
    let mut groups = Group::all(results);
    groups.retain(|group| !figures::is_here(&group.work));
    let compared: String = groups.into_iter().map(one).collect();
    compared + &figures::dashboard(results)
}

/// One table.
pub(crate) fn table(rows: &[&Row]) -> String {
    let unit = rows.first().map_or("", |row| row.unit.as_str());
    let mut names: Vec<&String> = Vec::new();
    for name in rows.iter().flat_map(|row| row.more.keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut text =
        format!("| who | slots | jobs | {unit} | worker µs/job | Redis µs/job | peak MB |");
    let mut line = String::from("|---|---|---|---|---|---|---|");
    for name in &names {
        let _ = write!(text, " {} |", name.replace('_', " "));
        line += "---|";
    }
    text = format!("{text}\n{line}\n");
    for row in rows {
        text += &cells(row, &names);
    }
    text
}

fn cells(row: &Row, names: &[&String]) -> String {
    let setting = match row.conditions.setting.as_str() {
        "" => String::new(),
        setting => format!(" ({setting})"),
    };
    let slots = row
        .conditions
        .concurrency
        .map_or("–".into(), |slots| slots.to_string());
    let middle = match (row.median, row.min, row.max, &row.skipped) {
        (Some(median), Some(min), Some(max), _) if row.n > 1 => {
            format!("**{}** ({}–{})", number(median), number(min), number(max))
        }
        (Some(median), ..) => format!("**{}**", number(median)),
        (_, _, _, Some(why)) => format!("skipped: {}", why.replace('|', "/").replace('\n', " ")),
        _ => "–".into(),
    };
    let optional = |value: Option<f64>| value.map_or("–".into(), number);
    let mut text = format!(
        "| {}{setting} | {slots} | {} | {middle} | {} | {} | {} |",
        row.version,
        number(row.conditions.queued as f64),
        optional(row.worker_us_per_job),
        optional(row.redis_us_per_job),
        optional(row.rss_mb),
    );
    for name in names {
        let _ = write!(text, " {} |", optional(row.more.get(*name).copied()));
    }
    text + "\n"
}

/// Three digits where they say something, thousands apart.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size < 1_000.0 {
        let digits = match size {
            size if size >= 100.0 || size == size.round() => 0,
            size if size >= 10.0 => 1,
            size if size >= 0.1 => 2,
            _ => 4,
        };
        return format!("{value:.digits$}");
    }
    let digits = format!("{:.0}", size);
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::case::{Case, Sample};
    use crate::contender::Contender;

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(999.6), "1000");
        assert_eq!(number(100.0), "100");
        assert_eq!(number(23.46), "23.5");
        assert_eq!(number(1.128), "1.13");
        assert_eq!(number(0.0123), "0.0123");
        assert_eq!(number(0.0), "0");
    }

    #[test]
    fn each_condition_has_a_table_of_its_own() {
        let who = Contender::gandy().unwrap();
        let case = Case {
            concurrency: Some(10),
            jobs: 2_000,
            ..Case::new("drain", |_, _| Ok(Sample::default()))
        };
        let far = Case {
            rtt_ms: 2,
            ..case.clone()
        };
        let mut sample = Sample {
            value: 1234.0,
            rss_mb: Some(7.5),
            ..Sample::default()
        };
        sample.note("reads_per_job", 0.02);
        let results = Results {
            machine: String::new(),
            command: String::new(),
            rows: vec![
                Row::new(&who, &case, &[sample.clone(), sample]),
                Row::skipped(&who, &far, "no | node"),
            ],
        };
        let text = tables(&results);
        assert!(text.contains("### drain: jobs that do nothing\n"), "{text}");
        assert!(text.contains("do nothing, 2 ms added"), "{text}");
        assert!(
            text.contains("| 10 | 2,000 | **1,234** (1,234–1,234) | – | – | 7.50 | 0.0200 |"),
            "{text}"
        );
        assert!(text.contains("skipped: no / node"), "{text}");
    }
}
