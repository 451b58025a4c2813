//! A job that is looked for by its id alone, where it may be anywhere.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::data::Data;
use super::pick;
use crate::case::{Case, Sample};
use crate::contender::Contender;
use crate::dashboard::{Dashboard, median_and_p95};
use crate::row::quantile;
use crate::stage::Stage;
use crate::work::promote::Pulse;

/// An id that no job has.
const NOBODY: u64 = u64::MAX;

/// Looks for jobs as the page of a job does, and for one that there is not to the end.
pub(super) fn run(_: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, 0)?;
    Data::fill(&mut stage, case)?;
    let dashboard = Dashboard::start(&mut stage, None)?;
    let mut http = dashboard.connect()?;
    http.get("/")?;
    // Whom the first page has had examined is not to be searched beside it.
    std::thread::sleep(Duration::from_secs(1));
    let many = pick(case, 3, 9);
    let (mut times, mut found) = (Vec::new(), 0);
    for number in 0..many {
        let jid = Data::jid((2 * number + 1) * case.jobs / (2 * many));
        let answer = dashboard.connect()?.plain(&format!("/jobs/{jid}"))?;
        times.push(answer.took);
        // The page of a job that was found is named after its class.
        found += u64::from(!answer.text()?.contains("<title>Job "));
    }
    let pulse = Pulse::start(&stage.address())?;
    let before = stage.probe.counters()?;
    let path = format!("/api/v1/jobs/{}?within=60", Data::jid(NOBODY));
    let whole = dashboard.connect()?.plain(&path)?;
    let redis = stage.probe.counters()?.since(before);
    let pings = pulse.stop()?;
    ensure!(whole.status == 404, "HTTP {} for nobody", whole.status);
    let (median, p95) = median_and_p95(&times)?;
    let mut sample = Sample {
        value: median / 1e3,
        ..Sample::default()
    };
    sample.note("p95_s", p95 / 1e3);
    sample.note("share_found", found as f64 / many as f64);
    sample.note("s_until_all_was_looked_at", whole.took.as_secs_f64());
    sample.note("redis_s_meanwhile", redis.cpu_us / 1e6);
    sample.note(
        "ping_p99_ms_meanwhile",
        quantile(&pings, 0.99).unwrap_or(0.0),
    );
    sample.note(
        "ping_worst_ms_meanwhile",
        quantile(&pings, 1.0).unwrap_or(0.0),
    );
    Ok(sample)
}
