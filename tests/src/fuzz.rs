//! Fuzz targets on a stable toolchain: seeds that are damaged at random, for a stated time, shrunk by proptest when one
//! of them breaks something.
//!
//! Not here: what is judged; each target says it in its own test.

use std::time::{Duration, Instant};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestError, TestRunner},
};

/// Inputs between two looks at the clock.
const ROUND: u32 = 500;
/// Inputs are a few kilobytes; a target that needs this much more memory believes what it reads.
const GROWTH_KB: u64 = 256 << 10;

/// Runs `judge` on damaged `seeds` for `GANDY_FUZZ_SECONDS` (5 by default), and on each seed as it is.
///
/// # Panics
/// With the smallest input found on which `judge` panics or fails; or when the process has grown by over 256 MB.
#[track_caller]
pub fn fuzz(seeds: &[Vec<u8>], judge: impl Fn(&[u8]) -> Result<(), TestCaseError>) {
    let before = peak_kb();
    for seed in seeds {
        if let Err(error) = judge(seed) {
            panic!("{error}: {:?}", String::from_utf8_lossy(seed));
        }
    }
    let damaged = damaged(seeds.to_vec());
    let config = Config {
        cases: ROUND,
        failure_persistence: None,
        ..Config::default()
    };
    let (began, limit) = (Instant::now(), duration());
    let mut inputs = seeds.len() as u64;
    while began.elapsed() < limit {
        // A runner counts its successes for good: a second run of it does nothing.
        let mut runner = TestRunner::new(config.clone());
        match runner.run(&damaged, |bytes| judge(&bytes)) {
            Ok(()) => inputs += u64::from(ROUND),
            Err(TestError::Fail(why, bytes)) => panic!(
                "after {inputs} inputs: {why}\n  input: {:?}\n  bytes: {bytes:?}",
                String::from_utf8_lossy(&bytes)
            ),
            Err(error) => panic!("after {inputs} inputs: {error}"),
        }
    }
    println!("{inputs} inputs in {:?}", began.elapsed());
    if let (Some(before), Some(after)) = (before, peak_kb()) {
        let grown = after.saturating_sub(before);
        assert!(grown < GROWTH_KB, "memory grew by {grown} kB");
    }
}

fn duration() -> Duration {
    let seconds = std::env::var("GANDY_FUZZ_SECONDS").ok();
    let seconds = seconds.filter(|text| !text.is_empty()).map_or(5.0, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("GANDY_FUZZ_SECONDS is no number: {text}"))
    });
    Duration::from_secs_f64(seconds)
}

/// A seed with up to six wounds: bytes put in, taken out, changed or doubled, or a piece of another seed.
fn damaged(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let wound = (
        0_u8..5,
        any::<Index>(),
        any::<Index>(),
        vec(any::<u8>(), 0..6),
    );
    (select(seeds.clone()), select(seeds), vec(wound, 0..7)).prop_map(
        |(mut bytes, other, wounds)| {
            for (kind, from, to, fresh) in wounds {
                let (a, b) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
                let (from, to) = (a.min(b), a.max(b));
                match kind {
                    0 => drop(bytes.splice(from..from, fresh)),
                    1 => drop(bytes.drain(from..to)),
                    2 => drop(bytes.splice(from..(from + fresh.len()).min(bytes.len()), fresh)),
                    3 => {
                        let twice = bytes[from..to].to_vec();
                        bytes.splice(to..to, twice);
                    }
                    _ => {
                        let piece = other.iter().skip(a).take(32).copied();
                        bytes.splice(from..from, piece.collect::<Vec<u8>>());
                    }
                }
                // Doubling what was doubled must not become the test's own load.
                bytes.truncate(1 << 14);
            }
            bytes
        },
    )
}

/// The most memory that this process ever held, where the system tells.
fn peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
