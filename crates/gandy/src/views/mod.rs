//! What people ask about single jobs and about numbers over time: where a job is and why it does not run, what runs now,
//! what was counted; and cancelling a run. All are methods of [`crate::Inspect`].
//!
//! * `running`: what runs now; `report`: where one job is; `reason`, `facts`: why it does not run.
//! * `past`: runs by day and deploy marks; `metrics`: runs by class; `pick`: of which classes.
//! * `cancel`: ends a run by hand.
//! * `say`, `words`: all of it in sentences.
//!
//! Not here: what is wrong with all of it ([`crate::doctor`]).

mod cancel;
mod facts;
mod metrics;
mod past;
mod pick;
mod reason;
mod report;
mod running;
mod say;
pub mod words;

pub use cancel::Cancelled;
pub use facts::Explanation;
pub use gandy_protocol::metrics::BUCKET_BOUNDS_MS;
pub use metrics::{ClassMetrics, Metrics, Window};
pub use past::Day;
pub use pick::{ClassOrder, Classes, Pick};
pub use reason::{Capsule, Facts, Listener, Reason, explain};
pub use report::{JobReport, Sighting, Whereabouts};
pub use running::{RunningJob, Steps};
