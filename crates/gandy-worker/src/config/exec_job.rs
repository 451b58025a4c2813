//! The keys of `[jobs.CLASS]` with `exec`: a program, its environment, its exit codes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::environment::Environment;
use super::job::limit;
use super::layer::Source;
use super::program;
use super::raw::Raw;
use super::secret::{self, Secret};
use super::section::Section;
use crate::exec;

/// Variables that a program always has: the fewest with which ordinary programs work.
const PASSED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// Reads the keys of a program; `None` when it is wrong, and noted.
pub fn read<'d>(
    section: &mut Section<'d, '_>,
    words: &'d Spanned<DeValue<'d>>,
    environment: &Environment,
    base: &Path,
    timeout: Duration,
) -> Option<exec::Target> {
    let cwd = section
        .read_with("cwd", |value| folder(Raw::Toml(value), base))
        .unwrap_or_else(|| base.to_owned());
    let env = read_env(section, environment, base);
    let bury_on = section.read("bury_on", exit_codes).unwrap_or_default();
    let discard_on = section.read("discard_on", exit_codes).unwrap_or_default();
    if let Some(code) = bury_on.iter().find(|code| discard_on.contains(code)) {
        section.note(
            "discard_on",
            format!("names exit code {code}, which bury_on names too"),
        );
    }
    let output_limit = section
        .read("output_limit", limit)
        .unwrap_or(exec::OUTPUT_LIMIT);
    let command = command(Raw::Toml(words.get_ref()), &cwd, environment);
    let (words, program) = match command {
        Ok(command) => command,
        Err(message) => {
            section.note("exec", message);
            return None;
        }
    };
    Some(exec::Target {
        program,
        words,
        cwd,
        env,
        bury_on,
        discard_on,
        output_limit,
        timeout,
    })
}

fn folder(raw: Raw<'_>, base: &Path) -> Result<PathBuf, String> {
    let path = base.join(raw.text()?);
    if path.is_dir() {
        Ok(path)
    } else {
        Err(format!("{} is not a folder", path.display()))
    }
}

fn command(
    raw: Raw<'_>,
    cwd: &Path,
    environment: &Environment,
) -> Result<(Vec<String>, PathBuf), String> {
    const ALLOWED: &str =
        "must be an array of strings, the program and its arguments: [\"./resize\", \"--fast\"]";
    let Raw::Toml(DeValue::Array(items)) = raw else {
        return Err(format!("{ALLOWED}; no shell is run, got {}", raw.shown()));
    };
    // Arguments may be empty strings, so `Raw::list` is too strict here.
    let words = items
        .iter()
        .map(|item| match item.get_ref() {
            DeValue::String(word) if !word.contains('\0') => Ok(word.as_ref().to_owned()),
            other => Err(format!("{ALLOWED}, but holds {}", Raw::Toml(other).shown())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    match words.first().map(String::as_str) {
        None | Some("") => Err(format!("{ALLOWED}, but names no program")),
        Some(word) => {
            let program = program::resolve(word, cwd, environment.get("PATH"))?;
            Ok((words, program))
        }
    }
}

/// The whole environment of the program, made once: what is not named here, the worker's own secrets above
/// all, does not reach it.
fn read_env(
    section: &mut Section<'_, '_>,
    environment: &Environment,
    base: &Path,
) -> BTreeMap<OsString, OsString> {
    let passed = section.read("pass_env", names).unwrap_or_default();
    let mut env: BTreeMap<OsString, OsString> = PASSED
        .into_iter()
        .chain(passed.iter().map(String::as_str))
        .filter_map(|name| Some((name.into(), environment.get(name)?.to_owned())))
        .collect();
    for (name, value) in section.entries("env") {
        let read = variable_name(name)
            .and_then(|()| secret::read(value.get_ref(), environment, base))
            .and_then(|(_, secret)| without_nul(&secret));
        match read {
            Ok(text) => {
                env.insert(name.into(), text.into());
            }
            Err(message) => section.note_in(value.span().start, "env", name, message),
        }
    }
    env
}

fn without_nul(secret: &Secret) -> Result<String, String> {
    if secret.expose().contains('\0') {
        return Err("holds a NUL byte, which no environment variable can".to_owned());
    }
    Ok(secret.expose().to_owned())
}

fn names(raw: Raw<'_>) -> Result<Vec<String>, String> {
    let names = raw.list()?;
    for name in &names {
        variable_name(name)?;
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

fn variable_name(name: &str) -> Result<(), String> {
    if name.starts_with("GANDY_") {
        return Err(format!(
            "{name} is not allowed: GANDY_ variables are set by the worker"
        ));
    }
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(format!(
            "\"{name}\" is not the name of an environment variable"
        ));
    }
    Ok(())
}

fn exit_codes(raw: Raw<'_>) -> Result<Vec<u8>, String> {
    const ALLOWED: &str = "must be an array of exit codes from 1 to 255 (0 is success)";
    let Raw::Toml(DeValue::Array(items)) = raw else {
        return Err(format!("{ALLOWED}, got {}", raw.shown()));
    };
    items
        .iter()
        .map(|item| {
            let raw = Raw::Toml(item.get_ref());
            raw.whole_number(1, 255)
                .ok()
                .and_then(|code| u8::try_from(code).ok())
                .ok_or_else(|| format!("{ALLOWED}, but holds {}", raw.shown()))
        })
        .collect()
}
