//! Not faster than so many jobs a second, for whatever stands behind the workers.

use std::time::{Duration, Instant};

/// Steps in a second at most, so that a slow pace is still an even one.
const STEPS_PER_SECOND: f64 = 10.0;

/// Jobs per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(f64);

pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match unit {
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => 0.0,
    };
    match number.parse::<u32>() {
        Ok(number) if number > 0 && seconds > 0.0 => Ok(Rate(f64::from(number) / seconds)),
        _ => Err("write a number of jobs from 1 and a unit: 50/s, 600/m or 1000/h".to_owned()),
    }
}

/// When the next step may begin.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<Rate>,
    /// When the next step is due.
    next: Instant,
}

impl Pace {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self {
            rate,
            next: Instant::now(),
        }
    }

    /// Jobs of the next step, `most` at most.
    pub(super) fn most(&self, most: usize) -> usize {
        match self.rate {
            Some(Rate(rate)) => ((rate / STEPS_PER_SECOND) as usize).clamp(1, most),
            None => most,
        }
    }

    /// A step begins now. Time in which nothing was done (a long look for jobs that fit, a process that was stopped) is not
    /// made up for: what came of that was a burst as large as the time was long.
    pub(super) fn begin(&mut self, now: Instant) {
        self.next = self.next.max(now);
    }

    /// How long to wait after a step with so many jobs.
    pub(super) fn pause(&mut self, acted: u64, now: Instant) -> Duration {
        let Some(Rate(rate)) = self.rate else {
            return Duration::ZERO;
        };
        let takes = Duration::try_from_secs_f64(acted as f64 / rate).unwrap_or(Duration::MAX);
        self.next = self.next.checked_add(takes).unwrap_or(self.next);
        self.next.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_with_its_unit() {
        for (text, per_second) in [
            ("50/s", 50.0),
            ("50", 50.0),
            ("600/m", 10.0),
            ("3600/h", 1.0),
        ] {
            assert_eq!(rate(text), Ok(Rate(per_second)), "{text}");
        }
        for wrong in ["", "0/s", "-1/s", "x/s", "5/d", "5/", "1.5/s"] {
            assert!(
                rate(wrong).is_err_and(|error| error.contains("50/s")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn steps_are_small_where_the_pace_is_slow_and_never_too_large() {
        let most = |per_second| Pace::new(Some(Rate(per_second))).most(500);
        assert_eq!([most(0.1), most(50.0), most(1e9)], [1, 5, 500]);
        assert_eq!(Pace::new(None).most(500), 500);
    }

    #[test]
    fn time_in_which_nothing_was_done_is_not_made_up_for() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut pace = Pace::new(Some(Rate(10.0)));
        pace.next = began;
        let mut step = |from, acted, to| {
            pace.begin(at(from));
            pace.pause(acted, at(to)).as_millis()
        };
        assert_eq!(step(0, 5, 100), 400, "the step's own time counts");
        assert_eq!(step(500, 5, 550), 450);
        // A minute's look, and then as fast as ever.
        assert_eq!(step(1_000, 0, 61_000), 0);
        assert_eq!(step(61_000, 1, 61_010), 90);
        assert_eq!(step(61_100, 1, 61_110), 90);
        // A step that Redis kept for a minute.
        assert_eq!(step(61_200, 1, 121_200), 0);
        assert_eq!(step(121_200, 1, 121_200), 100);
        assert_eq!(Pace::new(None).pause(1_000_000, at(0)), Duration::ZERO);
    }
}
