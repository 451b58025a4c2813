//! Exit codes, those of `sysexits.h`, so that a supervisor can tell "fix the configuration" from "try again".

/// Stopped by a signal, everything given back.
pub const CLEAN: u8 = 0;
/// `health`: the worker is not well, or nobody answers.
pub const UNHEALTHY: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 64;
/// Redis cannot be reached, and `--fail-fast` says not to wait.
pub const UNAVAILABLE: u8 = 69;
/// Something that should not happen.
pub const SOFTWARE: u8 = 70;
/// Memory was at its limit: everything was given back, and the worker is to be started again.
pub const RESTART: u8 = 75;
/// The configuration is wrong.
pub const CONFIG: u8 = 78;
