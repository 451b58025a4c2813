//! How long each page takes and how large it is.
//!
//! Each page has a dashboard of its own, which nobody else looks at: what dashboards keep from one look to the next would
//! otherwise be there already, read for the page before.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::data::{self, Data};
use super::{fleet, pick};
use crate::case::{Case, Sample};
use crate::contender::Contender;
use crate::dashboard::{Dashboard, median_and_p95};
use crate::http::Http;
use crate::stage::Stage;

/// The shortest there is: what open pages share is too old again in each round.
const POLL: &str = "200ms";
/// Between two rounds; longer than what is kept for a poll.
const ROUND: Duration = Duration::from_millis(220);
/// For caches, connections and code that runs for the first time.
const WARM_UP: usize = 3;
/// Nothing is kept longer than this, but for the findings of the first page.
const REST: Duration = Duration::from_millis(10_300);
/// Between two pages after a rest: the first page has Redis examined beside what it waits for.
const GAP: Duration = Duration::from_millis(100);

/// A page, and how long it took.
#[derive(Debug)]
struct Page {
    name: &'static str,
    path: String,
    dashboard: Dashboard,
    http: Http,
    /// Nobody else looks.
    alone: Vec<Duration>,
    /// Right after that.
    beside: Vec<Duration>,
    /// Nobody has looked for ten seconds.
    rested: Vec<Duration>,
    wire: usize,
    first_load: usize,
}

/// Measures all pages.
pub(super) fn run(who: &Contender, case: &Case) -> Result<Sample> {
    let mut stage = Stage::start(case.persistence, 0)?;
    let data = Data::fill(&mut stage, case)?;
    let _fleet = fleet(&mut stage, who)?;
    let job = {
        let dashboard = Dashboard::start(&mut stage, None)?;
        let list = dashboard.connect()?.plain("/retries")?;
        first_job(list.text()?)?
    };
    let mut pages = Vec::new();
    for (name, path) in paths(&data, job) {
        pages.push(Page::open(&mut stage, name, path)?);
    }
    for _ in 0..pick(case, 10, 50) {
        let next = Instant::now() + ROUND;
        for page in &mut pages {
            page.alone.push(page.http.get(&page.path)?.took);
            page.beside.push(page.http.get(&page.path)?.took);
        }
        sleep(next.saturating_duration_since(Instant::now()));
    }
    for _ in 0..pick(case, 1, 5) {
        sleep(REST);
        for page in pages.iter_mut().rev() {
            // A server closes what is silent for some seconds.
            page.http = page.dashboard.connect()?;
            sleep(GAP);
            page.rested.push(page.http.get(&page.path)?.took);
        }
    }
    sample(&pages)
}

fn paths(data: &Data, job: String) -> Vec<(&'static str, String)> {
    vec![
        ("/", "/".into()),
        ("/queues", "/queues".into()),
        ("/queues/NAME", format!("/queues/{}", data::LONG)),
        ("/busy", "/busy".into()),
        ("/retries", "/retries".into()),
        (
            "/retries from the middle",
            format!("/retries?from={}~0", data.middle()),
        ),
        ("/retries by error", "/retries?view=errors".into()),
        ("/scheduled", "/scheduled".into()),
        ("/dead", "/dead".into()),
        ("/jobs/JID from its list", job),
        ("/metrics", "/metrics".into()),
        ("/metrics/CLASS", format!("/metrics/{}", data::CLASS)),
        ("/doctor", "/doctor".into()),
    ]
}

impl Page {
    fn open(stage: &mut Stage, name: &'static str, path: String) -> Result<Self> {
        let dashboard = Dashboard::start(stage, Some(POLL))?;
        let mut http = dashboard.connect()?;
        let plain = http.plain(&path)?;
        let html = plain.text().with_context(|| path.clone())?;
        let mut wire = 0;
        for _ in 0..WARM_UP {
            wire = http.get(&path)?.wire;
        }
        let mut first_load = wire;
        for asset in assets(html) {
            let answer = http.get(&asset)?;
            ensure!(answer.status == 200, "{asset}: HTTP {}", answer.status);
            first_load += answer.wire;
        }
        Ok(Self {
            name,
            path,
            dashboard,
            http,
            alone: Vec::new(),
            beside: Vec::new(),
            rested: Vec::new(),
            wire,
            first_load,
        })
    }
}

fn sample(pages: &[Page]) -> Result<Sample> {
    let mut sample = Sample::default();
    for page in pages {
        let (alone, p95) = median_and_p95(&page.alone)?;
        let mut note = |what, value| sample.note(&format!("{what} {}", page.name), value);
        note("ms", alone);
        note("ms_p95", p95);
        note("ms_beside", median_and_p95(&page.beside)?.0);
        note("ms_rested", median_and_p95(&page.rested)?.0);
        note("kb", page.wire as f64 / 1e3);
        sample.value = sample.value.max(alone);
    }
    let largest = pages.iter().map(|page| page.first_load).max();
    sample.note("first_load_kb", largest.unwrap_or(0) as f64 / 1e3);
    Ok(sample)
}

/// Where a list leads for its first job.
fn first_job(html: &str) -> Result<String> {
    let links = html.split("href=\"").skip(1);
    let mut links = links.filter_map(|rest| rest.split('"').next());
    let job = links.find(|link| link.starts_with("/jobs/") && link.contains("?at="));
    Ok(job.context("/retries shows no job")?.to_owned())
}

/// Style, scripts and pictures that a page names.
fn assets(html: &str) -> BTreeSet<String> {
    html.split('"')
        .filter(|text| text.starts_with("/assets/"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const HTML: &str = r##"<link rel="stylesheet" href="/assets/a-1.css"><script src="/assets/b-2.js" defer></script>
        <script src="/assets/b-2.js"></script><a href="/jobs/help">x</a><a href="/jobs/0a?at=retry%3A5%401.5">y</a>
        <a href="/jobs/0b?at=retry%3A6%401.5">z</a>"##;

    #[test]
    fn a_page_names_its_assets_and_a_list_its_jobs() {
        let names: Vec<String> = assets(HTML).into_iter().collect();
        assert_eq!(names, ["/assets/a-1.css", "/assets/b-2.js"]);
        assert_eq!(first_job(HTML).unwrap(), "/jobs/0a?at=retry%3A5%401.5");
        assert!(first_job("<p>Nothing failed</p>").is_err());
    }
}
