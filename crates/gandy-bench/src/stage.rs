//! Where one measurement takes place: a Redis of its own, perhaps a proxy before it, and the contender's processes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::case::Case;
use crate::child::Child;
use crate::contender::{Contender, Kind};
use crate::floor::fill::fill;
use crate::payload;
use crate::pending::Pending;
use crate::probe::{Counters, Probe};
use crate::server::{Persistence, Server, free_port};
use crate::task::Task;
use crate::told::Told;
use crate::usage;

/// Of a verb that ends by itself.
const VERB_DEADLINE: Duration = Duration::from_secs(600);
/// A worker that takes nothing for so long is not going to.
const STALL: Duration = Duration::from_secs(60);

/// The place of one measurement.
#[derive(Debug)]
pub(crate) struct Stage {
    /// The runner's own connection, never through the proxy.
    pub(crate) probe: Probe,
    /// Declared before the server: the proxy ends first.
    proxy: Option<(Child, u16)>,
    server: Server,
    children: u32,
}

/// What a drain took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drained {
    /// Jobs since the clock ran.
    pub(crate) jobs: f64,
    /// Seconds.
    pub(crate) seconds: f64,
    /// CPU of the worker's process tree, microseconds.
    pub(crate) worker_us: f64,
    /// What Redis did.
    pub(crate) redis: Counters,
}

impl Stage {
    /// Starts Redis, and a proxy when the case says so.
    pub(crate) fn start(persistence: Persistence, rtt_ms: u64) -> Result<Self> {
        let server = Server::start(persistence)?;
        let probe = Probe::connect(&server.address())?;
        let mut stage = Self {
            probe,
            proxy: None,
            server,
            children: 0,
        };
        if rtt_ms > 0 {
            stage.proxy = Some(stage.start_proxy(rtt_ms)?);
        }
        Ok(stage)
    }

    fn start_proxy(&mut self, rtt_ms: u64) -> Result<(Child, u16)> {
        let port = free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("proxy").arg(format!("127.0.0.1:{port}"));
        command
            .arg(self.server.address())
            .arg((rtt_ms * 500).to_string());
        let mut child = Child::spawn("proxy", command, &self.log("proxy"))?;
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            child.must_run()?;
            if Probe::connect(&format!("127.0.0.1:{port}")).is_ok() {
                return Ok((child, port));
            }
            ensure!(Instant::now() < end, "the proxy does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Redis' address, without the proxy.
    pub(crate) fn address(&self) -> String {
        self.server.address()
    }

    /// A file of this measurement.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.server.dir().join(name)
    }

    /// A file of this measurement for what a child writes.
    pub(crate) fn log(&mut self, name: &str) -> PathBuf {
        self.children += 1;
        self.file(&format!("{name}-{}.log", self.children))
    }

    /// Starts a contender's verb. What holds the worker also ends it.
    pub(crate) fn spawn(&mut self, who: &Contender, case: &Case, verb: &str) -> Result<Child> {
        let port = self.proxy.as_ref().map(|(_, port)| *port);
        let address = port.map_or_else(|| self.address(), |port| format!("127.0.0.1:{port}"));
        let mut command = who.command(verb);
        command
            .env("REDIS_URL", format!("redis://{address}/0"))
            .env("JOBS", case.jobs.to_string())
            .env("CONCURRENCY", case.concurrency.unwrap_or(10).to_string())
            .env("WORK", case.task.name())
            .env("LATENCY_FILE", self.file("latency"))
            .env("HANDLER_FILE", self.file("handler"))
            .env("PACE_MS", "10")
            .envs(case.env.iter().cloned());
        let log = self.log(verb);
        Child::spawn(&format!("{} {verb}", who.id), command, &log)
    }

    /// Runs a verb to its end.
    pub(crate) fn verb(&mut self, who: &Contender, case: &Case, verb: &str) -> Result<Told> {
        let stdout = self.spawn(who, case, verb)?.finish(VERB_DEADLINE)?;
        Told::read(&stdout)
    }

    /// Fills the queue before a drain. Sidekiq's bytes are the same whoever writes them, so the runner does it itself
    /// for Gandy and the floor, fast; every peer uses its own call. Returns the bytes of Redis' memory a job.
    pub(crate) fn fill(&mut self, who: &Contender, case: &Case) -> Result<f64> {
        let before = self.probe.memory()?;
        if who.kind == Kind::Peer {
            self.verb(who, case, "fill")?;
        } else {
            let address = self.address();
            fill(
                &address,
                "queue:default",
                "default",
                case.task,
                0..case.jobs,
            )?;
        }
        let bytes = (self.probe.memory()? - before) / case.jobs as f64;
        if case.persistence == Persistence::Aof {
            self.probe.settle()?;
        }
        Ok(bytes)
    }

    /// Watches until nothing is pending. The clock runs from the first drop, so that start-up is left out.
    pub(crate) fn drain(
        &mut self,
        worker: &mut Child,
        pending: &mut Pending,
        full: i64,
    ) -> Result<Drained> {
        let pid = worker.pid();
        let idle_us = usage::tree_cpu_us(pid);
        let mut before = (Instant::now(), idle_us, self.probe.counters()?);
        let mut left = full;
        let deadline = Instant::now() + STALL;
        while left >= full {
            worker.must_run()?;
            ensure!(Instant::now() < deadline, "no job was taken within 60 s");
            before.0 = Instant::now();
            std::thread::sleep(Duration::from_millis(1));
            left = pending.read(&mut self.probe)?;
        }
        let mut jobs = full as f64;
        if left > 0 {
            jobs = left as f64;
            before = (
                Instant::now(),
                usage::tree_cpu_us(pid),
                self.probe.counters()?,
            );
        }
        let mut moved = Instant::now();
        while left > 0 {
            std::thread::sleep(pending.pace());
            let now = pending.read(&mut self.probe)?;
            if now < left {
                moved = Instant::now();
            } else if moved.elapsed() > STALL {
                worker.must_run()?;
                bail!("stalled with {now} jobs left");
            }
            left = now;
        }
        let seconds = before.0.elapsed().as_secs_f64();
        Ok(Drained {
            // What is looked for may be passed by a few between two looks.
            jobs: jobs - left as f64,
            seconds,
            redis: self.probe.counters()?.since(before.2),
            worker_us: usage::tree_cpu_us(pid) - before.1,
        })
    }

    /// Gives an idle worker the list `aside` as its queue, and watches until it is empty.
    pub(crate) fn refill(
        &mut self,
        worker: &mut Child,
        pending: &mut Pending,
        aside: &str,
        task: Task,
    ) -> Result<Drained> {
        let jobs = self.probe.ask(&["LLEN", aside])?.int()? + 1;
        let pid = worker.pid();
        let before = (usage::tree_cpu_us(pid), self.probe.counters()?);
        let begun = Instant::now();
        self.probe.ask(&["RENAME", aside, "queue:default"])?;
        // A rename does not wake who blocks on the key; a push does.
        let mut bytes = Vec::new();
        payload::write(task, "default", u64::MAX, &mut bytes);
        let bytes = String::from_utf8(bytes)?;
        self.probe.ask(&["LPUSH", "queue:default", &bytes])?;
        while pending.read(&mut self.probe)? > 0 {
            worker.must_run()?;
            ensure!(begun.elapsed() < STALL, "stalled");
            std::thread::sleep(pending.pace());
        }
        Ok(Drained {
            jobs: jobs as f64,
            seconds: begun.elapsed().as_secs_f64(),
            redis: self.probe.counters()?.since(before.1),
            worker_us: usage::tree_cpu_us(pid) - before.0,
        })
    }

    /// Mean time of a handler in milliseconds, as a worker that ended has said.
    pub(crate) fn handler_ms(&self) -> Option<f64> {
        let text = fs::read_to_string(self.file("handler")).ok()?;
        let (runs, nanos) = text.trim().split_once(' ')?;
        let (runs, nanos): (f64, f64) = (runs.parse().ok()?, nanos.parse().ok()?);
        (runs > 0.0).then(|| nanos / runs / 1e6)
    }

    /// The latencies that handlers noted, in milliseconds, in the order of the runs.
    pub(crate) fn latencies_ms(&self) -> Result<Vec<f64>> {
        let path = self.file("latency");
        let text = fs::read_to_string(&path).context("the handlers noted no latencies")?;
        let read = |line: &str| line.trim().parse::<f64>().map(|nanos| nanos / 1e6);
        Ok(text.lines().map(read).collect::<Result<_, _>>()?)
    }
}
