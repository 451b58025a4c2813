//! A time of day of their own for processes of a test: it can be hours away from everybody else's, and jump. The machine's
//! clock is never touched; what measures durations goes on.

use std::fs::{self, File};
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

/// Compiled where it is needed: whoever can link Rust has a C compiler.
const SOURCE: &str = include_str!("clock.c");

/// The time of day of the processes that were started with [`Clock::variables`].
#[derive(Debug)]
pub struct Clock {
    dir: TempDir,
}

impl Clock {
    /// One that shows the right time.
    ///
    /// # Errors
    /// There is no C compiler, or no such thing on this system.
    pub fn new() -> Result<Self, String> {
        let dir = TempDir::with_prefix("gandy-clock-").map_err(|error| error.to_string())?;
        let source = dir.path().join("clock.c");
        fs::write(&source, SOURCE).map_err(|error| error.to_string())?;
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
        let mut command = Command::new(&compiler);
        command.args(["-shared", "-fPIC", "-O1", "-o"]);
        command.arg(dir.path().join("clock.so")).arg(source);
        let output = command
            .output()
            .map_err(|error| format!("cannot run {compiler}: {error}"))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("{compiler} cannot build clock.so: {words}"));
        }
        let clock = Self { dir };
        clock.set(0);
        Ok(clock)
    }

    /// What a process needs in its environment to have this time.
    ///
    /// # Panics
    /// When the temporary folder has no plain name.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 2] {
        let path = |name: &str| {
            let path = self.dir.path().join(name);
            path.to_str()
                .expect("temporary folders have plain names")
                .to_owned()
        };
        [
            ("LD_PRELOAD", path("clock.so")),
            ("GANDY_CLOCK", path("shift")),
        ]
    }

    /// So many seconds ahead of the machine's, or (negative) behind it, from now on.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[track_caller]
    pub fn set(&self, seconds: i64) {
        let second = i64::try_from(Duration::from_secs(1).as_nanos()).unwrap_or(i64::MAX);
        // In place and never truncated: the processes have mapped this very file.
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.dir.path().join("shift"));
        file.and_then(|mut file| file.write_all(&(seconds * second).to_ne_bytes()))
            .expect("the clock's own folder is writable");
    }
}
