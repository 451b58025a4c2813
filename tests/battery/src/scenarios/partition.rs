//! P2, P3, P8 where the network fails one worker of several: it is cut off, half cut off, far away, or gets everything byte
//! by byte. Others run its jobs in time, what it still believes to hold it cannot end, and it comes back by itself.

mod cut;
mod line;
mod zombie;

use crate::outcome::Outcome;
use crate::stage::Stage;

pub(crate) fn run(stage: &Stage) -> Outcome {
    Outcome::of_parts(
        stage,
        &[
            ("cut off", cut::run),
            ("half-closed", line::half_closed),
            ("one-byte slices", line::slices),
            ("100 ms and jitter", line::far),
        ],
    )
}
