//! Exit codes, those of `sysexits.h`, so that a supervisor can tell "fix the configuration" from "try again".

/// Stopped by a signal, everything given back.
pub const CLEAN: u8 = 0;
/// The command line is wrong.
pub const USAGE: u8 = 64;
/// Redis cannot be reached, and `--fail-fast` says not to wait.
pub const UNAVAILABLE: u8 = 69;
/// Something that should not happen.
pub const SOFTWARE: u8 = 70;
/// The configuration is wrong.
pub const CONFIG: u8 = 78;
