//! Moves due jobs to their queues. One worker of the fleet has the duty, for a second at a time; the others watch it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gandy_protocol::{Payload, QueueName, StampFormat};
use gandy_store::{Due, DueEntry, Line, Promotion, StoreError, Waiting};

use super::{chore::Chore, core::Core};

/// How long the duty lasts without renewal: a dead promoter is replaced within two seconds (P6).
const DUTY: Duration = Duration::from_secs(1);
/// The promoter looks at least this often, for entries that others add shortly before they are due.
const LOOK: Duration = Duration::from_millis(40);
/// Entries of each set read at once, as far as the time of the script goes.
const PAGE: usize = 500;
/// Entries moved by one script: about a millisecond of Redis.
const STEP: usize = 250;
/// Pages before the promoter lets itself be stopped.
const PAGES: usize = 20;

/// The promoter of one worker.
pub(crate) struct Promoter {
    core: Arc<Core>,
    /// Its own: what is due comes in pages of megabytes, and a heartbeat is not to wait behind them.
    line: Line,
    /// Whether this worker has the duty; the reaper follows it.
    on_duty: Arc<AtomicBool>,
}

impl Promoter {
    pub(crate) fn new(core: &Arc<Core>, on_duty: &Arc<AtomicBool>) -> Self {
        Self {
            core: Arc::clone(core),
            line: core.line(core.config.server.patience().reply),
            on_duty: Arc::clone(on_duty),
        }
    }

    /// What is due, if this worker has the duty.
    async fn due(&self) -> Result<Option<Due>, StoreError> {
        let Some(life) = self.core.present() else {
            self.on_duty.store(false, Ordering::Release);
            return Ok(None);
        };
        // Who only watches asks the cheapest question: of a large fleet all do but one.
        if !self.on_duty.load(Ordering::Acquire)
            && let Some(left) = self.line.duty_left().await?
        {
            return Ok(Some(Due::Others(left)));
        }
        let config = &self.core.config;
        let due = self
            .line
            .due(
                &life.identity,
                DUTY,
                PAGE,
                config.max_fetch_payload,
                config.grave(),
            )
            .await;
        let mine = matches!(due, Ok(Due::Mine { .. }));
        self.on_duty.store(mine, Ordering::Release);
        due.map(Some)
    }

    /// What becomes of each entry.
    fn decide(
        &self,
        due: impl Iterator<Item = DueEntry>,
        now_us: i64,
    ) -> Vec<(DueEntry, Promotion)> {
        let stamps = self.core.config.stamps;
        due.map(|entry| {
            let promotion = promotion(&entry.member, now_us / 1000, stamps);
            (entry, promotion)
        })
        .collect()
    }

    /// Whether anything was moved. While Redis moves one step's entries, the next ones are decided on.
    async fn promote(
        &self,
        from: Waiting,
        due: Vec<DueEntry>,
        now_us: i64,
    ) -> Result<bool, StoreError> {
        let grave = self.core.config.grave();
        let mut due = due.into_iter();
        let mut entries = self.decide(due.by_ref().take(STEP), now_us);
        let mut any = false;
        while !entries.is_empty() {
            let decided = async {
                // The connection's task, which may be waiting for this very thread, writes first.
                tokio::task::yield_now().await;
                self.decide(due.by_ref().take(STEP), now_us)
            };
            let step = self.line.promote(from, grave, &entries);
            let (moved, next) = tokio::join!(biased; step, decided);
            let moved = moved?;
            self.tell(moved.buried, moved.stuck);
            tracing::debug!(?from, jobs = moved.pushed, left = moved.left, "promoted");
            any |= moved.pushed + moved.buried + moved.gone > 0;
            if moved.left > 0 {
                // Nothing may overtake what is left: it comes first on the next page.
                break;
            }
            entries = next;
        }
        Ok(any)
    }

    fn tell(&self, buried: usize, stuck: usize) {
        if buried > 0 {
            tracing::warn!(
                jobs = buried,
                "due entries that cannot be pushed were buried"
            );
        }
        if stuck > 0 {
            // No error of this chore: the entries behind these are promoted all the same, and on time.
            let server = self.core.config.server.address().to_owned();
            let cause = format!(
                "{stuck} due entries cannot be written: {} is not a sorted set",
                self.core.keys.dead()
            );
            self.core
                .complain("promote", &StoreError::Refused { server, cause });
        }
    }
}

impl Chore for Promoter {
    const NAME: &'static str = "promoter";

    async fn run_once(&mut self, _now: Instant) -> Result<Duration, StoreError> {
        let mut due = self.due().await?;
        for _ in 0..PAGES {
            match due {
                None => return Ok(LOOK),
                // Just after the duty runs out, a little apart from the other watchers.
                Some(Due::Others(left)) => {
                    return Ok(left.min(DUTY) + Duration::from_millis(fastrand::u64(1..200)));
                }
                Some(Due::Mine {
                    now_us,
                    next_us,
                    retry,
                    schedule,
                    buried,
                    stuck,
                }) => {
                    self.tell(buried, stuck);
                    if retry.is_empty() && schedule.is_empty() && buried == 0 {
                        return Ok(until(next_us, now_us));
                    }
                    // One after another: what is sent together Redis runs together, and everybody else waits for the sum.
                    // Retries first, as Sidekiq.
                    let retried = self.promote(Waiting::Retry, retry, now_us).await;
                    let scheduled = self.promote(Waiting::Schedule, schedule, now_us).await;
                    if !(retried? | scheduled? || buried > 0) {
                        return Ok(until(next_us, now_us));
                    }
                    due = self.due().await?;
                }
            }
        }
        Ok(Duration::ZERO)
    }
}

/// How long until the next look.
fn until(next_us: Option<i64>, now_us: i64) -> Duration {
    let ahead = next_us.map_or(LOOK, |next| {
        Duration::from_micros(u64::try_from(next - now_us).unwrap_or(0))
    });
    ahead.clamp(Duration::from_millis(1), LOOK)
}

/// What becomes of a due entry: to its queue with a new `enqueued_at`, all its other bytes as they are (I5).
fn promotion(member: &[u8], now_ms: i64, stamps: StampFormat) -> Promotion {
    let payload = match Payload::parse(member.to_vec()) {
        Ok(payload) => payload,
        Err(unparsable) => return Promotion::Bury(format!("cannot be promoted: {unparsable}")),
    };
    // As Sidekiq's client: without a queue it is the default one.
    let queue = payload.queue().unwrap_or("default").to_owned();
    if let Err(error) = QueueName::check(&queue) {
        return Promotion::Bury(format!("cannot be promoted: {error}"));
    }
    let payload = payload
        .edit()
        .set("enqueued_at", stamps.write(now_ms))
        .remove("at")
        .finish();
    Promotion::Push { queue, payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_changes_only_enqueued_at() {
        let member = br#"{"class":"A","args":[12345678901234567890],"x":1.10,"jid":"j","queue":"q","enqueued_at":1}"#;
        let Promotion::Push { queue, payload } = promotion(member, 99, StampFormat::Milliseconds)
        else {
            panic!("buried");
        };
        assert_eq!(queue, "q");
        assert_eq!(
            payload,
            r#"{"class":"A","args":[12345678901234567890],"x":1.10,"jid":"j","queue":"q","enqueued_at":99}"#
        );
    }

    #[test]
    fn what_cannot_be_promoted_is_buried_with_a_reason() {
        for member in [
            "",
            "{",
            r#"{"class":"A","args":[],"jid":"j","queue":"a\nb"}"#,
        ] {
            let promotion = promotion(member.as_bytes(), 99, StampFormat::Milliseconds);
            assert!(
                matches!(promotion, Promotion::Bury(_)),
                "{member}: {promotion:?}"
            );
        }
    }
}
