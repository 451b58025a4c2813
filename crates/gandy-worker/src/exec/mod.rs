//! Runs a program for a job: arguments as JSON on its standard input, its exit code as the answer.
//!
//! * `launcher`: starts the shim; `shim`: what the shim does; `frame`: what the two say to each other
//! * `descendants`: finds and kills what a program has started; `tail`: keeps the end of its words
//!
//! Here: one run from start to outcome. No shell anywhere, nothing from the job in the words of a command.

pub mod descendants;
pub mod frame;
pub mod launcher;
pub mod shim;
pub mod tail;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::outcome::{Failure, Outcome};
use crate::run::Run;
use frame::{Launch, Report};
use launcher::{Launcher, Shim};
use tail::Tail;

/// Bytes kept of each of a program's two streams when the configuration names no number.
pub const OUTPUT_LIMIT: usize = 10 * 1024;

/// Between TERM and KILL.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long the shim may take to end everything before its group is killed with it.
const SHIM_DEADLINE: Duration = Duration::from_secs(4);

/// What a run may take beyond its timeout, at most: the library's own limit is set this much later, since it
/// would drop the run and with it the program's last words.
pub const OVERTIME: Duration = Duration::from_secs(15);

const _: () = assert!(
    GRACE.as_secs() + SHIM_DEADLINE.as_secs() + STREAMS_DEADLINE.as_secs() < OVERTIME.as_secs(),
    "every step of an end must fit"
);

/// How long the streams may stay open after the end: longer only by a process that no signal reaches.
const STREAMS_DEADLINE: Duration = Duration::from_secs(1);

/// A program and how its end is read.
#[derive(Clone)]
pub struct Target {
    /// The file to run.
    pub program: PathBuf,
    /// The words as configured, the program's name first.
    pub words: Vec<String>,
    /// The folder it runs in.
    pub cwd: PathBuf,
    /// Its whole environment but the job's own variables.
    pub env: BTreeMap<OsString, OsString>,
    /// Exit codes that put the job into the dead set.
    pub bury_on: Vec<u8>,
    /// Exit codes that throw the job away.
    pub discard_on: Vec<u8>,
    /// Bytes kept of each stream.
    pub output_limit: usize,
    /// How long one run may take before it gets TERM.
    pub timeout: Duration,
}

// The values of variables may be secrets.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("program", &self.program)
            .field("words", &self.words)
            .field("cwd", &self.cwd)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// How a run ended, before its meaning is looked up.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Reported(Report),
    /// The shim died without a word: killed from outside, as the kernel does when memory is short.
    ShimDied,
    TimedOut,
    Cancelled,
}

/// Runs the program for one job.
///
/// When the target's timeout passes or `cancelled` fires (shutdown, lost lease) the group gets TERM and after
/// [`GRACE`] everything is killed. Dropping the future does the same with less patience: the shim sees its
/// socket close.
pub async fn run(
    target: &Target,
    launcher: &Launcher,
    run: &Run<'_>,
    cancelled: &CancellationToken,
) -> Outcome {
    let (mut shim, socket) = match launcher.start(run.class) {
        Ok(started) => started,
        Err(error) => {
            return Outcome::Retry(Failure::new(
                "NotStarted",
                format!("cannot start a process: {error}"),
                "",
            ));
        }
    };
    let mut out = Tail::new(shim.child.stdout.take(), target.output_limit);
    let mut err = Tail::new(shim.child.stderr.take(), target.output_limit);
    let stop = async {
        tokio::select! {
            () = tokio::time::sleep(target.timeout) => End::TimedOut,
            () = cancelled.cancelled() => End::Cancelled,
        }
    };
    let end = {
        let supervise = supervise(shim, socket, launch(target, run).encode(), stop);
        let drain = async {
            tokio::join!(out.fill(), err.fill());
            std::future::pending::<End>().await
        };
        tokio::select! {
            end = supervise => end,
            end = drain => end,
        }
    };
    let _ = timeout(STREAMS_DEADLINE, async {
        tokio::join!(out.fill(), err.fill())
    })
    .await;
    let (out, err) = (out.text(), err.text());
    tracing::debug!(
        jid = run.jid,
        class = run.class,
        ?end,
        stdout = out,
        stderr = err,
        "program ended"
    );
    outcome(target, end, if err.trim().is_empty() { &out } else { &err })
}

async fn supervise(
    mut shim: Shim,
    socket: UnixStream,
    frame: Vec<u8>,
    stop: impl Future<Output = End>,
) -> End {
    let (mut from, mut to) = socket.into_split();
    let end = {
        let talk = talk(&frame, &mut from, &mut to);
        tokio::pin!(talk);
        tokio::select! {
            report = &mut talk => report.map_or(End::ShimDied, End::Reported),
            end = stop => {
                let _ = killpg(shim.pid, Signal::SIGTERM);
                let _ = timeout(GRACE, &mut talk).await;
                end
            }
        }
    };
    // Our end of the socket closes: what still runs is killed by the shim.
    drop(to);
    let _ = timeout(SHIM_DEADLINE, from.read_to_end(&mut Vec::new())).await;
    // Before the shim's exit is taken: until then its pid, and so the group's number, cannot be another's.
    let _ = killpg(shim.pid, Signal::SIGKILL);
    let _ = shim.child.wait().await;
    end
}

/// Sends the launch and reads the report, to the end of the shim.
async fn talk(frame: &[u8], from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> Option<Report> {
    // A shim that is gone already shows in its report, which then is missing.
    let _ = to.write_all(frame).await;
    let mut bytes = Vec::new();
    let _ = from.take(64 * 1024).read_to_end(&mut bytes).await;
    Report::decode(&bytes)
}

fn launch(target: &Target, run: &Run<'_>) -> Launch {
    let attempt = run.attempt.to_string();
    let job = [
        ("GANDY_JID", run.jid),
        ("GANDY_CLASS", run.class),
        ("GANDY_QUEUE", run.queue),
        ("GANDY_ATTEMPT", &attempt),
    ];
    Launch {
        program: target.program.clone().into(),
        words: target.words.iter().map(OsString::from).collect(),
        cwd: target.cwd.clone().into(),
        env: target
            .env
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .chain(job.map(|(name, value)| (name.into(), value.into())))
            // As OpenTelemetry names them for processes: TRACEPARENT, TRACESTATE.
            .chain(
                run.trace
                    .iter()
                    .map(|(name, value)| (name.to_uppercase().into(), value.into())),
            )
            .collect(),
        input: run.args.as_bytes().to_vec(),
    }
}

/// What an end means; `words` is what the program said last.
fn outcome(target: &Target, end: End, words: &str) -> Outcome {
    let code = match end {
        End::Reported(Report::Exited(0)) => return Outcome::Done,
        End::Reported(Report::Exited(code)) => code,
        End::Reported(Report::Signalled(number)) => {
            let what = format!("killed by {}", signal_name(number));
            return Outcome::Retry(Failure::new("KilledBySignal", what, words));
        }
        End::Reported(Report::NotStarted(why)) => {
            let what = format!("cannot start {}: {why}", target.program.display());
            return Outcome::Retry(Failure::new("NotStarted", what, words));
        }
        End::ShimDied => {
            let what = "the process group was killed from outside";
            return Outcome::Retry(Failure::new("KilledBySignal", what, words));
        }
        End::TimedOut => {
            let what = format!(
                "stopped after its timeout of {}",
                gandy::span::show(target.timeout)
            );
            return Outcome::Retry(Failure::new("Timeout", what, words));
        }
        End::Cancelled => {
            let what = "stopped before its end: shutdown, lost lease or cancelled by hand";
            return Outcome::Retry(Failure::new("Cancelled", what, words));
        }
    };
    let failure = Failure::new("ExitStatus", format!("exit status {code}"), words);
    let listed = |codes: &[u8]| codes.iter().any(|listed| i32::from(*listed) == code);
    if listed(&target.bury_on) {
        Outcome::Bury(failure)
    } else if listed(&target.discard_on) {
        Outcome::Discard(failure)
    } else {
        Outcome::Retry(failure)
    }
}

fn signal_name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => format!("signal {number}"),
    }
}
