//! P5: `redis-cli` is enough to see everything. Every recipe in README.md is run against a real Redis with a real worker
//! on it and must print what README says; what its comment promises beyond that is checked too.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use gandy::{Client, Context, Handler, Job, JobError, RunningWorker, Server, Worker, WorkerConfig};
use gandy_tests::{RedisServer, wait_eq, wait_until};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
/// The worker that README's recipes name.
const IDENTITY: &str = "app1:4711:a4dc4b6ef2be";
const SOON: Duration = Duration::from_secs(20);

#[derive(Serialize, Deserialize, Job)]
#[job(class = "WelcomeEmail", queue = "mailers", retry = 5)]
struct WelcomeEmail {
    user_id: u64,
    template: String,
}

fn mail(user_id: u64, template: &str) -> WelcomeEmail {
    let template = template.to_owned();
    WelcomeEmail { user_id, template }
}

/// Does what the template says; `slow` mails wait until the gate lets them go.
struct Mailer {
    gate: Arc<Semaphore>,
}

impl Handler<WelcomeEmail> for Mailer {
    async fn perform(&self, job: WelcomeEmail, _ctx: &Context) -> Result<(), JobError> {
        match job.template.as_str() {
            "slow" => self
                .gate
                .acquire()
                .await
                .map(|permit| permit.forget())
                .map_err(JobError::from),
            "unknown" => Err(JobError::retry("NoSuchUser", "no user 7")),
            "broken" => Err(JobError::bury("BadTemplate", "line 3")),
            _ => Ok(()),
        }
    }
}

/// A Redis as README describes it: two mails sent, one failed and waiting for its retry, one dead, one scheduled, one
/// being sent, two waiting.
struct View {
    runtime: tokio::runtime::Runtime,
    server: RedisServer,
    worker: Option<RunningWorker>,
    client: Client,
    gate: Arc<Semaphore>,
}

impl View {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = RedisServer::start();
        let at = Server::new(&server.url()).unwrap();
        let gate = Arc::new(Semaphore::new(0));
        let mailer = Mailer {
            gate: Arc::clone(&gate),
        };
        let _guard = runtime.enter();
        let worker = Worker::builder(WorkerConfig::new(at.clone()))
            .queues(["mailers"])
            .concurrency(1)
            .handler(mailer);
        let client = Client::builder().server(at).build().unwrap();
        let mut view = Self {
            worker: None,
            client,
            gate,
            server,
            runtime,
        };
        view.fill(worker);
        view
    }

    fn fill(&mut self, worker: gandy::WorkerBuilder) {
        for job in [
            mail(1, "hi"),
            mail(2, "hi"),
            mail(7, "unknown"),
            mail(8, "broken"),
        ] {
            self.push(job);
        }
        let hour = Duration::from_secs(3600);
        self.runtime
            .block_on(self.client.push_in(hour, mail(9, "hi")))
            .unwrap();
        // Its signals are the matter of a recipe, so it must not be embedded; this process gets none.
        self.worker = Some(
            self.runtime
                .block_on(async { worker.build().unwrap().start() }),
        );
        wait_eq(SOON, "a dead job", &"1".to_owned(), || {
            self.server.cli(&["zcard", "dead"])
        });
        self.push(mail(41, "slow"));
        let inflight = format!("gandy:inflight:{}", self.identity());
        wait_eq(SOON, "a job in flight", &"1".to_owned(), || {
            self.server.cli(&["hlen", &inflight])
        });
        self.push(mail(42, "hi"));
        self.push(mail(43, "hi"));
        // Counters and the list of running jobs are written with a heartbeat.
        wait_eq(SOON, "the counters", &"4".to_owned(), || {
            self.server.cli(&["get", "stat:processed"])
        });
        wait_eq(SOON, "a busy worker", &"1".to_owned(), || {
            self.server.cli(&["hget", &self.identity(), "busy"])
        });
    }

    fn push(&self, job: WelcomeEmail) {
        self.runtime.block_on(self.client.push(job)).unwrap();
    }

    fn identity(&self) -> String {
        let worker = self.worker.as_ref().unwrap();
        let mut identity = worker.identity();
        wait_until(SOON, "the worker has joined the fleet", || {
            identity = worker.identity();
            identity.is_some()
        });
        identity.unwrap()
    }

    /// What the recipe's comment says beside what it prints.
    fn check_effect(&self, command: &[String]) {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        match command[..] {
            ["sadd", "paused", "mailers"] => {
                self.gate.add_permits(1);
                let inflight = format!("gandy:inflight:{}", self.identity());
                wait_eq(SOON, "the mail is sent", &"0".to_owned(), || {
                    self.server.cli(&["exists", &inflight])
                });
                // An idle worker would have taken them within a millisecond.
                let until = Instant::now() + Duration::from_millis(500);
                while Instant::now() < until {
                    assert_eq!(self.server.cli(&["llen", "queue:mailers"]), "2");
                }
            }
            ["srem", "paused", "mailers"] => {
                wait_eq(SOON, "the waiting mails are sent", &"0".to_owned(), || {
                    self.server.cli(&["llen", "queue:mailers"])
                });
            }
            ["lpush", _, "TSTP"] => {
                let identity = self.identity();
                // Within 5 s, as the heartbeat promises; a loaded machine gets more.
                wait_eq(SOON, "the worker is quiet", &"true".to_owned(), || {
                    self.server.cli(&["hget", &identity, "quiet"])
                });
            }
            _ => {}
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.gate.add_permits(100);
            let ended = self.runtime.block_on(worker.stop());
            if !std::thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

/// A command of README and what it prints.
#[derive(Debug)]
struct Recipe {
    args: Vec<String>,
    prints: String,
}

/// All recipes: in fenced `console` blocks, `$ redis-cli …`, then what it prints.
fn recipes() -> Vec<Recipe> {
    let readme = std::fs::read_to_string(README).unwrap();
    let mut recipes: Vec<Recipe> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ redis-cli ").filter(|_| inside) {
            let command = command.split("  #").next().unwrap();
            assert!(
                !command.contains(['\'', '"', '|', ';']),
                "a recipe for a shell: {command}"
            );
            let args = command.split_whitespace().map(str::to_owned).collect();
            let prints = String::new();
            recipes.push(Recipe { args, prints });
        } else if inside && !line.starts_with("$ ") {
            let recipe = recipes.last_mut().unwrap();
            recipe.prints += line;
            recipe.prints.push('\n');
        }
    }
    recipes
}

/// Times, ids and token numbers differ from run to run.
fn without_accidents(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|char: char| char.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        plain += before;
        let digits = number.find(|char: char| !char.is_ascii_digit());
        let (digits, after) = number.split_at(digits.unwrap_or(number.len()));
        let fraction = after
            .strip_prefix('.')
            .map(|tail| tail.trim_start_matches(|char: char| char.is_ascii_digit()));
        rest = match fraction {
            Some(tail) if digits.len() >= 10 => tail,
            _ => after,
        };
        let is_token = before.ends_with('\n') || plain.is_empty();
        plain += match digits.len() {
            10.. => "TIME",
            _ if is_token && rest.starts_with(':') => "TOKEN",
            _ => digits,
        };
    }
    plain += rest;
    let (mut out, mut rest) = (String::new(), plain.as_str());
    while let Some((before, jid)) = rest.split_once("\"jid\":\"") {
        let (_, after) = jid.split_once('"').unwrap();
        out += &format!("{before}\"jid\":\"JID\"");
        rest = after;
    }
    out + rest
}

#[test]
fn every_recipe_of_the_readme_prints_what_it_says() {
    let recipes = recipes();
    assert!(
        recipes.len() >= 10,
        "README.md has only {} recipes",
        recipes.len()
    );
    let view = View::start();
    let identity = view.identity();
    for recipe in &recipes {
        let mut args: Vec<String> = recipe
            .args
            .iter()
            .map(|arg| arg.replace(IDENTITY, &identity))
            .collect();
        // At a terminal redis-cli prints types and quotes, into a pipe it does not.
        if args[0] != "--raw" {
            args.insert(0, "--no-raw".to_owned());
        }
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let printed = view.server.cli(&words) + "\n";
        assert_eq!(
            without_accidents(&printed.replace(&identity, IDENTITY)),
            without_accidents(&recipe.prints),
            "\nredis-cli {}",
            recipe.args.join(" ")
        );
        view.check_effect(&recipe.args);
    }
}

#[test]
fn every_key_in_redis_is_documented() {
    let view = View::start();
    let identity = view.identity();
    let documented = |key: &str| {
        let name = key.replace(&identity, "<identity>");
        gandy::KEY_TABLE.iter().any(|row| {
            let wanted = row.name.replace("<queue>", "mailers");
            let fixed = match wanted.find('|') {
                Some(at) => &wanted[..=at],
                None => wanted.split("YYYY").next().unwrap_or_default(),
            };
            // Names that hold a time are known by what stands before it.
            name == wanted || (fixed.len() < wanted.len() && name.starts_with(fixed))
        })
    };
    let keys = view.server.cli(&["--scan"]);
    assert!(keys.lines().count() >= 10, "{keys}");
    for key in keys.lines() {
        assert!(documented(key), "{key} is not in the key table");
    }
}

#[test]
fn accidents_are_taken_out_and_nothing_else() {
    let text = "6:mailers\n{\"args\":[42],\"jid\":\"b5de70b63090decd6440fd9e\",\"at\":1795398104.597}\n1795398104\n";
    assert_eq!(
        without_accidents(text),
        "TOKEN:mailers\n{\"args\":[42],\"jid\":\"JID\",\"at\":TIME}\nTIME\n"
    );
}
