//! The battery's own test: Gandy broken in eight ways, each of which a scenario must notice.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use crate::battery::measure;
use crate::scenario::Scenario;
use crate::stage::Stage;

/// Which mutant there is, and which scenario is to notice it.
const ALL: &[(&str, &str)] = &[
    ("pop", "crash"),
    ("early-ack", "crash"),
    ("unfenced-retry", "freeze"),
    ("reap-alive", "starved"),
    ("client-promote", "crash"),
    ("long-block", "reply-loss"),
    ("no-nonce", "identities"),
    ("counted-ack", "full-redis"),
];
/// Probes at once: each waits for leases most of its time.
const LANES: usize = 7;

/// A mutant, and who noticed it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Mutant {
    /// As `GANDY_MUTANT` has it.
    pub(crate) name: &'static str,
    /// The scenario with a broken bound; none: the battery does not notice it.
    pub(crate) caught_by: Option<&'static str>,
    /// The first broken bound, in words; or why it does not count as noticed.
    pub(crate) how: String,
}

impl Mutant {
    /// In one line.
    pub(crate) fn line(&self) -> String {
        match self.caught_by {
            Some(scenario) => format!(
                "mutant {:<15} noticed by {scenario}: {}",
                self.name, self.how
            ),
            None => format!("mutant {:<15} NOT NOTICED: {}", self.name, self.how),
        }
    }
}

/// Builds the mutants (one program has them all) and tries each in the smallest form of its scenario. Each scenario is also
/// run with the same program whole: one that breaks then, too, has noticed nothing.
///
/// # Errors
/// The program cannot be built.
pub(crate) fn run(stage: &Stage) -> Result<Vec<Mutant>, String> {
    let stage = Stage {
        crew: build()?,
        probe: true,
        full: false,
        ..stage.clone()
    };
    let mut probes: Vec<(Option<&'static str>, &'static str)> = Vec::new();
    for &(name, scenario) in ALL {
        if !probes.contains(&(None, scenario)) {
            probes.push((None, scenario));
        }
        probes.push((Some(name), scenario));
    }
    let began = Instant::now();
    let queue = Mutex::new(VecDeque::from(probes));
    let found = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let next = lock(&queue).pop_front();
                    let Some((mutant, name)) = next else { return };
                    let why = probe(&stage, mutant, name);
                    let who = mutant.unwrap_or("(whole)");
                    let broke = why.as_deref().unwrap_or("no bound broken");
                    let at = began.elapsed().as_secs();
                    println!("{at:>4} s  probe {name:<12}{who:<16}{broke}");
                    lock(&found).insert((name, mutant), why);
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let verdict = |&(name, scenario): &(&'static str, &'static str)| {
        let why = |mutant| found.get(&(scenario, mutant)).cloned().flatten();
        let (caught_by, how) = match (why(None), why(Some(name))) {
            (Some(whole), _) => (None, format!("{scenario} breaks without it, too: {whole}")),
            (None, Some(how)) => (Some(scenario), how),
            (None, None) => (None, format!("{scenario} notices nothing")),
        };
        Mutant {
            name,
            caught_by,
            how,
        }
    };
    let mutants: Vec<Mutant> = ALL.iter().map(verdict).collect();
    mutants
        .iter()
        .for_each(|mutant| println!("{}", mutant.line()));
    Ok(mutants)
}

/// Runs a scenario with this mutant; what broke.
fn probe(stage: &Stage, mutant: Option<&'static str>, name: &str) -> Option<String> {
    let stage = Stage {
        mutant,
        ..stage.clone()
    };
    let Some(scenario) = Scenario::find(name) else {
        return Some(format!("there is no scenario {name}"));
    };
    let row = measure(&scenario, &stage);
    row.is_broken().then(|| row.why().unwrap_or_default())
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The crew with all mutants in it, of a build of the whole workspace: another choice of packages would be another choice
/// of features, and everything would be built again.
fn build() -> Result<PathBuf, String> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let mut command = Command::new(cargo);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--workspace", "--bin", "crew-mutants"])
        .args(["--features", "gandy-tests/mutants"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command
        .output()
        .map_err(|error| format!("cannot run {cargo}: {error}"))?;
    if !output.status.success() {
        return Err(format!("the mutants cannot be built ({})", output.status));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "crew-mutants")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| "cargo built no crew-mutants".to_owned())
}
