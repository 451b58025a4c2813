//! What a scenario found: each bound beside what was measured.

use gandy_tests::{Proc, Report};
use serde::Serialize;

use crate::stage::Stage;

/// One bound.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Bound {
    /// What is bounded, with its unit.
    pub(crate) what: String,
    /// In words: `0`, `≤ 20`, `yes`.
    pub(crate) bound: String,
    /// What was measured.
    pub(crate) measured: f64,
    /// Whether it held.
    pub(crate) ok: bool,
}

/// A part of a scenario, and what it is called.
pub(crate) type Part = (&'static str, fn(&Stage) -> Outcome);

/// What one scenario found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// Its bounds.
    pub(crate) bounds: Vec<Bound>,
    /// What else was measured: no promise, but the load that the bounds stand for.
    pub(crate) notes: Vec<(String, f64)>,
    /// Why it could not be tried here, when it could not.
    pub(crate) skipped: Option<String>,
}

impl Outcome {
    fn bound(&mut self, what: &str, bound: String, measured: f64, ok: bool) {
        self.bounds.push(Bound {
            what: what.to_owned(),
            bound,
            measured,
            ok,
        });
    }

    /// Nothing of this may have happened.
    pub(crate) fn none(&mut self, what: &str, measured: usize) {
        self.bound(what, "0".into(), measured as f64, measured == 0);
    }

    /// Nothing was lost, and nothing ran that nobody pushed.
    pub(crate) fn sound(&mut self, report: &Report) {
        self.none("lost", report.lost.len());
        self.none("unexpected", report.unexpected.len());
    }

    /// None of these processes has ended.
    pub(crate) fn all_run(&mut self, workers: &[Proc]) {
        let ended = workers.iter().filter(|worker| !worker.is_running());
        self.none("workers that ended", ended.count());
    }

    /// Exactly so many.
    pub(crate) fn exactly(&mut self, what: &str, bound: usize, measured: usize) {
        self.bound(
            what,
            format!("= {bound}"),
            measured as f64,
            measured == bound,
        );
    }

    /// So much at most.
    pub(crate) fn most(&mut self, what: &str, bound: f64, measured: f64) {
        self.bound(what, format!("≤ {bound}"), measured, measured <= bound);
    }

    /// So much at least.
    pub(crate) fn least(&mut self, what: &str, bound: f64, measured: f64) {
        self.bound(what, format!("≥ {bound}"), measured, measured >= bound);
    }

    /// A figure without a bound.
    pub(crate) fn note(&mut self, what: &str, measured: f64) {
        self.notes.push((what.to_owned(), measured));
    }

    /// What could not be tried here, and why.
    pub(crate) fn skipped(why: String) -> Self {
        Self {
            skipped: Some(why),
            ..Self::default()
        }
    }

    /// Runs parts of a scenario side by side: their bounds, each after the name of its part where that matters.
    ///
    /// # Panics
    /// When a part does.
    pub(crate) fn of_parts(stage: &Stage, parts: &[Part]) -> Self {
        let mut all = Self::default();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let parts: Vec<_> = parts
                .iter()
                .map(|(_, run)| scope.spawn(|| run(stage)))
                .collect();
            parts.into_iter().map(|part| part.join()).collect()
        });
        for ((name, _), outcome) in parts.iter().zip(outcomes) {
            all.join(
                name,
                outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        all
    }

    fn join(&mut self, name: &str, part: Self) {
        let named = |what: String| format!("{name}: {what}");
        for bound in part.bounds {
            // What happened in no part is said once.
            if bound.bound != "0" || !bound.ok {
                let what = named(bound.what);
                self.bounds.push(Bound { what, ..bound });
            } else if !self.bounds.iter().any(|other| other.what == bound.what) {
                self.bounds.push(bound);
            }
        }
        let notes = part.notes.into_iter();
        self.notes
            .extend(notes.map(|(what, measured)| (named(what), measured)));
        self.skipped = self.skipped.take().or(part.skipped);
    }

    /// Whether every bound held; one without bounds proves nothing.
    pub(crate) fn ok(&self) -> bool {
        !self.bounds.is_empty() && self.bounds.iter().all(|bound| bound.ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_say_once_what_happened_in_none_and_by_name_what_did() {
        let part = |lost| {
            let mut outcome = Outcome::default();
            outcome.none("lost", lost);
            outcome.most("seconds", 20.0, 3.0);
            outcome
        };
        let mut all = Outcome::default();
        for (name, lost) in [("one", 0), ("two", 0), ("three", 7)] {
            all.join(name, part(lost));
        }
        let what: Vec<&str> = all.bounds.iter().map(|bound| bound.what.as_str()).collect();
        let wanted = [
            "lost",
            "one: seconds",
            "two: seconds",
            "three: lost",
            "three: seconds",
        ];
        assert_eq!(what, wanted);
        assert!(!all.ok());
    }

    #[test]
    fn one_broken_bound_breaks_all_and_none_proves_nothing() {
        let mut outcome = Outcome::default();
        assert!(!outcome.ok());
        outcome.none("lost", 0);
        outcome.most("seconds", 20.0, 20.0);
        outcome.least("kills", 3.0, 3.0);
        outcome.exactly("dead", 5, 5);
        assert!(outcome.ok());
        outcome.most("seconds", 20.0, 20.1);
        assert!(!outcome.ok());
    }
}
