//! What each action changes outside Redis, and what a process makes of a reply.

use crate::{
    Action, Call, Request, Scene, State,
    arrow::Manner,
    state::{Entry, Held, Job, Life, Process, Redis, Reply, Run, Status, Token},
};

impl State {
    /// Makes one step that was offered.
    pub fn apply(&mut self, scene: &Scene, action: Action) {
        let manner = |half| Manner {
            rules: &scene.rules,
            half,
        };
        match action {
            Action::Push => {
                self.push(self.acknowledged);
                self.acknowledged += 1;
            }
            Action::Run(place, number) => self.run_call(place, number, manner(false)),
            Action::RunLate(at) => self.run_late(at, manner(false)),
            Action::Send(request) => self.network.push(request),
            Action::Thaw(place) => self.thaw(place),
            Action::Snapshot => self.older = Some(self.redis),
            Action::Half(place, number) => {
                self.budget.halves -= 1;
                self.run_call(place, number, manner(true));
            }
            Action::HalfLate(at) => {
                self.budget.halves -= 1;
                self.run_late(at, manner(true));
            }
            _ if action.is_fault() => self.go_wrong(scene, action),
            _ => self.act(scene, action),
        }
    }

    /// What a worker does of its own.
    fn act(&mut self, scene: &Scene, action: Action) {
        match action {
            Action::Claim(place) => self.ask(scene, place),
            Action::Wait(place) => {
                let token = self.draw(place);
                let moved = false;
                self.call(place, Request::Wait { token, moved });
            }
            Action::Start(place, token) => self.start(place, token),
            Action::End(place, token, run) => {
                self.budget.fails -= u8::from(run == Run::Retrying);
                self.budget.burials -= u8::from(run == Run::Burying);
                self.turn(place, token, run);
                self.tell(place, token);
            }
            Action::Repeat(place, token) => self.tell(place, token),
            Action::Adopt(place, token) => self.call(place, Request::Read { token }),
            Action::Reject(place, token) => {
                let found = self.redis.find(token);
                let job = found.map_or(0, |at| self.redis.inflight[at].job);
                let run = Run::Returning;
                self.processes[place].held.push(Held { token, job, run });
                self.tell(place, token);
            }
            Action::Look(place) => self.processes[place].curious = false,
            Action::Renew(place) => self.renew(place),
            Action::Begin(place) => self.begin(place),
            Action::Leave(place) => self.leave(place),
            Action::Exit(place) => self.end(place),
            Action::Boot(place) => {
                self.budget.boots = self.budget.boots.saturating_sub(1);
                self.processes[place] = Process::default();
                self.begin(place);
            }
            _ => {}
        }
    }

    fn go_wrong(&mut self, scene: &Scene, action: Action) {
        match action {
            Action::LosePush => {
                self.budget.losses -= 1;
                let job = self.acknowledged;
                self.network.push(Request::Push { job });
            }
            Action::LoseRegistration(_) => {
                self.budget.losses -= 1;
                self.register();
            }
            Action::Crash(place) => {
                self.budget.crashes -= 1;
                self.allow_what_runs(place);
                self.end(place);
            }
            Action::Freeze(place) => {
                self.budget.freezes -= 1;
                self.processes[place].status = Status::Frozen;
            }
            Action::Lapse(life) => {
                let renews = self.owner(life).is_some_and(Process::lives);
                self.budget.lapses -= u8::from(renews);
                self.redis.leases.drop(life);
            }
            Action::Lose(place, number) => self.lose(scene, place, number),
            Action::Failover => self.fail_over(),
            _ => {}
        }
    }

    /// Draws the next number of this process' counter.
    fn draw(&self, place: usize) -> Token {
        let life = self.processes[place].life;
        Token {
            life,
            number: self.fresh_number(life),
        }
    }

    fn call(&mut self, place: usize, request: Request) {
        self.processes[place].calls.push(Call {
            request,
            reply: Reply::Pending,
        });
    }

    fn ask(&mut self, scene: &Scene, place: usize) {
        let process = &self.processes[place];
        let free = process.free(scene);
        let token = self.draw(place);
        let request = Request::Claim {
            life: token.life,
            first: if scene.rules.own_tokens {
                token.number
            } else {
                0
            },
            wanted: free.min(scene.batch) as u8,
        };
        self.call(place, request);
    }

    /// Notes how far a process is with a job.
    fn turn(&mut self, place: usize, token: Token, run: Run) -> Job {
        let mut held = self.processes[place].held.iter_mut();
        match held.find(|it| it.token == token) {
            Some(it) => {
                it.run = run;
                it.job
            }
            None => 0,
        }
    }

    fn start(&mut self, place: usize, token: Token) {
        let job = self.turn(place, token, Run::Running);
        self.credit[usize::from(job)] -= 1;
    }

    /// Tells Redis how a job ended.
    fn tell(&mut self, place: usize, token: Token) {
        let mut held = self.processes[place].held.iter();
        let ending = held.find(|it| it.token == token);
        if let Some(request) = ending.and_then(|it| Request::ending(token, it.job, it.run)) {
            self.call(place, request);
        }
    }

    /// `renew.lua`. One step: a renewal that runs late only makes a lease longer.
    fn renew(&mut self, place: usize) {
        let life = self.processes[place].life;
        if self.redis.fleet.has(life) {
            self.redis.leases.add(life);
        } else {
            // It takes itself out of the deaths counted for what it holds (`absolve`).
            for held in self.processes[place].held.iter() {
                self.redis.recovered[usize::from(held.job)].drop(life);
            }
            self.processes[place].learn_of_death(life);
        }
    }

    /// `register.lua`.
    fn register(&mut self) -> Option<Life> {
        let life = self.fresh_life()?;
        self.redis.fleet.add(life);
        self.redis.leases.add(life);
        Some(life)
    }

    fn begin(&mut self, place: usize) {
        if let Some(life) = self.register() {
            let process = &mut self.processes[place];
            (process.status, process.life) = (Status::Up, life);
            (process.over, process.curious) = (false, false);
        }
    }

    /// `retire.lua` by the process itself: what it has not begun it will not begin; what runs goes on for a moment.
    fn leave(&mut self, place: usize) {
        self.budget.stops -= 1;
        let life = self.processes[place].life;
        self.allow_what_may_run(life);
        self.retire(life);
        let process = &mut self.processes[place];
        process.status = Status::Leaving;
        process.held.retain(|held| held.run != Run::Waiting);
    }

    /// A process is gone. What it sent and Redis has not run yet may still run.
    fn end(&mut self, place: usize) {
        let process = std::mem::take(&mut self.processes[place]);
        for call in process.calls.iter() {
            if call.reply == Reply::Pending && self.network.room() > 0 {
                self.network.push(call.request);
            }
        }
    }

    /// A crash: what runs and is still held will be run again.
    fn allow_what_runs(&mut self, place: usize) {
        let process = self.processes[place];
        for held in process.held.iter() {
            let begun = !matches!(held.run, Run::Waiting | Run::Returning);
            let lives = self.redis.fleet.has(held.token.life);
            if begun && lives && self.redis.find(held.token).is_some() {
                self.allow(held.job);
            }
        }
    }

    fn run_call(&mut self, place: usize, number: usize, manner: Manner<'_>) {
        let request = self.processes[place].calls[number].request;
        let (stays, reply) = self.run(request, manner);
        let call = &mut self.processes[place].calls[number];
        if let Some(request) = stays {
            call.request = request;
        } else if self.processes[place].status == Status::Frozen {
            call.reply = reply;
        } else {
            self.processes[place].calls.remove(number);
            self.receive(place, request, reply);
        }
    }

    fn run_late(&mut self, at: usize, manner: Manner<'_>) {
        let request = self.network.remove(at);
        let (stays, _) = self.run(request, manner);
        if let Some(request) = stays {
            self.network.push(request);
        }
    }

    fn thaw(&mut self, place: usize) {
        self.processes[place].status = Status::Up;
        while let Some(number) = self.processes[place]
            .calls
            .iter()
            .position(|call| call.reply != Reply::Pending)
        {
            let call = self.processes[place].calls.remove(number);
            self.receive(place, call.request, call.reply);
        }
    }

    /// A process takes a reply in.
    fn receive(&mut self, place: usize, request: Request, reply: Reply) {
        let process = &mut self.processes[place];
        match (request, reply) {
            (Request::Claim { life, .. }, Reply::Refused) => process.learn_of_death(life),
            (Request::Wait { token, .. }, Reply::Refused) => process.learn_of_death(token.life),
            (Request::GiveBack { token, .. }, Reply::Refused) => {
                process.held.retain(|held| held.token != token);
                process.learn_of_death(token.life);
            }
            // It reads no more claims.
            (_, Reply::Claimed { .. }) if process.status == Status::Leaving => {}
            (_, Reply::Claimed { first, count, jobs }) => {
                let life = request.life().unwrap_or_default();
                for (number, job) in (first..first + count).zip(jobs) {
                    process.held.push(Held {
                        token: Token { life, number },
                        job,
                        run: Run::Waiting,
                    });
                }
            }
            (Request::Read { token }, Reply::Held(Some(job))) if !process.knows(token) => {
                process.held.push(Held {
                    token,
                    job,
                    run: Run::Waiting,
                });
            }
            // An error is no answer: the ending stays in memory and is repeated, what was claimed is a stray.
            (_, Reply::Error) => process.curious = true,
            (Request::Finish { token, .. } | Request::Settle { token, .. }, _)
            | (Request::GiveBack { token, .. }, _) => {
                process.held.retain(|held| held.token != token);
            }
            _ => {}
        }
    }

    /// The reply to a call will not come. Where it ran already, that changes nothing but memory.
    fn lose(&mut self, scene: &Scene, place: usize, number: usize) {
        self.budget.losses -= 1;
        let call = self.processes[place].calls.remove(number);
        let reads = matches!(call.request, Request::Read { .. });
        if call.reply == Reply::Pending && !reads {
            self.network.push(call.request);
        }
        let process = &mut self.processes[place];
        process.curious |= call.request.wanted() > 0;
        if let Request::GiveBack { token, .. } = call.request
            && !scene.rules.remembers
        {
            process.held.retain(|held| held.token != token);
        }
    }

    /// The replica takes over. What it does not know was never done; and no connection lives on, so that what was under
    /// way and the old primary did not run is never run. A chore may have read before, and send what it decided after.
    fn fail_over(&mut self) {
        self.budget.failovers -= 1;
        self.network.retain(Request::is_chore);
        for process in &mut self.processes {
            let claims = process.calls.iter().any(|call| call.request.wanted() > 0);
            process.curious |= claims;
            process.calls.retain(|call| call.reply != Reply::Pending);
        }
        let Some(older) = self.older.take() else {
            return;
        };
        let newer = std::mem::replace(&mut self.redis, older);
        for job in older.undone_since(&newer) {
            self.allow(job);
        }
    }
}

impl Process {
    /// What it has not begun in this life it will not begin; what runs is told to stop, and may go on.
    fn learn_of_death(&mut self, life: Life) {
        if self.life == life && self.status != Status::Leaving {
            self.over = true;
            let idle = |held: &Held| held.token.life == life && held.run == Run::Waiting;
            self.held.retain(|held| !idle(held));
        }
    }
}

impl Redis {
    /// The jobs, one for each copy, that wait or are in flight here and were further on in `newer`.
    fn undone_since(&self, newer: &Self) -> Vec<Job> {
        let mut further: Vec<Job> = Vec::new();
        let waits = |redis: &Self| -> Vec<Job> {
            let landed = redis.landing.iter().map(|it| it.job);
            let later = redis.waiting.iter().map(|it| it.job);
            redis
                .queue
                .iter()
                .copied()
                .chain(landed)
                .chain(later)
                .collect()
        };
        let mut still = waits(newer);
        for job in waits(self) {
            match still.iter().position(|other| *other == job) {
                Some(at) => {
                    still.swap_remove(at);
                }
                None => further.push(job),
            }
        }
        let gone = |entry: &&Entry| !newer.inflight.contains(entry);
        further.extend(self.inflight.iter().filter(gone).map(|entry| entry.job));
        further
    }
}
