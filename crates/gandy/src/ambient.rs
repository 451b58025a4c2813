//! The two things taken from the machine: random bytes for ids that must never repeat, and the time of day.
//!
//! Nothing is drawn ahead of what it is for. A stock of random bytes is there twice after a fork, and after a copy of the
//! machine, which no look at the process id tells; two processes would then give different jobs the same id.

/// Fresh random bytes. A machine without a random source cannot run anything safely, so that is a panic.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [[0; N]];
    fill(&mut bytes);
    let [bytes] = bytes;
    bytes
}

/// As [`bytes`], for many that are needed at once: the system is asked once, which costs more than the bytes.
#[allow(clippy::expect_used)]
pub(crate) fn fill<const N: usize>(many: &mut [[u8; N]]) {
    getrandom::fill(many.as_flattened_mut()).expect("the operating system has a random source");
}

/// The time now, milliseconds since the epoch, of this host's clock.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
