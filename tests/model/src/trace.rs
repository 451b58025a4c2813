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
    let identity = |place: usize| name(after.processes[place].life);
    match action {
        Action::Push => format!("a producer pushes job {}", state.acknowledged),
        Action::LosePush => format!(
            "a producer sends job {}, no reply comes",
            state.acknowledged
        ),
        Action::Claim(place) => {
            let calls = after.processes[place].calls;
            let mut sent = calls.iter().map(|call| call.request);
            let claim = sent.find(|it| matches!(it, Request::Claim { .. }));
            format!(
                "{} sends: {}",
                worker(place),
                sentence(claim.unwrap_or_default())
            )
        }
        Action::Wait(place) => format!(
            "{} blocks on the queue, a claim right behind",
            worker(place)
        ),
        Action::Start(place, token) => format!(
            "{} begins to run {}",
            worker(place),
            held(state, place, token)
        ),
        Action::End(place, token, run) => {
            let job = held(state, place, token);
            let how = match run {
                Run::Finishing => "has run well; finish is sent",
                Run::Retrying => "has failed; its retry is sent",
                Run::Burying => "has failed for good; its burial is sent",
                _ => "is not begun and goes back",
            };
            format!("{}: {job} {how}", worker(place))
        }
        Action::Repeat(place, token) => format!(
            "{} tells the end of {} again",
            worker(place),
            held(state, place, token)
        ),
        Action::Stall(place, token) => format!(
            "{}'s lease thread gives {} back",
            worker(place),
            held(state, place, token)
        ),
        Action::Adopt(place, token) => format!(
            "{} finds {token} among what it holds, and reads it",
            worker(place)
        ),
        Action::Reject(place, token) => format!(
            "{} finds {token} among what it holds, and gives it back",
            worker(place)
        ),
        Action::Look(place) => format!(
            "{} has compared once with what Redis says it holds",
            worker(place)
        ),
        Action::Renew(place) if after.processes[place].over => format!(
            "{} learns that identity {} is dead",
            worker(place),
            identity(place)
        ),
        Action::Renew(place) => {
            format!("{} renews the lease of {}", worker(place), identity(place))
        }
        Action::Begin(place) => {
            format!("{} begins a new life as {}", worker(place), identity(place))
        }
        Action::LoseRegistration(place) => format!("{} registers, no reply comes", worker(place)),
        Action::Leave(place) => format!("{} leaves the fleet", worker(place)),
        Action::Exit(place) => format!("{} ends", worker(place)),
        Action::Run(place, number) => {
            let request = state.processes[place].calls[number].request;
            format!("Redis runs {}'s: {}", worker(place), sentence(request))
        }
        Action::Half(place, number) => {
            let request = state.processes[place].calls[number].request;
            format!(
                "Redis stops in the middle of {}'s: {}",
                worker(place),
                sentence(request)
            )
        }
        Action::RunLate(at) => format!("Redis runs: {}", sentence(state.network[at])),
        Action::HalfLate(at) => format!(
            "Redis stops in the middle of: {}",
            sentence(state.network[at])
        ),
        Action::Send(request) => format!("a reaper or promoter sends: {}", sentence(request)),
        Action::Crash(place) => format!("{} DIES", worker(place)),
        Action::Freeze(place) => format!("{} FREEZES", worker(place)),
        Action::Thaw(place) => format!("{} goes on", worker(place)),
        Action::Lapse(life) => format!("the LEASE of {} runs out", name(life)),
        Action::Lose(place, number) => {
            let request = state.processes[place].calls[number].request;
            format!(
                "{} gives up on the REPLY to: {}",
                worker(place),
                sentence(request)
            )
        }
        Action::Boot(place) => format!("{} starts anew as {}", worker(place), identity(place)),
        Action::Snapshot => "the replica falls behind from here on".to_owned(),
        Action::Failover => "FAILOVER to the replica".to_owned(),
    }
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
