//! One form for states that differ in nothing but names.
//!
//! Which worker is which, which job has which number, what an identity is called and how far a counter has come makes no
//! difference to what can happen. Every renaming is sound; those that are missed cost only states.

use std::hash::{Hash, Hasher};

use crate::{
    Request, Scene, State,
    hash::Mixer,
    state::{BATCH, JOBS, Job, LIVES, Life, NOBODY, Process, Redis, Status, Token, Waiting},
};

/// New names for old ones.
struct Names {
    jobs: [Job; JOBS],
    lives: [Life; LIVES],
    /// The numbers of each identity that something refers to.
    numbers: [u64; LIVES],
}

impl State {
    /// Drops what can have no effect any more, and brings what has no order into one.
    pub fn tidy(&mut self, scene: &Scene) {
        self.forget_marks();
        for process in &mut self.processes {
            // Only who looks once needs to know when.
            process.curious &= !scene.rules.adoption;
        }
        // An older Redis may still come, or a rule be missing that makes it effectless.
        let settled = self.budget.failovers == 0 && self.older.is_none();
        if settled && scene.rules.settle() {
            let redis = self.redis;
            self.network.retain(|request| !redis.ignores(request));
        }
        for redis in std::iter::once(&mut self.redis).chain(&mut self.older) {
            redis.inflight.sort_unstable();
            redis.waiting.sort_unstable();
        }
        self.network.sort_unstable();
        for process in &mut self.processes {
            process.held.sort_unstable();
            process.calls.sort_unstable();
        }
    }

    /// Where a failed run can no longer be told to Redis again, its bytes need not be told from others'.
    fn forget_marks(&mut self) {
        let marked = |redis: &Redis| redis.waiting.iter().any(|it| it.mark.number > 0);
        let promotes = |request: &Request| matches!(request, Request::Promote { .. });
        if !marked(&self.redis)
            && !self.older.as_ref().is_some_and(marked)
            && !self.network.iter().any(promotes)
        {
            return;
        }
        let (processes, network) = (self.processes, self.network);
        let settles = |request: &Request, token: Token| matches!(request, Request::Settle { token: other, .. } if *other == token);
        let repeated = |token: Token| {
            network.iter().any(|it| settles(it, token))
                || processes.iter().any(|process| {
                    process.held.iter().any(|it| it.token == token)
                        || process.calls.iter().any(|it| settles(&it.request, token))
                })
        };
        let forget = |entry: &mut Waiting| {
            if entry.mark.number > 0 && !repeated(entry.mark) {
                entry.mark = Token::default();
            }
        };
        for redis in std::iter::once(&mut self.redis).chain(&mut self.older) {
            redis.waiting.iter_mut().for_each(forget);
        }
        for request in self.network.iter_mut() {
            if let Request::Promote { entry } = request {
                forget(entry);
            }
        }
    }

    /// Renames everything, so that states which are the same but for names become the same.
    pub(crate) fn rename(&mut self, scene: &Scene) {
        self.order_processes(scene);
        let lives = self.name_lives(scene);
        let jobs = self.name_jobs(scene, &lives);
        let mut numbers = [0; LIVES];
        self.note_numbers(&mut numbers);
        let names = Names {
            jobs,
            lives,
            numbers,
        };
        let old = *self;
        for redis in std::iter::once(&mut self.redis).chain(&mut self.older) {
            redis.rename(&names);
        }
        for process in self
            .processes
            .iter_mut()
            .filter(|it| it.status != Status::Gone)
        {
            process.life = names.lives[usize::from(process.life)];
            for held in process.held.iter_mut() {
                held.token = names.token(held.token);
                held.job = names.jobs[usize::from(held.job)];
            }
            for call in process.calls.iter_mut() {
                call.reply = names.reply(call.request, call.reply);
                call.request = names.request(call.request);
            }
        }
        for request in self.network.iter_mut() {
            *request = names.request(*request);
        }
        for job in 0..scene.jobs {
            self.credit[usize::from(names.jobs[job])] = old.credit[job];
        }
        self.tidy(scene);
    }

    fn order_processes(&mut self, scene: &Scene) {
        let redis = self.redis;
        let looks = |process: &Process| {
            let mut mixer = Mixer::default();
            (process.status, process.over).hash(&mut mixer);
            for held in process.held.iter() {
                (held.run, redis.find(held.token).is_some()).hash(&mut mixer);
            }
            for call in process.calls.iter() {
                std::mem::discriminant(&call.request).hash(&mut mixer);
                std::mem::discriminant(&call.reply).hash(&mut mixer);
            }
            let life = process.life;
            (
                redis.fleet.has(life),
                redis.dying.has(life),
                redis.leases.has(life),
            )
                .hash(&mut mixer);
            mixer.finish()
        };
        self.processes[..scene.workers].sort_by_key(looks);
    }

    /// Those of processes first, in the order of the processes; then those that are alive, that are dying, the others.
    fn name_lives(&self, scene: &Scene) -> [Life; LIVES] {
        let mut order = Order::<LIVES>::default();
        for process in &self.processes[..scene.workers] {
            if process.status != Status::Gone {
                order.see(process.life);
                process.held.iter().for_each(|it| order.see(it.token.life));
                let requests = process.calls.iter().map(|call| &call.request);
                requests
                    .filter_map(Request::life)
                    .for_each(|it| order.see(it));
            }
        }
        let redis = &self.redis;
        redis
            .fleet
            .iter()
            .filter(|it| redis.leases.has(*it))
            .for_each(|it| order.see(it));
        redis.fleet.iter().for_each(|it| order.see(it));
        redis
            .dying
            .iter()
            .filter(|it| redis.holds(*it))
            .for_each(|it| order.see(it));
        redis.dying.iter().for_each(|it| order.see(it));
        self.lives().iter().for_each(|it| order.see(it));
        order.names()
    }

    /// By where they are first met.
    fn name_jobs(&self, scene: &Scene, lives: &[Life; LIVES]) -> [Job; JOBS] {
        // Those to come are pushed in the order of their numbers.
        let mut order = Order::<JOBS>::default();
        if scene.pushes {
            (0..JOBS as Job).for_each(|it| order.see(it));
            return order.names();
        }
        for process in &self.processes[..scene.workers] {
            process.held.iter().for_each(|it| order.see(it.job));
        }
        let mut inflight = self.redis.inflight;
        inflight.sort_unstable_by_key(|it| (lives[usize::from(it.token.life)], it.token.number));
        inflight.iter().for_each(|it| order.see(it.job));
        self.redis
            .landing
            .iter()
            .rev()
            .for_each(|it| order.see(it.job));
        self.redis.queue.iter().rev().for_each(|it| order.see(*it));
        self.redis.waiting.iter().for_each(|it| order.see(it.job));
        let mut rest: [Job; JOBS] = std::array::from_fn(|job| job as Job);
        rest[..scene.jobs].sort_unstable_by_key(|job| {
            let job = usize::from(*job);
            (self.redis.tally[job], self.credit[job])
        });
        rest.iter().for_each(|it| order.see(*it));
        order.names()
    }

    fn note_numbers(&self, numbers: &mut [u64; LIVES]) {
        let mut note = |token: Token| {
            if token.number > 0 {
                assert!(
                    token.number < 64,
                    "token numbers are renamed before they grow so large"
                );
                numbers[usize::from(token.life)] |= 1 << token.number;
            }
        };
        for redis in std::iter::once(&self.redis).chain(&self.older) {
            redis.inflight.iter().for_each(|it| note(it.token));
            redis.waiting.iter().for_each(|it| note(it.mark));
        }
        let calls = self.processes.iter().flat_map(|it| it.calls.iter());
        for request in calls.map(|call| &call.request).chain(self.network.iter()) {
            note(request.last_token());
            if let Request::Claim {
                life,
                first,
                wanted,
            } = *request
            {
                (first..first + wanted).for_each(|number| note(Token { life, number }));
            }
        }
        for process in &self.processes {
            process.held.iter().for_each(|it| note(it.token));
        }
    }
}

impl Redis {
    /// Whether this request can have no effect, now or ever: tokens and identities do not come back.
    fn ignores(&self, request: &Request) -> bool {
        match *request {
            Request::Nothing => true,
            Request::Push { .. } => false,
            Request::Claim { life, .. } | Request::Condemn { life } => !self.fleet.has(life),
            Request::Wait { token, moved } => moved && !self.fleet.has(token.life),
            Request::GiveBack { token, .. } => {
                self.find(token).is_none() || !self.fleet.has(token.life)
            }
            Request::Finish { token, .. }
            | Request::Settle { token, .. }
            | Request::Read { token }
            | Request::Reap { token, .. } => self.find(token).is_none(),
            Request::Forget { life } => !self.dying.has(life),
            // These are sent again when there is a reason.
            Request::Unland { .. } => self.landing.is_empty(),
            Request::Promote { entry } => !self.waiting.contains(&entry),
        }
    }

    fn rename(&mut self, names: &Names) {
        let old = *self;
        let job = |job: Job| names.jobs[usize::from(job)];
        self.queue.iter_mut().for_each(|it| *it = job(*it));
        for landed in self.landing.iter_mut() {
            landed.job = job(landed.job);
            if landed.owner != NOBODY {
                landed.owner = names.lives[usize::from(landed.owner)];
            }
        }
        for waiting in self.waiting.iter_mut() {
            *waiting = names.waiting(*waiting);
        }
        for entry in self.inflight.iter_mut() {
            entry.token = names.token(entry.token);
            entry.job = job(entry.job);
        }
        for set in [&mut self.fleet, &mut self.dying, &mut self.leases] {
            *set = names.set(*set);
        }
        for from in 0..JOBS {
            let to = usize::from(names.jobs[from]);
            self.recovered[to] = names.set(old.recovered[from]);
            self.tally[to] = old.tally[from];
        }
    }
}

impl Names {
    fn set(&self, lives: crate::Lives) -> crate::Lives {
        let mut renamed = crate::Lives::default();
        lives
            .iter()
            .for_each(|it| renamed.add(self.lives[usize::from(it)]));
        renamed
    }

    /// The rank of its number among those in use.
    fn token(&self, token: Token) -> Token {
        if token.number == 0 {
            return token;
        }
        let life = usize::from(token.life);
        let below = self.numbers[life] & ((1 << token.number) - 1);
        Token {
            life: self.lives[life],
            number: below.count_ones() as u8 + 1,
        }
    }

    fn waiting(&self, waiting: Waiting) -> Waiting {
        Waiting {
            job: self.jobs[usize::from(waiting.job)],
            mark: self.token(waiting.mark),
        }
    }

    fn request(&self, request: Request) -> Request {
        let mut renamed = request;
        match &mut renamed {
            Request::Claim { life, first, .. } => {
                let token = self.token(Token {
                    life: *life,
                    number: *first,
                });
                *first = token.number;
                *life = self.lives[usize::from(*life)];
            }
            Request::Wait { token, .. } | Request::Read { token } => *token = self.token(*token),
            Request::Finish { token, job }
            | Request::Settle { token, job, .. }
            | Request::GiveBack { token, job, .. }
            | Request::Reap { token, job, .. } => {
                *token = self.token(*token);
                *job = self.jobs[usize::from(*job)];
            }
            Request::Push { job } => *job = self.jobs[usize::from(*job)],
            Request::Condemn { life } | Request::Forget { life } => {
                *life = self.lives[usize::from(*life)];
            }
            Request::Unland { owner } if *owner != NOBODY => {
                *owner = self.lives[usize::from(*owner)];
            }
            Request::Promote { entry } => *entry = self.waiting(*entry),
            Request::Unland { .. } | Request::Nothing => {}
        }
        renamed
    }

    fn reply(&self, request: Request, reply: crate::Reply) -> crate::Reply {
        match reply {
            crate::Reply::Claimed { first, count, jobs } => {
                let life = request.life().unwrap_or_default();
                let token = self.token(Token {
                    life,
                    number: first,
                });
                let mut renamed = [0; BATCH];
                for (to, from) in renamed.iter_mut().zip(jobs).take(count.into()) {
                    *to = self.jobs[usize::from(from)];
                }
                crate::Reply::Claimed {
                    first: token.number,
                    count,
                    jobs: renamed,
                }
            }
            crate::Reply::Held(Some(job)) => crate::Reply::Held(Some(self.jobs[usize::from(job)])),
            other => other,
        }
    }
}

/// Names by the order of being seen.
struct Order<const N: usize> {
    names: [u8; N],
    seen: [bool; N],
    count: u8,
}

impl<const N: usize> Default for Order<N> {
    fn default() -> Self {
        Self {
            names: [0; N],
            seen: [false; N],
            count: 0,
        }
    }
}

impl<const N: usize> Order<N> {
    fn see(&mut self, old: u8) {
        let at = usize::from(old);
        if !self.seen[at] {
            self.seen[at] = true;
            self.names[at] = self.count;
            self.count += 1;
        }
    }

    /// All names: what was not seen comes last.
    fn names(mut self) -> [u8; N] {
        (0..N as u8).for_each(|old| self.see(old));
        self.names
    }
}
