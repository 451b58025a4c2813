//! Acts on all jobs that fit, one by one known under a number: prepared and counted, then started by a person, then watched or
//! stopped. They run in the background, so that no page waits for a million jobs, and end with the process: what is left is
//! done by the same act again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use gandy::{Act, Acts, Filter, Inspect, Kind, Place, Sweep};

use crate::frame::Visitor;
use crate::problem::{Outcome, Problem};
use crate::spot::place_word;
use crate::{audit, words};

/// Acts that are known; the oldest that does not run is forgotten first.
const KNOWN: usize = 64;
/// Acts that run at once.
const RUNNING: usize = 4;
/// A count is good for so long: a page of yesterday does not delete today.
const PREPARED: Duration = Duration::from_secs(15 * 60);
/// As many jobs in one step on the server as `gandy retry` takes: under 2 ms.
const STEP: usize = 200;
/// Counting ends after so long, and says that there may be more.
const COUNTING: Duration = Duration::from_millis(2_000);

/// One act.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) act: Act,
    pub(crate) place: Place,
    pub(crate) filter: Option<Filter>,
    /// How many fit when it was prepared.
    pub(crate) counted: Acts,
    /// Whether all were looked at then.
    pub(crate) counted_all: bool,
    /// How many stood there then.
    pub(crate) size: u64,
    /// A queue's name goes off the list when it is empty.
    pub(crate) clears: bool,
    made: Instant,
    stop: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Until it is started.
    sweep: Option<Sweep>,
    progress: Progress,
    ended: Option<Instant>,
}

/// How far it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) phase: Phase,
    pub(crate) acts: Acts,
    pub(crate) examined: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Prepared,
    Running,
    Done,
    Stopped,
    Failed(String),
}

impl Phase {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Running => "running",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed(_) => "failed",
        }
    }

    /// Why it failed.
    pub(crate) fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed(why) => Some(why),
            _ => None,
        }
    }
}

/// All that are known.
#[derive(Debug)]
pub(crate) struct Runs {
    known: Mutex<(u64, VecDeque<Arc<Run>>)>,
}

impl Runs {
    /// Numbers them from here on. Drawn anew for each process: a page that was opened before a restart, or at another one
    /// behind the same address, must not start an act that has its number by chance.
    pub(crate) fn new(first: u64) -> Self {
        Self {
            known: Mutex::new((first, VecDeque::new())),
        }
    }

    fn known<T>(&self, look: impl FnOnce(&mut u64, &mut VecDeque<Arc<Run>>) -> T) -> T {
        let mut slot = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, known) = &mut *slot;
        look(last, known)
    }

    pub(crate) fn find(&self, id: u64) -> Option<Arc<Run>> {
        self.known(|_, known| known.iter().find(|run| run.id == id).cloned())
    }

    /// Counts what it would act on. What comes in from now on is left alone.
    pub(crate) async fn prepare(
        &self,
        inspect: &Inspect,
        place: Place,
        filter: Option<Filter>,
        act: Act,
        clears: bool,
    ) -> Outcome<Arc<Run>> {
        let size = inspect.size(&place).await?;
        let sweep = inspect.sweep(&place, filter.clone(), act.clone()).await?;
        let mut preview = sweep.preview();
        let until = Instant::now() + COUNTING;
        let mut counted_all = false;
        while Instant::now() < until {
            if !preview.step().await? {
                counted_all = true;
                break;
            }
        }
        let counted = preview.so_far();
        self.known(|last, known| {
            *last += 1;
            let run = Arc::new(Run {
                id: *last,
                act,
                place,
                filter,
                counted,
                counted_all,
                size,
                clears,
                made: Instant::now(),
                stop: AtomicBool::new(false),
                state: Mutex::new(State {
                    sweep: Some(sweep),
                    progress: Progress::default(),
                    ended: None,
                }),
            });
            known.push_back(Arc::clone(&run));
            if known.len() > KNOWN
                && let Some(at) = known
                    .iter()
                    .position(|run| run.progress().phase != Phase::Running)
            {
                known.remove(at);
            }
            Ok(run)
        })
    }

    /// Starts it; once.
    pub(crate) fn start(
        &self,
        run: &Arc<Run>,
        inspect: &Inspect,
        visitor: &Visitor,
    ) -> Outcome<()> {
        if run.made.elapsed() > PREPARED && run.progress().phase == Phase::Prepared {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "That was counted long ago",
                format!(
                    "{} were counted {} ago",
                    run.what(),
                    words::span_of(run.made.elapsed())
                ),
            )
            .and("Ask for it again from its list, and look at the count."));
        }
        // One at a time: two that are started at once count each other.
        let sweep = self.known(|_, known| {
            let running = known
                .iter()
                .filter(|run| run.progress().phase == Phase::Running)
                .count();
            run.state(|state| match &state.sweep {
                // Clicked twice: it runs, or has run.
                None => Ok(None),
                Some(_) if running >= RUNNING => {
                    Err(Problem::busy(&format!("{RUNNING} acts run already")))
                }
                Some(_) => {
                    state.progress.phase = Phase::Running;
                    Ok(state.sweep.take())
                }
            })
        })?;
        let Some(sweep) = sweep else {
            return Ok(());
        };
        audit::done(
            visitor,
            &format!("begin {}", run.word()),
            &run.what(),
            run.counted.matched,
        );
        tokio::spawn(Arc::clone(run).carry_out(sweep, inspect.clone(), visitor.clone()));
        Ok(())
    }
}

impl Run {
    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn progress(&self) -> Progress {
        self.state(|state| state.progress.clone())
    }

    pub(crate) fn stop(&self, visitor: &Visitor) {
        self.stop.store(true, Ordering::Relaxed);
        let before = self.state(|state| {
            let before = state.progress.phase.clone();
            if state.sweep.take().is_some() {
                state.progress.phase = Phase::Stopped;
            }
            before
        });
        if matches!(before, Phase::Prepared | Phase::Running) {
            let done = self.progress().acts.done;
            audit::done(
                visitor,
                &format!("stop {}", self.word()),
                &self.what(),
                done,
            );
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        word(&self.act)
    }

    /// `jobs of retry that fit class:Mailer`
    pub(crate) fn what(&self) -> String {
        match &self.filter {
            Some(filter) => format!("jobs of {} that fit {filter}", place_word(&self.place)),
            None => format!("all jobs of {}", place_word(&self.place)),
        }
    }

    async fn carry_out(self: Arc<Self>, mut sweep: Sweep, inspect: Inspect, visitor: Visitor) {
        let phase = loop {
            if self.stop.load(Ordering::Relaxed) {
                break Phase::Stopped;
            }
            let stepped = sweep.step(STEP).await;
            self.state(|state| {
                state.progress.acts = sweep.so_far();
                state.progress.examined = sweep.examined();
            });
            match stepped {
                Ok(true) => {}
                Ok(false) => break self.finish(&inspect).await,
                Err(error) if error.kind() == Kind::Unknown => {
                    break Phase::Failed(format!(
                        "{error}. The last step of up to {STEP} jobs was done or not; the same act again does what is left"
                    ));
                }
                Err(error) => {
                    break Phase::Failed(format!("{error}. The same act again does what is left"));
                }
            }
        };
        let done = sweep.so_far().done;
        match &phase {
            Phase::Failed(why) => {
                audit::failed(&visitor, self.word(), &self.what(), why);
            }
            _ => audit::done(&visitor, self.word(), &self.what(), done),
        }
        self.state(|state| {
            state.progress.phase = phase;
            state.ended = Some(Instant::now());
        });
    }

    async fn finish(&self, inspect: &Inspect) -> Phase {
        match (&self.place, self.clears) {
            (Place::Queue(name), true) => match inspect.unlist(name).await {
                Ok(_) => Phase::Done,
                Err(error) => Phase::Failed(format!(
                    "{error}. The queue is empty; its name may be on the list yet"
                )),
            },
            _ => Phase::Done,
        }
    }
}

/// What an act is called in paths and in the log.
pub(crate) fn word(act: &Act) -> &'static str {
    match act {
        Act::Retry => "retry",
        Act::Delete => "delete",
        Act::Bury => "bury",
        Act::Move(_) => "move",
    }
}

/// `Retry 1,204 jobs`, as a person is asked.
pub(crate) fn question(act: &Act, jobs: u64) -> String {
    let jobs = words::count(jobs, "job");
    match act {
        Act::Retry => format!("Run {jobs} now"),
        Act::Delete => format!("Delete {jobs}"),
        Act::Bury => format!("Bury {jobs}"),
        Act::Move(to) => format!("Move {jobs} to queue {to}"),
    }
}

/// What was done, for a notice: `12 jobs deleted`.
pub(crate) fn outcome(act: &Act, acts: &Acts) -> String {
    let done = match act {
        Act::Retry => "put into their queues to run now",
        Act::Delete => "deleted",
        Act::Bury => "buried",
        Act::Move(_) => "moved",
    };
    let mut text = format!("{} {done}", words::count(acts.done, "job"));
    for (count, why) in [
        (acts.gone, "not there any more"),
        (acts.skipped, "that it cannot be done with"),
        (acts.refused, "that Redis could not write there"),
        (acts.newer, "came in meanwhile and stay"),
    ] {
        if count > 0 {
            text += &format!(", {} {why}", words::grouped(count));
        }
    }
    text
}
