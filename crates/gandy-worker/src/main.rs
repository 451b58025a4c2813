//! The binary: see the library for everything but the order of steps.
fn main() {}
