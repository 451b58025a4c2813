//! A way through states, to be read by people.

use std::fmt::{self, Write};

use crate::{
    Action, Request, Scene, State, Token,
    invariant::{Breach, name, worker},
    state::{NOBODY, Redis, Run},
};

/// The way to a broken promise.
#[derive(Debug)]
pub struct Trace {
    /// Of which scene.
    pub name: &'static str,
    /// What is broken at its end.
    pub breach: Breach,
    /// What happened, step by step.
    pub steps: Vec<String>,
}

impl Trace {
    pub(crate) fn new(scene: &Scene, first: &State, breach: Breach) -> Self {
        let begin = format!("{:<76} {}", "(the beginning)", Keys(&first.redis));
        Self {
            name: scene.name,
            breach,
            steps: vec![begin],
        }
    }

    pub(crate) fn add(&mut self, before: &State, action: Action, after: &State) {
        let text = describe(before, action, after);
        self.steps
            .push(format!("{text:<76} {}", Keys(&after.redis)));
    }

    /// The trace of these actions from the beginning on.
    pub(crate) fn of(scene: &Scene, breach: Breach, way: &[Action]) -> Self {
        let mut state = State::new(scene);
        let mut trace = Self::new(scene, &state, breach);
        for action in way {
            let before = state;
            state.apply(scene, *action);
            state.tidy(scene);
            trace.add(&before, *action, &state);
        }
        trace
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.breach)?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{number:>4}  {step}")?;
        }
        Ok(())
    }
}

/// The keys of Redis in one line.
struct Keys<'a>(&'a Redis);

impl fmt::Display for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redis = self.0;
        write!(f, "| queue {}", words(redis.queue.iter()))?;
        if !redis.landing.is_empty() {
            let landed = redis.landing.iter().map(|it| match it.owner {
                NOBODY => it.job.to_string(),
                owner => format!("{}({})", it.job, name(owner)),
            });
            write!(f, " | landing {}", words(landed))?;
        }
        let inflight = redis.inflight.iter();
        write!(
            f,
            " | in flight {}",
            words(inflight.map(|it| format!("{}={}", it.token, it.job)))
        )?;
        if !redis.waiting.is_empty() {
            write!(
                f,
                " | retry {}",
                words(redis.waiting.iter().map(|it| it.job))
            )?;
        }
        write!(f, " | fleet {}", words(redis.fleet.iter().map(name)))?;
        if redis.dying.iter().next().is_some() {
            write!(f, " | dying {}", words(redis.dying.iter().map(name)))?;
        }
        Ok(())
    }
}

fn words(items: impl Iterator<Item = impl fmt::Display>) -> String {
    let mut text = String::new();
    for item in items {
        let _ = write!(text, "{}{item}", if text.is_empty() { "" } else { " " });
    }
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

/// One step in words.
fn describe(state: &State, action: Action, after: &State) -> String {
    let call = |place: usize, number: usize| sentence(state.processes[place].calls[number].request);
    match action {
        Action::Push => format!("a producer pushes job {}", state.acknowledged),
        Action::LosePush => {
            let job = state.acknowledged;
            format!("a producer sends job {job}, no reply comes")
        }
        Action::Run(place, number) => {
            format!("Redis runs {}'s: {}", worker(place), call(place, number))
        }
        Action::Half(place, number) => {
            let (worker, request) = (worker(place), call(place, number));
            format!("Redis stops in the middle of {worker}'s: {request}")
        }
        Action::RunLate(at) => format!("Redis runs: {}", sentence(state.network[at])),
        Action::HalfLate(at) => {
            let request = sentence(state.network[at]);
            format!("Redis stops in the middle of: {request}")
        }
        Action::Send(request) => format!("a reaper or promoter sends: {}", sentence(request)),
        Action::Lapse(life) => format!("the LEASE of {} runs out", name(life)),
        Action::Lose(place, number) => {
            let (worker, request) = (worker(place), call(place, number));
            format!("{worker} gives up on the REPLY to: {request}")
        }
        Action::Snapshot => "the replica falls behind from here on".to_owned(),
        Action::Failover => "FAILOVER to the replica".to_owned(),
        Action::Crash(place) => format!("{} DIES", worker(place)),
        Action::Freeze(place) => format!("{} FREEZES", worker(place)),
        Action::Thaw(place) => format!("{} goes on", worker(place)),
        Action::LoseRegistration(place) => format!("{} registers, no reply comes", worker(place)),
        Action::Leave(place) => format!("{} leaves the fleet", worker(place)),
        Action::Exit(place) => format!("{} ends", worker(place)),
        Action::Boot(place) | Action::Begin(place) | Action::Renew(place) => {
            let identity = name(after.processes[place].life);
            let what = match action {
                Action::Boot(_) => "starts anew as",
                Action::Begin(_) => "begins a new life as",
                _ if after.processes[place].over => "learns of the death of",
                _ => "renews the lease of",
            };
            format!("{} {what} {identity}", worker(place))
        }
        _ => describe_work(state, action, after),
    }
}

/// What a worker does with its jobs, in words.
fn describe_work(state: &State, action: Action, after: &State) -> String {
    let (place, what) = match action {
        Action::Claim(place) => {
            let calls = after.processes[place].calls;
            let mut sent = calls.iter().map(|call| call.request);
            let claim = sent.find(|it| matches!(it, Request::Claim { .. }));
            let claim = sentence(claim.unwrap_or_default());
            (place, format!("sends: {claim}"))
        }
        Action::Wait(place) => {
            let what = "blocks on the queue, a claim right behind";
            (place, what.to_owned())
        }
        Action::Start(place, token) => (
            place,
            format!("begins to run {}", held(state, place, token)),
        ),
        Action::End(place, token, run) => {
            let how = match run {
                Run::Finishing => "has run; finish is sent",
                Run::Retrying => "has failed; its retry is sent",
                Run::Burying => "has failed for good; its burial is sent",
                _ => "is not begun and goes back",
            };
            (place, format!("says: {} {how}", held(state, place, token)))
        }
        Action::Repeat(place, token) => {
            let job = held(state, place, token);
            (place, format!("tells the end of {job} again"))
        }
        Action::Adopt(place, token) => (
            place,
            format!("finds {token} among what it holds, and reads it"),
        ),
        Action::Reject(place, token) => {
            let what = format!("finds {token} among what it holds, and gives it back");
            (place, what)
        }
        Action::Look(place) => {
            let what = "has compared once with what Redis says it holds";
            (place, what.to_owned())
        }
        _ => return format!("{action:?}"),
    };
    format!("{} {what}", worker(place))
}

fn held(state: &State, place: usize, token: Token) -> String {
    let mut held = state.processes[place].held.iter();
    match held.find(|it| it.token == token) {
        Some(it) => format!("job {} ({token})", it.job),
        None => format!("{token}"),
    }
}

/// A request in words.
fn sentence(request: Request) -> String {
    match request {
        Request::Nothing => "nothing".to_owned(),
        Request::Push { job } => format!("push job {job}"),
        Request::Claim {
            life,
            first: 0,
            wanted,
        } => format!("claim {wanted} as {}", name(life)),
        Request::Claim {
            life,
            first,
            wanted,
        } => format!("claim {wanted} as {}{first}", name(life)),
        Request::Wait {
            token,
            moved: false,
        } => format!("blocking move, then claim as {token}"),
        Request::Wait { token, moved: true } => format!("claim what landed as {token}"),
        Request::Finish { token, job } => format!("finish {token} (job {job})"),
        Request::Settle { token, job, buries } => {
            let to = if buries { "dead" } else { "retry" };
            format!("fail {token} (job {job}) into {to}")
        }
        Request::GiveBack { token, job, .. } => format!("give {token} back (job {job})"),
        Request::Read { token } => format!("read {token}"),
        Request::Condemn { life } => format!("condemn {}", name(life)),
        Request::Reap { token, job, .. } => format!("reap {token} (job {job})"),
        Request::Forget { life } => format!("forget {}", name(life)),
        Request::Unland { .. } => "unland".to_owned(),
        Request::Promote { entry } => format!("promote job {}", entry.job),
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", name(self.life), self.number)
    }
}
