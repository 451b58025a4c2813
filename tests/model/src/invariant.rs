//! What must hold in every state.

use std::fmt;

use crate::{
    Scene, State,
    state::{Job, NOBODY},
};

/// Which promise is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// I1, I2: a copy of a job is in no key and was not run to its end.
    Lost,
    /// I1: a job is in a key at which nobody looks.
    OutOfSight,
    /// I3: a job is in two places: somebody moved what he no longer held.
    Doubled,
    /// I4: a token means one job to a process and another one to Redis.
    Confused,
    /// P3: a job was begun more often than pushes, retries, deaths, lost leases and failovers explain.
    TooManyRuns,
    /// P1: nothing more goes wrong, and yet a job never comes to its end.
    Stuck,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub kind: Kind,
    /// In words.
    pub text: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match self.kind {
            Kind::Lost | Kind::OutOfSight => "I1",
            Kind::Doubled => "I3",
            Kind::Confused => "I4",
            Kind::TooManyRuns => "P3",
            Kind::Stuck => "P1",
        };
        write!(f, "{number} is broken: {}", self.text)
    }
}

type Check = fn(&State, Job) -> Option<Breach>;

impl State {
    /// The first promise that is broken here, among those of this kind; none: among all.
    pub(crate) fn breach(&self, scene: &Scene, only: Option<Kind>) -> Option<Breach> {
        const CHECKS: [(Kind, Check); 5] = [
            (Kind::Lost, i1_no_copy_is_lost),
            (Kind::OutOfSight, i1_somebody_looks_where_a_job_is),
            (Kind::Doubled, i3_no_copy_comes_from_nowhere),
            (Kind::Confused, i4_a_token_means_one_job),
            (Kind::TooManyRuns, p3_extra_runs_are_bounded),
        ];
        let checks = CHECKS
            .iter()
            .filter(|(kind, _)| only.is_none_or(|only| *kind == only));
        checks
            .flat_map(|(_, check)| (0..scene.jobs as Job).map(move |job| check(self, job)))
            .flatten()
            .next()
    }
}

fn breach(kind: Kind, text: String) -> Option<Breach> {
    Some(Breach { kind, text })
}

/// Copies that came, and copies that are there or are done.
fn balance(state: &State, job: Job) -> (usize, usize) {
    let tally = state.redis.tally[usize::from(job)];
    let there = state.redis.copies(job) + usize::from(tally.done);
    (usize::from(tally.pushed), there)
}

/// I1, and I2 since it is looked at after every single step.
fn i1_no_copy_is_lost(state: &State, job: Job) -> Option<Breach> {
    let (came, there) = balance(state, job);
    if there >= came {
        return None;
    }
    breach(
        Kind::Lost,
        format!("job {job} is in no key of Redis and not done"),
    )
}

/// A job in flight is seen by its process or by the reaper, one in a landing list by every claim. The slow sweep of the
/// key space would find the others after ten minutes; the protocol must not need it.
fn i1_somebody_looks_where_a_job_is(state: &State, job: Job) -> Option<Breach> {
    let redis = &state.redis;
    let known = |life| life == NOBODY || redis.fleet.has(life) || redis.dying.has(life);
    let mut inflight = redis.inflight.iter();
    if let Some(entry) = inflight.find(|it| it.job == job && !known(it.token.life)) {
        let life = name(entry.token.life);
        let text = format!(
            "job {job} is in flight under identity {life}, which is neither living nor dying"
        );
        return breach(Kind::OutOfSight, text);
    }
    let mut landing = redis.landing.iter();
    let landed = landing.find(|it| it.job == job && !known(it.owner))?;
    let life = name(landed.owner);
    let text = format!(
        "job {job} lies in the landing list of identity {life}, which is neither living nor dying"
    );
    breach(Kind::OutOfSight, text)
}

fn i3_no_copy_comes_from_nowhere(state: &State, job: Job) -> Option<Breach> {
    let (came, there) = balance(state, job);
    if there <= came {
        return None;
    }
    breach(
        Kind::Doubled,
        format!("job {job} came {came} times and is there or done {there} times"),
    )
}

fn i4_a_token_means_one_job(state: &State, job: Job) -> Option<Breach> {
    let redis = &state.redis;
    for (place, process) in state.processes.iter().enumerate() {
        for held in process.held.iter().filter(|held| held.job == job) {
            let other = redis.find(held.token).map(|at| redis.inflight[at].job);
            if let Some(other) = other.filter(|other| *other != job) {
                let worker = worker(place);
                let text = format!(
                    "token {} is job {job} to {worker} and job {other} in Redis",
                    held.token
                );
                return breach(Kind::Confused, text);
            }
        }
    }
    let mine = redis.inflight.iter().filter(|it| it.job == job);
    for entry in mine {
        let same = redis.inflight.iter().filter(|it| it.token == entry.token);
        if same.count() > 1 {
            let text = format!("token {} is in flight twice", entry.token);
            return breach(Kind::Confused, text);
        }
    }
    None
}

fn p3_extra_runs_are_bounded(state: &State, job: Job) -> Option<Breach> {
    if state.credit[usize::from(job)] >= 0 {
        return None;
    }
    let text = format!(
        "job {job} was begun once more than pushes, retries, deaths, lost leases and failovers explain"
    );
    breach(Kind::TooManyRuns, text)
}

/// What a worker is called.
pub(crate) fn worker(place: usize) -> String {
    format!("worker {}", char::from(b'A' + place as u8))
}

/// What an identity is called.
pub(crate) fn name(life: u8) -> char {
    char::from(b'a' + life)
}
