//! I4, I7, P1 and P3 where replies get lost: what Redis did is done, and whoever asked does not know. No job is lost, none
//! runs twice that was not pushed twice, and nobody has to restart for that.

mod kinds;
mod leaving;
mod scene;
mod strays;

use crate::outcome::Outcome;
use crate::stage::Stage;

pub(crate) fn run(stage: &Stage) -> Outcome {
    if stage.probe {
        return strays::run(stage);
    }
    Outcome::of_parts(
        stage,
        &[
            ("every kind", kinds::run),
            ("strays", strays::run),
            ("start and end", leaving::run),
        ],
    )
}
