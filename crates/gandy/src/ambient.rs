//! The two things taken from the machine: random bytes for ids that must never repeat, and the time of day.

use std::cell::RefCell;

/// Bytes of a job id.
const ID: usize = 12;
/// Ids drawn at once at most.
const STOCK: usize = 64;
/// So long after an id the next one is drawn afresh, microseconds. A fork alone takes longer.
const PAUSE_US: i64 = 10;

/// Fresh random bytes. A machine without a random source cannot run anything safely, so that is a panic.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    draw(&mut bytes);
    bytes
}

#[allow(clippy::expect_used)]
fn draw(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system has a random source");
}

/// The time now, milliseconds since the epoch, of this host's clock.
pub(crate) fn now_ms() -> i64 {
    now_us() / 1000
}

/// The time now, microseconds since the epoch, of this host's clock.
pub(crate) fn now_us() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

thread_local! {
    static DRAWN: RefCell<Stock> = const { RefCell::new(Stock::EMPTY) };
}

/// Random bytes for the id of a job that is made at `now_us`.
///
/// Asking the system costs 0.4 us, a third of what a job of a bulk push may cost in all, and 0.05 us a job for 64 at once.
/// So a thread that makes jobs without a pause draws ahead. What is left after a pause is thrown away: a fork or a copy
/// of the machine is one, so that two processes never have the same id to give. (Asking for the process id instead costs
/// a system call again.)
pub(crate) fn id(now_us: i64) -> [u8; ID] {
    DRAWN.with(|stock| match stock.try_borrow_mut() {
        Ok(mut stock) => stock.next(now_us),
        Err(_) => bytes(),
    })
}

/// Random bytes that no id has been made of yet.
struct Stock {
    bytes: [u8; ID * STOCK],
    /// Ids in it, and those given away.
    drawn: usize,
    given: usize,
    /// When the last one was given away.
    at_us: i64,
}

impl Stock {
    const EMPTY: Self = Self {
        bytes: [0; ID * STOCK],
        drawn: 0,
        given: 0,
        at_us: 0,
    };

    fn next(&mut self, now_us: i64) -> [u8; ID] {
        let pause = now_us.checked_sub(self.at_us);
        let goes_on = pause.is_some_and(|pause| (0..PAUSE_US).contains(&pause));
        self.at_us = now_us;
        if !goes_on || self.given == self.drawn {
            // One who makes a single job draws for that one.
            self.drawn = if goes_on {
                (self.drawn * 4).clamp(1, STOCK)
            } else {
                1
            };
            self.given = 0;
            draw(&mut self.bytes[..self.drawn * ID]);
        }
        let mut id = [0; ID];
        let start = self.given * ID;
        id.copy_from_slice(&self.bytes[start..start + ID]);
        self.given += 1;
        id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_never_repeat_whatever_the_clock_does() {
        let mut stock = Stock::EMPTY;
        let mut seen = HashSet::new();
        for now_us in [0, 5, 5, 6, 16, 4, i64::MAX, i64::MIN, 7] {
            for _ in 0..300 {
                assert!(seen.insert(stock.next(now_us)));
            }
        }
        assert!(stock.drawn == STOCK, "nothing was drawn ahead");
    }

    #[test]
    fn what_is_left_after_a_pause_is_thrown_away() {
        let mut stock = Stock::EMPTY;
        for later in [PAUSE_US, -1, 1_000_000] {
            for number in 0..30 {
                stock.next(1_000 + number);
            }
            assert!(stock.given < stock.drawn, "nothing is left");
            stock.next(1_029 + later);
            assert_eq!((stock.drawn, stock.given), (1, 1), "{later} us later");
        }
    }
}
