//! The loop: keys, readings, acts, signals and the second hand go into the model; what it asks for is done; then it is
//! drawn.

use std::time::Duration;

use crossterm::event::Event as Input;
use gandy::Inspect;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::acts;
use super::draw::{Look, draw};
use super::event::{Act, Ask, Effect, Event};
use super::source::Source;
use super::state::State;
use super::terminal::Screen;
use crate::failure::{Failure, exit};
use crate::words;

/// Between two readings.
const PERIOD: Duration = Duration::from_secs(1);

/// Events that wait for the loop; who makes more waits.
const WAITING: usize = 64;

/// Shows the screen until a key or a signal ends it.
pub(crate) async fn run(inspect: &Inspect, server: String, look: Look) -> Result<(), Failure> {
    let (tell, mut events) = mpsc::channel(WAITING);
    let (_, height) = crossterm::terminal::size().map_err(|error| failed(&error))?;
    let mut state = State::new(server, height, words::now_ms());
    let (ask, asked) = watch::channel(state.ask());
    let (act, acts) = mpsc::channel(WAITING);
    let mut tasks = JoinSet::new();
    tasks.spawn(signals(tell.clone()).map_err(|error| failed(&error))?);
    tasks.spawn(read(Source::new(inspect.clone()), asked, tell.clone()));
    tasks.spawn(obey(inspect.clone(), acts, tell.clone()));
    tasks.spawn(tick(tell.clone()));
    let mut screen = Screen::take().map_err(|error| failed(&error))?;
    // A thread, because reading a terminal blocks; it ends with the process.
    std::thread::spawn(move || keys(&tell));
    loop {
        screen
            .terminal
            .draw(|frame| draw(&state, frame, look))
            .map_err(|error| failed(&error))?;
        let mut next = tokio::select! {
            event = events.recv() => event,
            // None of them ends before the loop does, unless by a panic, whose words are said.
            _ = tasks.join_next() => return Err(Failure::bug("a part of gandy top failed; please report what is above")),
        };
        while let Some(event) = next {
            for effect in state.update(event) {
                match effect {
                    Effect::Quit => return Ok(()),
                    Effect::Look(what) => drop(ask.send_replace(what)),
                    // Full: as many acts wait for Redis as anybody can have meant.
                    Effect::Act(what) => drop(act.try_send(what)),
                }
            }
            next = events.try_recv().ok();
        }
    }
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::io(format!("the terminal cannot be used: {error}"))
}

/// Keys and sizes, until the terminal is gone.
fn keys(tell: &mpsc::Sender<Event>) {
    loop {
        let event = match crossterm::event::read() {
            Ok(Input::Key(key)) => Event::Key(key),
            Ok(Input::Resize(_, height)) => Event::Resize(height),
            Ok(_) => continue,
            Err(_) => Event::End,
        };
        let over = matches!(event, Event::End);
        if tell.blocking_send(event).is_err() || over {
            return;
        }
    }
}

/// Ends the screen in order when the process is told to end, or its terminal hangs up.
fn signals(tell: mpsc::Sender<Event>) -> std::io::Result<impl Future<Output = ()> + use<>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
            let _ = tell.send(Event::End).await;
        }
    })
}

/// Reads once a second, and at once when something else is asked for.
async fn read(mut source: Source, mut asked: watch::Receiver<Ask>, tell: mpsc::Sender<Event>) {
    loop {
        let ask = asked.borrow_and_update().clone();
        let event = match source.read(&ask).await {
            Ok(seen) => Event::Seen(Box::new(seen)),
            Err(error) => away(error),
        };
        if tell.send(event).await.is_err() {
            return;
        }
        // Either the second is over or something else is asked for.
        if let Ok(Err(_)) = timeout(PERIOD, asked.changed()).await {
            return;
        }
    }
}

fn away(error: gandy::Error) -> Event {
    let failure = Failure::from(error);
    Event::Away {
        // Its first line is the cause.
        why: failure.text.lines().next().unwrap_or_default().to_owned(),
        answers: failure.code != exit::UNAVAILABLE,
        now_ms: words::now_ms(),
    }
}

async fn obey(inspect: Inspect, mut acts: mpsc::Receiver<Act>, tell: mpsc::Sender<Event>) {
    while let Some(act) = acts.recv().await {
        let what = acts::perform(&inspect, act).await;
        let now_ms = words::now_ms();
        if tell.send(Event::Acted { what, now_ms }).await.is_err() {
            return;
        }
    }
}

async fn tick(tell: mpsc::Sender<Event>) {
    let mut seconds = interval(PERIOD);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        if tell.send(Event::Tick(words::now_ms())).await.is_err() {
            return;
        }
    }
}
