//! Cancelling a run because a person wishes it: the wish comes among the signals, the answer is left in Redis.
//!
//! Not here: what becomes of the job when the run ends (`verdict`).

use gandy_store::StoreError;

use super::{core::Core, label::label, life::Life};
use crate::ambient;

/// Cancels the run of this job and answers what was found of it here: `running` (it was told to stop), `waiting` (it is
/// claimed and not begun, and was not touched) or `absent`.
pub(crate) async fn cancel(core: &Core, life: &Life, jid: &str) -> Result<(), StoreError> {
    let mut found = "absent";
    for job in life.held() {
        let context = job.context.as_ref();
        if context.is_none_or(|context| context.jid() != jid) {
            continue;
        }
        if job.has_started() {
            job.cancel();
            found = "running";
            break;
        }
        found = "waiting";
    }
    tracing::info!(jid = label(jid), found, "cancel, as asked by hand");
    let answer = serde_json::json!({
        "identity": life.identity.as_str(),
        "at": ambient::now_ms(),
        "found": found,
    });
    core.chores.answer_cancel(jid, &answer.to_string()).await
}
