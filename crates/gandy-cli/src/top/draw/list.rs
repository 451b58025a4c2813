//! The list of a page: titles and lines, each column where it belongs.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;

use super::super::rows::Width;
use super::super::sieve::Sieve;
use super::super::state::{Link, State};
use super::super::tab::Tab;
use super::{Look, line, text, text_right};

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect, look: Look) {
    if area.height == 0 {
        return;
    }
    let all = state.columns();
    let shown = |index: &usize| area.width >= all[*index].2;
    let columns: Vec<usize> = (0..all.len()).filter(shown).collect();
    let constraints = columns.iter().map(|index| match &all[*index].1 {
        Width::Fixed(width) | Width::Number(width) => Constraint::Length(*width),
        Width::Share(share) | Width::Tail(share) => Constraint::Fill(*share),
    });
    let inner = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    let places = Layout::horizontal(constraints)
        .spacing(2)
        .split(line(inner, 0));
    let cells = |frame: &mut Frame<'_>, below: u16, words: &[&str], style: Style| {
        for (place, index) in places.iter().zip(&columns) {
            let Some(words) = words.get(*index) else {
                continue;
            };
            let place = Rect {
                y: area.y + below,
                ..*place
            };
            match &all[*index].1 {
                Width::Number(_) => drop(text_right(frame, place, words, style)),
                // Bars of a sparkline, each one column wide.
                Width::Tail(_) => {
                    let over = words.chars().count().saturating_sub(place.width.into());
                    let tail: String = words.chars().skip(over).collect();
                    text(frame, place, &tail, style);
                }
                _ => text(frame, place, words, style),
            }
        }
    };
    let titles: Vec<&str> = all.iter().map(|(title, ..)| *title).collect();
    cells(frame, 0, &titles, look.title());
    let (rows, chosen) = state.page();
    if rows.is_empty() {
        text(
            frame,
            line(inner, 2.min(area.height - 1)),
            nothing(state),
            look.faint(),
        );
        return;
    }
    for (index, row) in rows.iter().enumerate().take(usize::from(area.height - 1)) {
        let below = index as u16 + 1;
        let style = if index == chosen {
            look.chosen()
        } else {
            Style::new()
        };
        if index == chosen {
            frame.buffer_mut().set_style(line(area, below), style);
        }
        let words: Vec<&str> = row.cells.iter().map(String::as_str).collect();
        cells(frame, below, &words, style);
    }
}

/// Why there are no lines.
fn nothing(state: &State) -> &'static str {
    match (&state.link, state.sieve()) {
        (_, Sieve::Words(_)) if state.is_read() => "nothing holds these words",
        (_, Sieve::Jobs(_)) if state.is_read() => "no job fits the filter",
        _ if state.is_read() && state.tab == Tab::Metrics => {
            "no run was counted; workers count with their heartbeats"
        }
        _ if state.is_read() => "nothing here",
        (Link::Away { .. }, _) => "not read: Redis is away",
        (Link::New | Link::Up, _) => "reading …",
    }
}
