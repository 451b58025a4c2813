//! Gandy's operations on Redis: the only crate that talks to it.
//!
//! # Layout
//! * [`Server`]: where Redis is, with `sentinel` where that changes; [`Line`]: a way to run commands there; [`Wire`]: the
//!   claim loop's own, with `link` and `resp` under it; `trust`, [`TlsFiles`]: TLS; [`StoreError`], [`Backoff`].
//! * Pushing: [`Producer`], [`Parcel`]; `durable` where replicas have to acknowledge, `once` behind a caller's key, both on
//!   `lanes`.
//! * A worker's life: `life` (register, renew, leave, watch, condemn), `landing` (wait, unland), `cycle` (finish and claim),
//!   `settle` (retry, bury, drop), `stray` (what is really held), `heartbeat`,
//!   `peers` (what the others can run).
//! * The fleet's chores: `promote`, `reap`, `sweep`.
//! * Looking: `inspect` (all at a glance), `survey` (the fleet as numbers), `place` (the jobs that wait in one), `cursor`
//!   (all of them, page by page), `stretch` (a queue from its other end), `aboard` (those that workers hold), `seek` (one job wherever it is), `tallies` (what was
//!   counted), `outcome`, `marks`, `check`, [`RedisHealth`]. By hand: `operator` (one job), `act` (many).
//! * [`doctor`]: what is looked at to find what is wrong, and the steps that repair it.
//!
//! Each operation is one server-side step on raw bytes (I2), in a file of its own; its scripts, if it has any, stand
//! in `lua/`. Whether to run, retry or bury a job is decided elsewhere.

mod aboard;
mod act;
mod backoff;
mod check;
mod coalesce;
mod cursor;
mod cycle;
pub mod doctor;
mod durable;
mod enqueue;
mod error;
mod functions;
mod health;
mod heartbeat;
mod hunt;
mod inspect;
mod landing;
mod lanes;
mod life;
mod line;
mod link;
mod lua;
mod marks;
#[cfg(feature = "mutants")]
pub mod mutant;
mod names;
mod once;
mod operator;
mod outcome;
mod parcel;
mod peers;
mod place;
mod pool;
mod promote;
mod reap;
mod resp;
mod resume;
mod seek;
mod sentinel;
mod sentinel_url;
mod server;
mod settle;
mod stray;
mod stretch;
mod survey;
mod sweep;
mod tallies;
#[cfg(feature = "tls")]
mod tls;
mod tls_files;
mod trace;
mod trail;
#[cfg(feature = "tls")]
mod trust;
mod walk;
mod wire;

pub use aboard::{HeldEntry, Portion, Presence};
pub use act::Acted;
pub use backoff::Backoff;
pub use check::{Caution, ServerFacts};
pub use cursor::Cursor;
pub use cycle::{Ask, Claim, Cycle, Grant, Grip, Haul, List, Token};
pub use durable::DURABLE_MAX;
pub use enqueue::{Goal, Producer};
pub use error::{Kind, StoreError};
pub use health::RedisHealth;
pub use heartbeat::{Beat, Counts, Histogram, Tally};
pub use inspect::{ProcessRow, QueueRow, Totals};
pub use landing::{BLOCK, BLOCK_DEADLINE};
pub use life::Retirement;
pub use line::Line;
pub use lua::SCRIPTS;
pub use marks::Mark;
pub use once::Once;
pub use operator::Target;
pub use outcome::{Kept, wished};
pub use parcel::{Parcel, Undelivered};
pub use place::{Entry, Place};
pub use promote::{Due, DueEntry, Promoted, Promotion, Waiting};
pub use reap::{GIVE_BACK_MAX, GiveBack, GivenBack, Guard, Lease, Orphan, Way};
pub use resume::SameScore;
pub use seek::{InFlight, Search, Waits};
pub use server::{Patience, Server, redact};
pub use settle::{Exit, Grave, Notice, Outcome};
pub use stretch::Stretch;
pub use survey::{Ledger, Pace, Roll};
pub use sweep::Swept;
pub use tallies::{Executed, Width};
pub use tls_files::TlsFiles;
pub use trace::Trace;
pub use wire::Wire;
