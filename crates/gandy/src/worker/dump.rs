//! What runs now, for TTIN: Sidekiq logs its threads, we log our jobs.

use super::{core::Core, label::label};
use crate::ambient;

/// Logs every running job and the state of each capsule.
pub(crate) fn log(core: &Core) {
    let now = ambient::now_ms() / 1000;
    for capsule in &core.capsules {
        tracing::warn!(
            capsule = capsule.name,
            busy = capsule.slots.busy(),
            slots = capsule.slots.total(),
            "capsule"
        );
    }
    let Some(life) = core.present() else { return };
    for job in life.held().iter().filter(|job| job.has_started()) {
        if let Some(context) = &job.context {
            let running_secs = job.started_at.get().map_or(0, |started| now - started);
            tracing::warn!(
                jid = label(context.jid()),
                class = label(context.class()),
                queue = context.queue(),
                running_secs,
                cancelled = context.is_cancelled(),
                "running"
            );
        }
    }
    let fences = core.stats.fences();
    tracing::warn!(
        identity = life.identity.as_str(),
        fenced = fences.fenced,
        unknown = fences.unknown,
        "worker"
    );
}
