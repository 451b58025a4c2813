//! The run: scenarios that mostly wait go side by side, those that keep the processor busy one after another beside them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use gandy_tests::cargo_bin;

use crate::cli::Cli;
use crate::mutants::{self, Mutant};
use crate::outcome::Outcome;
use crate::page::Row;
use crate::scenario::{ALL, Scenario};
use crate::stage::Stage;

/// Scenarios that wait side by side: each has a Redis and a few workers that do little.
const WAITING: usize = 5;
/// These take longest, so they begin first.
const FIRST: [&str; 3] = ["pill", "soak", "clock"];

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Battery {
    scenarios: Vec<Scenario>,
    mutants: bool,
    stage: Stage,
}

impl Battery {
    /// As the command line says.
    ///
    /// # Errors
    /// A scenario of that name does not exist.
    pub(crate) fn of(cli: &Cli) -> Result<Self, String> {
        if cli.list {
            for scenario in ALL {
                println!("{:<14} {}", scenario.name, scenario.about);
            }
        }
        let find = |name: &String| {
            Scenario::find(name).ok_or_else(|| {
                let known: Vec<&str> = ALL.iter().map(|scenario| scenario.name).collect();
                format!(
                    "there is no scenario {name:?}; there are: {}",
                    known.join(", ")
                )
            })
        };
        let scenarios = match (cli.list || cli.mutants, cli.names.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => ALL.to_vec(),
            (false, false) => cli.names.iter().map(find).collect::<Result<_, _>>()?,
        };
        let seed = cli.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
        Ok(Self {
            scenarios,
            mutants: cli.mutants,
            stage: Stage {
                full: cli.full,
                probe: false,
                seed,
                crew: crew(),
                mutant: None,
            },
        })
    }

    /// What the random choices are drawn from.
    pub(crate) fn seed(&self) -> u64 {
        self.stage.seed
    }

    /// Runs the mutants, when they were asked for.
    ///
    /// # Errors
    /// They cannot be built.
    pub(crate) fn mutants(&self) -> Result<Vec<Mutant>, String> {
        if self.mutants {
            mutants::run(&self.stage)
        } else {
            Ok(Vec::new())
        }
    }

    /// Runs them all; the rows stand in the order of the scenarios.
    pub(crate) fn run(&self) -> Vec<Row> {
        println!("seed {}", self.stage.seed);
        let queue = |works: bool| -> Mutex<VecDeque<Scenario>> {
            let fits = |scenario: &&Scenario| scenario.works == works;
            let mut queue: Vec<Scenario> = self.scenarios.iter().filter(fits).copied().collect();
            queue.sort_by_key(|scenario| !FIRST.contains(&scenario.name));
            Mutex::new(queue.into())
        };
        let (working, waiting) = (queue(true), queue(false));
        let rows = Mutex::new(Vec::new());
        let work = |queue: &Mutex<VecDeque<Scenario>>| {
            loop {
                let next = queue
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .pop_front();
                let Some(scenario) = next else { return };
                let row = measure(&scenario, &self.stage);
                println!("{}", row.line());
                rows.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(row);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| work(&working));
            for _ in 0..WAITING {
                scope.spawn(|| work(&waiting));
            }
        });
        let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
        rows.sort_by_key(|row| ALL.iter().position(|known| known.name == row.scenario));
        rows
    }
}

/// The crew beside this program, where one build of the workspace puts both; else cargo is asked.
fn crew() -> PathBuf {
    let beside = std::env::current_exe().map(|own| own.with_file_name("crew"));
    let beside = beside.ok().filter(|crew| crew.is_file());
    beside.unwrap_or_else(|| cargo_bin("crew"))
}

/// Runs one scenario.
pub(crate) fn measure(scenario: &Scenario, stage: &Stage) -> Row {
    let began = Instant::now();
    let (outcome, trouble) = match catch_unwind(AssertUnwindSafe(|| (scenario.run)(stage))) {
        Ok(outcome) => (outcome, None),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned().or_else(|| {
                panic
                    .downcast_ref::<&str>()
                    .map(|words| (*words).to_owned())
            });
            let words = words.unwrap_or_else(|| "it panicked".to_owned());
            (Outcome::default(), Some(words))
        }
    };
    Row::new(scenario, outcome, trouble, began.elapsed())
}
