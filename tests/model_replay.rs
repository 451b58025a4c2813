//! The model's steps are the store's steps: ways that the model goes at random are gone with the real operations against
//! a real Redis, and after each step both must hold the same. A promise proven for the model is worth what this is worth.
//!
//! Steps that stop half-way are the model's alone: a test cannot stop Redis in the middle of a script.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gandy_model::{
    Action, Budget, Job, Life, Redis, Request, Rules, Scene, State, Token as ModelToken,
    Way as ModelWay,
};
use gandy_protocol::{Identity, Keys, recovery_id};
use gandy_store::{
    DueEntry, Exit, GiveBack, Goal, Grant, Grave, Grip, Guard, Line, Producer, Promotion, Token,
    Waiting, Way, Wire,
};
use gandy_tests::{RedisServer, line, one_cycle};
use redis::{Commands, Connection};

const QUEUE: &str = "q";
/// Longer than the test: leases run out where the model says so.
const LEASE: Duration = Duration::from_secs(3600);
const WALKS: usize = 80;
const STEPS: usize = 150;

/// A job's bytes; `mark` tells which run failed.
fn payload(job: Job, mark: &str) -> String {
    format!(
        r#"{{"class":"A","args":[],"queue":"{QUEUE}","jid":"{job}{:023}","mark":"{mark}"}}"#,
        0
    )
}

fn job(payload: &[u8]) -> Job {
    recovery_id(payload)[..1].parse().unwrap()
}

fn token(token: ModelToken) -> Token {
    Token {
        number: u64::from(token.number),
        queue: QUEUE.into(),
    }
}

/// What one key of a snapshot held.
type Dump = (String, Vec<u8>);

struct Real {
    line: Line,
    conn: Connection,
    producer: Producer,
    wire: Wire,
    identities: Vec<Identity>,
    drawn: u32,
    older: Vec<Dump>,
    /// How often each request was run.
    ran: BTreeMap<String, usize>,
}

impl Real {
    fn new(server: &RedisServer) -> Self {
        let line = line(server);
        Self {
            producer: Producer::new(self::line(server)),
            wire: Wire::new(line.server().clone(), Duration::from_secs(5)),
            line,
            conn: server.conn(),
            identities: Vec::new(),
            drawn: 0,
            older: Vec::new(),
            ran: BTreeMap::new(),
        }
    }

    fn keys(&self) -> Keys {
        self.line.keys().clone()
    }

    /// The beginning of a scene.
    async fn begin(&mut self, state: &State) {
        redis::cmd("FLUSHALL").exec(&mut self.conn).unwrap();
        for life in state.redis.fleet.iter() {
            self.register(life).await;
        }
    }

    async fn register(&mut self, life: Life) {
        self.drawn += 1;
        let identity = Identity::new("model", self.drawn, [7; 6]);
        assert!(self.line.register(&identity, "{}", LEASE).await.unwrap());
        let place = usize::from(life);
        while self.identities.len() <= place {
            self.identities.push(identity.clone());
        }
        self.identities[place] = identity;
    }

    fn of(&self, life: Life) -> Identity {
        self.identities[usize::from(life)].clone()
    }

    /// Makes a step of the model, which leads from one state to another.
    async fn make(&mut self, before: &State, action: Action, after: &State) {
        match action {
            Action::Push => self.push(before.acknowledged).await,
            Action::Run(place, call) => {
                let request = before.processes[place].calls[call].request;
                self.run(&before.redis, request).await;
            }
            Action::RunLate(at) => self.run(&before.redis, before.network[at]).await,
            Action::Renew(place) => {
                let life = before.processes[place].life;
                let lives = self.line.renew(&self.of(life), LEASE, None).await.unwrap();
                assert_eq!(lives, before.redis.fleet.has(life));
                if !lives {
                    let held = before.processes[place].held;
                    let ids = held
                        .iter()
                        .map(|it| recovery_id(payload(it.job, "").as_bytes()));
                    let ids: Vec<_> = ids.collect();
                    self.line.absolve(&self.of(life), &ids).await.unwrap();
                }
            }
            Action::Begin(_) | Action::Boot(_) | Action::LoseRegistration(_) => {
                let mut joined = after.redis.fleet.iter();
                let new = joined.find(|life| !before.redis.fleet.has(*life));
                self.register(new.unwrap()).await;
            }
            Action::Leave(place) => {
                let life = before.processes[place].life;
                self.line.leave(&self.of(life)).await.unwrap();
            }
            Action::Lapse(life) => {
                let lease = self.keys().lease(&self.of(life));
                let _: () = self.conn.del(lease).unwrap();
            }
            Action::Snapshot => self.older = self.dump(),
            Action::Failover => self.restore(),
            // Everything else happens in memories and on wires.
            _ => {}
        }
    }

    async fn push(&self, job: Job) {
        let payload = payload(job, "");
        self.producer
            .push(Goal::Queue(QUEUE), &payload)
            .await
            .unwrap();
    }

    /// Runs one request with the operation of the store that sends it.
    async fn run(&mut self, redis: &Redis, request: Request) {
        let words = format!("{request:?}");
        let kind = words.split(' ').next().unwrap_or_default();
        *self.ran.entry(kind.to_owned()).or_default() += 1;
        let grave = Grave::default();
        match request {
            Request::Nothing => {}
            Request::Push { job } => self.push(job).await,
            Request::Claim {
                life,
                first,
                wanted,
            } => {
                let (first, wanted) = (u64::from(first), usize::from(wanted));
                let identity = self.of(life);
                let haul = one_cycle(&self.line, &identity, &[], QUEUE, first, wanted).await;
                let granted = haul.unwrap().grant == Grant::Alive;
                assert_eq!(granted, redis.fleet.has(life));
            }
            Request::Wait { token, moved } => {
                if !moved && !redis.queue.is_empty() {
                    self.block_and_move();
                } else {
                    self.land(token).await;
                }
            }
            Request::Finish { token: ended, .. } => {
                let (identity, ended) = (self.of(ended.life), [token(ended)]);
                let haul = one_cycle(&self.line, &identity, &ended, QUEUE, 0, 0).await;
                let held = haul.unwrap().finished == 1;
                assert_eq!(held, redis.find(request.token().unwrap()).is_some());
            }
            Request::Settle {
                token: ended,
                job,
                buries,
            } => {
                let bytes = payload(job, &format!("{}:{}", self.of(ended.life), ended.number));
                let exit = if buries {
                    Exit::Dead(bytes)
                } else {
                    Exit::Retry(Duration::ZERO, bytes)
                };
                let exits = [(token(ended), exit)];
                let settled = self.line.settle(&self.of(ended.life), grave, &exits).await;
                settled.unwrap();
            }
            Request::GiveBack { token, .. } => {
                self.give_back(token, Guard::Living, Way::Queue, None).await;
            }
            Request::Read { token: read } => {
                let held = self
                    .line
                    .held(&self.of(read.life), &token(read), 1 << 20)
                    .await;
                let held = held.unwrap().flatten().map(|payload| job(&payload));
                let expected = redis.find(read).map(|at| redis.inflight[at].job);
                assert_eq!(held, expected);
            }
            _ => self.run_chore(redis, request).await,
        }
    }

    /// The same for the fleet's chores.
    async fn run_chore(&mut self, redis: &Redis, request: Request) {
        match request {
            Request::Condemn { life } => {
                let identity = self.of(life);
                self.line
                    .condemn(&identity, Duration::ZERO, None)
                    .await
                    .unwrap();
            }
            Request::Reap {
                token,
                job,
                way,
                charged,
            } => {
                let way = match way {
                    ModelWay::Queue => Way::Queue,
                    ModelWay::Schedule => Way::Schedule(Duration::ZERO),
                    ModelWay::Dead => Way::Dead("the third death".to_owned()),
                };
                let id = charged.then(|| recovery_id(payload(job, "").as_bytes()));
                self.give_back(token, Guard::Dying, way, id).await;
            }
            Request::Forget { life } => {
                self.line.forget(&self.of(life)).await.unwrap();
            }
            Request::Unland { .. } => {
                self.line.unland(QUEUE).await.unwrap();
            }
            Request::Promote { entry } => self.promote(redis, entry).await,
            _ => {}
        }
    }

    async fn give_back(&self, back: ModelToken, guard: Guard, way: Way, charge: Option<String>) {
        let jobs = [GiveBack {
            token: token(back),
            way,
            charge,
            waiter: None,
        }];
        let (identity, grave) = (self.of(back.life), Grave::default());
        self.line
            .give_back(&identity, guard, grave, &jobs)
            .await
            .unwrap();
    }

    /// What a blocking move does when it need not block.
    fn block_and_move(&mut self) {
        let keys = self.keys();
        let mut command = redis::cmd("BLMOVE");
        command.arg(keys.queue(QUEUE)).arg(keys.landing(QUEUE));
        command.arg("RIGHT").arg("LEFT").arg(1);
        let moved: Option<Vec<u8>> = command.query(&mut self.conn).unwrap();
        assert!(moved.is_some());
    }

    async fn land(&mut self, token: ModelToken) {
        let grip = Grip::new(&self.keys(), &self.of(token.life), [QUEUE]);
        loop {
            let cycle = grip.landing(0, u64::from(token.number), 1 << 20);
            self.wire.send(cycle).await.unwrap();
            if self.wire.receive().await.unwrap().grant != Grant::Untaught {
                return;
            }
        }
    }

    async fn promote(&mut self, redis: &Redis, entry: gandy_model::Waiting) {
        let keys = self.keys();
        let mark = (entry.mark.number > 0)
            .then(|| format!("{}:{}\"", self.of(entry.mark.life), entry.mark.number));
        let there = redis.waiting.contains(&entry);
        for (set, from) in [
            (keys.retry(), Waiting::Retry),
            (keys.schedule(), Waiting::Schedule),
        ] {
            let members: Vec<(String, String)> = self.conn.zrange_withscores(set, 0, -1).unwrap();
            let found = members.into_iter().find(|(member, _)| {
                let same = mark
                    .as_ref()
                    .is_none_or(|mark| member.contains(mark.as_str()));
                job(member.as_bytes()) == entry.job && same
            });
            let (member, score) = match found {
                Some(found) if there => found,
                // Promoted before: what the promoter read is not there any more.
                _ if !there => ("promoted before".to_owned(), "1".to_owned()),
                _ => continue,
            };
            let promotion = Promotion::Push {
                queue: QUEUE.to_owned(),
                payload: payload(entry.job, ""),
            };
            let due = DueEntry {
                member: member.into_bytes(),
                score,
            };
            let entries = [(due, promotion)];
            let step = self.line.promote(from, Grave::default(), &entries);
            let promoted = step.await.unwrap();
            assert_eq!(promoted.pushed, usize::from(there), "{promoted:?}");
            return;
        }
        panic!("the model promotes an entry that Redis does not have");
    }

    fn dump(&mut self) -> Vec<Dump> {
        let keys: Vec<String> = self.conn.keys("*").unwrap();
        let dump = |conn: &mut Connection, key: String| {
            let bytes = redis::cmd("DUMP").arg(&key).query(conn).unwrap();
            (key, bytes)
        };
        keys.into_iter()
            .map(|key| dump(&mut self.conn, key))
            .collect()
    }

    fn restore(&mut self) {
        redis::cmd("FLUSHALL").exec(&mut self.conn).unwrap();
        for (key, bytes) in std::mem::take(&mut self.older) {
            let mut command = redis::cmd("RESTORE");
            command
                .arg(key)
                .arg(0)
                .arg(bytes)
                .exec(&mut self.conn)
                .unwrap();
        }
    }

    /// What the real one holds, in the model's words.
    fn look(&mut self, lives: &BTreeSet<Life>) -> Seen {
        let keys = self.keys();
        let list = |conn: &mut Connection, key: String| -> Vec<Job> {
            let items: Vec<Vec<u8>> = conn.lrange(key, 0, -1).unwrap();
            items.iter().map(|item| job(item)).collect()
        };
        let set = |conn: &mut Connection, key: String| -> Vec<Job> {
            let items: Vec<Vec<u8>> = conn.zrange(key, 0, -1).unwrap();
            items.iter().map(|item| job(item)).collect()
        };
        let mut seen = Seen {
            queue: list(&mut self.conn, keys.queue(QUEUE)),
            landing: list(&mut self.conn, keys.landing(QUEUE)),
            waiting: set(&mut self.conn, keys.retry()),
            dead: set(&mut self.conn, keys.dead()),
            ..Seen::default()
        };
        seen.waiting.extend(set(&mut self.conn, keys.schedule()));
        seen.waiting.sort_unstable();
        seen.dead.sort_unstable();
        let fleet: BTreeSet<String> = self.conn.hkeys(keys.fleet()).unwrap();
        let dying: BTreeSet<String> = self.conn.hkeys(keys.dying()).unwrap();
        let mut found = 0;
        for life in lives {
            let identity = self.of(*life);
            if fleet.contains(identity.as_str()) {
                seen.fleet.push(*life);
            }
            if dying.contains(identity.as_str()) {
                seen.dying.push(*life);
            }
            if self.conn.exists(keys.lease(&identity)).unwrap() {
                seen.leases.push(*life);
            }
            let held: Vec<(String, Vec<u8>)> = self.conn.hgetall(keys.inflight(&identity)).unwrap();
            found += usize::from(!held.is_empty());
            for (name, bytes) in held {
                let number = Token::parse(&name).unwrap().number;
                seen.inflight.push((*life, number, job(&bytes)));
            }
        }
        seen.inflight.sort_unstable();
        let inflight: Vec<String> = self.conn.keys(keys.inflight_pattern()).unwrap();
        assert_eq!(
            inflight.len(),
            found,
            "in flight under an identity that the model does not know"
        );
        assert_eq!(
            (fleet.len(), dying.len()),
            (seen.fleet.len(), seen.dying.len())
        );
        for job in 0..JOBS {
            let id = recovery_id(payload(job, "").as_bytes());
            let died: BTreeSet<String> = self.conn.smembers(keys.recovered(&id)).unwrap();
            let lives = lives
                .iter()
                .filter(|life| died.contains(self.of(**life).as_str()));
            seen.recovered.extend(lives.map(|life| (job, *life)));
        }
        seen
    }
}

const JOBS: Job = 3;

/// What both must hold.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    queue: Vec<Job>,
    landing: Vec<Job>,
    waiting: Vec<Job>,
    dead: Vec<Job>,
    inflight: Vec<(Life, u64, Job)>,
    fleet: Vec<Life>,
    dying: Vec<Life>,
    leases: Vec<Life>,
    recovered: Vec<(Job, Life)>,
}

impl Seen {
    fn of(redis: &Redis) -> Self {
        let mut waiting: Vec<Job> = redis.waiting.iter().map(|it| it.job).collect();
        waiting.sort_unstable();
        let entry = |it: &gandy_model::Entry| (it.token.life, u64::from(it.token.number), it.job);
        let mut inflight: Vec<_> = redis.inflight.iter().map(entry).collect();
        inflight.sort_unstable();
        let died = |job: Job| {
            let lives = redis.recovered[usize::from(job)].iter();
            lives.map(move |life| (job, life))
        };
        Self {
            queue: redis.queue.to_vec(),
            landing: redis.landing.iter().map(|it| it.job).collect(),
            waiting,
            dead: (0..JOBS)
                .flat_map(|job| {
                    let dead = redis.tally[usize::from(job)].dead;
                    std::iter::repeat_n(job, usize::from(dead))
                })
                .collect(),
            inflight,
            fleet: redis.fleet.iter().collect(),
            dying: redis.dying.iter().collect(),
            leases: redis.leases.iter().collect(),
            recovered: (0..JOBS).flat_map(died).collect(),
        }
    }
}

/// Two wide workers, three jobs, and everything that can go wrong outside Redis' scripts.
fn world() -> Scene {
    Scene {
        workers: 2,
        slots: 2,
        batch: 2,
        depth: 2,
        pushes: true,
        bells: true,
        idle_claims: true,
        gives_up: true,
        stalls: true,
        charges: true,
        chores: 2,
        ..Scene::small("against a real Redis", usize::from(JOBS)).with(Budget {
            crashes: 2,
            freezes: 1,
            lapses: 2,
            losses: 3,
            failovers: 1,
            halves: 0,
            boots: 2,
            stops: 1,
            fails: 2,
            burials: 1,
        })
    }
}

/// Whether Redis has a part in it.
fn is_in_redis(action: Action) -> bool {
    matches!(
        action,
        Action::Push
            | Action::Run(..)
            | Action::RunLate(_)
            | Action::Renew(_)
            | Action::Begin(_)
            | Action::Boot(_)
            | Action::LoseRegistration(_)
            | Action::Leave(_)
            | Action::Lapse(_)
            | Action::Failover
    )
}

/// The next step: faults come less often than they could, or all would come at once.
fn choose(state: &State, scene: &Scene, random: &mut fastrand::Rng) -> Option<Action> {
    let mut offers = Vec::new();
    state.offers(scene, &mut offers);
    // A push that is repeated makes two jobs of the same bytes, which a sorted set takes for one and the model for two.
    offers.retain(|action| *action != Action::LosePush);
    let first = random.choice(&offers).copied()?;
    if first.is_fault() {
        return random.choice(&offers).copied();
    }
    Some(first)
}

/// Goes ways of the model with the store. What was run.
///
/// # Panics
/// Where they do not agree.
async fn replay(scene: &Scene, seed: u64, walks: usize) -> BTreeMap<String, usize> {
    let server = RedisServer::start();
    let mut real = Real::new(&server);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut steps, mut in_redis) = (0, 0);
    for walk in 0..walks {
        let mut state = State::new(scene);
        real.begin(&state).await;
        let mut way = Vec::new();
        for _ in 0..STEPS {
            let Some(action) = choose(&state, scene, &mut random) else {
                break;
            };
            let before = state;
            state.apply(scene, action);
            state.tidy(scene);
            way.push(action);
            steps += 1;
            real.make(&before, action, &state).await;
            if !is_in_redis(action) {
                continue;
            }
            in_redis += 1;
            let lives: BTreeSet<Life> = state.lives().iter().collect();
            let (model, redis) = (Seen::of(&state.redis), real.look(&lives));
            assert_eq!(
                redis, model,
                "left: Redis, right: the model; walk {walk} of seed {seed}: {way:#?}"
            );
        }
    }
    println!("{walks} walks, {steps} steps, {in_redis} of them in Redis, and all agree");
    real.ran
}

#[tokio::test]
async fn the_store_does_to_redis_what_the_model_says() {
    let seed =
        std::env::var("GANDY_SEED").map_or_else(|_| fastrand::u64(..), |it| it.parse().unwrap());
    println!("GANDY_SEED={seed}");
    let ran = replay(&world(), seed, WALKS).await;
    println!("requests run: {ran:?}");
    // Every request but a push whose reply was lost.
    assert!(ran.len() >= 11, "{ran:?}");
}

/// The comparison can fail: a model in which the dead may claim is not the store.
#[tokio::test]
#[should_panic(expected = "left: Redis, right: the model")]
async fn a_model_of_another_protocol_is_found_out() {
    let rules = Rules {
        life_check: false,
        ..Rules::ALL
    };
    let scene = Scene { rules, ..world() };
    replay(&scene, 1, WALKS).await;
}
