//! `gandy exporter`: metrics of the whole fleet for Prometheus, looked at when it scrapes.

use std::sync::Arc;
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
  more than the role `dashboard`.

It runs until TERM or INT. Exit codes and environment: gandy --help"#;

/// A second scrape within this sees the same numbers: several Prometheus servers, or a wrong interval, must not load Redis.
const FRESH: Duration = Duration::from_secs(1);
/// Prometheus gives up after 10 s by default; before that it is to hear that Redis is away.
const DEADLINE: Duration = Duration::from_secs(8);
/// An examination reads thousands of entries.
const EXAMINE_EVERY: Duration = Duration::from_secs(60);

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
    findings: Mutex<Option<(Instant, [u64; 3])>>,
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
        findings: Mutex::default(),
    });
    output::say(&format!(
        "metrics are at http://{}/metrics",
        listener.address()
    ));
    let served = listener.serve(move |path| {
        let exporter = Arc::clone(&exporter);
        async move { exporter.answer(&path).await }
    });
    tokio::select! {
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
            self.write_findings(&mut page).await;
        }
        let page = page.finish();
        *last = Some((Instant::now(), page.clone()));
        page
    }

    /// As of the last examination; one that takes too long, or is denied, leaves the family out.
    async fn write_findings(&self, page: &mut Page) {
        let Some(doctor) = &self.doctor else { return };
        let mut findings = self.findings.lock().await;
        if findings.is_none_or(|(at, _)| at.elapsed() >= EXAMINE_EVERY) {
            let question = Question::default();
            let report = tokio::time::timeout(DEADLINE, doctor.examine(&question)).await;
            *findings = match report {
                Ok(Ok(report)) => {
                    let of = |severity| {
                        let found = report.findings.iter();
                        found.filter(|finding| finding.severity == severity).count() as u64
                    };
                    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(of);
                    Some((Instant::now(), counts))
                }
                Ok(Err(error)) => {
                    output::note(&format!("no findings: {}", printable(&error.to_string())));
                    None
                }
                Err(_) => {
                    output::note("no findings: the examination takes too long");
                    None
                }
            };
        }
        if let Some((_, counts)) = *findings {
            let mut family = page.family("gandy_doctor_findings");
            for (severity, count) in ["error", "warning", "note"].into_iter().zip(counts) {
                family.sample(&[("severity", severity)], count as f64);
            }
        }
    }
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
