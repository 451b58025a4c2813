//! `gandy-worker`: a worker without Rust code. It claims jobs as any Gandy worker does and runs the programs
//! (`exec`) and HTTP endpoints (`http`) that its configuration file names.
//!
//! * [`start`], [`cli`], [`config`]: what the worker is told; [`log`], [`exit`]: what it tells
//! * [`exec`], [`http`]: one run of a job, as described by [`run`], to its [`outcome`]
//!
//! * [`handler`], [`worker`]: the two sides joined to the library's worker; [`limits`]: what that asks of the system
//!
//! A library only so that tests reach its parts: its interface is the command line and the file.

pub mod cli;
pub mod config;
pub mod exec;
pub mod exit;
pub mod handler;
pub mod http;
pub mod limits;
pub mod log;
pub mod outcome;
pub mod run;
pub mod start;
#[cfg(feature = "otel")]
pub mod traces;
pub mod worker;
