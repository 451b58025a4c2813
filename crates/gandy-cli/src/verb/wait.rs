//! `gandy push --wait`: waits for the outcome of the job that was just pushed, and turns it into an exit code.

use std::time::Duration;

use gandy::{End, Ended};

use super::look;
use crate::cli::Common;
use crate::failure::{Failure, exit};
use crate::output;
use crate::printable::printable;
use crate::words;

/// Without `--timeout`.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// How the first run ended; `None`: it was not seen in time.
pub(super) async fn wait(
    common: &Common,
    jid: &str,
    timeout: Duration,
) -> Result<Option<Ended>, Failure> {
    let waited = common.inspect()?.wait(jid, timeout).await;
    waited.map_err(|error| {
        Failure::from(error).and(&printable(&format!(
            "The job {jid} was pushed; do not push it again."
        )))
    })
}

/// Says it, and gives the exit code.
pub(super) fn conclude(jid: &str, ended: Option<&Ended>, timeout: Duration) -> u8 {
    let jid = printable(jid);
    let Some(ended) = ended else {
        let waited = words::span(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        output::note(&format!(
            "no run of {jid} was seen to end within {waited}; look with: gandy why {jid}"
        ));
        return exit::UNKNOWN;
    };
    output::note(&look::outcome_in_words(ended));
    match ended.outcome {
        End::Done => exit::DONE,
        _ => exit::FINDINGS,
    }
}
