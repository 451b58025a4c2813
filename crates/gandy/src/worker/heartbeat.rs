//! Shows the worker in Sidekiq's data model and flushes its counters; obeys the signals that Sidekiq's API leaves.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use gandy_protocol::{Beat, CapsuleInfo, Minute, Payload, ProcessInfo, StampFormat, work_value};
use gandy_store::{StoreError, wished};

use super::{
    cancel::cancel,
    chore::Chore,
    core::{Core, Phase},
    dump,
    hooks::Hooks,
    label::label,
    life::Life,
};
use crate::{Progress, ambient};

/// A beat this often; Sidekiq's readers take a process for dead after 60 s without one.
pub(crate) const BEAT_EVERY: Duration = Duration::from_secs(5);
/// Signals are looked for this often: they are obeyed within a second, the way there and back included, against Ruby's 10
/// to 20.
const SIGNALS_EVERY: Duration = Duration::from_millis(900);
/// The largest payload shown whole, in bytes.
const SHOWN_MAX: usize = 16 * 1024;
/// Five readings in a row above this are worth a warning (Sidekiq's rule).
const SLOW: Duration = Duration::from_millis(50);

/// The heartbeat of one life.
pub(crate) struct Heartbeat {
    core: Arc<Core>,
    life: Arc<Life>,
    info: String,
    concurrency: u32,
    next_beat: Instant,
    /// The phase that the last beat showed, and whether claiming was held.
    shown: Option<(Phase, bool)>,
    round_trip: Duration,
    slow: u32,
    beats: u64,
}

impl Heartbeat {
    pub(crate) fn new(core: &Arc<Core>, life: &Arc<Life>) -> Self {
        let capsules: Vec<CapsuleInfo> = core
            .capsules
            .iter()
            .map(|capsule| CapsuleInfo {
                name: capsule.name.clone(),
                concurrency: u32::try_from(capsule.slots.total()).unwrap_or(u32::MAX),
                mode: capsule.order.mode(),
                weights: capsule
                    .order
                    .weights()
                    .map(|(name, weight)| (name.to_owned(), weight))
                    .collect(),
            })
            .collect();
        let process = ProcessInfo {
            identity: &life.identity,
            started_at_ms: core.started_ms,
            tag: &core.config.tag,
            capsules: &capsules,
            labels: &core.config.labels,
            version: env!("CARGO_PKG_VERSION"),
            embedded: core.embedded,
        };
        let (info, concurrency) = (process.to_json(), process.concurrency());
        Self {
            core: Arc::clone(core),
            life: Arc::clone(life),
            info,
            concurrency,
            next_beat: Instant::now(),
            shown: None,
            round_trip: Duration::ZERO,
            slow: 0,
            beats: 0,
        }
    }

    /// One beat: counters, process, running jobs.
    pub(crate) async fn beat(&mut self) -> Result<(), StoreError> {
        self.core.meter.publish(&self.core);
        let line = &self.core.chores;
        let flushed = self
            .core
            .stats
            .flush(line, Minute::from_millis(ambient::now_ms()))
            .await;
        let work = work(&self.life);
        let phase = *self.core.phase.borrow();
        let held = self.core.pulse.is_held();
        let beat = Beat {
            info: &self.info,
            concurrency: self.concurrency,
            busy: u32::try_from(work.len()).unwrap_or(u32::MAX),
            beat_ms: ambient::now_ms(),
            rtt_us: u64::try_from(self.round_trip.as_micros()).unwrap_or(u64::MAX),
            quiet: phase != Phase::Running || held,
            rss_kb: rss_kb(),
        };
        let fields: Vec<(String, String)> = beat
            .fields()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let old_readers = self.core.config.stamps == StampFormat::Seconds;
        let seen = line
            .beat(&self.life.identity, &fields, &work, old_readers)
            .await?;
        self.shown = Some((phase, held));
        self.round_trip = seen.round_trip;
        self.core.pulse.took(seen.round_trip);
        self.slow = if seen.round_trip > SLOW {
            self.slow + 1
        } else {
            0
        };
        if self.slow == 5 {
            self.slow = 0;
            let round_trip_ms = u64::try_from(seen.round_trip.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                round_trip_ms,
                "Redis is slow to answer: five heartbeats in a row took over 50 ms"
            );
        }
        if seen.first {
            Hooks::fire("heartbeat", &self.core.hooks.heartbeat, false);
        }
        // Dead processes leave `processes` once a minute, as Ruby does it.
        if self.beats.is_multiple_of(12) {
            line.clean_processes().await?;
        }
        self.beats += 1;
        flushed
    }

    fn is_changed(&self) -> bool {
        let now = (*self.core.phase.borrow(), self.core.pulse.is_held());
        self.shown != Some(now)
    }

    async fn obey(&self) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        for signal in self.core.chores.signals(&self.life.identity).await? {
            // A wish about a job and not about the process: embedded or not, it is for us.
            if let Some(jid) = wished(&signal) {
                // They are off the list: one that cannot be answered must not take the others with it.
                outcome = outcome.and(cancel(&self.core, &self.life, jid).await);
                continue;
            }
            // As Sidekiq: an embedded worker is its host's business.
            if self.core.embedded {
                tracing::warn!(
                    signal,
                    "a signal from Redis is ignored: this worker is embedded"
                );
                continue;
            }
            tracing::info!(signal, "signal from Redis");
            match signal.as_str() {
                "TSTP" => drop(self.core.advance(Phase::Quiet)),
                "TERM" | "INT" => drop(self.core.advance(Phase::Stopping)),
                "TTIN" => dump::log(&self.core),
                other => tracing::warn!(signal = other, "an unknown signal is ignored"),
            }
        }
        outcome
    }
}

impl Chore for Heartbeat {
    const NAME: &'static str = "heartbeat";

    async fn run_once(&mut self, now: Instant) -> Result<Duration, StoreError> {
        self.obey().await?;
        // A change of phase is shown at once, whoever asked for it, and not one beat late as Ruby does.
        if now >= self.next_beat || self.is_changed() {
            self.beat().await?;
            self.next_beat = now + BEAT_EVERY;
        }
        Ok(SIGNALS_EVERY)
    }
}

/// The running jobs as `<identity>:work` holds them.
fn work(life: &Life) -> Vec<(String, String)> {
    life.held()
        .iter()
        .filter(|job| job.has_started())
        .filter_map(|job| {
            let context = job.context.as_ref()?;
            let started = *job.started_at.get()?;
            let payload = shown(context.payload());
            let value = work_value(context.queue(), &payload, started);
            Some((
                base36(job.token.number),
                with_progress(value, context.progress()),
            ))
        })
        .collect()
}

/// The payload as people see it while it runs: a large one without its arguments, and one that is large even then as
/// its names alone. Whole, 25 jobs of 64 MiB would be written to Redis anew with every beat.
fn shown(payload: &Payload) -> Cow<'_, str> {
    if payload.raw().len() <= SHOWN_MAX {
        return payload.raw().into();
    }
    let bytes = payload.raw().len();
    let args = format!(r#"["(a payload of {bytes} bytes is not shown)"]"#);
    let short = payload.edit().set("args", args.as_str()).finish();
    if short.len() <= SHOWN_MAX {
        return short.into();
    }
    let class = serde_json::Value::from(label(payload.class()));
    let jid = serde_json::Value::from(label(payload.jid()));
    format!(r#"{{"class":{class},"args":{args},"jid":{jid}}}"#).into()
}

/// Sidekiq's readers ignore the extra field.
fn with_progress(mut value: String, progress: Option<Progress>) -> String {
    if let Some(progress) = progress {
        value.pop();
        let note = serde_json::Value::from(progress.note);
        let total = serde_json::Value::from(progress.total);
        value.push_str(&format!(
            r#","gandy_progress":{{"done":{},"total":{total},"note":{note}}}}}"#,
            progress.done
        ));
    }
    value
}

/// As Ruby writes its thread ids.
fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((number % 36) as u32, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// Resident memory of this process, where the system tells.
pub(crate) fn rss_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_in_base_36() {
        assert_eq!([0, 35, 36, 1_000_000].map(base36), ["0", "z", "10", "lfls"]);
    }

    #[test]
    fn large_payloads_are_shown_without_what_makes_them_large() {
        let shown = |args: &str, more: &str| {
            let raw = format!(r#"{{"class":"A","args":{args},"jid":"j"{more}}}"#);
            let payload = Payload::parse(raw.into_bytes()).expect("a job");
            shown(&payload).into_owned()
        };
        assert_eq!(shown("[1]", ""), r#"{"class":"A","args":[1],"jid":"j"}"#);
        let large = format!(r#"["{}"]"#, "x".repeat(20_000));
        let without = |bytes: usize, more: &str| {
            format!(
                r#"{{"class":"A","args":["(a payload of {bytes} bytes is not shown)"],"jid":"j"{more}}}"#
            )
        };
        let tags = r#","tags":["t"]"#;
        assert_eq!(shown(&large, tags), without(20_048, tags));
        assert_eq!(
            shown("[]", &format!(r#","x":{large}"#)),
            without(20_042, "")
        );
    }

    #[test]
    fn progress_is_one_more_field_of_valid_json() {
        let progress = Progress {
            done: 3,
            total: None,
            note: "a \"b\"".into(),
        };
        let value = with_progress(work_value("q", "{}", 1), Some(progress));
        assert!(
            value.ends_with(
                r#","run_at":1,"gandy_progress":{"done":3,"total":null,"note":"a \"b\""}}"#
            ),
            "{value}"
        );
    }
}
