//! Who is measured: Gandy and the floor, which are this program in another role, and the peers, found by their folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;

use crate::floor;

/// What kind of contender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Gandy.
    Gandy,
    /// The bare protocol.
    Floor,
    /// Another job system.
    Peer,
}

/// One who is measured.
#[derive(Debug, Clone)]
pub(crate) struct Contender {
    /// What `--only` says: the folder's name.
    pub(crate) id: String,
    /// Its kind.
    pub(crate) kind: Kind,
    /// Name and versions.
    pub(crate) version: String,
    /// The slots worth trying.
    pub(crate) concurrency: Vec<usize>,
    /// Commands whose integer replies add up to what is queued or in flight, as far as it can be said beforehand.
    pub(crate) pending: Vec<Vec<String>>,
    /// `at least once` or `at most once`.
    pub(crate) guarantee: String,
    /// What is not comparable.
    pub(crate) note: String,
    /// More jobs than this it cannot hold at once.
    pub(crate) jobs_max: u64,
    program: PathBuf,
    first: Vec<String>,
    dir: PathBuf,
}

/// `contender.json`.
#[derive(Debug, Deserialize)]
struct Card {
    name: String,
    concurrency: Vec<usize>,
    pending: Vec<Vec<String>>,
    guarantee: String,
    #[serde(default)]
    note: String,
    jobs_max: Option<u64>,
}

fn words(commands: &[&[&str]]) -> Vec<Vec<String>> {
    let owned = |command: &&[&str]| command.iter().map(|&part| part.to_owned()).collect();
    commands.iter().map(owned).collect()
}

impl Contender {
    /// Gandy as it is built into this program.
    pub(crate) fn gandy() -> Result<Self> {
        Ok(Self {
            id: "gandy".into(),
            kind: Kind::Gandy,
            version: format!("Gandy {}", env!("CARGO_PKG_VERSION")),
            concurrency: vec![10, 25, 100],
            pending: words(&[
                &["LLEN", "queue:default"],
                &["LLEN", "gandy:landing:default"],
            ]),
            guarantee: "at least once".into(),
            note: String::new(),
            jobs_max: u64::MAX,
            program: std::env::current_exe()?,
            first: vec!["contender".into()],
            dir: PathBuf::new(),
        })
    }

    /// The bare protocol.
    pub(crate) fn floor() -> Result<Self> {
        Ok(Self {
            id: "floor".into(),
            kind: Kind::Floor,
            version: "bare protocol".into(),
            pending: words(&[
                &["LLEN", "queue:default"],
                &["HLEN", floor::drain::INFLIGHT],
            ]),
            note: "no job system: claims and finishes, runs nothing".into(),
            first: vec!["floor".into()],
            ..Self::gandy()?
        })
    }

    /// The peers whose folders are in `folder`, by name; not installed yet. `builds` is where they may put things.
    pub(crate) fn peers(folder: &Path, builds: &Path) -> Result<Vec<Self>> {
        let mut peers = Vec::new();
        let Ok(entries) = fs::read_dir(folder) else {
            return Ok(peers);
        };
        for entry in entries {
            let home = entry?.path();
            let path = home.join("contender.json");
            if !path.is_file() {
                continue;
            }
            let id = home.file_name().unwrap_or_default().to_string_lossy();
            let text = fs::read_to_string(&path)?;
            let card: Card =
                serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
            peers.push(Self {
                id: id.clone().into_owned(),
                kind: Kind::Peer,
                version: card.name,
                concurrency: card.concurrency,
                pending: card.pending,
                guarantee: card.guarantee,
                note: card.note,
                jobs_max: card.jobs_max.unwrap_or(u64::MAX),
                program: home.join("run"),
                first: Vec::new(),
                dir: builds.join(&*id),
            });
        }
        peers.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(peers)
    }

    /// Installs a peer and learns its versions. The error says why it cannot be had.
    pub(crate) fn install(&mut self) -> Result<()> {
        if self.kind != Kind::Peer {
            return Ok(());
        }
        fs::create_dir_all(&self.dir)?;
        let script = self.program.with_file_name("install");
        let output = Command::new(&script)
            .env("DIR", &self.dir)
            .stdin(std::process::Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", script.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if !output.status.success() {
            let why = text(&output.stderr);
            bail!("{}", why.lines().last().unwrap_or("install failed"));
        }
        let line = text(&output.stdout);
        let line = line
            .lines()
            .last()
            .ok_or_else(|| anyhow!("install printed nothing"))?;
        line.clone_into(&mut self.version);
        Ok(())
    }

    /// The program for `verb`; the caller adds the contract's environment.
    pub(crate) fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.first).arg(verb).env("DIR", &self.dir);
        if self.kind != Kind::Peer {
            // mimalloc asks for huge pages, which cost 9 MB resident and brought nothing (161,000 beside 163,000 jobs/s).
            command.env("MIMALLOC_ALLOW_THP", "0");
        }
        command
    }

    /// The same, run by another program.
    pub(crate) fn under(mut self, wrapper: &[&str]) -> Self {
        let (program, args) = wrapper.split_first().unwrap_or((&"env", &[]));
        let mut first: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        first.push(self.program.display().to_string());
        first.append(&mut self.first);
        self.first = first;
        self.program = PathBuf::from(program);
        self
    }

    /// The setting nearest to `slots`.
    pub(crate) fn nearest(&self, slots: usize) -> usize {
        let near = |&&tried: &&usize| tried.abs_diff(slots);
        *self.concurrency.iter().min_by_key(near).unwrap_or(&slots)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn peers_are_found_by_their_cards_and_a_failed_install_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("slowpoke");
        fs::create_dir_all(&home).unwrap();
        fs::create_dir_all(dir.path().join("common")).unwrap();
        let card = r#"{"name":"Slowpoke","concurrency":[10,50],"pending":[["LLEN","q"]],"guarantee":"at most once"}"#;
        fs::write(home.join("contender.json"), card).unwrap();
        let install = home.join("install");
        fs::write(&install, "#!/bin/sh\necho 'no such tool' >&2\nexit 1\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&install, mode).unwrap();

        let mut peers = Contender::peers(dir.path(), &dir.path().join("builds")).unwrap();
        assert_eq!(peers.len(), 1);
        let peer = &mut peers[0];
        assert_eq!((peer.id.as_str(), peer.nearest(100)), ("slowpoke", 50));
        assert_eq!(peer.install().unwrap_err().to_string(), "no such tool");
    }
}
