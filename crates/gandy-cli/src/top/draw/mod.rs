//! The model on a frame: head, tabs, the page, status and keys. Colours only where they are wanted; what matters is also
//! said in words.

mod list;
mod over;
mod overview;

use gandy::views::Metrics;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::sieve::Sieve;
use super::state::{AROUND, Link, OVERVIEW, Over, State};
use super::tab::Tab;
use crate::printable::printable;
use crate::words;

/// How things look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) colour: bool,
}

impl Look {
    fn paint(self, colour: Color) -> Style {
        match self.colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    fn title(self) -> Style {
        self.paint(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    fn error(self) -> Style {
        self.paint(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
}

/// On terminals this wide the tabs have counts.
const COUNTED: u16 = 110;

/// Draws the whole screen.
pub(crate) fn draw(state: &State, frame: &mut Frame<'_>, look: Look) {
    let area = frame.area();
    if area.height <= AROUND || area.width < 20 {
        text(
            frame,
            line(area, 0),
            "gandy top needs a larger window",
            look.error(),
        );
        return;
    }
    head(state, frame, line(area, 0), look);
    tabs(state, frame, line(area, 1), look);
    let mut page = Rect {
        y: area.y + 2,
        height: area.height - 4,
        ..area
    };
    match &state.over {
        Some(Over::Open { row, scrolled }) => {
            over::opened(row, *scrolled, state, frame, page, look)
        }
        Some(Over::Help) => over::help(frame, page, look),
        Some(Over::Sure { .. }) | None => {
            if state.tab == Tab::Overview {
                overview::draw(state, frame, page, look);
                page.y += OVERVIEW.min(page.height);
                page.height = page.height.saturating_sub(OVERVIEW);
            }
            list::draw(state, frame, page, look);
        }
    }
    status(state, frame, line(area, area.height - 2), look);
    let last = line(area, area.height - 1);
    match state.sieve() {
        Sieve::Wrong(why) if state.typing => text(frame, last, &format!(" {why}"), look.error()),
        _ => text(frame, last, keys(state), look.faint()),
    }
}

/// The line so far below the top.
fn line(area: Rect, below: u16) -> Rect {
    Rect {
        y: area.y + below.min(area.height.saturating_sub(1)),
        height: area.height.min(1),
        ..area
    }
}

/// Writes one line, cut where the area ends.
fn text(frame: &mut Frame<'_>, area: Rect, words: &str, style: Style) {
    if area.width == 0 || area.height == 0 {
        return;
    }
    let cut = console::truncate_str(words, usize::from(area.width), "…");
    frame
        .buffer_mut()
        .set_stringn(area.x, area.y, cut, usize::from(area.width), style);
}

/// Writes at the right end of a line; gives what is left of it.
fn text_right(frame: &mut Frame<'_>, area: Rect, words: &str, style: Style) -> Rect {
    let width = u16::try_from(console::measure_text_width(words)).unwrap_or(u16::MAX);
    let width = width.min(area.width);
    let right = Rect {
        x: area.x + area.width - width,
        width,
        ..area
    };
    text(frame, right, words, style);
    Rect {
        width: area.width.saturating_sub(width + 2),
        ..area
    }
}

fn head(state: &State, frame: &mut Frame<'_>, area: Rect, look: Look) {
    if let Link::Away {
        since_ms,
        why,
        answers,
    } = &state.link
    {
        let span = words::span(state.now_ms.abs_diff(*since_ms));
        let what = if *answers { "refuses" } else { "is away" };
        let words = format!(" Redis {what} for {span}, tried again each second: {why}");
        let all = format!("{words:<width$}", width = usize::from(area.width));
        text(
            frame,
            area,
            &all,
            look.error().add_modifier(Modifier::REVERSED),
        );
        return;
    }
    let right = match state.link {
        Link::New => "connecting ".to_owned(),
        _ => format!(
            "{}  {:.1} ms ",
            printable(&state.health.server),
            state.health.round_trip.as_secs_f64() * 1000.0
        ),
    };
    let left = text_right(frame, area, &right, look.faint());
    text(frame, left, " gandy top", look.title());
    let mut server = left;
    server.x += 12.min(left.width);
    server.width = left.width.saturating_sub(12);
    text(frame, server, &state.server, Style::new());
}

fn tabs(state: &State, frame: &mut Frame<'_>, area: Rect, look: Look) {
    let counts = area.width >= COUNTED && matches!(state.link, Link::Up | Link::Away { .. });
    let totals = &state.totals;
    let titles = Tab::ALL.map(|tab| {
        let count = match tab {
            Tab::Busy => Some(totals.busy),
            Tab::Retries => Some(totals.retries),
            Tab::Scheduled => Some(totals.scheduled),
            Tab::Dead => Some(totals.dead),
            Tab::Processes => Some(totals.processes),
            Tab::Overview | Tab::Queues | Tab::Metrics => None,
        };
        let count = count.filter(|_| counts);
        let count = count.map_or_else(String::new, |count| format!(" {}", words::grouped(count)));
        format!("{}{count}", tab.title())
    });
    // On 80 columns neighbours share the space between them.
    let all: usize = titles.iter().map(|title| title.chars().count() + 4).sum();
    let shared = u16::from(all > usize::from(area.width));
    let mut left = area;
    for (index, (tab, title)) in Tab::ALL.into_iter().zip(titles).enumerate() {
        let words = format!(" {} {title} ", index + 1);
        let style = if tab == state.tab {
            look.chosen()
        } else {
            Style::new()
        };
        text(frame, left, &words, style);
        let width = (words.chars().count() as u16 - shared).min(left.width);
        left.x += width;
        left.width -= width;
    }
}

fn status(state: &State, frame: &mut Frame<'_>, area: Rect, look: Look) {
    if let Some(Over::Sure { question, .. }) = &state.over {
        return text(frame, area, &format!(" {question}"), look.error());
    }
    if state.typing {
        let wrong = match state.sieve() {
            Sieve::Wrong(_) => "   wrong: filters nothing; Esc no filter",
            _ => "",
        };
        let typed = format!(" filter: {}_{wrong}", printable(&state.filter));
        return text(frame, area, &typed, look.title());
    }
    if let Some(notice) = &state.notice {
        let style = if notice.is_error {
            look.error()
        } else {
            look.paint(Color::Green)
        };
        return text(frame, area, &format!(" {}", notice.text), style);
    }
    if !matches!(state.over, Some(Over::Open { .. } | Over::Help)) {
        text(frame, area, &where_it_is(state), look.faint());
    }
}

/// Which lines these are, and what the filter looked through.
fn where_it_is(state: &State) -> String {
    let mut parts = Vec::new();
    if let Some(queue) = &state.inside {
        parts.push(format!("queue {}", printable(queue)));
    }
    let (rows, _) = state.page();
    if !rows.is_empty() {
        let from = state.from() as u64;
        let to = from + rows.len() as u64;
        let size = state.size() as u64;
        parts.push(format!(
            "{}-{} of {}",
            words::grouped(from + 1),
            words::grouped(to),
            words::grouped(size)
        ));
    }
    // Before the filter, which may be long: what was not looked through must not be cut.
    if let Some((looked, size)) = state.looked()
        && size > looked as u64
    {
        parts.push(format!(
            "in the first {} of {}",
            words::grouped(looked as u64),
            words::grouped(size)
        ));
    }
    if let Some(metrics) = state.metrics() {
        parts.extend(of_metrics(metrics, state.now_ms));
    }
    if !state.filter.is_empty() {
        parts.push(format!("filter: {}", printable(&state.filter)));
    }
    format!(" {}", parts.join("   "))
}

/// The time they are of, and what else happened in it.
fn of_metrics(metrics: &Metrics, now_ms: i64) -> Vec<String> {
    let minutes = (metrics.to_ms - metrics.from_ms) / 60_000;
    let mut parts = vec![format!("the last {minutes} minutes")];
    if metrics.left_out > 0 {
        parts.push(format!(
            "{} more ran: gandy metrics",
            words::grouped(metrics.left_out as u64)
        ));
    }
    if let Some(mark) = metrics.marks.last() {
        let when = words::relative(mark.at_ms, now_ms);
        parts.push(format!("deploy {} {when}", printable(&mark.label)));
    }
    parts
}

/// The keys that matter here.
fn keys(state: &State) -> &'static str {
    match (&state.over, state.tab) {
        (Some(Over::Help), _) => " any key closes this",
        (Some(Over::Open { .. }), Tab::Processes) => {
            " Esc close  j/k scroll  Q quiet  T end  Ctrl-C quit"
        }
        (Some(Over::Open { .. }), Tab::Busy | Tab::Metrics) => {
            " Esc close  j/k scroll  Ctrl-C quit"
        }
        (Some(Over::Open { .. }), _) => {
            " Esc close  j/k scroll  r retry  d delete  b bury  Ctrl-C quit"
        }
        (Some(Over::Sure { .. }), _) => " y do it  any other key do nothing",
        (None, _) if state.typing => " Enter done  Esc no filter",
        (None, Tab::Queues) if state.inside.is_some() => {
            " ? help  Esc back  / filter  Enter open  d delete  b bury  q quit"
        }
        (None, Tab::Overview | Tab::Queues) => {
            " ? help  1-8 tabs  / filter  Enter jobs  p pause or go on  q quit"
        }
        (None, Tab::Busy | Tab::Metrics) => " ? help  1-8 tabs  / filter  Enter open  q quit",
        (None, Tab::Processes) => " ? help  1-8 tabs  / filter  Enter open  Q quiet  T end  q quit",
        (None, Tab::Dead) => " ? help  1-8 tabs  / filter  Enter open  r retry  d delete  q quit",
        (None, _) => " ? help  1-8 tabs  / filter  Enter open  r retry  d delete  b bury  q quit",
    }
}
