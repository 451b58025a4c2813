//! The crash scenario in the names of the shipped users: workers are killed, Redis is killed and comes back without its
//! scripts; nothing is lost, and nothing was denied. What each role is denied is tests/acl.rs, command by command.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gandy::{Client, Inspect, Kind, Place, Push};
use gandy_tests::{
    Crew, Flavour, History, HistoryWriter, Proc, RedisServer, denied, url_of, wait_until,
};
use nix::sys::signal::Signal;

use crate::outcome::Outcome;
use crate::stage::Stage;

/// Lease, the rest after a restart of Redis, and a loaded machine.
const LONG: Duration = Duration::from_secs(120);

pub(crate) fn run(stage: &Stage) -> Outcome {
    Outcome::of_parts(
        stage,
        &[
            ("scripts", |stage| crash(stage, Flavour::Scripts)),
            ("functions", |stage| crash(stage, Flavour::Functions)),
        ],
    )
}

fn crash(stage: &Stage, flavour: Flavour) -> Outcome {
    let (jobs, kills) = stage.pick((600, 1), (20_000, 12));
    // Every write is on disk before it is acknowledged, so what was acknowledged survives Redis' `kill -9`.
    let server = flavour.serve(&["--appendonly", "yes", "--appendfsync", "always"]);
    let history = History::new();
    // Empty: not set.
    let functions = ["", "yes"][usize::from(flavour == Flavour::Functions)];
    let crew = stage
        .crew(&server, &history)
        .set("REDIS_URL", url_of(&server, "worker"))
        .set("CREW_FUNCTIONS", functions)
        .set("RUST_LOG", "gandy=info")
        .concurrency(5);
    let mut workers = vec![crew.start_and_wait(), crew.start_and_wait()];
    let (notes, kill_notes) = (history.writer("producer"), history.writer("battery"));
    let producer = Client::builder().server(flavour.login(&server, "producer"));
    let producer = producer.build().expect("the settings are valid");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let pushing = runtime.spawn(async move {
        let mut doubts = 0;
        for number in 0..jobs {
            let job = match number % 50 {
                // Into `dead` at its first failure.
                0 => Push::raw("Fail", "[]").retry(0),
                1 => Push::raw("Note", "[]").after(Duration::from_secs(1)),
                _ => Push::raw("Nap", "[10]"),
            };
            doubts += push(&producer, &notes, &format!("acl-{number:05}"), job).await;
        }
        doubts
    });
    let (mut refusals, mut aboard) = (0, 0);
    for kill in 1..=kills {
        let part = jobs * kill / (kills + 2);
        wait_until(LONG, "a part is done", || history.ended() > part);
        // The log is in memory, so it is read before it is lost.
        refusals += denied(&server).lines().count();
        server.kill9();
        server.restart();
        wait_until(LONG, "they work again", || history.ended() > part + 20);
        let victim = kill % workers.len();
        aboard += stop_with_jobs(&server, &workers[victim]);
        kill_notes.kill(&Crew::name_of(&workers[victim]));
        workers[victim].kill9();
        workers[victim] = crew.start_and_wait();
    }
    let doubts = runtime.block_on(pushing);
    let doubts = doubts.expect("the producer does not panic");
    let dashboard = Inspect::new(flavour.login(&server, "dashboard"), "");
    let dashboard = dashboard.expect("the settings are valid");
    let kept = runtime.block_on(rest(&dashboard, &history, jobs));
    let report = history.report_with_held(&kept);
    by_hand(&server, flavour, &workers, &runtime);
    refusals += denied(&server).lines().count();
    let mut outcome = Outcome::default();
    outcome.sound(&report);
    outcome.exactly("acknowledged", jobs, report.acknowledged);
    outcome.least("jobs aboard at kills", kills as f64, aboard as f64);
    // A push that got no answer, since Redis was killed, is made again and may be there twice.
    outcome.most(
        "extra runs",
        (aboard + doubts) as f64,
        report.extra_starts as f64,
    );
    outcome.note("pushes repeated in doubt", doubts as f64);
    outcome.none("lines in ACL LOG", refusals);
    outcome.note("kills of workers and of Redis", kills as f64);
    outcome
}

/// Stops a worker while it holds jobs; how many.
fn stop_with_jobs(server: &RedisServer, worker: &Proc) -> usize {
    let identity = Crew::identity(worker);
    let mut held = 0;
    wait_until(LONG, "the worker holds jobs", || {
        held = Crew::stop_and_count(server, worker, &identity);
        if held == 0 {
            worker.signal(Signal::SIGCONT);
        }
        held > 0
    });
    held
}

/// Pushes in the name of the producer, the same job again until Redis has it. How often that may have made two of it.
async fn push(client: &Client, notes: &HistoryWriter, jid: &str, push: Push) -> usize {
    let give_up = Instant::now() + LONG;
    let push = push.jid(jid);
    notes.attempted(jid);
    let mut doubts = 0;
    loop {
        match client.send(push.clone()).await {
            Ok(_) => {
                notes.acknowledged(jid);
                return doubts;
            }
            Err(error) if error.kind() == Kind::Input => panic!("{error}"),
            Err(error) => {
                doubts += usize::from(error.kind() == Kind::Unknown);
                assert!(Instant::now() < give_up, "{error}");
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await; // Redis is away; the pace of a patient producer.
    }
}

/// Waits, by the dashboard's eyes, until every job has ended or is kept outside queues and workers; which are kept.
async fn rest(inspect: &Inspect, history: &History, jobs: usize) -> BTreeSet<String> {
    let give_up = Instant::now() + LONG;
    loop {
        let mut kept = BTreeSet::new();
        for place in [Place::Retry, Place::Schedule, Place::Dead] {
            let found = inspect.jobs(&place, 0, 1000).await;
            let found = found.expect("the dashboard may look");
            kept.extend(found.iter().filter_map(|job| {
                let payload = job.payload.as_ref().ok()?;
                Some(payload.jid().to_owned())
            }));
        }
        let totals = inspect.totals().await.expect("the dashboard may look");
        let at_rest = totals.enqueued + totals.scheduled + totals.retries + totals.in_flight == 0;
        if at_rest && history.ended() + kept.len() >= jobs {
            return kept;
        }
        assert!(Instant::now() < give_up, "not at rest: {totals:?}");
        tokio::time::sleep(Duration::from_millis(100)).await; // Between two looks.
    }
}

/// An operator's day, on what the crash left.
fn by_hand(
    server: &RedisServer,
    flavour: Flavour,
    workers: &[Proc],
    runtime: &tokio::runtime::Runtime,
) {
    let operator = Inspect::new(flavour.login(server, "operator"), "");
    let operator = operator.expect("the settings are valid");
    let (jid, identity) = runtime.block_on(async {
        let dead = operator.jobs(&Place::Dead, 0, 100).await;
        let dead = dead.expect("the operator may look");
        assert!(dead.len() >= 2, "{} are dead", dead.len());
        for done in [
            operator.retry(&dead[0]).await,
            operator.delete(&dead[1]).await,
        ] {
            assert!(done.expect("the operator may"), "it is gone");
        }
        operator.pause("default").await.expect("the operator may");
        operator.unpause("default").await.expect("the operator may");
        let payload = dead[0].payload.as_ref().expect("it is a job");
        (payload.jid().to_owned(), Crew::identity(&workers[0]))
    });
    wait_until(LONG, "what was retried has died again", || {
        server.cli(&["ZRANGE", "dead", "0", "-1"]).contains(&jid)
    });
    let told = runtime.block_on(async {
        operator.quiet(&identity).await?;
        operator.stop(&identity).await
    });
    told.expect("the operator may");
    workers[0].wait_exit(LONG);
}
