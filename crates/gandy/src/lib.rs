//! Gandy: background jobs on Redis in Sidekiq's own bytes.
//!
//! A job whose push Redis acknowledged runs at least once: to success, to a retry, or into the dead set, whatever crashes.
//!
//! * [`Job`] is what is pushed, [`Client`] pushes it, [`Push`] gives a single push its own options; [`Retry`] and [`Buffer`]
//!   say what becomes of pushes while Redis is away.
//! * [`Handler`] runs it, owning what it needs; [`Worker`] claims jobs and runs handlers.
//! * [`JobError`] says what happens after a failed run; [`Context`] tells a handler about its run.
//! * [`Health`] says whether a worker moves and claims, [`Listener`] serves that to probes; [`metrics`] are for Prometheus.
//! * [`Inspect`] looks at queues, sets and processes, at single jobs and numbers over time ([`views`]), and acts on jobs by
//!   hand, all that a [`Filter`] fits; [`Surveyor`] gives the fleet as numbers; [`doctor`] finds what is wrong there and
//!   repairs it; [`document`] says all that as JSON; [`testing`] needs no Redis.
//!
//! A web application that only pushes takes the crate without the feature `worker`.

mod aboard;
mod act;
mod ambient;
#[cfg(all(doctest, feature = "derive", feature = "worker"))]
mod book;
mod bulk;
mod client;
#[cfg(feature = "worker")]
mod context;
pub mod doctor;
pub mod document;
mod error;
#[cfg(feature = "worker")]
mod handler;
mod inspect;
mod job;
#[cfg(feature = "worker")]
mod job_error;
mod job_info;
mod listener;
pub mod metrics;
#[cfg(feature = "worker")]
mod middleware;
mod mould;
#[cfg(feature = "otel")]
pub mod otel;
mod preview;
mod push;
#[cfg(feature = "worker")]
mod registry;
mod search;
mod sought;
mod survey;
pub mod testing;
pub mod views;
mod walk;
#[cfg(feature = "worker")]
mod worker;

pub use aboard::HeldJob;
pub use act::{Act, Acts, Sweep};
pub use client::{
    Buffer, Client, ClientBuilder, ClientMiddleware, DropCause, Dropped, DurableReceipt, Flow,
    Outcome, Receipt, Retry,
};
pub use error::Error;
#[cfg(feature = "derive")]
pub use gandy_derive::Job;
pub use gandy_protocol::{
    Backtrace, End, Ended, Filter, FilterError, JobRecord, KeyRow, Keys, Payload, QueueName,
    RetrySetting, Stamp, StampFormat, decode_backtrace, keys::TABLE as KEY_TABLE,
    sha1_hex as digest, span,
};
pub use gandy_store::{
    Caution, Grave, Kind, Mark, Patience, Place, Presence, RedisHealth, Server, StoreError,
    TlsFiles, Totals, redact,
};
pub use inspect::{Inspect, ProcessInfo, QueueInfo, WorkInfo};
pub use job::{Job, JobOptions};
pub use job_info::JobInfo;
pub use listener::{Answer, Listener};
pub use metrics::METRICS;
pub use preview::Preview;
pub use push::Push;
pub use search::{Bookmark, Found, Hit};
pub use sought::{Sought, Stood};
pub use survey::{QUEUES_MAX, Survey, SurveyedQueue, SurveyedServer, SurveyedSet, Surveyor};
pub use walk::Walk;

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
    Ailment, CapsuleConfig, Fences, Health, LIVE_WITHIN, RunningWorker, Worker, WorkerBuilder,
    WorkerConfig, WorkerHandle,
};
