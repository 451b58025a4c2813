//! The battery's own test: Gandy broken in eight ways, each of which a scenario must notice.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

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
    ("no-nonce", "identities"),
    ("counted-ack", "full-redis"),
];

/// A mutant, and who noticed it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Mutant {
    /// As `GANDY_MUTANT` has it.
    pub(crate) name: &'static str,
    /// The scenario with a broken bound; none: the battery does not notice it.
    pub(crate) caught_by: Option<&'static str>,
    /// The first broken bound, in words.
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
            None => format!("mutant {:<15} NOT NOTICED", self.name),
        }
    }
}

/// Builds the mutants (one program has them all) and runs a scenario with each, side by side where they wait.
///
/// # Errors
/// The program cannot be built.
pub(crate) fn run(stage: &Stage) -> Result<Vec<Mutant>, String> {
    let crew = build()?;
    let caught = Mutex::new(Vec::new());
    let (busy, waiting): (Vec<_>, Vec<_>) = ALL
        .iter()
        .copied()
        .partition(|(_, scenario)| Scenario::find(scenario).is_some_and(|scenario| scenario.works));
    let try_all = |some: &[(&'static str, &'static str)]| {
        for &(name, scenario) in some {
            let mutant = try_one(
                &Stage {
                    crew: crew.clone(),
                    mutant: Some(name),
                    ..stage.clone()
                },
                name,
                scenario,
            );
            println!("{}", mutant.line());
            caught
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(mutant);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| try_all(&busy));
        for one in &waiting {
            scope.spawn(|| try_all(std::slice::from_ref(one)));
        }
    });
    let mut caught = caught.into_inner().unwrap_or_else(PoisonError::into_inner);
    caught.sort_by_key(|mutant| ALL.iter().position(|(name, _)| *name == mutant.name));
    Ok(caught)
}

fn try_one(stage: &Stage, name: &'static str, scenario: &str) -> Mutant {
    let Some(scenario) = Scenario::find(scenario) else {
        return Mutant {
            name,
            caught_by: None,
            how: String::new(),
        };
    };
    let row = measure(&scenario, stage);
    Mutant {
        name,
        caught_by: (!row.ok).then_some(scenario.name),
        how: row.why().unwrap_or_default(),
    }
}

/// The crew with all mutants in it. Its features are its own, so it is built beside the others and kept elsewhere.
fn build() -> Result<PathBuf, String> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let mut command = Command::new(cargo);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--quiet",
            "--package",
            "gandy-tests",
            "--bin",
            "crew",
        ])
        .args([
            "--features",
            "mutants",
            "--message-format=json-render-diagnostics",
        ])
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
    let built = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "crew")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or("cargo built no crew")?;
    // The next build of the workspace writes its own crew there.
    let kept = built.with_file_name("crew-mutants");
    std::fs::copy(&built, &kept)
        .map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
    Ok(kept)
}
