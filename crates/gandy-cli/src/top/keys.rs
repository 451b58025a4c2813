//! What a key means.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use gandy::Place;

use super::event::{Act, Effect};
use super::rows::{Row, Target};
use super::sieve::Sieve;
use super::state::{Over, State};
use super::tab::Tab;
use crate::printable::printable;

/// Keys and what they do, as the help shows them.
pub(crate) const HELP: &[(&str, &str)] = &[
    (
        "1-8, Tab, Shift-Tab",
        "go to a tab, the next one, the one before",
    ),
    ("up, down, k, j", "choose a line"),
    (
        "PgUp, PgDn, g, G",
        "turn the page; to the first, to the last",
    ),
    (
        "/",
        "filter: of jobs class:Mailer* error:Timeout arg:42 age>1h",
    ),
    (
        "",
        "(gandy jobs --help has all terms), else words of the line",
    ),
    (
        "Enter",
        "open a job, a process, a class; the jobs of a queue",
    ),
    ("r", "retry a job now: of retries, scheduled or dead"),
    ("d", "delete a job, after a question"),
    ("b", "bury a job in the dead set, after a question"),
    ("p", "pause a queue, or end its pause"),
    ("Q", "tell a process to stop claiming, after a question"),
    ("T", "tell a process to end, after a question"),
    ("Esc", "close, clear the filter, go back, at last quit"),
    ("q, Ctrl-C", "quit"),
];

pub(crate) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    // It has been read, and hides which lines these are.
    state.notice = None;
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    if control && key.code == KeyCode::Char('c') {
        return vec![Effect::Quit];
    }
    if control || key.modifiers.contains(KeyModifiers::ALT) {
        return Vec::new();
    }
    if state.typing {
        return write(state, key.code);
    }
    match state.over.take() {
        None => on_page(state, key.code),
        // Any key closes it.
        Some(Over::Help) => Vec::new(),
        Some(Over::Sure { act, .. }) => match key.code {
            KeyCode::Char('y' | 'Y') => vec![Effect::Act(*act)],
            _ => {
                state.say("nothing was done".to_owned(), false);
                Vec::new()
            }
        },
        Some(Over::Open { row, scrolled }) => on_open(state, row, scrolled, key.code),
    }
}

/// While the filter is written.
fn write(state: &mut State, key: KeyCode) -> Vec<Effect> {
    let before = state.ask();
    match key {
        // What is no filter stays open: the next key would act on a line that was not meant.
        KeyCode::Enter if matches!(state.sieve(), Sieve::Wrong(_)) => {}
        KeyCode::Enter => {
            state.typing = false;
            if state.filter.trim().is_empty() {
                state.filter.clear();
            }
        }
        KeyCode::Esc => {
            state.typing = false;
            state.filter.clear();
        }
        KeyCode::Backspace if state.filter.pop().is_none() => state.typing = false,
        KeyCode::Char(character) if state.filter.len() < 100 => state.filter.push(character),
        _ => {}
    }
    state.cursor = 0;
    state.write_rows();
    state.turned(&before)
}

fn on_page(state: &mut State, key: KeyCode) -> Vec<Effect> {
    match key {
        KeyCode::Char('q') => return vec![Effect::Quit],
        KeyCode::Esc if !state.filter.is_empty() => {
            let before = state.ask();
            state.filter.clear();
            state.cursor = 0;
            state.write_rows();
            return state.turned(&before);
        }
        KeyCode::Esc if state.inside.is_some() => return state.go(Tab::Queues, None),
        KeyCode::Esc => return vec![Effect::Quit],
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => state.over = Some(Over::Help),
        KeyCode::Char('/') => state.typing = true,
        KeyCode::Tab | KeyCode::Right => return state.go(state.tab.step(1), None),
        KeyCode::BackTab | KeyCode::Left => {
            return state.go(state.tab.step(Tab::ALL.len() - 1), None);
        }
        KeyCode::Char(digit @ '1'..='8') => {
            let index = usize::from(digit as u8 - b'1');
            return state.go(Tab::ALL[index], None);
        }
        KeyCode::Enter => return open(state),
        KeyCode::Char(act @ ('r' | 'd' | 'b' | 'p' | 'Q' | 'T')) => {
            if let Some(row) = state.chosen().cloned() {
                return on_row(state, &row, act);
            }
        }
        key => return choose(state, key),
    }
    Vec::new()
}

fn choose(state: &mut State, key: KeyCode) -> Vec<Effect> {
    let before = state.ask();
    let (lines, last) = (state.lines(), state.size().saturating_sub(1));
    state.cursor = match key {
        KeyCode::Up | KeyCode::Char('k') => state.cursor.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => state.cursor.saturating_add(1),
        KeyCode::PageUp => state.cursor.saturating_sub(lines),
        KeyCode::PageDown => state.cursor.saturating_add(lines),
        KeyCode::Home | KeyCode::Char('g') => 0,
        KeyCode::End | KeyCode::Char('G') => last,
        _ => state.cursor,
    }
    .min(last);
    state.turned(&before)
}

fn open(state: &mut State) -> Vec<Effect> {
    match state.chosen().cloned() {
        Some(Row {
            target: Target::Queue { name, .. },
            ..
        }) => return state.go(Tab::Queues, Some(name)),
        Some(row) => {
            state.over = Some(Over::Open {
                row: Box::new(row),
                scrolled: 0,
            });
        }
        None => {}
    }
    Vec::new()
}

fn on_open(state: &mut State, row: Box<Row>, scrolled: usize, key: KeyCode) -> Vec<Effect> {
    let page = state.lines();
    let scrolled = match key {
        KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => return Vec::new(),
        KeyCode::Char(act @ ('r' | 'd' | 'b' | 'Q' | 'T')) => {
            let effects = on_row(state, &row, act);
            // What was refused leaves it open.
            if effects.is_empty() && state.over.is_none() {
                state.over = Some(Over::Open { row, scrolled });
            }
            return effects;
        }
        KeyCode::Up | KeyCode::Char('k') => scrolled.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => scrolled.saturating_add(1),
        KeyCode::PageUp => scrolled.saturating_sub(page),
        KeyCode::PageDown | KeyCode::Char(' ') => scrolled.saturating_add(page),
        KeyCode::Home | KeyCode::Char('g') => 0,
        KeyCode::End | KeyCode::Char('G') => usize::MAX,
        _ => scrolled,
    };
    state.over = Some(Over::Open { row, scrolled });
    Vec::new()
}

/// An act on the line that is shown, or the question before it.
fn on_row(state: &mut State, row: &Row, key: char) -> Vec<Effect> {
    let (question, act) = match (key, &row.target) {
        ('r', Target::Job(found)) if matches!(found.job.place, Place::Queue(_)) => {
            state.say("it waits in its queue already".to_owned(), true);
            return Vec::new();
        }
        ('r', Target::Job(found)) => return vec![Effect::Act(Act::Retry(found.job.clone()))],
        ('d', Target::Job(found)) => (
            format!("Delete {}?", name(row)),
            Act::Delete(found.job.clone()),
        ),
        ('b', Target::Job(found)) if found.job.place == Place::Dead => {
            state.say("it is in the dead set already".to_owned(), true);
            return Vec::new();
        }
        ('b', Target::Job(found)) => (
            format!("Bury {} in the dead set?", name(row)),
            Act::Bury(found.job.clone()),
        ),
        (
            'p',
            Target::Queue {
                name,
                paused: false,
                ..
            },
        ) => {
            return vec![Effect::Act(Act::Pause(name.clone()))];
        }
        (
            'p',
            Target::Queue {
                name, paused: true, ..
            },
        ) => {
            return vec![Effect::Act(Act::Unpause(name.clone()))];
        }
        ('Q', Target::Process(process)) => (
            format!("Tell {} to stop claiming?", printable(&process.identity)),
            Act::Quiet(process.identity.clone()),
        ),
        ('T', Target::Process(process)) => (
            format!("Tell {} to end?", printable(&process.identity)),
            Act::Stop(process.identity.clone()),
        ),
        ('p', _) => return refuse(state, "p pauses a queue: go to the queues"),
        ('Q' | 'T', _) => return refuse(state, "Q and T tell a process: go to the processes"),
        (_, Target::Running { .. }) => {
            return refuse(state, "it is running; this is for jobs that wait");
        }
        _ => {
            return refuse(
                state,
                "r, d and b are for a job: choose one of a queue or a set",
            );
        }
    };
    state.over = Some(Over::Sure {
        question: question + " y/N",
        act: Box::new(act),
    });
    Vec::new()
}

fn refuse(state: &mut State, why: &str) -> Vec<Effect> {
    state.say(why.to_owned(), true);
    Vec::new()
}

/// A job in few words: its class and jid.
fn name(row: &Row) -> String {
    let Target::Job(found) = &row.target else {
        return "it".to_owned();
    };
    match &found.job.payload {
        Ok(payload) => {
            let short = |text: &str| text.chars().take(36).collect::<String>();
            printable(&format!(
                "{} {}",
                short(payload.display_class()),
                short(payload.jid())
            ))
        }
        Err(_) => "what is not a job".to_owned(),
    }
}
