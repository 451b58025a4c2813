//! Containers whose processes all are pid 1 on a host of the same name do not take each other's jobs.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use gandy_tests::{History, Proc, RedisServer, held, in_flight, is_at_rest, push_jobs, wait_until};

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(240);
const SOON: Duration = Duration::from_secs(20);
const PROCESSES: usize = 8;
/// Namespaces of their own, as containers have them.
const CONTAINER: &[&str] = &[
    "unshare",
    "--uts",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "sh",
    "-c",
    "hostname w && exec \"$0\"",
];

pub(crate) fn run(stage: &Stage) -> Outcome {
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("battery");
    let mut crew = stage.crew(&server, &history).concurrency(5);
    let contained = may_contain();
    crew = if contained {
        crew.under(CONTAINER)
    } else {
        // Where namespaces are refused the hosts at least have one name; the pids differ.
        crew.set("DYNO", "w")
    };
    let workers: Vec<Proc> = (0..PROCESSES).map(|_| crew.start()).collect();
    wait_until(SOON, "all have joined the fleet", || {
        fleet(&server).len() == PROCESSES
    });
    let names = fleet(&server);
    let like = names
        .iter()
        .filter(|name| name.starts_with(if contained { "w:1:" } else { "w:" }));
    let like = like.count();
    push_jobs(
        &server,
        &notes,
        "j",
        "Nap",
        "[100]",
        stage.size(1_000, 3_000, 30_000),
    );
    wait_until(LONG, "all hold jobs", || {
        in_flight(&server) >= PROCESSES * 4
    });
    let aboard = in_flight(&server);
    workers[0].kill9();
    workers[1].kill9();
    wait_until(LONG, "two are gone, and everything has run", || {
        fleet(&server).len() == PROCESSES - 2 && is_at_rest(&server, &["gandy:dying"])
    });
    let left = fleet(&server);
    let report = history.report_with_held(&held(&server));
    let mut outcome = Outcome::default();
    outcome.exactly("identities", PROCESSES, names.len());
    outcome.exactly("of one host and pid", PROCESSES, like);
    outcome.sound(&report);
    // Two of eight were killed.
    outcome.most(
        "extra runs",
        aboard as f64 / 2.0,
        report.extra_starts as f64,
    );
    outcome.none(
        "new identities of the living",
        left.difference(&names).count(),
    );
    outcome.note("namespaces", f64::from(u8::from(contained)));
    outcome
}

fn fleet(server: &RedisServer) -> BTreeSet<String> {
    let names = server.cli(&["HKEYS", "gandy:fleet"]);
    names
        .lines()
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether this machine lets us have namespaces.
fn may_contain() -> bool {
    let (program, args) = CONTAINER.split_first().expect("it is not empty");
    let mut command = Command::new(program);
    command.args(args).arg("true").stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
