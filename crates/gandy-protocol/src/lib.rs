//! What Gandy writes into Redis and how it reads what Sidekiq wrote there: payloads, keys, stamps, queue order,
//! retry rules. Pure: no I/O, no clock, no randomness. Whoever calls passes the time and the random numbers in.
//!
//! The bytes are Sidekiq's (6.4 to 8.x read and write them); what is Gandy's own lives under `gandy:` and is listed in
//! [`keys::TABLE`].

pub mod args;
pub mod digest;
pub mod edit;
pub mod ended;
pub mod failure;
pub mod filter;
pub mod heartbeat;
pub mod identity;
pub mod jid;
pub mod keys;
pub mod metrics;
pub mod minute;
pub mod payload;
pub mod queue;
pub mod queue_name;
pub mod record;
pub mod retry;
mod scan;
pub mod span;
pub mod stamp;
mod text;

pub use digest::{notice_id, push_id, recovery_id, sha1_hex};
pub use edit::Edit;
pub use ended::{End, Ended};
pub use failure::{ErrorInfo, decode_backtrace};
pub use filter::{Filter, FilterError};
pub use heartbeat::{Beat, CapsuleInfo, ProcessInfo, work_value};
pub use identity::{Identity, IdentityError};
pub use keys::{KeyError, KeyRow, Keys};
pub use minute::Minute;
pub use payload::{Payload, Unparsable};
pub use queue::{QueueError, QueueOrder, QueueSpec};
pub use queue_name::{QueueName, QueueNameError};
pub use record::{Backtrace, JobLine, JobRecord, RecordError};
pub use retry::{RetryRules, RetrySetting, Verdict};
pub use stamp::{Stamp, StampFormat};
