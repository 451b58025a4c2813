//! Whatever lies in a queue or a set, each payload ends in `dead` as its raw bytes or runs; the next job is unharmed, and
//! the worker lives (I12).
#![allow(clippy::unwrap_used)]

#[path = "payload_corpus/corpus.rs"]
mod corpus;
mod support;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use corpus::{Case, Fate};
use gandy::{Context, HandlerOptions, JobError, RawHandler, RunningWorker, Worker, WorkerConfig};
use gandy_tests::{Proc, wait_eq, wait_until};
use support::{Monitor, SOON, Site};

/// Keeps what it is given: (jid, arguments).
#[derive(Clone, Default)]
struct Echo(Arc<Mutex<Vec<(String, String)>>>);

impl RawHandler for Echo {
    async fn perform(&self, args: &str, ctx: &Context) -> Result<(), JobError> {
        assert_eq!(args, ctx.args());
        let seen = (ctx.jid().to_owned(), args.to_owned());
        self.0.lock().unwrap().push(seen);
        Ok(())
    }
}

impl Echo {
    fn seen(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().clone()
    }
}

struct Fail;

impl RawHandler for Fail {
    async fn perform(&self, _: &str, _: &Context) -> Result<(), JobError> {
        Err(JobError::retry("Boom", "no luck"))
    }
}

/// A worker on `corpus`; what its `Echo` and its `Good` saw.
fn worker(site: &Site, change: impl FnOnce(&mut WorkerConfig)) -> (RunningWorker, Echo, Echo) {
    let (echo, good) = (Echo::default(), Echo::default());
    let options = HandlerOptions::default();
    let mut config = site.config();
    config.queues = vec!["corpus".into()];
    change(&mut config);
    let worker = Worker::builder(config)
        .signals(false)
        .raw_handler("Echo", options, echo.clone())
        .raw_handler("Good", options, good.clone())
        .raw_handler("Fail", options, Fail)
        .handler_fn("One", |_: (u64,), _: Context| async { Ok(()) })
        .handler_fn("Any", |_: (serde_json::Value,), _: Context| async {
            Ok(())
        })
        .build()
        .unwrap();
    (worker.start(), echo, good)
}

fn good(number: usize) -> String {
    format!(r#"{{"class":"Good","args":[{number}],"jid":"good{number}"}}"#)
}

/// Each hostile payload followed by a good one; then looks where everything is.
async fn run_corpus(concurrency: usize) {
    let cases = corpus::cases();
    assert!(cases.len() >= 100, "only {} cases", cases.len());
    let distinct: HashSet<&[u8]> = cases.iter().map(|case| &case.bytes[..]).collect();
    assert_eq!(distinct.len(), cases.len(), "two cases are the same");
    let site = Site::start();
    let (worker, echo, goods) = worker(&site, |config| config.concurrency = concurrency);
    for (number, case) in cases.iter().enumerate() {
        site.push("corpus", &case.bytes);
        site.push("corpus", good(number));
    }
    site.settle();

    let all_good: HashSet<String> = goods.seen().into_iter().map(|(jid, _)| jid).collect();
    assert_eq!(
        (all_good.len(), goods.seen().len()),
        (cases.len(), cases.len()),
        "the good jobs"
    );
    check_all(&site, &cases, &echo);
    assert_eq!(
        (worker.busy(), worker.fences()),
        (0, gandy::Fences::default())
    );
    worker.stop().await.unwrap();
    // What never was a job is not counted as one.
    let jobs = cases
        .iter()
        .filter(|case| case.fate != Fate::Buried)
        .count()
        + cases.len();
    assert_eq!(
        site.ask::<usize>(redis::cmd("GET").arg("stat:processed")),
        jobs
    );
    println!("{} hostile payloads, {concurrency} at once", cases.len());
}

/// Every case is where it must be, and nothing else is anywhere.
fn check_all(site: &Site, cases: &[Case], echo: &Echo) {
    let bytes = |set| site.entries(set).into_iter().map(|entry| entry.bytes);
    let mut dead: HashSet<Vec<u8>> = bytes("dead").collect();
    let mut retry: Vec<Vec<u8>> = bytes("retry").collect();
    let mut ran = echo.seen();
    for case in cases {
        check(site, case, &mut dead, &mut retry, &mut ran);
    }
    assert!(
        dead.is_empty() && retry.is_empty() && ran.is_empty(),
        "something came from nowhere"
    );
}

/// Finds the case where it must be and takes it away from there.
fn check(
    site: &Site,
    case: &Case,
    dead: &mut HashSet<Vec<u8>>,
    retry: &mut Vec<Vec<u8>>,
    ran: &mut Vec<(String, String)>,
) {
    let name = &case.name;
    match &case.fate {
        Fate::Buried => {
            assert!(dead.remove(&case.bytes), "{name} is not in dead as it was");
            let reason = site.reason(&case.bytes).unwrap_or_default();
            assert!(
                reason.starts_with("cannot be run: "),
                "{name}: its reason is {reason:?}"
            );
            assert!(
                reason.len() < 500 && !reason.contains(char::is_control),
                "{name}: {reason:?}"
            );
        }
        Fate::Runs { jid, args } => {
            let at = ran.iter().position(|seen| seen.0 == *jid);
            let at = at.unwrap_or_else(|| panic!("{name} did not run"));
            assert!(
                ran.swap_remove(at).1 == *args,
                "{name}: its handler saw other arguments"
            );
        }
        Fate::Retried => {
            let brace = case.bytes.iter().rposition(|&byte| byte == b'}').unwrap();
            let end = case.bytes[..brace].trim_ascii_end().len();
            let (own, close) = case.bytes.split_at(end);
            let is_it = |entry: &Vec<u8>| entry.starts_with(own) && entry[own.len()] == b',';
            let at = retry.iter().position(is_it);
            let at = at.unwrap_or_else(|| panic!("{name} is not in retry with all its bytes"));
            let entry = retry.swap_remove(at);
            assert!(entry.ends_with(close), "{name} has lost its end");
            let added = String::from_utf8_lossy(&entry[own.len()..]);
            assert!(
                added.contains(r#""error_class":""#) && added.contains(r#""retry_count":0"#),
                "{name}: {added}"
            );
            assert!(
                added.len() < 11_000,
                "{name}: the error takes {} bytes",
                added.len()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hostile_payload_is_buried_or_runs() {
    for concurrency in [1, 25] {
        run_corpus(concurrency).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_over_the_limit_is_buried_unread() {
    let site = Site::start();
    let (worker, echo, goods) = worker(&site, |config| config.max_fetch_payload = 1 << 20);
    site.push("corpus", good(0));
    site.settle();
    let sent = || {
        let stats: redis::InfoDict = site.ask(redis::cmd("INFO").arg("stats"));
        stats.get::<u64>("total_net_output_bytes").unwrap()
    };
    let huge = |length: usize| {
        let frame = r#"{"class":"Echo","args":[""],"jid":"h"}"#.len();
        format!(
            r#"{{"class":"Echo","args":["{}"],"jid":"h"}}"#,
            "x".repeat(length - frame)
        )
    };
    let before = sent();
    let buried = [huge((1 << 20) + 1), huge(20 << 20)];
    // In one push, so that the bell of the idle worker (a blocking move, whose reply is a payload) is rung by a good job.
    let mut push = redis::cmd("LPUSH");
    push.arg("queue:corpus").arg(good(1));
    for payload in &buried {
        push.arg(payload).arg(good(2));
    }
    site.ask::<()>(&push);
    site.settle();
    assert!(
        sent() - before < 1 << 20,
        "Redis has sent {} bytes",
        sent() - before
    );
    assert!(echo.seen().is_empty());
    for payload in &buried {
        let reason = site.reason(payload.as_bytes()).unwrap();
        assert_eq!(
            reason,
            "cannot be run: larger than max_fetch_payload (1048576 bytes)"
        );
    }
    let mut dead: Vec<usize> = site
        .entries("dead")
        .iter()
        .map(|entry| entry.bytes.len())
        .collect();
    dead.sort_unstable();
    assert_eq!(dead, buried.map(|payload| payload.len()));

    // At the limit it runs.
    site.push("corpus", huge(1 << 20));
    site.settle();
    assert_eq!((echo.seen().len(), goods.seen().len()), (1, 4));
    worker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_payloads_of_a_dead_process_come_back_and_end_as_any_other() {
    let site = Site::start();
    let mut cases = corpus::cases();
    cases.retain(|case| case.bytes.len() < 500_000);
    let died = "host:7:0123456789ab";
    let mut hold = redis::cmd("HSET");
    hold.arg(format!("gandy:inflight:{died}"));
    for (number, case) in cases.iter().enumerate() {
        hold.arg(format!("{number}:corpus")).arg(&case.bytes);
    }
    site.ask::<()>(&hold);
    site.ask::<()>(redis::cmd("HSET").arg("gandy:dying").arg(died).arg("{}"));
    let (worker, echo, _) = worker(&site, |_| {});
    wait_until(SOON, "the dead process to be forgotten", || {
        !site.ask::<bool>(redis::cmd("EXISTS").arg("gandy:dying"))
    });
    site.settle();
    check_all(&site, &cases, &echo);
    worker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_members_that_are_due_do_not_block_what_is_behind_them() {
    for set in ["retry", "schedule"] {
        let site = Site::start();
        site.ask::<()>(redis::cmd("SET").arg("queue:notalist").arg("x"));
        let job = |jid: &str, queue: &str| {
            format!(r#"{{"class":"Echo","args":["{jid}"],"jid":"{jid}"{queue}}}"#)
        };
        let mut buried = vec![
            job("control", r#","queue":"a\nb""#),
            job("long", &format!(r#","queue":"{}""#, "q".repeat(256))),
            job("type", r#","queue":"notalist""#),
        ];
        // More than any page.
        buried.extend((0..1200).map(|number| format!("not a job {number}")));
        for (number, member) in buried.iter().enumerate() {
            site.add(set, number, member);
        }
        // Scores at the ends of what Redis takes; these are jobs, and run.
        let runs = ["-inf", "-1e308", "-0", "1e-300"];
        for score in runs {
            site.add(set, score, job(score, r#","queue":"corpus""#));
        }
        site.add(set, site.clock(), job("behind", r#","queue":"corpus""#));
        // Never due.
        let never = ["inf", "1e308", "9e18"];
        for score in never {
            site.add(
                set,
                score,
                job(&format!("never{score}"), r#","queue":"corpus""#),
            );
        }
        let (worker, echo, _) = worker(&site, |_| {});
        wait_eq(
            SOON,
            "all but what is not due to be away",
            &never.len(),
            || site.count(set),
        );
        site.ask::<()>(redis::cmd("DEL").arg("queue:notalist"));
        site.settle();
        let jids: HashSet<String> = echo.seen().into_iter().map(|(jid, _)| jid).collect();
        assert_eq!(
            jids,
            runs.into_iter()
                .chain(["behind"])
                .map(str::to_owned)
                .collect(),
            "{set}"
        );
        let dead: HashSet<String> = site
            .entries("dead")
            .iter()
            .map(support::Entry::text)
            .collect();
        assert_eq!(dead, buried.iter().cloned().collect(), "{set}");
        for member in &buried {
            assert!(
                site.reason(member.as_bytes()).is_some(),
                "{member} has no reason"
            );
        }
        worker.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_member_that_is_due_is_buried_unread() {
    for set in ["retry", "schedule"] {
        let site = Site::start();
        let huge = format!(
            r#"{{"class":"Echo","args":["{}"],"jid":"h","queue":"corpus"}}"#,
            "x".repeat(10 << 20)
        );
        site.add(set, 1, &huge);
        site.add(
            set,
            2,
            r#"{"class":"Good","args":[],"jid":"behind","queue":"corpus"}"#,
        );
        let (worker, echo, goods) = worker(&site, |config| config.max_fetch_payload = 1 << 20);
        wait_until(SOON, "the job behind the oversized one to run", || {
            goods.seen().len() == 1
        });
        site.settle();
        assert!(echo.seen().is_empty());
        assert_eq!(site.count(set), 0);
        let dead = site.entries("dead");
        assert!(
            dead.len() == 1 && dead[0].bytes == huge.as_bytes(),
            "not in dead as it was"
        );
        let reason = site.reason(huge.as_bytes()).unwrap();
        assert!(reason.contains("max_fetch_payload"), "{reason}");
        worker.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_jobs_are_moved_in_commands_of_bounded_size() {
    const JOBS: usize = 30;
    const BYTES: usize = 400_000;
    let site = Site::start();
    let padding = "x".repeat(BYTES - 100);
    let large = |jid: String| {
        format!(r#"{{"class":"Together","args":["{padding}"],"jid":"{jid}","queue":"corpus"}}"#)
    };
    // Readers take larger steps after four small payloads.
    for number in 0..4 {
        site.push("corpus", good(number));
        site.add(
            "schedule",
            1,
            good(number + 4).replace(r#""jid""#, r#""queue":"corpus","jid""#),
        );
    }
    for number in 0..JOBS / 2 {
        site.push("corpus", large(format!("q{number}")));
        site.add("schedule", 2, large(format!("s{number}")));
    }
    let monitor = Monitor::of(&site.redis);
    let mut config = site.config();
    config.queues = vec!["corpus".into()];
    config.concurrency = JOBS;
    let barrier = Arc::new(tokio::sync::Barrier::new(JOBS));
    let worker = Worker::builder(config)
        .signals(false)
        .handler_fn("Good", |_: (u64,), _: Context| async { Ok(()) })
        // All of them fail at the same moment.
        .handler_fn("Together", move |_: (String,), _: Context| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                Err(JobError::retry("Boom", "no luck"))
            }
        })
        .build()
        .unwrap()
        .start();
    wait_eq(SOON, "all jobs in retry", &JOBS, || site.count("retry"));
    site.settle();
    assert_eq!(worker.fences(), gandy::Fences::default());
    worker.stop().await.unwrap();
    let lines = monitor.stop();
    for line in &lines {
        // 4 MiB and one payload more; a promotion carries both what it compares and what it writes.
        let promotion = line.contains(r#""schedule" "queues" "dead""#);
        let most = (1 + usize::from(promotion)) * ((4 << 20) + BYTES) + 10_000;
        let start: String = line.chars().take(200).collect();
        assert!(
            line.len() < most,
            "a command of {} bytes: {start}",
            line.len()
        );
    }
}

#[test]
fn hostile_names_do_no_harm_in_logs() {
    let site = Site::start();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_crew"));
    command
        .env("REDIS_URL", site.redis.url())
        .env("CREW_QUEUES", "corpus")
        .env("RUST_LOG", "gandy=debug")
        // Else the log's own colours are escape sequences.
        .env("NO_COLOR", "1");
    let crew = Proc::spawn("crew", command);
    for case in corpus::cases() {
        if case.bytes.len() < 500_000 {
            site.push("corpus", &case.bytes);
        }
    }
    for (number, name) in [r"a\u001b[31mb", r"a\nFORGED\u0007", r"\u009b31m"]
        .iter()
        .enumerate()
    {
        let job = |class: &str, jid: &str, queue: &str| {
            format!(r#"{{"class":"{class}","args":[{number}],"jid":"{jid}","queue":"{queue}"}}"#)
        };
        site.push("corpus", job(name, name, "corpus"));
        site.push("corpus", job("Noop", name, "corpus"));
        site.push("corpus", job("Fail", name, name));
        site.add("schedule", 1, job("Noop", name, name));
    }
    site.settle();
    wait_eq(SOON, "the scheduled ones to be away", &0, || {
        site.count("schedule")
    });
    assert!(crew.is_running(), "the worker has died{}", crew.tail());
    let log = crew.stderr();
    assert!(log.contains("FORGED"), "the names are in the log");
    for line in log.lines() {
        let start: String = line.chars().take(300).collect();
        assert!(
            !line.contains(char::is_control),
            "a control character is in the log: {start:?}"
        );
        assert!(!line.starts_with("FORGED"), "a forged line: {start:?}");
        assert!(
            line.len() < 10_000,
            "a line of {} bytes: {start:?}",
            line.len()
        );
    }
    crew.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(crew.wait_exit(Duration::from_secs(30)).success());
}
