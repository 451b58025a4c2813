//! Gandy: background jobs on Redis in Sidekiq's own bytes.
//!
//! A job whose push Redis acknowledged runs at least once: to success, to a retry, or into the dead set, whatever crashes.
//!
//! * [`Job`] is what is pushed, [`Client`] pushes it, [`Push`] gives a single push its own options; [`Retry`] and [`Buffer`]
//!   say what becomes of pushes while Redis is away.
//! * [`Handler`] runs it, owning what it needs; [`Worker`] claims jobs and runs handlers.
//! * [`JobError`] says what happens after a failed run; [`Context`] tells a handler about its run.
//! * [`Inspect`] looks at queues, sets and processes; [`doctor`] finds what is wrong there and repairs it; [`testing`] needs
//!   no Redis.
//!
//! A web application that only pushes takes the crate without the feature `worker`.

mod ambient;
#[cfg(all(doctest, feature = "derive", feature = "worker"))]
mod book;
mod bulk;
mod client;
#[cfg(feature = "worker")]
mod context;
pub mod doctor;
mod error;
#[cfg(feature = "worker")]
mod handler;
mod inspect;
mod job;
#[cfg(feature = "worker")]
mod job_error;
#[cfg(feature = "worker")]
mod middleware;
mod mould;
mod push;
#[cfg(feature = "worker")]
mod registry;
pub mod testing;
#[cfg(feature = "worker")]
mod worker;

pub use client::{
    Buffer, Client, ClientBuilder, ClientMiddleware, DropCause, Dropped, DurableReceipt, Flow,
    Outcome, Receipt, Retry,
};
pub use error::Error;
#[cfg(feature = "derive")]
pub use gandy_derive::Job;
pub use gandy_protocol::{
    Backtrace, JobRecord, KeyRow, Keys, Payload, QueueName, RetrySetting, Stamp, StampFormat,
    keys::TABLE as KEY_TABLE, span,
};
pub use gandy_store::{
    Caution, Grave, Health, Kind, Patience, Place, Server, StoreError, TlsFiles, Totals, redact,
};
pub use inspect::{Inspect, JobInfo, ProcessInfo, QueueInfo, WorkInfo};
pub use job::{Job, JobOptions};
pub use push::Push;

#[cfg(feature = "worker")]
pub use context::{Context, Progress};
#[cfg(feature = "worker")]
pub use handler::{BlockingHandler, Handler, HandlerOptions, RawHandler};
#[cfg(feature = "worker")]
pub use job_error::{JobError, Next as Consequence};
#[cfg(feature = "worker")]
pub use middleware::{Middleware, Next};
#[cfg(feature = "worker")]
pub use tokio_util::sync::CancellationToken;
#[cfg(feature = "worker")]
pub use worker::{
    CapsuleConfig, Fences, RunningWorker, Worker, WorkerBuilder, WorkerConfig, WorkerHandle,
};
