//! `gandy-worker`: a worker without Rust code. It claims jobs as any Gandy worker does and runs the programs
//! (`exec`) and HTTP endpoints (`http`) that its configuration file names.
//!
//! * [`start`], [`cli`], [`config`]: what the worker is told; [`log`] (with [`log_by_class`]), [`exit`]: what it tells
//! * [`exec`], [`http`]: one run of a job, as described by [`run`], to its [`outcome`]
//!
//! * [`handler`], [`worker`]: the two sides joined to the library's worker; [`limits`]: what that asks of the system
//! * [`probes`], [`systemd`]: how it tells others that it is well; [`cgroup`], [`memory_guard`]: what its container allows
//!
//! A library only so that tests reach its parts: its interface is the command line and the file.

pub mod cgroup;
pub mod cli;
pub mod config;
pub mod exec;
pub mod exit;
pub mod handler;
pub mod http;
pub mod limits;
pub mod log;
pub mod log_by_class;
pub mod memory_guard;
pub mod outcome;
pub mod probes;
pub mod run;
pub mod start;
pub mod systemd;
#[cfg(feature = "otel")]
pub mod traces;
pub mod worker;
