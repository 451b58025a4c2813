//! Everything that the model knows at one moment: Redis, the processes' memories, and the requests between them.
//!
//! Does not belong here: what changes it (`arrow` inside Redis, `step` for everybody else).

use crate::{Budget, List, Request, Scene};

/// A job, by number from 0. Its bytes are this number.
pub type Job = u8;
/// An identity: one life of one process. Whoever begins a life draws one that nothing refers to any more.
pub type Life = u8;

/// Jobs at most.
pub const JOBS: usize = 6;
/// Identities that something refers to at most.
pub const LIVES: usize = 8;
/// Processes at most.
pub const PROCESSES: usize = 3;
/// Copies of jobs in one place at most.
pub(crate) const COPIES: usize = 8;
/// Requests under way without anybody who waits for them, at most.
pub(crate) const LATE: usize = 7;
/// Jobs in one process' memory, and requests whose replies it awaits, at most.
pub(crate) const HELD: usize = 4;
pub(crate) const CALLS: usize = 4;
/// Jobs in one reply.
pub(crate) const BATCH: usize = 2;
/// The owner of a landing list that belongs to its queue.
pub const NOBODY: Life = Life::MAX;

/// A set of identities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lives(pub u8);

impl Lives {
    /// Whether it holds `life`.
    #[must_use]
    pub fn has(self, life: Life) -> bool {
        life != NOBODY && self.0 & (1 << life) != 0
    }

    /// Adds one.
    pub fn add(&mut self, life: Life) {
        self.0 |= 1 << life;
    }

    /// Takes one out.
    pub fn drop(&mut self, life: Life) {
        self.0 &= !(1 << life);
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = Life> {
        (0..LIVES as Life).filter(move |life| self.has(*life))
    }
}

/// Under what a job is in flight. Numbers begin at 1; 0 is no token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// Whose.
    pub life: Life,
    /// Which of theirs.
    pub number: u8,
}

/// A job in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// Under what.
    pub token: Token,
    /// The bytes.
    pub job: Job,
}

/// A job in a landing list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Landed {
    /// The bytes.
    pub job: Job,
    /// Whose list: [`NOBODY`]'s, unless that rule is left out.
    pub owner: Life,
}

/// A job in `retry` or `schedule`. Its time comes sooner or later, so the model promotes it whenever it likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waiting {
    /// The job.
    pub job: Job,
    /// The run that failed: the bytes tell when and why, so a repeat of the same step writes the same member, and
    /// another run another one. No token where nobody could repeat it.
    pub mark: Token,
}

/// What happened to a job in this Redis since it was first pushed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tally {
    /// Copies that came: pushes, and one for each step that stopped half-way.
    pub pushed: u8,
    /// Copies whose run ended well and was acknowledged.
    pub done: u8,
    /// Copies in `dead`.
    pub dead: u8,
}

/// What one Redis holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Redis {
    /// `queue:<q>`: newest left, popped from the right.
    pub queue: List<Job, COPIES>,
    /// `gandy:landing:<q>`.
    pub landing: List<Landed, COPIES>,
    /// `retry` and `schedule`, in no order.
    pub waiting: List<Waiting, COPIES>,
    /// All `gandy:inflight:<identity>`, in no order.
    pub inflight: List<Entry, COPIES>,
    /// `gandy:fleet`.
    pub fleet: Lives,
    /// `gandy:dying`.
    pub dying: Lives,
    /// The `gandy:lease:<identity>` that have not expired.
    pub leases: Lives,
    /// `gandy:recovered:<jid>`.
    pub recovered: [Lives; JOBS],
    /// What became of each job. Not a key: the ledger of the checks, which goes back in a failover as the rest.
    pub tally: [Tally; JOBS],
    /// Where tokens come from when a process does not draw its own.
    pub counter: u8,
}

impl Redis {
    /// Where in `inflight` this token is.
    #[must_use]
    pub fn find(&self, token: Token) -> Option<usize> {
        self.inflight.iter().position(|entry| entry.token == token)
    }

    /// Whether this identity holds anything.
    #[must_use]
    pub fn holds(&self, life: Life) -> bool {
        self.inflight.iter().any(|entry| entry.token.life == life)
    }

    /// Copies of this job in all keys.
    #[must_use]
    pub fn copies(&self, job: Job) -> usize {
        let queue = self.queue.iter().filter(|it| **it == job).count();
        let landing = self.landing.iter().filter(|it| it.job == job).count();
        let waiting = self.waiting.iter().filter(|it| it.job == job).count();
        let inflight = self.inflight.iter().filter(|it| it.job == job).count();
        queue + landing + waiting + inflight + usize::from(self.tally[usize::from(job)].dead)
    }

    /// Copies of all jobs that are still to run.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.queue.len() + self.landing.len() + self.waiting.len() + self.inflight.len()
    }
}

/// How a process is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Not there.
    #[default]
    Gone,
    /// At work.
    Up,
    /// Stopped in the middle of whatever it was doing.
    Frozen,
    /// It has left the fleet and is about to exit.
    Leaving,
}

/// How far a process is with a job that it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Run {
    /// Not begun.
    #[default]
    Waiting,
    /// The handler runs.
    Running,
    /// It ended well; Redis must be told.
    Finishing,
    /// It failed and goes to `retry`.
    Retrying,
    /// It failed and goes to `dead`.
    Burying,
    /// It was not begun and goes back.
    Returning,
}

/// A job in a process' memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    /// Under what.
    pub token: Token,
    /// Which.
    pub job: Job,
    /// How far.
    pub run: Run,
}

/// What Redis answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reply {
    /// Not yet.
    #[default]
    Pending,
    /// It was done, or there was nothing to do.
    Done,
    /// The identity is not among the living.
    Refused,
    /// The script stopped half-way.
    Error,
    /// Jobs under the numbers from `first` on.
    Claimed {
        /// The first number.
        first: u8,
        /// How many.
        count: u8,
        /// Which.
        jobs: [Job; BATCH],
    },
    /// The payload under a token; none: it is not in flight.
    Held(Option<Job>),
}

/// A request whose reply a process awaits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// What it sent.
    pub request: Request,
    /// What came: only a process that stands still leaves a reply unread.
    pub reply: Reply,
}

/// A worker process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Process {
    /// How it is.
    pub status: Status,
    /// Its present identity.
    pub life: Life,
    /// It knows that this identity was declared dead.
    pub over: bool,
    /// A claim of its was lost and it has not compared since. Matters only where it compares but once.
    pub curious: bool,
    /// The jobs it holds, of earlier lives too.
    pub held: List<Held, HELD>,
    /// The replies it awaits.
    pub calls: List<Call, CALLS>,
}

impl Process {
    /// Whether it has a life that it believes in.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.status == Status::Up && !self.over
    }

    /// Whether this token belongs to a job in memory or to a claim that awaits its reply.
    #[must_use]
    pub fn knows(&self, token: Token) -> bool {
        self.held.iter().any(|held| held.token == token)
            || self.calls.iter().any(|call| call.request.brings(token))
    }

    /// Slots in which a run could begin, after what is held and awaited.
    #[must_use]
    pub fn free(&self, scene: &Scene) -> usize {
        let busy = |held: &&Held| matches!(held.run, Run::Waiting | Run::Running);
        let slots = scene
            .slots
            .saturating_sub(self.held.iter().filter(busy).count());
        slots.saturating_sub(self.awaited()).min(self.memory())
    }

    /// Jobs that what is awaited may bring.
    fn awaited(&self) -> usize {
        let brings = |request: &Request| {
            request.wanted() + usize::from(matches!(request, Request::Read { .. }))
        };
        self.calls.iter().map(|call| brings(&call.request)).sum()
    }

    /// Places for more jobs in the list of what it holds, after what is awaited.
    pub(crate) fn memory(&self) -> usize {
        self.held.room().saturating_sub(self.awaited())
    }
}

/// One moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// The primary.
    pub redis: Redis,
    /// What a replica has: the primary at an earlier moment.
    pub older: Option<Redis>,
    /// The workers.
    pub processes: [Process; PROCESSES],
    /// Requests that Redis may still run although nobody waits for them, in no order.
    pub network: List<Request, LATE>,
    /// Jobs that a producer has pushed and that were acknowledged.
    pub acknowledged: u8,
    /// Runs that each job may still begin: one for each push and each retry, one for each event that may cost one.
    pub credit: [i8; JOBS],
    /// What may still go wrong.
    pub budget: Budget,
}

impl State {
    /// The beginning of a scene: every worker has joined the fleet.
    #[must_use]
    pub fn new(scene: &Scene) -> Self {
        let mut state = Self {
            budget: scene.budget,
            ..Self::default()
        };
        for (life, process) in (0..).zip(&mut state.processes[..scene.workers]) {
            *process = Process {
                status: Status::Up,
                life,
                ..Process::default()
            };
            state.redis.fleet.add(life);
            state.redis.leases.add(life);
        }
        if !scene.pushes {
            for job in 0..scene.jobs as Job {
                state.redis.queue.push_left(job);
                state.redis.tally[usize::from(job)].pushed = 1;
                state.credit[usize::from(job)] = 1;
            }
            state.acknowledged = scene.jobs as u8;
        }
        state
    }

    /// The process whose present identity this is.
    #[must_use]
    pub fn owner(&self, life: Life) -> Option<&Process> {
        let mut processes = self.processes.iter();
        processes.find(|process| process.status != Status::Gone && process.life == life)
    }

    /// Every identity that something refers to.
    #[must_use]
    pub fn lives(&self) -> Lives {
        let mut lives = Lives::default();
        for redis in std::iter::once(&self.redis).chain(&self.older) {
            lives.0 |= redis.fleet.0 | redis.dying.0 | redis.leases.0;
            redis
                .inflight
                .iter()
                .for_each(|it| lives.add(it.token.life));
            redis.recovered.iter().for_each(|set| lives.0 |= set.0);
            for landed in redis.landing.iter().filter(|it| it.owner != NOBODY) {
                lives.add(landed.owner);
            }
            for waiting in redis.waiting.iter().filter(|it| it.mark.number > 0) {
                lives.add(waiting.mark.life);
            }
        }
        for process in self.processes.iter().filter(|it| it.status != Status::Gone) {
            lives.add(process.life);
            process.held.iter().for_each(|it| lives.add(it.token.life));
            let requests = process.calls.iter().map(|call| &call.request);
            requests
                .filter_map(Request::life)
                .for_each(|it| lives.add(it));
        }
        let requests = self.network.iter();
        requests
            .filter_map(Request::life)
            .for_each(|it| lives.add(it));
        lives
    }

    /// An identity that nobody ever had.
    #[must_use]
    pub fn fresh_life(&self) -> Option<Life> {
        let lives = self.lives();
        (0..LIVES as Life).find(|life| !lives.has(*life))
    }

    /// A number that this identity never used: larger than every one that something refers to. One to which nothing
    /// refers any more cannot be told from a new one.
    #[must_use]
    pub fn fresh_number(&self, life: Life) -> u8 {
        let mut largest = 0;
        let mut see = |token: Token| {
            if token.life == life {
                largest = largest.max(token.number);
            }
        };
        for redis in std::iter::once(&self.redis).chain(&self.older) {
            redis.inflight.iter().for_each(|it| see(it.token));
            redis.waiting.iter().for_each(|it| see(it.mark));
        }
        for process in &self.processes {
            process.held.iter().for_each(|it| see(it.token));
            process
                .calls
                .iter()
                .for_each(|it| see(it.request.last_token()));
        }
        self.network.iter().for_each(|it| see(it.last_token()));
        largest + 1
    }
}
