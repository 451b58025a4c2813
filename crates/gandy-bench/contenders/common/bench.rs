//! What the Rust contenders share: their settings, the five kinds of work, and how a verb reports its time. Included
//! by `#[path]`, since each contender is a Cargo project of its own, outside Gandy's workspace.
use std::fs::File;
use std::future::Future;
use std::io::Write;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// The arguments of every job: a number (or, for `latency`, the time of the push) and a text of 102 bytes.
pub type Args = (u64, String);

/// A variable of the contract (see ../README.md).
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// A variable that holds a number.
pub fn number(name: &str) -> u64 {
    variable(name).parse().unwrap_or_else(|_| panic!("{name} is no number"))
}

/// The arguments of job `i`.
pub fn args(i: u64) -> Args {
    (i, "x".repeat(102))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos() as u64
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a CPU clock for each thread").into()
}

enum Work {
    Noop,
    Sleep(Duration),
    Compute(Duration),
    Latency(File),
}

// Runner and check set WORK for the worker as for who enqueues, so handlers need not be told apart by the job's name.
static WORK: LazyLock<Work> = LazyLock::new(|| match variable("WORK").as_str() {
    "noop" => Work::Noop,
    "sleep1" => Work::Sleep(Duration::from_millis(1)),
    "sleep10" => Work::Sleep(Duration::from_millis(10)),
    "compute1" => Work::Compute(Duration::from_millis(1)),
    "latency" => {
        let file = File::options().create(true).append(true).open(variable("LATENCY_FILE"));
        Work::Latency(file.expect("LATENCY_FILE can be opened"))
    }
    other => panic!("unknown WORK {other}"),
});

/// The handler: does what WORK says.
pub async fn perform((first, _text): Args) {
    match &*WORK {
        Work::Noop => {}
        Work::Sleep(duration) => tokio::time::sleep(*duration).await,
        Work::Compute(duration) => {
            let end = cpu() + *duration;
            while cpu() < end {}
        }
        Work::Latency(file) => {
            let line = format!("{}\n", now() - first);
            (&*file).write_all(line.as_bytes()).expect("LATENCY_FILE can be written");
        }
    }
}

/// Prints what a verb took since `start`.
pub fn report(start: Instant) {
    println!("{{\"seconds\": {}}}", start.elapsed().as_secs_f64());
}

/// 64 tasks that push JOBS jobs between them, each job once.
pub async fn by_64<P, F>(push: P)
where
    P: Fn(Args) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let jobs = number("JOBS");
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let push = push.clone();
            tokio::spawn(async move {
                for i in (caller..jobs).step_by(64) {
                    push(args(i)).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("a caller ended");
    }
}

/// JOBS pushes, PACE_MS apart, each with the time just before it.
pub async fn paced<F: Future<Output = ()>>(mut push: impl FnMut(Args) -> F) {
    let mut pace = tokio::time::interval(Duration::from_millis(number("PACE_MS")));
    for _ in 0..number("JOBS") {
        pace.tick().await;
        push((now(), args(0).1)).await;
    }
}
