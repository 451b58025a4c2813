//! Starting the `crew` binary (a Gandy worker with test handlers) and pushing jobs for it.

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::{Clock, History, HistoryWriter, Proc, RedisServer};

/// How a crew is to run; see `tests/bin/crew.rs` for what it does.
#[derive(Clone, Debug)]
pub struct Crew {
    program: String,
    /// The program that starts it, with its arguments; none: it is started itself.
    wrapper: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Crew {
    /// A crew for `server`; `program` is `env!("CARGO_BIN_EXE_crew")`, which only a test of this package knows.
    pub fn new(program: &str, server: &RedisServer) -> Self {
        let crew = Self {
            program: program.to_owned(),
            wrapper: Vec::new(),
            variables: Vec::new(),
        };
        crew.set("REDIS_URL", server.url())
            .set("RUST_LOG", "gandy=info")
    }

    /// Sets an environment variable.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // `1000` reads better than `&1000`
    pub fn set(mut self, name: &'static str, value: impl ToString) -> Self {
        self.variables.retain(|(other, _)| *other != name);
        self.variables.push((name, value.to_string()));
        self
    }

    /// Gives it a time of day of its own.
    #[must_use]
    pub fn clock(self, clock: &Clock) -> Self {
        let [preload, shift] = clock.variables();
        self.set(preload.0, preload.1).set(shift.0, shift.1)
    }

    /// Jobs at once.
    #[must_use]
    pub fn concurrency(self, jobs: usize) -> Self {
        self.set("CREW_CONCURRENCY", jobs)
    }

    /// Notes starts and ends in `history`.
    #[must_use]
    pub fn history(self, history: &History) -> Self {
        self.set("GANDY_TEST_HISTORY", history.path().display())
    }

    /// Starts it by another program, such as `unshare` with its arguments; the crew's path comes last.
    #[must_use]
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts the process. Its name in histories is [`Crew::name_of`].
    #[track_caller]
    pub fn start(&self) -> Proc {
        let mut words = self.wrapper.iter().chain([&self.program]);
        let mut command = Command::new(words.next().unwrap_or(&self.program));
        command.args(words);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Proc::spawn("crew", command)
    }

    /// Starts the process and waits until it has joined the fleet.
    #[track_caller]
    pub fn start_and_wait(&self) -> Proc {
        let process = self.start();
        process.wait_for_log("crew: started", Duration::from_secs(20));
        process
    }

    /// The identity under which a crew joined the fleet, from its log.
    #[track_caller]
    pub fn identity(process: &Proc) -> String {
        let log = process.stderr();
        let line = log.lines().rfind(|line| line.contains("joined the fleet"));
        let quoted = line.and_then(|line| line.split('"').nth(1));
        quoted
            .unwrap_or_else(|| panic!("crew has not joined the fleet:\n{log}"))
            .to_owned()
    }

    /// The identity of a crew whose log does not tell: the one in the fleet with its pid.
    ///
    /// # Panics
    /// When it is not in the fleet within 20 s.
    #[track_caller]
    pub fn identity_of(server: &RedisServer, process: &Proc) -> String {
        let pid = format!(":{}:", process.pid());
        crate::wait_for(Duration::from_secs(20), "the crew is in the fleet", || {
            let fleet = server.cli(&["HKEYS", "gandy:fleet"]);
            fleet
                .lines()
                .find(|identity| identity.contains(&pid))
                .map(str::to_owned)
        })
    }

    /// Stops a crew (SIGSTOP) and counts what it holds then.
    ///
    /// Its threads take the signal one after another, and what was on its way still reaches Redis: counted right after the
    /// signal, on a busy machine, a job or two that ran again had not been aboard.
    ///
    /// # Panics
    /// When it does not stand still within 20 s.
    #[track_caller]
    pub fn stop_and_count(server: &RedisServer, process: &Proc, identity: &str) -> usize {
        process.signal(Signal::SIGSTOP);
        let soon = Duration::from_secs(20);
        crate::wait_until(soon, "the crew stands still", || process.is_stopped());
        let key = format!("gandy:inflight:{identity}");
        let mut held = crate::length(server, &key);
        crate::wait_until(soon, "nothing of the crew is on its way", || {
            std::thread::sleep(Duration::from_millis(20)); // Between two looks.
            let before = std::mem::replace(&mut held, crate::length(server, &key));
            before == held
        });
        held
    }

    /// Tells a crew to end, and gives what it counted in its life: `fenced`, `unknown`, `cautions`.
    ///
    /// # Panics
    /// When it does not end, or not in good order.
    #[track_caller]
    pub fn end(process: &Proc, deadline: Duration) -> serde_json::Value {
        process.signal(Signal::SIGTERM);
        let status = process.wait_exit(deadline);
        let log = process.stderr();
        let counters = log
            .lines()
            .find_map(|line| line.strip_prefix("crew: ended, "))
            .and_then(|counters| serde_json::from_str(counters).ok());
        counters.unwrap_or_else(|| panic!("crew did not end well ({status}):\n{log}"))
    }

    /// What a crew process is called in a history.
    pub fn name_of(process: &Proc) -> String {
        format!("crew-{}", process.pid())
    }
}

/// Pushes `count` jobs of `class` with these arguments as plain Sidekiq payloads, notes them as acknowledged, and returns
/// their jids. `tag` makes the jids of different calls differ.
///
/// # Panics
/// When Redis refuses.
#[track_caller]
pub fn push_jobs(
    server: &RedisServer,
    notes: &HistoryWriter,
    tag: &str,
    class: &str,
    args: &str,
    count: usize,
) -> Vec<String> {
    let mut conn = server.conn();
    let jids: Vec<String> = (0..count)
        .map(|number| format!("{tag}{number:06}"))
        .collect();
    for chunk in jids.chunks(1000) {
        let payloads: Vec<String> = chunk.iter().map(|jid| payload(class, args, jid)).collect();
        let mut pipe = redis::pipe();
        pipe.cmd("SADD").arg("queues").arg("default").ignore();
        pipe.cmd("LPUSH")
            .arg("queue:default")
            .arg(payloads)
            .ignore();
        if let Err(error) = pipe.query::<()>(&mut conn) {
            panic!("cannot push: {error}");
        }
        chunk.iter().for_each(|jid| notes.acknowledged(jid));
    }
    jids
}

/// A payload as Ruby would push it to `default`, with a field that only Ruby knows and a number that a float would break.
pub fn payload(class: &str, args: &str, jid: &str) -> String {
    format!(
        r#"{{"retry":true,"queue":"default","args":{args},"class":"{class}","jid":"{jid}","created_at":1795398104597,"enqueued_at":1795398104597,"bid":"b\u00e9","big":12345678901234567890,"f":1.10}}"#
    )
}
