//! The run: every contender in turn, then all again, so that what the machine does meanwhile falls on all alike.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::case::{Case, Sample};
use crate::contender::Contender;
use crate::row::{Results, Row};
use crate::work::{Scope, Work};
use crate::{json, machine, size};

/// What is to be measured.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The works.
    pub(crate) works: Vec<Work>,
    /// Only these contenders; all when empty.
    pub(crate) only: Vec<String>,
    /// How much.
    pub(crate) scope: Scope,
    /// How often each.
    pub(crate) repeat: usize,
    /// Written after each work, so that a run that is cut short leaves what it had.
    pub(crate) json: Option<PathBuf>,
    /// How it was called.
    pub(crate) command: String,
}

/// A case with what was measured so far.
struct Entry<'a> {
    who: &'a Contender,
    case: Case,
    samples: Vec<Sample>,
    trouble: Option<String>,
}

impl Bench {
    /// Measures everything.
    pub(crate) fn run(&self) -> Result<Results> {
        let (contenders, missing) = self.contenders()?;
        let mut results = Results {
            machine: machine::describe()?,
            command: self.command.clone(),
            rows: Vec::new(),
        };
        for work in &self.works {
            let rows = self.work(work, &contenders, &missing);
            results.rows.extend(rows);
            if let Some(path) = &self.json {
                json::write(path, &results)?;
            }
        }
        Ok(results)
    }

    /// Those that can be measured, and those that cannot, with the reason.
    #[allow(clippy::type_complexity)]
    fn contenders(&self) -> Result<(Vec<Contender>, Vec<(Contender, String)>)> {
        let mut all = vec![Contender::gandy()?, Contender::floor()?];
        all.extend(Contender::peers(
            &machine::contenders(),
            &machine::builds(),
        )?);
        for name in &self.only {
            if !all.iter().any(|who| who.id == *name) {
                let known: Vec<&str> = all.iter().map(|who| who.id.as_str()).collect();
                bail!("--only {name}: there is only {}", known.join(", "));
            }
        }
        let (mut ready, mut missing) = (Vec::new(), Vec::new());
        for mut who in all {
            if !self.only.is_empty() && !self.only.contains(&who.id) {
                continue;
            }
            match who.install() {
                Ok(()) => ready.push(who),
                Err(error) => {
                    eprintln!("{}: skipped: {error:#}", who.id);
                    missing.push((who, format!("{error:#}")));
                }
            }
        }
        Ok((ready, missing))
    }

    fn work(
        &self,
        work: &Work,
        contenders: &[Contender],
        missing: &[(Contender, String)],
    ) -> Vec<Row> {
        let mut entries = Vec::new();
        for who in contenders {
            for mut case in (work.cases)(who, &self.scope) {
                let fitted = size::fit(who, &mut case, &self.scope);
                let trouble = fitted.err().map(|error| format!("{error:#}"));
                entries.push(Entry {
                    who,
                    case,
                    samples: Vec::new(),
                    trouble,
                });
            }
        }
        for round in 1..=self.repeat {
            for entry in entries.iter_mut().filter(|entry| entry.trouble.is_none()) {
                entry.measure(round);
            }
        }
        let mut rows: Vec<Row> = entries.into_iter().map(|entry| entry.into_row()).collect();
        for (who, why) in missing {
            if let Some(case) = (work.cases)(who, &self.scope).first() {
                rows.push(Row::skipped(who, case, why));
            }
        }
        rows
    }
}

impl Entry<'_> {
    fn measure(&mut self, round: usize) {
        let (who, case) = (self.who, &self.case);
        let name = case.name(who);
        match case.run(who) {
            Ok(sample) => {
                eprintln!("{round}: {name}: {:.3} {}", sample.value, case.unit);
                self.samples.push(sample);
            }
            Err(error) => {
                eprintln!("{round}: {name}: {error:#}");
                self.trouble = Some(format!("{error:#}"));
            }
        }
    }

    fn into_row(self) -> Row {
        let mut row = Row::new(self.who, &self.case, &self.samples);
        row.skipped = self.trouble;
        row
    }
}
