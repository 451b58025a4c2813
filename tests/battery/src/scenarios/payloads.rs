//! I12: what producers of any make may write, by mistake or on purpose, stops nobody.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use gandy_tests::{
    EventKind, History, Proc, RedisServer, is_at_rest, length, push_jobs, wait_until,
};

use crate::outcome::Outcome;
use crate::stage::Stage;

const LONG: Duration = Duration::from_secs(120);
/// Above this the worker does not read a payload.
const READ_MAX: usize = 8 << 20;

pub(crate) fn run(stage: &Stage) -> Outcome {
    let lasts = Duration::from_secs(stage.pick(15, 120));
    let mut random = stage.random();
    let server = RedisServer::start();
    let history = History::new();
    let notes = history.writer("battery");
    let crew = stage
        .crew(&server, &history)
        .concurrency(10)
        .set("RUST_LOG", "error")
        .set("CREW_MAX_FETCH", READ_MAX);
    let worker = crew.start_and_wait();
    let mut nasty = nasty(stage.pick(16 << 20, 64 << 20));
    let many = nasty.len();
    random.shuffle(&mut nasty);
    let mut conn = server.conn();
    let (mut others, began) = (0, Instant::now());
    while began.elapsed() < lasts || !nasty.is_empty() {
        let due = lasts.mul_f64((many - nasty.len()) as f64 / many as f64);
        if began.elapsed() >= due
            && let Some(payload) = nasty.pop()
        {
            let push = redis::cmd("LPUSH")
                .arg("queue:default")
                .arg(payload)
                .exec(&mut conn);
            push.expect("Redis takes any bytes");
        }
        push_jobs(
            &server,
            &notes,
            &format!("other{others:05}-"),
            "Nap",
            "[1]",
            5,
        );
        others += 5;
        std::thread::sleep(Duration::from_millis(random.u64(20..60))); // The subject: a mixed stream.
    }
    wait_until(LONG, "nothing is queued or in flight any more", || {
        is_at_rest(&server, &[])
    });
    let peak = peak_mb(&worker);
    let report = history.report();
    let kept = length(&server, "dead") + length(&server, "retry");
    let late = late(&history);
    let mut outcome = Outcome::default();
    outcome.none("lost", report.lost.len());
    outcome.none("panics", worker.log().matches("panicked").count());
    outcome.none("ends of the worker", usize::from(!worker.is_running()));
    outcome.exactly("nasty ones kept or run", many, kept + ran(&history));
    outcome.most("peak memory, MB", 120.0, peak);
    outcome.most("p99 of other jobs, s", 0.5, late);
    outcome.note("other jobs", f64::from(others));
    outcome
}

/// One of each kind, each different from the others.
fn nasty(large: usize) -> Vec<Vec<u8>> {
    let job = |args: &str, jid: &str| {
        format!(r#"{{"class":"Note","queue":"default","retry":true,"jid":"{jid}","created_at":1795398104597,"args":{args}}}"#)
            .into_bytes()
    };
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut all: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        b"\0\0\0".to_vec(),
        b"{\"class\":\"Note\",\"args\":[],\"jid\":\"cut".to_vec(),
        b"\xff\xfe\xfd".to_vec(),
        b"{\"class\":7,\"args\":[],\"jid\":\"nasty-class\"}".to_vec(),
        b"{\"class\":\"Note\",\"args\":{},\"jid\":\"nasty-object\"}".to_vec(),
        b"{\"class\":\"Note\",\"jid\":\"nasty-without\"}".to_vec(),
        b"{\"class\":\"__proto__\",\"args\":[],\"jid\":\"nasty-unknown\",\"retry\":true}".to_vec(),
        job(&deep(1_000_000), "nasty-deep"),
        job(&deep(100), "nasty-100"),
        job(&format!("[\"{}\"]", "x".repeat(large)), "nasty-large"),
        job(&format!("[\"{}\"]", "y".repeat(READ_MAX / 2)), "nasty-half"),
        job(&format!("[{}]", "9".repeat(5_000)), "nasty-digits"),
        job("[1e999999,-0.0,1E+400,0.1e-999999]", "nasty-floats"),
        job("[18446744073709551616,-9223372036854775809]", "nasty-wide"),
        job(r#"["\u0000\ud83d\ude00"]"#, "nasty-escapes"),
        job(r#"["\ud800"]"#, "nasty-surrogate"),
        job(&format!("[{}1]", "1,".repeat(200_000)), "nasty-many"),
    ];
    let mut bad = job("[\"?\"]", "nasty-utf8");
    let place = bad.iter().position(|byte| *byte == b'?').unwrap_or(0);
    bad[place] = 0xff;
    all.push(bad);
    let mut raw = job("[\"?\"]", "nasty-nul");
    let place = raw.iter().position(|byte| *byte == b'?').unwrap_or(0);
    raw[place] = 0;
    all.push(raw);
    all
}

/// How many different nasty jobs a handler ran.
fn ran(history: &History) -> usize {
    let events = history.events();
    let ended = events.iter().filter(|event| event.kind == EventKind::End);
    let nasty = ended.filter(|event| event.jid.starts_with("nasty"));
    nasty
        .map(|event| &event.jid)
        .collect::<std::collections::BTreeSet<_>>()
        .len()
}

/// 99 of 100 of the other jobs began within so many seconds after their push.
fn late(history: &History) -> f64 {
    let mut pushed = BTreeMap::new();
    let mut waits = Vec::new();
    for event in history.events() {
        match event.kind {
            EventKind::Acknowledged => {
                pushed.insert(event.jid, event.at);
            }
            EventKind::Start => {
                let at = pushed.get(&event.jid);
                waits.extend(at.map(|at| event.at.saturating_sub(*at).as_secs_f64()));
            }
            _ => {}
        }
    }
    waits.sort_by(f64::total_cmp);
    let place = (waits.len() * 99 / 100).min(waits.len().saturating_sub(1));
    waits.get(place).copied().unwrap_or(f64::INFINITY)
}

/// The most memory that it ever held.
fn peak_mb(process: &Proc) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap_or_default();
    let peak = status.lines().find_map(|line| {
        let rest = line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?;
        rest.trim().parse::<f64>().ok()
    });
    peak.unwrap_or(f64::INFINITY) / 1024.0
}
