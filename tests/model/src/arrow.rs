//! The arrows: what Redis does with each request, in one step. Each function is one script or command of `gandy-store`,
//! with the same tests in the same order; `half` stops it between what keeps and what removes (I2).

use crate::{
    Request, Rules, State, Way,
    state::{BATCH, Entry, Job, Landed, Life, NOBODY, Redis, Reply, Token, Waiting},
};

/// How a step is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) half: bool,
}

impl State {
    /// Redis runs a request. What stays of it under way (the claim behind a blocking move), and the reply.
    pub(crate) fn run(&mut self, request: Request, manner: Manner<'_>) -> (Option<Request>, Reply) {
        let mut reply = Reply::Done;
        match request {
            Request::Nothing => {}
            Request::Push { job } => self.push(job),
            Request::Claim {
                life,
                first,
                wanted,
            } => reply = self.claim(life, first, wanted, manner),
            Request::Wait { token, moved } => {
                if !moved && !self.redis.queue.is_empty() {
                    self.block_and_move(token, manner);
                    return (Some(Request::Wait { token, moved: true }), Reply::Pending);
                }
                reply = self.land(token, manner);
            }
            Request::Finish { token, job } => self.finish(token, job),
            Request::Settle { token, job, buries } => self.settle(token, job, buries, manner),
            Request::GiveBack { token, job } => {
                if self.redis.fleet.has(token.life) {
                    self.give_back(token, job, Way::Queue, manner);
                } else {
                    reply = Reply::Refused;
                }
            }
            Request::Read { token } => {
                let found = self.redis.find(token);
                reply = Reply::Held(found.map(|at| self.redis.inflight[at].job));
            }
            Request::Condemn { life } => self.condemn(life, manner),
            Request::Reap {
                token,
                job,
                way,
                charged,
            } => self.reap(token, job, way, charged, manner),
            Request::Forget { life } => {
                if !self.redis.holds(life) && !self.redis.landing.iter().any(|it| it.owner == life)
                {
                    self.redis.dying.drop(life);
                }
            }
            Request::Unland { owner } => unland(&mut self.redis, owner),
            Request::Promote { entry } => self.promote(entry, manner),
        }
        if manner.half {
            reply = Reply::Error;
        }
        (None, reply)
    }

    /// `LPUSH` by a producer.
    pub(crate) fn push(&mut self, job: Job) {
        self.redis.queue.push_left(job);
        self.redis.tally[usize::from(job)].pushed += 1;
        self.allow(job);
    }

    /// This job may begin one more run.
    pub(crate) fn allow(&mut self, job: Job) {
        self.credit[usize::from(job)] += 1;
    }

    /// A step that moves a job has stopped half-way: one copy more, which may run.
    fn doubled(&mut self, job: Job) {
        self.redis.tally[usize::from(job)].pushed += 1;
        self.allow(job);
    }

    /// `claim.lua`, from the landing list and then from the queue.
    fn claim(&mut self, life: Life, first: u8, wanted: u8, manner: Manner<'_>) -> Reply {
        if manner.rules.life_check && !self.redis.fleet.has(life) {
            return Reply::Refused;
        }
        let first = if manner.rules.own_tokens {
            first
        } else {
            let first = self.redis.counter + 1;
            self.redis.counter += wanted;
            first
        };
        let mut jobs = [0; BATCH];
        let mut count = 0;
        while count < wanted {
            let token = Token {
                life,
                number: first + count,
            };
            let next = next_to_claim(&self.redis, life, manner.rules);
            let (Some((job, landed)), None) = (next, self.redis.find(token)) else {
                break;
            };
            self.take(token, job, landed, manner);
            if manner.half {
                break;
            }
            jobs[usize::from(count)] = job;
            count += 1;
        }
        Reply::Claimed { first, count, jobs }
    }

    /// `HSET`, then `LTRIM`.
    fn take(&mut self, token: Token, job: Job, landed: Option<usize>, manner: Manner<'_>) {
        let removes = !manner.half || !manner.rules.keep_first;
        if !manner.half || manner.rules.keep_first {
            self.redis.inflight.push(Entry { token, job });
        }
        match landed {
            _ if !removes => self.doubled(job),
            Some(at) => {
                self.redis.landing.remove(at);
            }
            None => {
                self.redis.queue.pop();
            }
        }
    }

    /// `BLMOVE queue landing RIGHT LEFT`.
    fn block_and_move(&mut self, token: Token, manner: Manner<'_>) {
        let owner = if manner.rules.ownerless_landing {
            NOBODY
        } else {
            token.life
        };
        if let Some(job) = self.redis.queue.pop() {
            self.redis.landing.push_left(Landed { job, owner });
        }
    }

    /// `land.lua`.
    fn land(&mut self, token: Token, manner: Manner<'_>) -> Reply {
        let (mut count, mut jobs) = (0, [0; BATCH]);
        if let Some(at) = last_landed(&self.redis, token.life, manner.rules) {
            if manner.rules.life_check && !self.redis.fleet.has(token.life) {
                return Reply::Refused;
            }
            if self.redis.find(token).is_none() {
                let job = self.redis.landing[at].job;
                self.take(token, job, Some(at), manner);
                (count, jobs[0]) = (1, job);
            }
        }
        Reply::Claimed {
            first: token.number,
            count,
            jobs,
        }
    }

    /// `HDEL`. It fences by itself; but what is removed must be what ran.
    fn finish(&mut self, token: Token, job: Job) {
        if let Some(at) = self.redis.find(token) {
            let entry = self.redis.inflight.remove(at);
            if entry.job == job {
                self.redis.tally[usize::from(job)].done += 1;
            }
        }
    }

    /// `settle.lua`: `HEXISTS`, `ZADD`, `HDEL`.
    fn settle(&mut self, token: Token, job: Job, buries: bool, manner: Manner<'_>) {
        let held = self.redis.find(token);
        if manner.rules.fence && held.is_none() {
            return;
        }
        let keeps = !manner.half || manner.rules.keep_first;
        let removes = !manner.half || !manner.rules.keep_first;
        let entry = Waiting { job, mark: token };
        if keeps && buries {
            self.redis.tally[usize::from(job)].dead += 1;
        } else if keeps && self.redis.waiting.contains(&entry) {
            // The same member again, after half a step: two copies are one now.
            let pushed = &mut self.redis.tally[usize::from(job)].pushed;
            *pushed -= u8::from(held.is_some());
        } else if keeps {
            self.redis.waiting.push(entry);
            if held.is_some() {
                self.allow(job);
            }
        }
        match held {
            Some(at) if removes => {
                self.redis.inflight.remove(at);
            }
            Some(_) => self.doubled(job),
            None => {}
        }
    }

    /// One entry of `return.lua`: `HGET`, `RPUSH` (or `ZADD`), `HDEL`.
    fn give_back(&mut self, token: Token, job: Job, way: Way, manner: Manner<'_>) {
        let held = self.redis.find(token);
        if manner.rules.fence && held.is_none() {
            return;
        }
        let keeps = !manner.half || manner.rules.keep_first;
        let removes = !manner.half || !manner.rules.keep_first;
        let job = held.map_or(job, |at| self.redis.inflight[at].job);
        if keeps {
            match way {
                Way::Queue => self.redis.queue.push(job),
                Way::Schedule => self.redis.waiting.push(Waiting {
                    job,
                    mark: Token::default(),
                }),
                Way::Dead => self.redis.tally[usize::from(job)].dead += 1,
            }
        }
        match held {
            Some(at) if removes => {
                self.redis.inflight.remove(at);
            }
            Some(_) => self.doubled(job),
            None => {}
        }
    }

    /// `return.lua` for a dead process: only while it is among the dying.
    fn reap(&mut self, token: Token, job: Job, way: Way, charged: bool, manner: Manner<'_>) {
        if manner.rules.reap_guard && !self.redis.dying.has(token.life) {
            return;
        }
        if charged && let Some(at) = self.redis.find(token) {
            let job = self.redis.inflight[at].job;
            self.redis.recovered[usize::from(job)].add(token.life);
        }
        self.give_back(token, job, way, manner);
    }

    /// `retire.lua` by a reaper: only while the lease is gone.
    fn condemn(&mut self, life: Life, manner: Manner<'_>) {
        let gone = !self.redis.leases.has(life);
        if manner.rules.look_again && !gone {
            return;
        }
        if gone {
            // A lost lease: what is in flight may run again.
            self.allow_what_may_run(life);
        }
        self.retire(life);
    }

    /// From the living to the dying.
    pub(crate) fn retire(&mut self, life: Life) {
        if self.redis.fleet.has(life) {
            self.redis.dying.add(life);
            self.redis.fleet.drop(life);
            self.redis.leases.drop(life);
        }
    }

    /// Each job in flight in this name that somebody may still run may run once more: all that a living process holds,
    /// and what one still awaits or runs in the name of an earlier life.
    pub(crate) fn allow_what_may_run(&mut self, life: Life) {
        if !self.redis.fleet.has(life) {
            return;
        }
        let owned = self.owner(life).is_some();
        let inflight = self.redis.inflight;
        for entry in inflight.iter().filter(|it| it.token.life == life) {
            if owned || self.processes.iter().any(|it| it.knows(entry.token)) {
                self.allow(entry.job);
            }
        }
    }

    /// `promote.lua` for one entry: `ZSCORE`, `LPUSH`, `ZREM`.
    fn promote(&mut self, entry: Waiting, manner: Manner<'_>) {
        let place = self.redis.waiting.iter().position(|it| *it == entry);
        let Some(at) = place else { return };
        if !manner.half || manner.rules.keep_first {
            self.redis.queue.push_left(entry.job);
        }
        if !manner.half || !manner.rules.keep_first {
            self.redis.waiting.remove(at);
        } else {
            self.doubled(entry.job);
        }
    }
}

/// The oldest of what a claim in this name may take: landed first.
fn next_to_claim(redis: &Redis, life: Life, rules: &Rules) -> Option<(Job, Option<usize>)> {
    match last_landed(redis, life, rules) {
        Some(at) => Some((redis.landing[at].job, Some(at))),
        None => redis.queue.last().map(|job| (*job, None)),
    }
}

fn last_landed(redis: &Redis, life: Life, rules: &Rules) -> Option<usize> {
    let owner = if rules.ownerless_landing {
        NOBODY
    } else {
        life
    };
    redis.landing.iter().rposition(|it| it.owner == owner)
}

/// `LMOVE landing queue LEFT RIGHT` until it is empty.
fn unland(redis: &mut Redis, owner: Life) {
    while let Some(at) = redis.landing.iter().position(|it| it.owner == owner) {
        let landed = redis.landing.remove(at);
        redis.queue.push(landed.job);
    }
}
