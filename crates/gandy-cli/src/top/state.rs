//! The model: what is known, what is looked at, and what an event makes of it. No I/O and no clock: times come with the
//! events.

use std::cmp::Reverse;

use gandy::views::Metrics;
use gandy::{Place, RedisHealth, Totals};

use super::event::{Act, Ask, Body, Effect, Event, Seen};
use super::keys;
use super::rates::Rates;
use super::rows::{self, Columns, Row, Target};
use super::sieve::Sieve;
use super::tab::Tab;

/// Lines around a list: head, tabs, titles, status, keys.
pub(crate) const AROUND: u16 = 5;

/// Lines of the overview above its queues.
pub(crate) const OVERVIEW: u16 = 10;

/// Jobs on one page, however high the terminal is: payloads can be large.
const PAGE_MAX: u16 = 100;

/// How long a notice stays.
const NOTICE_MS: i64 = 6_000;

#[derive(Debug)]
pub(crate) struct State {
    /// Which Redis, in words.
    pub(crate) server: String,
    pub(crate) tab: Tab,
    /// The queue whose jobs are shown, on the tab of the queues.
    pub(crate) inside: Option<String>,
    /// Which line is chosen, counted over all pages.
    pub(crate) cursor: usize,
    /// As it was written; [`State::sieve`] is what it means.
    pub(crate) filter: String,
    /// Whether keys write the filter.
    pub(crate) typing: bool,
    pub(crate) over: Option<Over>,
    pub(crate) notice: Option<Notice>,
    pub(crate) link: Link,
    pub(crate) totals: Totals,
    pub(crate) health: RedisHealth,
    pub(crate) rates: Rates,
    pub(crate) rows: Vec<Row>,
    pub(crate) now_ms: i64,
    /// What the last reading was asked for; nothing after the page was changed.
    read: Option<(Ask, Body)>,
    height: u16,
}

/// What lies over the page.
#[derive(Debug)]
pub(crate) enum Over {
    Help,
    /// A line opened: what it is, its text, and the first line shown.
    Open {
        row: Box<Row>,
        scrolled: usize,
    },
    /// A question before an act.
    Sure {
        question: String,
        act: Box<Act>,
    },
}

#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) is_error: bool,
    until_ms: i64,
}

/// Whether Redis answers.
#[derive(Debug)]
pub(crate) enum Link {
    /// Not asked yet.
    New,
    Up,
    Away {
        since_ms: i64,
        why: String,
        /// It answers, but not what is asked for.
        answers: bool,
    },
}

impl State {
    pub(crate) fn new(server: String, height: u16, now_ms: i64) -> Self {
        Self {
            server,
            tab: Tab::Overview,
            inside: None,
            cursor: 0,
            filter: String::new(),
            typing: false,
            over: None,
            notice: None,
            link: Link::New,
            totals: Totals::default(),
            health: RedisHealth::default(),
            rates: Rates::default(),
            rows: Vec::new(),
            now_ms,
            read: None,
            height,
        }
    }

    /// What has to be read for what is shown.
    pub(crate) fn ask(&self) -> Ask {
        match self.place() {
            Some(place) if !self.sieve().is_closed() => Ask::Page {
                place,
                from: self.from(),
                count: self.lines(),
            },
            Some(place) => Ask::Front(place),
            None if matches!(self.tab, Tab::Busy | Tab::Processes) => Ask::Processes,
            None if self.tab == Tab::Metrics => Ask::Metrics,
            None => Ask::Queues,
        }
    }

    /// The place whose jobs are listed, if jobs are.
    pub(crate) fn place(&self) -> Option<Place> {
        match (&self.inside, self.tab) {
            (Some(queue), Tab::Queues) => Some(Place::Queue(queue.clone())),
            (_, tab) => tab.place(),
        }
    }

    /// What the filter means here.
    pub(crate) fn sieve(&self) -> Sieve {
        Sieve::new(
            &self.filter,
            self.tab == Tab::Busy || self.place().is_some(),
        )
    }

    pub(crate) fn columns(&self) -> Columns {
        match (self.place(), self.tab) {
            (Some(place), _) => rows::columns_of(&place),
            (None, Tab::Busy) => rows::RUNNING,
            (None, Tab::Processes) => rows::PROCESSES,
            (None, Tab::Metrics) => rows::METRICS,
            (None, _) => rows::QUEUES,
        }
    }

    /// Lines of the list that fit.
    pub(crate) fn lines(&self) -> usize {
        let above = if self.tab == Tab::Overview {
            OVERVIEW
        } else {
            0
        };
        usize::from(
            self.height
                .saturating_sub(AROUND + above)
                .clamp(1, PAGE_MAX),
        )
    }

    /// The number of the page's first line. Pages are turned whole, so that a page read again is the same page.
    pub(crate) fn from(&self) -> usize {
        self.cursor / self.lines() * self.lines()
    }

    /// All lines, those of the other pages included.
    pub(crate) fn size(&self) -> usize {
        match &self.read {
            Some((Ask::Page { .. }, Body::Jobs { size, .. })) => {
                usize::try_from(*size).unwrap_or(usize::MAX)
            }
            _ => self.rows.len(),
        }
    }

    /// When a filter looked through the beginning of a place: how far, and how much there is.
    pub(crate) fn looked(&self) -> Option<(usize, u64)> {
        match &self.read {
            Some((Ask::Front(_), Body::Jobs { jobs, size })) => Some((jobs.len(), *size)),
            _ => None,
        }
    }

    /// What the tab of the metrics shows.
    pub(crate) fn metrics(&self) -> Option<&Metrics> {
        match &self.read {
            Some((_, Body::Metrics(metrics))) => Some(metrics),
            _ => None,
        }
    }

    /// Whether the page has been read.
    pub(crate) fn is_read(&self) -> bool {
        self.read.is_some()
    }

    /// The lines of this page, and which of them is chosen.
    pub(crate) fn page(&self) -> (&[Row], usize) {
        let chosen = self.cursor - self.from();
        let rows = match &self.read {
            Some((Ask::Page { .. }, _)) => self.rows.as_slice(),
            _ => self.rows.get(self.from()..).unwrap_or_default(),
        };
        (&rows[..rows.len().min(self.lines())], chosen)
    }

    /// The chosen line.
    pub(crate) fn chosen(&self) -> Option<&Row> {
        let (rows, chosen) = self.page();
        rows.get(chosen)
    }

    /// Takes an event in, and says what is to be done.
    pub(crate) fn update(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Key(key) => return keys::press(self, key),
            Event::Resize(height) => {
                let before = self.ask();
                self.height = height;
                return self.turned(&before);
            }
            Event::Seen(seen) => return self.see(*seen),
            Event::Away {
                why,
                answers,
                now_ms,
            } => {
                self.now_ms = now_ms;
                let since_ms = match self.link {
                    Link::Away { since_ms, .. } => since_ms,
                    _ => now_ms,
                };
                self.link = Link::Away {
                    since_ms,
                    why,
                    answers,
                };
            }
            Event::Acted { what, now_ms } => {
                self.now_ms = now_ms;
                let is_error = what.is_err();
                let (Ok(text) | Err(text)) = what;
                self.say(text, is_error);
                return vec![Effect::Look(self.ask())];
            }
            Event::Tick(now_ms) => {
                self.now_ms = now_ms;
                if self
                    .notice
                    .as_ref()
                    .is_some_and(|notice| notice.until_ms < now_ms)
                {
                    self.notice = None;
                }
            }
            Event::End => return vec![Effect::Quit],
        }
        Vec::new()
    }

    pub(crate) fn say(&mut self, text: String, is_error: bool) {
        self.notice = Some(Notice {
            text,
            is_error,
            until_ms: self.now_ms + NOTICE_MS,
        });
    }

    fn see(&mut self, seen: Seen) -> Vec<Effect> {
        self.now_ms = seen.now_ms;
        self.link = Link::Up;
        self.rates.note(seen.now_ms, &seen.totals);
        self.totals = seen.totals;
        self.health = seen.health;
        let before = self.ask();
        // An answer to an older question: the page was turned meanwhile.
        if seen.ask != before {
            return Vec::new();
        }
        let chosen = self.chosen().cloned();
        self.read = Some((seen.ask, seen.body));
        self.write_rows();
        // The finger stays on its line when others come and go.
        let stayed =
            chosen.and_then(|chosen| self.rows.iter().position(|row| row.is_same(&chosen)));
        if let Some(index) = stayed {
            let is_page = matches!(before, Ask::Page { .. });
            self.cursor = index + if is_page { self.from() } else { 0 };
        }
        self.clamp();
        self.turned(&before)
    }

    /// Makes the lines anew, from what was read.
    pub(crate) fn write_rows(&mut self) {
        let Some((_, body)) = &self.read else {
            self.rows.clear();
            return;
        };
        let mut rows = rows::of(body, self.tab == Tab::Busy, self.now_ms);
        if self.tab == Tab::Overview {
            rows.sort_by_key(|row| match row.target {
                Target::Queue { size, .. } => Reverse(size),
                _ => Reverse(0),
            });
        }
        let sieve = self.sieve();
        rows.retain(|row| sieve.passes(row, self.now_ms));
        self.rows = rows;
    }

    pub(crate) fn clamp(&mut self) {
        self.cursor = self.cursor.min(self.size().saturating_sub(1));
    }

    /// After something that may have changed what has to be read.
    pub(crate) fn turned(&mut self, before: &Ask) -> Vec<Effect> {
        let ask = self.ask();
        if ask == *before {
            return Vec::new();
        }
        // A list that is whole here is only shown from another line on.
        if let Ask::Page { .. } | Ask::Front(_) = ask {
            self.read = self.read.take().filter(|(read, _)| *read == ask);
        }
        self.write_rows();
        vec![Effect::Look(ask)]
    }

    /// To another page of the screen.
    pub(crate) fn go(&mut self, tab: Tab, inside: Option<String>) -> Vec<Effect> {
        (self.tab, self.inside) = (tab, inside);
        self.cursor = 0;
        self.filter.clear();
        self.read = None;
        self.rows.clear();
        vec![Effect::Look(self.ask())]
    }
}
