//! What Gandy set out to reach, beside what this run measured. Only rows of one run are compared.

use std::fmt::Write as _;

use crate::plot::best;
use crate::row::{Results, Row};
use crate::table::number;

/// One line: what, the goal, what was measured, and whether it was reached.
struct Line {
    what: &'static str,
    goal: String,
    measured: f64,
    reached: bool,
}

fn least(what: &'static str, goal: f64, measured: Option<f64>) -> Option<Line> {
    Some(Line {
        what,
        goal: format!("≥ {}", number(goal)),
        measured: measured?,
        reached: measured? >= goal,
    })
}

fn most(what: &'static str, goal: f64, measured: Option<f64>) -> Option<Line> {
    Some(Line {
        what,
        goal: format!("≤ {}", number(goal)),
        measured: measured?,
        reached: measured? <= goal,
    })
}

/// Finds rows of a run.
struct Run<'a>(&'a Results);

impl<'a> Run<'a> {
    fn rows(&self, work: &str, rtt_ms: u64) -> impl Iterator<Item = &'a Row> {
        let work = work.to_owned();
        self.0.rows.iter().filter(move |row| {
            let conditions = &row.conditions;
            row.work == work && conditions.rtt_ms == rtt_ms && conditions.persistence == "none"
        })
    }

    fn one(&self, who: &str, work: &str, rtt_ms: u64, slots: Option<usize>) -> Option<&'a Row> {
        self.rows(work, rtt_ms).find(|row| {
            row.contender == who && (slots.is_none() || row.conditions.concurrency == slots)
        })
    }

    fn gandy(&self, work: &str) -> Option<&'a Row> {
        self.one("gandy", work, 0, None)
    }

    /// The case of a growth row.
    fn setting(&self, work: &str, setting: &str) -> Option<&'a Row> {
        let mut rows = self.rows(work, 0);
        rows.find(|row| row.kind == "gandy" && row.conditions.setting.starts_with(setting))
    }

    fn best_of(&self, work: &str, kind: &str) -> Option<f64> {
        let rows: Vec<&Row> = self.rows(work, 0).filter(|row| row.kind == kind).collect();
        best(&rows).first()?.median
    }
}

fn ratio(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? / b.filter(|b| *b > 0.0)?)
}

fn more(row: Option<&Row>, name: &str) -> Option<f64> {
    row?.more.get(name).copied()
}

/// How far two figures are apart, in per cent of the second.
fn apart(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    ratio(a, b).map(|ratio| (ratio - 1.0) * 100.0)
}

/// The goals as a Markdown table; a goal whose rows are not in the run is left out.
pub(crate) fn table(results: &Results) -> String {
    let run = Run(results);
    let lines = [
        drains(&run),
        pushes(&run),
        times(&run),
        grown(&run),
        looked_at(&run),
    ];
    let mut text = String::from("| what | goal | measured | reached |\n|---|---|---|---|\n");
    for line in lines.into_iter().flatten().flatten() {
        let reached = if line.reached { "yes" } else { "no" };
        let measured = number(line.measured);
        let _ = writeln!(
            text,
            "| {} | {} | {measured} | {reached} |",
            line.what, line.goal
        );
    }
    text
}

fn drains(run: &Run<'_>) -> Vec<Option<Line>> {
    let peer = run.best_of("drain", "peer");
    let ours = |slots| run.one("gandy", "drain", 0, Some(slots));
    let rate = |slots| ours(slots).and_then(|row| row.median);
    let floor = run.one("floor", "drain", 0, Some(100));
    let far = run.one("gandy", "drain", 2, Some(100));
    vec![
        least(
            "drain on 100 slots ÷ best peer",
            15.0,
            ratio(rate(100), peer),
        ),
        least(
            "drain on 100 slots ÷ bare protocol",
            0.6,
            ratio(rate(100), floor.and_then(|row| row.median)),
        ),
        least("drain on 25 slots ÷ best peer", 8.0, ratio(rate(25), peer)),
        least("drain on 10 slots ÷ best peer", 8.0, ratio(rate(10), peer)),
        most(
            "Redis µs a job, claim and finish, 100 slots",
            1.5,
            ours(100).and_then(|row| row.redis_us_per_job),
        ),
        most(
            "worker µs a job, 100 slots",
            2.5,
            ours(100).and_then(|row| row.worker_us_per_job),
        ),
        most(
            "script calls a job, 100 slots",
            0.1,
            more(ours(100), "scripts_per_job"),
        ),
        least(
            "drain on 100 slots, 2 ms round trip, jobs/s",
            100_000.0,
            far.and_then(|row| row.median),
        ),
        least(
            "10 ms sleepers, 2 ms round trip: share of the slots",
            0.95,
            more(run.one("gandy", "sleep10", 2, None), "share_of_slots"),
        ),
    ]
}

fn pushes(run: &Run<'_>) -> Vec<Option<Line>> {
    let median = |work| run.gandy(work).and_then(|row| row.median);
    let bare = run.one("floor", "push", 0, None);
    let bulk = |setting| {
        let row = run.setting("bulk", setting)?;
        ratio(row.median, run.best_of("bulk", "floor"))
    };
    vec![
        least(
            "push, one caller ÷ bare LPUSH on the same kind of connection",
            0.9,
            ratio(median("push"), bare.and_then(|row| row.median)),
        ),
        least("push from 64 tasks, jobs/s", 250_000.0, median("push64")),
        least(
            "bulk of typed jobs ÷ bare variadic LPUSH",
            0.6,
            bulk("typed"),
        ),
        least(
            "bulk of prepared pushes ÷ bare variadic LPUSH",
            0.6,
            bulk("prepared"),
        ),
    ]
}

fn times(run: &Run<'_>) -> Vec<Option<Line>> {
    let pickup = run.gandy("pickup");
    let bare = run.one("floor", "pickup", 0, None);
    let above = (|| Some((pickup?.median? - bare?.median?) * 1e3))();
    let peers = run.rows("pickup", 0).filter(|row| row.kind == "peer");
    let peer = peers
        .filter_map(|row| more(Some(row), "p99_ms"))
        .min_by(f64::total_cmp);
    let median = |work| run.gandy(work).and_then(|row| row.median);
    vec![
        most("pick-up p50 above a bare wake, µs", 150.0, above),
        most(
            "pick-up p99 ÷ best peer's",
            1.0,
            ratio(more(pickup, "p99_ms"), peer),
        ),
        least("failing jobs/s", 100_000.0, median("fail")),
        least("promoted jobs/s", 100_000.0, median("promote")),
        most(
            "longest block of Redis while promoting, ms",
            5.0,
            more(run.gandy("promote"), "longest_command_ms"),
        ),
        most(
            "worker µs a job beyond a sleep of 1 ms",
            10.0,
            run.gandy("sleep1").and_then(|row| row.worker_us_per_job),
        ),
        most(
            "worker µs a job beyond computing for 1 ms",
            10.0,
            more(run.gandy("compute1"), "overhead_us_per_job"),
        ),
    ]
}

fn grown(run: &Run<'_>) -> Vec<Option<Line>> {
    let redis = |row: Option<&Row>| row.and_then(|row| row.redis_us_per_job);
    let worker = |row: Option<&Row>| row.and_then(|row| row.worker_us_per_job);
    let memory = |setting| run.setting("memory", setting).and_then(|row| row.median);
    let long = run.setting("growth-queue", "10,000,000");
    let short = run.setting("growth-queue", "100,000");
    let (full, empty) = ("1,000,000 in retry", "retry empty");
    let retry = |work| {
        apart(
            redis(run.setting(work, full)),
            redis(run.setting(work, empty)),
        )
    };
    let queues = |setting| redis(run.setting("growth-queues", setting));
    vec![
        most(
            "10,000,000 queued beside 100,000: Redis µs a job, % more",
            5.0,
            apart(redis(long), redis(short)),
        ),
        most(
            "10,000,000 queued beside 100,000: worker µs a job, % more",
            5.0,
            apart(worker(long), worker(short)),
        ),
        most(
            "fail with 1,000,000 in retry: Redis µs a job, % more",
            10.0,
            retry("growth-fail"),
        ),
        most(
            "promote with 1,000,000 in retry: Redis µs a job, % more",
            10.0,
            retry("growth-promote"),
        ),
        most(
            "64 queues beside one, strict: Redis µs a job, % more",
            15.0,
            apart(queues("64 queues, strict"), queues("one queue")),
        ),
        most(
            "64 queues beside one, weighted: Redis µs a job, % more",
            15.0,
            apart(queues("64 queues, weighted"), queues("one queue")),
        ),
        most(
            "100 idle processes × 8 queues: Redis' share of a core, %",
            3.0,
            run.setting("idle-fleet", "100").and_then(|row| row.median),
        ),
        most("worker idle, MB", 10.0, memory("idle")),
        most("worker at full load, MB", 25.0, memory("draining a long")),
        most(
            "producer above its baseline, MB",
            2.0,
            memory("64 producers"),
        ),
    ]
}

fn looked_at(run: &Run<'_>) -> Vec<Option<Line>> {
    // A quick run has fewer.
    let whole = |work| {
        let row = run.gandy(work);
        row.filter(|row| row.conditions.queued >= 1_000_000)
    };
    let (pages, live) = (whole("dashboard-pages"), whole("dashboard-live"));
    vec![
        most(
            "dashboard, slowest page with 1,000,000 in retry, ms",
            5.0,
            pages.and_then(|row| row.median),
        ),
        most(
            "dashboard, first visit compressed, KB",
            60.0,
            more(pages, "first_load_kb"),
        ),
        most(
            "dashboard that nobody looks at, commands",
            0.0,
            more(live, "commands_while_nobody_looks"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::case::{Case, Sample};
    use crate::contender::{Contender, Kind};

    fn row(kind: Kind, slots: usize, rate: f64) -> Row {
        let mut who = Contender::gandy().unwrap();
        who.id = format!("{kind:?}").to_lowercase();
        who.kind = kind;
        let case = Case {
            concurrency: Some(slots),
            ..Case::new("drain", |_, _| Ok(Sample::default()))
        };
        let sample = Sample {
            value: rate,
            worker_us: Some(2.0),
            ..Sample::default()
        };
        Row::new(&who, &case, &[sample])
    }

    #[test]
    fn goals_are_judged_by_the_best_peer_and_absent_ones_left_out() {
        let results = Results {
            machine: String::new(),
            command: String::new(),
            rows: vec![
                row(Kind::Gandy, 100, 150_000.0),
                row(Kind::Floor, 100, 300_000.0),
                row(Kind::Peer, 10, 5_000.0),
                row(Kind::Peer, 50, 10_000.0),
            ],
        };
        let text = table(&results);
        assert!(
            text.contains("| drain on 100 slots ÷ best peer | ≥ 15 | 15 | yes |"),
            "{text}"
        );
        assert!(
            text.contains("÷ bare protocol | ≥ 0.60 | 0.50 | no |"),
            "{text}"
        );
        assert!(
            text.contains("worker µs a job, 100 slots | ≤ 2.50 | 2 | yes |"),
            "{text}"
        );
        assert!(
            !text.contains("25 slots") && !text.contains("bulk"),
            "{text}"
        );
    }
}
