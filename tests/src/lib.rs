//! The harness of Gandy's promise tests: real Redis servers, real processes, real signals, real Ruby Sidekiq.
//!
//! What belongs here: starting, breaking and watching things that are outside Gandy. What does not: what one
//! promise alone needs of Gandy's keys or API, which its file (`tests/<promise>.rs`) says for itself.
//!
//! * [`Sentinel`], [`Watched`]: redis-server as a sentinel; a primary and a replica under three of them
//! * [`RedisServer`]: a private redis-server on a port of its own; [`TlsServer`]: one that speaks TLS
//! * [`Proc`]: a child process with its log, signals, and an end that cannot be missed
//! * [`wait_until`], [`wait_for`], [`wait_eq`]: waiting for a condition instead of sleeping
//! * [`History`], [`Report`]: who ran what, and what was lost or run twice
//! * [`Holdings`]: everything that Redis keeps of jobs, in one look
//! * [`detour()`]: a way to Redis through the fault proxy
//! * [`RubySidekiq`]: the real Sidekiq, as a client, as a worker and as a reader of our keys
//! * [`Crew`]: a Gandy worker process with test handlers; [`push_jobs`]: work for it
//! * [`claim_one`], [`one_cycle`]: a worker's steps made by hand, over a [`line()`]
//! * [`length`], [`in_flight`], [`held`], [`is_at_rest`]: what Redis holds
//! * [`Clock`]: a time of day of their own for processes
//! * [`Flavour`]: the shipped users of Redis, and how they log in
//! * [`fuzz`]: a reader of bytes from outside, tried for a stated time
//! * [`hold_pages`]: a documentation page for each command of a command line, held to what clap knows
//! * [`cargo_bin`]: a binary of this workspace, found through cargo
//!
//! Everything here panics with a sentence instead of returning an error: it is only ever called by tests.

mod cargo_bin;
mod clock;
mod command_page;
mod crew;
mod cycle;
mod detour;
mod fuzz;
mod history;
mod holdings;
mod lifeline;
mod look;
mod process;
mod redis_server;
mod report;
mod ruby;
mod sentinel;
mod tls_server;
mod users;
mod wait;

pub use cargo_bin::cargo_bin;
pub use clock::Clock;
pub use command_page::hold_pages;
pub use crew::{Crew, payload, push_jobs};
pub use cycle::{claim_one, line, one_cycle};
pub use detour::{detour, seed};
pub use fuzz::fuzz;
pub use history::{Event, EventKind, History, HistoryWriter};
pub use holdings::Holdings;
pub use look::{held, held_often, in_flight, is_at_rest, length, suspects};
pub use process::Proc;
pub use redis_server::RedisServer;
pub use report::Report;
pub use ruby::{RubySidekiq, RubyWorker};
pub use sentinel::{MASTER, Sentinel, Watched, cut_replication, mend_replication};
pub use tls_server::{Shown, TlsServer};
pub use users::{FLAVOURS, Flavour, ROLES, denied, url_of};
pub use wait::{wait_eq, wait_for, wait_until, wait_until_async};
