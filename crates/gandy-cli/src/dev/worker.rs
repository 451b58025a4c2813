//! Which worker runs: the user's own command, or gandy-worker with its file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use tokio::process::Command;

use super::Wish;
use crate::failure::Failure;
use crate::settings;

/// Variables that would lead it to another Redis, or that go with another's URL.
pub(super) const ELSEWHERE: [&str; 4] = [
    "REDIS_URL_FILE",
    "REDIS_TLS_CA",
    "REDIS_TLS_CERT",
    "REDIS_TLS_KEY",
];

/// A program and its words.
#[derive(Debug)]
pub(super) struct Worker {
    words: Vec<OsString>,
    namespace: Option<String>,
}

/// Looks for it before anything is started.
pub(super) fn find(wish: &Wish) -> Result<Worker, Failure> {
    let mut words: Vec<OsString> = wish.command.iter().map(OsString::from).collect();
    if words.is_empty() {
        if settings::find(wish.config.as_deref()).is_none() {
            return Err(Failure::usage(
                "what should the worker run? There is no gandy.toml here: name one with --config FILE, or give the command \
                 of your own worker: gandy dev -- COMMAND",
            ));
        }
        let program = beside_us().or_else(|| on_path(&["gandy-worker"]));
        let program = program.ok_or_else(|| {
            Failure::usage(
                "gandy-worker is neither beside gandy nor on the PATH; install it, or give the command of your own worker: \
                 gandy dev -- COMMAND",
            )
        })?;
        words.push(program.into());
        if let Some(file) = &wish.config {
            words.extend(["--config".into(), file.into()]);
        }
    }
    Ok(Worker {
        words,
        namespace: wish.namespace.clone(),
    })
}

impl Worker {
    /// To be started with this Redis.
    pub(super) fn command(&self, url: &str) -> Command {
        let (program, words) = match self.words.split_first() {
            Some((program, words)) => (program.as_os_str(), words),
            None => ("gandy-worker".as_ref(), &[][..]),
        };
        let mut command = Command::new(program);
        command.args(words).env("REDIS_URL", url);
        for name in ELSEWHERE {
            command.env_remove(name);
        }
        if let Some(namespace) = &self.namespace {
            command.env("GANDY_NAMESPACE", namespace);
        }
        command
    }
}

/// The two are installed and built together.
fn beside_us() -> Option<PathBuf> {
    let here = std::env::current_exe().ok()?;
    let there = here.with_file_name("gandy-worker");
    is_program(&there).then_some(there)
}

/// The first of these programs that the PATH has.
pub(super) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names.iter().find_map(|name| {
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| is_program(file))
    })
}

fn is_program(file: &Path) -> bool {
    file.is_file() && access(file, AccessFlags::X_OK).is_ok()
}
