//! Tells systemd how the worker is (`Type=notify`, `WatchdogSec=`): datagrams to the socket that `NOTIFY_SOCKET` names.
//! Four words of a stable protocol (`sd_notify(3)`), so no crate.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use gandy::{Health, LIVE_WITHIN, WorkerHandle};

use crate::config::environment::Environment;

/// How often systemd is told, where its watchdog does not want to hear more often.
const EVERY: Duration = Duration::from_secs(1);
/// A worker that waits for Redis asks for this much more time to start, again and again: waiting is no failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// The way to systemd.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
    /// The watchdog bites after this without a word.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Of the variables that systemd sets; `None` where it did not start this process.
    ///
    /// # Errors
    ///
    /// A socket that cannot be used.
    pub fn of(environment: &Environment) -> io::Result<Option<Notifier>> {
        let Some(name) = environment
            .get("NOTIFY_SOCKET")
            .filter(|name| !name.is_empty())
        else {
            return Ok(None);
        };
        let number = |name| environment.text(name)?.ok()?.parse::<u64>().ok();
        let own = |pid| pid == u64::from(std::process::id());
        let watchdog = number("WATCHDOG_USEC")
            .filter(|_| number("WATCHDOG_PID").is_none_or(own))
            .filter(|micros| *micros > 0)
            .map(Duration::from_micros);
        Ok(Some(Notifier {
            socket: UnixDatagram::unbound()?,
            address: address(name)?,
            watchdog,
        }))
    }

    /// Tells on, from a thread of its own, until the process ends.
    pub fn start(self, handle: WorkerHandle) {
        let every = self.watchdog.map_or(EVERY, |bites| (bites / 3).min(EVERY));
        let tell = move || {
            let mut said = Said::default();
            loop {
                let words = said.next(&handle.health(), handle.busy(), self.watchdog.is_some());
                // Where systemd is gone, nobody is there to be told.
                let _ = self.socket.send_to_addr(words.as_bytes(), &self.address);
                std::thread::sleep(every);
            }
        };
        let thread = std::thread::Builder::new().name("gandy-notify".into());
        if let Err(error) = thread.spawn(tell) {
            tracing::warn!(%error, "systemd is not told: its thread cannot be started");
        }
    }
}

/// A path, or after `@` a name in Linux' abstract space.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name)
        }
        _ => SocketAddr::from_pathname(name),
    }
}

/// What systemd knows.
#[derive(Debug, Default)]
struct Said {
    ready: bool,
    stopping: bool,
    extended: Option<Instant>,
}

impl Said {
    /// What it is to be told now.
    fn next(&mut self, health: &Health, busy: usize, watched: bool) -> String {
        let mut words = Vec::new();
        if health.started && !self.ready {
            self.ready = true;
            words.push("READY=1".to_owned());
        }
        if !self.ready
            && self
                .extended
                .is_none_or(|said| said.elapsed() > PATIENCE / 3)
        {
            self.extended = Some(Instant::now());
            words.push(format!("EXTEND_TIMEOUT_USEC={}", PATIENCE.as_micros()));
        }
        if health.stopping && !self.stopping {
            self.stopping = true;
            words.push("STOPPING=1".to_owned());
        }
        let live = health.live(LIVE_WITHIN);
        if watched && live.is_ok() {
            words.push("WATCHDOG=1".to_owned());
        }
        words.push(match (live, health.ready()) {
            (Err(ailment), _) => format!("STATUS=stuck: {ailment}"),
            (Ok(()), Err(ailment)) => format!("STATUS=not claiming: {ailment}; {busy} jobs run"),
            (Ok(()), Ok(())) => format!("STATUS=claiming; {busy} jobs run"),
        });
        words.join("\n")
    }
}
