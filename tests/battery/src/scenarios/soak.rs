//! A long time under faults: nothing is lost, and a worker that lives through all of it does not grow.

use std::fs;
use std::time::{Duration, Instant};

use gandy_tests::{
    Crew, History, HistoryWriter, Proc, RedisServer, held, in_flight, is_at_rest, push_jobs,
    wait_until,
};

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(180);
/// Jobs a second.
const RATE: usize = 200;

pub(crate) fn run(stage: &Stage) -> Outcome {
    let (lasts, warm) = stage.pick((60, 20), (1_200, 120));
    let (lasts, warm) = (Duration::from_secs(lasts), Duration::from_secs(warm));
    let mut random = stage.random();
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("battery");
    let crew = stage.crew(&server, &history).concurrency(10);
    let veteran = crew.start_and_wait();
    let mut others: Vec<Proc> = (0..2).map(|_| crew.start_and_wait()).collect();
    let began = Instant::now();
    let (mut pushed, mut faults, mut aboard, mut baseline) = (0, 0, 0, None);
    let mut next_fault = began + Duration::from_secs(2);
    while began.elapsed() < lasts {
        let due = (began.elapsed().as_secs_f64() * RATE as f64) as usize;
        if due > pushed {
            push_jobs(
                &server,
                &notes,
                &format!("j{pushed:07}-"),
                "Nap",
                "[5]",
                due - pushed,
            );
            pushed = due;
        }
        if Instant::now() >= next_fault {
            aboard += fault(&server, &crew, &mut others, &notes, &mut random);
            faults += 1;
            next_fault = Instant::now() + Duration::from_millis(random.u64(1_000..4_000));
        }
        if began.elapsed() >= warm && baseline.is_none() {
            baseline = Some(usage(&veteran));
        }
        std::thread::sleep(Duration::from_millis(20)); // The subject: a steady rate.
    }
    wait_until(LONG, "everything has run", || {
        is_at_rest(&server, &["schedule", "gandy:dying"])
    });
    let (memory, files) = usage(&veteran);
    let (memory_before, files_before) = baseline.unwrap_or((memory, files));
    let report = history.report_with_held(&held(&server));
    let mut outcome = Outcome::default();
    outcome.sound(&report);
    outcome.most("extra runs", aboard as f64, report.extra_starts as f64);
    outcome.most("growth after warm-up, MB", 3.0, memory - memory_before);
    // Connections come and go with the faults.
    outcome.most(
        "more descriptors than after warm-up",
        8.0,
        files - files_before,
    );
    outcome.none(
        "ends of the one that was never killed",
        usize::from(!veteran.is_running()),
    );
    outcome.note("faults", f64::from(faults));
    outcome.note("jobs", pushed as f64);
    outcome.note("memory after warm-up, MB", memory_before);
    outcome
}

/// Breaks something; how many jobs may run again for it.
fn fault(
    server: &RedisServer,
    crew: &Crew,
    others: &mut [Proc],
    notes: &HistoryWriter,
    random: &mut fastrand::Rng,
) -> usize {
    match random.u8(..3) {
        0 => {
            let victim = random.usize(..others.len());
            let aboard = in_flight(server);
            notes.kill(&Crew::name_of(&others[victim]));
            others[victim].kill9();
            others[victim] = crew.start();
            // What it claimed since it was counted is its slots and what it may claim ahead.
            aboard + 20
        }
        1 => {
            server.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            // A reply may be lost with each connection: what it brought is found, what it ended runs no second time.
            0
        }
        _ => {
            server.cli(&["SCRIPT", "FLUSH"]);
            0
        }
    }
}

/// Resident memory in MB, and open descriptors.
fn usage(process: &Proc) -> (f64, f64) {
    let folder = format!("/proc/{}", process.pid());
    let status = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
    let memory = status.lines().find_map(|line| {
        let rest = line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?;
        rest.trim().parse::<f64>().ok()
    });
    let files = fs::read_dir(format!("{folder}/fd")).map_or(0, Iterator::count);
    (memory.unwrap_or(0.0) / 1024.0, files as f64)
}
