//! `gandy exporter`: metrics of the whole fleet for Prometheus, looked at when it scrapes.

use std::convert::Infallible;
use std::sync::{Arc, Mutex as Slot, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use gandy::doctor::{Doctor, Question, Severity};
use gandy::metrics::Page;
use gandy::{Answer, Listener, Survey, SurveyedSet, Surveyor};
use tokio::sync::Mutex;

use crate::cli::Common;
use crate::failure::Failure;
use crate::output;
use crate::printable::printable;

const EXAMPLES: &str = r#"EXAMPLES
  gandy exporter                                    on 127.0.0.1:7434, for a Prometheus on this host
  gandy exporter --listen 0.0.0.0:7434 --doctor     in a container; with what gandy doctor finds
  curl -s http://127.0.0.1:7434/metrics

METRICS
  Of queues: gandy_queue_size, gandy_queue_latency_seconds, gandy_queue_busy, gandy_queue_paused. Of the sets:
  gandy_set_size, gandy_scheduler_lag_seconds. Of the fleet: gandy_processes, gandy_fleet_busy and so on. Of Redis:
  gandy_redis_memory_used_bytes and so on. gandy_up is 0, and most others are missing, while Redis does not answer.
  GET /livez answers 200 for as long as the exporter runs. One exporter is enough for a fleet; its Redis user needs no
  more than the role `dashboard`. With --doctor gandy_doctor_findings comes when the first examination has ended and goes
  when none has ended well for two minutes; no scrape waits for one.

It runs until TERM or INT. Exit codes and environment: gandy --help"#;

/// A second scrape within this sees the same numbers: several Prometheus servers, or a wrong interval, must not load Redis.
const FRESH: Duration = Duration::from_secs(1);
/// Prometheus gives up after 10 s by default; before that it is to hear that Redis is away.
const DEADLINE: Duration = Duration::from_secs(8);
/// An examination reads thousands of entries: no scrape waits for it, and one that failed is not repeated sooner.
const EXAMINE_EVERY: Duration = Duration::from_secs(60);
/// It may take longer than a scrape.
const EXAMINE_DEADLINE: Duration = Duration::from_secs(30);
/// One failed examination leaves no gap; the findings of two ago are told no more.
const EXAMINED_LATELY: Duration = Duration::from_secs(120);

/// Serve metrics of the whole fleet to Prometheus
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExporterArgs {
    /// Where to listen; in a container 0.0.0.0:7434
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7434")]
    listen: String,

    /// Look for what is wrong, too, every minute (gandy_doctor_findings)
    #[arg(long)]
    doctor: bool,
}

/// What looks, and what it saw last.
struct Exporter {
    surveyor: Surveyor,
    last: Mutex<Option<(Instant, String)>>,
    doctor: Option<Doctor>,
    findings: Slot<Option<Findings>>,
}

/// What an examination found, and when.
#[derive(Clone, Copy)]
struct Findings {
    at: Instant,
    errors: u64,
    warnings: u64,
    notes: u64,
}

pub(crate) async fn run(args: &ExporterArgs, common: &Common) -> Result<(), Failure> {
    let listener = Listener::bind(&*args.listen).map_err(|error| {
        Failure::usage(format!(
            "cannot listen on {}: {error}; name another address with --listen",
            printable(&args.listen)
        ))
    })?;
    let exporter = Arc::new(Exporter {
        surveyor: common.surveyor()?,
        last: Mutex::default(),
        doctor: if args.doctor {
            Some(common.doctor(false)?)
        } else {
            None
        },
        findings: Slot::default(),
    });
    output::say(&format!(
        "metrics are at http://{}/metrics",
        listener.address()
    ));
    let asked = Arc::clone(&exporter);
    let served = listener.serve(move |path| {
        let exporter = Arc::clone(&asked);
        async move { exporter.answer(&path).await }
    });
    tokio::select! {
        never = exporter.examine_for_ever() => match never {},
        served = served => served.map_err(|error| Failure::bug(format!("cannot serve: {error}"))),
        ended = asked_to_end() => ended.map_err(|error| Failure::bug(format!("cannot listen to signals: {error}"))),
    }
}

async fn asked_to_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

impl Exporter {
    async fn answer(&self, path: &str) -> Answer {
        match path {
            "/metrics" => Answer::metrics(self.page().await),
            "/livez" => Answer::text(200, "ok\n"),
            _ => Answer::not_found("/metrics and /livez"),
        }
    }

    /// One look at a time: who scrapes meanwhile waits for it, and sees the same.
    async fn page(&self) -> String {
        let mut last = self.last.lock().await;
        if let Some((at, page)) = &*last
            && at.elapsed() < FRESH
        {
            return page.clone();
        }
        let survey = match tokio::time::timeout(DEADLINE, self.surveyor.survey()).await {
            Ok(Ok(survey)) => Some(survey),
            Ok(Err(error)) => {
                output::note(&format!(
                    "no metrics of Redis: {}",
                    printable(&error.to_string())
                ));
                None
            }
            Err(_) => {
                output::note(&format!(
                    "no metrics of Redis: it did not answer within {DEADLINE:?}"
                ));
                None
            }
        };
        let mut page = Page::default();
        page.family("gandy_build_info")
            .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        page.single("gandy_up", flag(survey.is_some()));
        if let Some(survey) = &survey {
            write(&mut page, survey);
            self.write_findings(&mut page);
        }
        let page = page.finish();
        *last = Some((Instant::now(), page.clone()));
        page
    }

    async fn examine_for_ever(&self) -> Infallible {
        let Some(doctor) = &self.doctor else {
            return std::future::pending().await;
        };
        loop {
            if let Some(findings) = examine(doctor).await {
                *self.findings.lock().unwrap_or_else(PoisonError::into_inner) = Some(findings);
            }
            tokio::time::sleep(EXAMINE_EVERY).await;
        }
    }

    /// As of the last examination that ended well; without a recent one the family is missing.
    fn write_findings(&self, page: &mut Page) {
        let last = *self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = last.filter(|last| last.at.elapsed() < EXAMINED_LATELY) else {
            return;
        };
        let mut family = page.family("gandy_doctor_findings");
        for (severity, count) in [
            ("error", last.errors),
            ("warning", last.warnings),
            ("note", last.notes),
        ] {
            family.sample(&[("severity", severity)], count as f64);
        }
    }
}

/// One look; why there is none is said.
async fn examine(doctor: &Doctor) -> Option<Findings> {
    let question = Question::default();
    let report = match tokio::time::timeout(EXAMINE_DEADLINE, doctor.examine(&question)).await {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => {
            output::note(&format!("no findings: {}", printable(&error.to_string())));
            return None;
        }
        Err(_) => {
            output::note("no findings: the examination takes too long");
            return None;
        }
    };
    let of = |severity| {
        let found = report.findings.iter();
        found.filter(|finding| finding.severity == severity).count() as u64
    };
    Some(Findings {
        at: Instant::now(),
        errors: of(Severity::Error),
        warnings: of(Severity::Warning),
        notes: of(Severity::Note),
    })
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn write(page: &mut Page, survey: &Survey) {
    let queues = &survey.queues;
    let mut of_queues = |name: &str, value: &dyn Fn(&gandy::SurveyedQueue) -> f64| {
        let mut family = page.family(name);
        for queue in queues {
            family.sample(&[("queue", &queue.name)], value(queue));
        }
    };
    of_queues("gandy_queue_size", &|queue| queue.size as f64);
    of_queues("gandy_queue_latency_seconds", &|queue| {
        queue.latency.as_secs_f64()
    });
    of_queues("gandy_queue_busy", &|queue| queue.busy as f64);
    of_queues("gandy_queue_paused", &|queue| flag(queue.paused));
    let SurveyedSet {
        size: scheduled,
        lag: of_schedule,
    } = survey.schedule;
    let SurveyedSet {
        size: retries,
        lag: of_retry,
    } = survey.retry;
    page.family("gandy_set_size")
        .sample(&[("set", "schedule")], scheduled as f64)
        .sample(&[("set", "retry")], retries as f64)
        .sample(&[("set", "dead")], survey.dead as f64);
    page.family("gandy_scheduler_lag_seconds")
        .sample(&[("set", "schedule")], of_schedule.as_secs_f64())
        .sample(&[("set", "retry")], of_retry.as_secs_f64());
    for (name, value) in [
        ("gandy_processes", survey.processes as f64),
        ("gandy_processes_quiet", survey.processes_quiet as f64),
        ("gandy_fleet_concurrency", survey.concurrency as f64),
        ("gandy_fleet_busy", survey.busy as f64),
        (
            "gandy_oldest_heartbeat_age_seconds",
            survey.oldest_beat.as_secs_f64(),
        ),
        ("gandy_processed_total", survey.processed as f64),
        ("gandy_failed_total", survey.failed as f64),
        ("gandy_redis_rtt_seconds", survey.round_trip.as_secs_f64()),
        (
            "gandy_clock_skew_seconds",
            survey.clock_ahead_ms as f64 / 1000.0,
        ),
    ] {
        page.single(name, value);
    }
    if let Some(server) = &survey.server {
        for (name, value) in [
            ("gandy_redis_memory_used_bytes", server.memory_used as f64),
            ("gandy_redis_memory_max_bytes", server.memory_max as f64),
            ("gandy_redis_eviction_safe", flag(server.eviction_safe)),
            ("gandy_redis_aof_enabled", flag(server.append_only)),
            ("gandy_redis_persistence_ok", flag(server.persistence_ok)),
        ] {
            page.single(name, value);
        }
    }
    if survey.queues_left_out > 0 {
        output::note(&format!(
            "{} queues beyond the first {} by name are left out",
            survey.queues_left_out,
            gandy::QUEUES_MAX
        ));
    }
}
