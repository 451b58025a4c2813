//! Which actions are possible in a state.

use crate::{
    Action, Call, Request, Scene, State, Way,
    state::{COPIES, Entry, Job, Lives, NOBODY, Process, Redis, Reply, Run, Status},
};

/// Deaths after which a job is buried.
const DEATHS_MAX: u32 = 3;

impl State {
    /// Everything that can happen next.
    pub fn offers(&self, scene: &Scene, into: &mut Vec<Action>) {
        into.clear();
        if usize::from(self.acknowledged) < scene.jobs {
            into.push(Action::Push);
            if self.budget.losses > 0 && self.network.room() > 0 && self.has_copies_to_spare(scene)
            {
                into.push(Action::LosePush);
            }
        }
        for (place, process) in self.processes[..scene.workers].iter().enumerate() {
            match process.status {
                Status::Gone => {
                    if self.budget.boots > 0 && self.fresh_life().is_some() {
                        into.push(Action::Boot(place));
                    }
                    continue;
                }
                Status::Frozen => into.push(Action::Thaw(place)),
                Status::Leaving => {
                    self.offer_runs(scene, place, process, into);
                    into.push(Action::Exit(place));
                }
                Status::Up => {
                    self.offer_claims(scene, place, process, into);
                    self.offer_runs(scene, place, process, into);
                    self.offer_strays(scene, place, process, into);
                    self.offer_life(place, process, into);
                }
            }
            self.offer_network(scene, place, process, into);
            self.offer_process_faults(place, process, into);
        }
        for (place, request) in self.network.iter().enumerate() {
            into.push(Action::RunLate(place));
            if self.may_stop_half_way(scene, request) {
                into.push(Action::HalfLate(place));
            }
        }
        self.offer_chores(scene, into);
        self.offer_lapses(into);
        if self.older.is_some() {
            into.push(Action::Failover);
        } else if self.budget.failovers > 0 {
            into.push(Action::Snapshot);
        }
    }

    fn offer_claims(&self, scene: &Scene, place: usize, process: &Process, into: &mut Vec<Action>) {
        let asks = process
            .calls
            .iter()
            .filter(|call| call.request.wanted() > 0);
        let full = asks.count() >= scene.depth || process.calls.room() == 0;
        if full || !self.may_claim(scene, process) || process.free(scene) == 0 {
            return;
        }
        if scene.idle_claims || !self.redis.queue.is_empty() || !self.redis.landing.is_empty() {
            into.push(Action::Claim(place));
        }
        if scene.bells {
            into.push(Action::Wait(place));
        }
    }

    /// Whether this process would take jobs now.
    fn may_claim(&self, scene: &Scene, process: &Process) -> bool {
        let lease = self.redis.leases.has(process.life);
        process.lives() && (lease || !scene.rules.lease_gate)
    }

    /// What becomes of the jobs in memory.
    fn offer_runs(&self, scene: &Scene, place: usize, process: &Process, into: &mut Vec<Action>) {
        let calls = process.calls.room() > 0;
        for held in process.held.iter() {
            let token = held.token;
            match held.run {
                Run::Waiting => {
                    into.push(Action::Start(place, token));
                    if (scene.gives_up || scene.stalls) && calls {
                        into.push(Action::End(place, token, Run::Returning));
                    }
                }
                Run::Running if calls => {
                    into.push(Action::End(place, token, Run::Finishing));
                    if self.budget.fails > 0 {
                        into.push(Action::End(place, token, Run::Retrying));
                    }
                    if self.budget.burials > 0 {
                        into.push(Action::End(place, token, Run::Burying));
                    }
                }
                Run::Running => {}
                _ if calls && !is_awaited(process, token) => {
                    into.push(Action::Repeat(place, token));
                }
                _ => {}
            }
        }
    }

    /// Tokens of a process that its memory does not know.
    fn offer_strays(&self, scene: &Scene, place: usize, process: &Process, into: &mut Vec<Action>) {
        if process.over || !(scene.rules.adoption || process.curious) {
            return;
        }
        for entry in self.redis.inflight.iter() {
            let token = entry.token;
            if token.life != process.life || process.knows(token) || process.calls.room() == 0 {
                continue;
            }
            let reading = |call: &Call| call.request == Request::Read { token };
            let read = process.calls.iter().any(reading);
            // Two threads look for strays; what one reads, the other leaves alone.
            let mine = !is_awaited(process, token);
            let able = self.may_claim(scene, process) && process.free(scene) > 0;
            if able && mine && !read {
                into.push(Action::Adopt(place, token));
            }
            let room = process.memory() > 0;
            if (!able || scene.gives_up || scene.stalls) && mine && room {
                into.push(Action::Reject(place, token));
            }
        }
        if !scene.rules.adoption {
            into.push(Action::Look(place));
        }
    }

    /// The proof of life, and what follows from its refusal.
    fn offer_life(&self, place: usize, process: &Process, into: &mut Vec<Action>) {
        let redis = &self.redis;
        if process.over {
            if self.fresh_life().is_some() {
                into.push(Action::Begin(place));
                if self.budget.losses > 0 {
                    into.push(Action::LoseRegistration(place));
                }
            }
            return;
        }
        if !redis.fleet.has(process.life) || !redis.leases.has(process.life) {
            into.push(Action::Renew(place));
        }
        if self.budget.stops > 0 {
            into.push(Action::Leave(place));
        }
    }

    fn offer_network(
        &self,
        scene: &Scene,
        place: usize,
        process: &Process,
        into: &mut Vec<Action>,
    ) {
        for (number, call) in process.calls.iter().enumerate() {
            if call.reply == Reply::Pending {
                into.push(Action::Run(place, number));
                if process.status == Status::Up && self.may_stop_half_way(scene, &call.request) {
                    into.push(Action::Half(place, number));
                }
            }
            if self.budget.losses > 0 && self.network.room() > 0 {
                into.push(Action::Lose(place, number));
            }
        }
    }

    fn offer_process_faults(&self, place: usize, process: &Process, into: &mut Vec<Action>) {
        if self.budget.crashes > 0 && self.network.room() >= process.calls.len() {
            into.push(Action::Crash(place));
        }
        if self.budget.freezes > 0 && process.status == Status::Up {
            into.push(Action::Freeze(place));
        }
    }

    fn may_stop_half_way(&self, scene: &Scene, request: &Request) -> bool {
        self.budget.halves > 0
            && self.has_copies_to_spare(scene)
            && match *request {
                Request::Claim { life, .. } => {
                    let redis = &self.redis;
                    redis.fleet.has(life) && redis.queue.len() + redis.landing.len() > 0
                }
                Request::Wait { token, moved } => {
                    moved && self.redis.fleet.has(token.life) && !self.redis.landing.is_empty()
                }
                Request::Settle { token, .. } => self.redis.find(token).is_some(),
                Request::GiveBack { token, .. } => {
                    self.redis.fleet.has(token.life) && self.redis.find(token).is_some()
                }
                Request::Reap { token, .. } => {
                    self.redis.dying.has(token.life) && self.redis.find(token).is_some()
                }
                Request::Promote { entry } => self.redis.waiting.contains(&entry),
                _ => false,
            }
    }

    /// Whether the lists hold one copy more, after everything that is still to be pushed.
    fn has_copies_to_spare(&self, scene: &Scene) -> bool {
        let older = self.older.as_ref().map_or(0, Redis::unfinished);
        let pushes = self.network.iter();
        let pushes = pushes.filter(|it| matches!(it, Request::Push { .. }));
        let to_come = pushes.count() + scene.jobs - usize::from(self.acknowledged);
        self.redis.unfinished().max(older) + to_come < COPIES
    }

    /// What the reaper and the promoter of the fleet may send. Any process that is up can have the duty.
    fn offer_chores(&self, scene: &Scene, into: &mut Vec<Action>) {
        let up = |process: &Process| process.status == Status::Up;
        let under_way = self.network.iter().filter(|it| it.is_chore()).count();
        if !self.processes.iter().any(up) || under_way >= scene.chores || self.network.room() == 0 {
            return;
        }
        let mut send = |request: Request| {
            if !self.network.contains(&request) {
                into.push(Action::Send(request));
            }
        };
        let redis = &self.redis;
        for life in redis.fleet.iter().filter(|life| !redis.leases.has(*life)) {
            send(Request::Condemn { life });
        }
        for entry in redis.inflight.iter() {
            if redis.dying.has(entry.token.life) {
                send(self.plan(scene, entry));
            }
        }
        for life in redis.dying.iter().filter(|life| !redis.holds(*life)) {
            send(Request::Forget { life });
        }
        for (place, entry) in redis.waiting.iter().enumerate() {
            if !redis.waiting[..place].contains(entry) {
                send(Request::Promote { entry: *entry });
            }
        }
        for (place, landed) in redis.landing.iter().enumerate() {
            let owner = landed.owner;
            let before = redis.landing[..place].iter().any(|it| it.owner == owner);
            if !before && (owner == NOBODY || redis.dying.has(owner)) {
                send(Request::Unland { owner });
            }
        }
    }

    /// Where the job of a dead process goes: `recovery::plan` of the worker.
    fn plan(&self, scene: &Scene, entry: &Entry) -> Request {
        let life = entry.token.life;
        let deaths = |job: Job| {
            let mut others: Lives = self.redis.recovered[usize::from(job)];
            others.drop(life);
            others.0.count_ones() + 1
        };
        let aboard = self
            .redis
            .inflight
            .iter()
            .filter(|it| it.token.life == life);
        let suspects = aboard.filter(|it| deaths(it.job) >= DEATHS_MAX).count();
        let deaths = deaths(entry.job);
        let way = match deaths {
            _ if !scene.charges => Way::Queue,
            DEATHS_MAX.. if suspects == 1 => Way::Dead,
            _ if deaths + 1 >= DEATHS_MAX => Way::Schedule,
            _ => Way::Queue,
        };
        Request::Reap {
            token: entry.token,
            job: entry.job,
            way,
            charged: scene.charges,
        }
    }

    /// Leases that can run out: of whoever cannot renew, sooner or later; of whoever can, as a fault.
    fn offer_lapses(&self, into: &mut Vec<Action>) {
        for life in self.redis.leases.iter() {
            let renews = self.owner(life).is_some_and(Process::lives);
            if !renews || self.budget.lapses > 0 {
                into.push(Action::Lapse(life));
            }
        }
    }
}

/// Whether a reply about this very token is awaited.
fn is_awaited(process: &Process, token: crate::Token) -> bool {
    let mut calls = process.calls.iter();
    calls.any(|call| call.request.token() == Some(token))
}
