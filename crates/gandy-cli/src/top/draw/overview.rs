//! The upper part of the overview: rates with sparklines, totals, and how Redis does.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::super::state::State;
use super::{Look, line, text, text_right};
use crate::printable::printable;
use crate::words;

/// Where the sparklines begin.
const LEFT: u16 = 42;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect, look: Look) {
    moving(state, frame, area, look);
    standing(state, frame, line(area, 5));
    if !state.health.server.is_empty() {
        server(state, frame, area, look);
    }
}

/// The counts that move, with how fast and how they moved.
fn moving(state: &State, frame: &mut Frame<'_>, area: Rect, look: Look) {
    let (totals, rate) = (&state.totals, state.rates.latest());
    let room = usize::from(area.width.saturating_sub(LEFT + 1));
    let lines = state.rates.lines(room);
    let numbers = [
        (
            "processed",
            totals.processed,
            format!("{:.1}/s", rate.processed),
            Color::Green,
        ),
        (
            "failed",
            totals.failed,
            format!("{:.1}/s", rate.failed),
            Color::Red,
        ),
        (
            "enqueued",
            totals.enqueued,
            format!("{:+.1}/s", rate.enqueued),
            Color::Yellow,
        ),
    ];
    for ((index, (name, total, rate, colour)), values) in numbers.into_iter().enumerate().zip(lines)
    {
        let place = line(area, index as u16 + 1);
        let left = |from: u16, width: u16| Rect {
            x: place.x + from.min(place.width),
            width: width.min(place.width.saturating_sub(from)),
            ..place
        };
        text(frame, left(1, 10), name, look.title());
        text_right(frame, left(11, 15), &words::grouped(total), Style::new());
        text_right(frame, left(27, 13), &rate, Style::new());
        text(
            frame,
            left(LEFT, room as u16),
            &spark(&values, room),
            look.paint(colour),
        );
    }
}

/// The other counts.
fn standing(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let totals = &state.totals;
    let small = [
        ("busy", totals.busy),
        ("in flight", totals.in_flight),
        ("scheduled", totals.scheduled),
        ("retries", totals.retries),
        ("dead", totals.dead),
        ("processes", totals.processes),
    ];
    let small = small.map(|(name, number)| format!("{name} {}", words::grouped(number)));
    text(frame, area, &format!(" {}", small.join("  ")), Style::new());
}

/// How Redis does.
fn server(state: &State, frame: &mut Frame<'_>, area: Rect, look: Look) {
    let health = &state.health;
    let uptime = words::span(u64::try_from(health.uptime.as_millis()).unwrap_or(u64::MAX));
    let round_trip = health.round_trip.as_secs_f64() * 1000.0;
    let first = format!(
        " {}  up {uptime}  round trip {round_trip:.1} ms",
        printable(&health.server)
    );
    let limit = match health.memory_max {
        0 => "no limit".to_owned(),
        limit => format!(
            "{} ({} %)",
            words::memory(limit / 1024),
            u128::from(health.memory) * 100 / u128::from(limit)
        ),
    };
    let second = format!(
        " memory {} of {limit}  connections {}  commands {}/s",
        words::memory(health.memory / 1024),
        words::grouped(health.clients),
        words::grouped(health.commands_per_second)
    );
    // Nine tenths: soon pushes are refused, or jobs evicted.
    let full = health.memory_max > 0 && health.memory / 9 >= health.memory_max / 10;
    text(frame, line(area, 7), &first, Style::new());
    text(
        frame,
        line(area, 8),
        &second,
        if full { look.error() } else { Style::new() },
    );
}

/// The values as bars of text, the newest at the right end, the largest as high as a line.
fn spark(values: &[f64], width: usize) -> String {
    let most = values.iter().copied().fold(0.0, f64::max);
    let bars = values.iter().map(|value| {
        let share = if most > 0.0 { value / most } else { 0.0 };
        BARS[((share * 7.0).round() as usize).min(7)]
    });
    let bars: String = bars.collect();
    format!("{bars:>width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_stands_at_the_right_and_is_scaled_by_its_largest() {
        assert_eq!(spark(&[0.0, 5.0, 10.0], 5), "  ▁▅█");
        assert_eq!(spark(&[0.0, 0.0], 2), "▁▁");
        assert_eq!(spark(&[], 2), "  ");
    }
}
