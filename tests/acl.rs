//! The access rights that docs/deploy.md prints are enough for a whole life of jobs, and for nothing else. The lines are
//! read out of that page and given to a real Redis.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use gandy::{Client, Context, Inspect, JobError, Place, Push, Server, Worker, WorkerConfig};
use gandy_tests::{RedisServer, wait_eq, wait_until};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/deploy.md");
const SOON: Duration = Duration::from_secs(20);

/// The lines of the page's `acl` block, each `user NAME RULE…`.
fn users() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (_, rest) = page.split_once("```acl\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    block.lines().map(words).collect()
}

/// A Redis with those users. The one called `default` stays on, for the test's own looks.
fn server() -> RedisServer {
    let server = RedisServer::start();
    let users = users();
    assert_eq!(users[0], ["user", "default", "off"]);
    for user in &users[1..] {
        assert_eq!(user[0], "user");
        let words = user[1..].iter().map(String::as_str);
        let command: Vec<&str> = ["ACL", "SETUSER"].into_iter().chain(words).collect();
        assert_eq!(server.cli(&command), "OK", "{user:?}");
    }
    server
}

/// The page's passwords are the users' names in capitals.
fn url(server: &RedisServer, user: &str) -> String {
    let login = format!("redis://{user}:{}@", user.to_uppercase());
    server.url().replace("redis://", &login)
}

fn login(server: &RedisServer, user: &str) -> Server {
    Server::new(&url(server, user)).unwrap()
}

/// What was denied since the last look.
fn denied(server: &RedisServer) -> String {
    let log = server.cli(&["ACL", "LOG"]);
    server.cli(&["ACL", "LOG", "RESET"]);
    log
}

fn client(server: &RedisServer) -> Client {
    let at = login(server, "producer");
    Client::builder().server(at).build().unwrap()
}

fn job(what: &str) -> Push {
    Push::raw("Any", format!("[{what:?}]"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_may_push_and_nothing_else() {
    let server = server();
    let client = client(&server);
    client.check().await.unwrap();
    client.send(job("now")).await.unwrap();
    client.send(job("now")).await.unwrap();
    let later = Duration::from_secs(3600);
    client.send(job("later").after(later)).await.unwrap();
    let many = client
        .send_all((0..3000).map(|_| job("many").queue("low")))
        .await;
    assert!(many.iter().all(Result::is_ok));
    assert_eq!(denied(&server), "");
    let commands: [&[&str]; 12] = [
        &["LRANGE", "queue:default", "0", "-1"],
        &["RPOP", "queue:default"],
        &["DEL", "queue:default"],
        &["ZRANGE", "schedule", "0", "-1"],
        &["ZADD", "retry", "1", "x"],
        &["ZADD", "dead", "1", "x"],
        &["SADD", "paused", "default"],
        &["HSET", "gandy:fleet", "a", "b"],
        &["EVAL", "return 1", "0"],
        &["CONFIG", "GET", "*"],
        &["KEYS", "*"],
        &["FLUSHALL"],
    ];
    forbidden(&server, "producer", &commands);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_do_everything_that_a_worker_does() {
    let server = server();
    let client = client(&server);
    let mut config = WorkerConfig::new(login(&server, "worker"));
    config.queues = vec!["default".into(), "low".into(), "halted".into()];
    let worker = Worker::builder(config)
        .handler_fn("Any", |(what,): (String,), _: Context| async move {
            match what.as_str() {
                "retry" => Err(JobError::retry("E", "m")),
                "bury" => Err(JobError::bury("E", "m")),
                "discard" => Err(JobError::discard("E", "m")),
                "snooze" => Err(JobError::snooze(Duration::from_secs(3600))),
                _ => Ok(()),
            }
        })
        .build()
        .unwrap()
        .start();
    let is = |what: &str, key: &[&str], wanted: &str| {
        wait_eq(SOON, what, &wanted.to_owned(), || server.cli(key));
    };
    wait_until(SOON, "the worker is idle", || {
        server.cli(&["CLIENT", "LIST"]).contains("cmd=blmove")
    });
    // It rings in a landing list first, then in whole claims.
    client.send(job("now")).await.unwrap();
    for what in ["retry", "bury", "discard", "snooze", "now"] {
        client.send(job(what)).await.unwrap();
    }
    let soon = Duration::from_millis(300);
    client.send(job("now").after(soon)).await.unwrap();
    server.cli(&["SADD", "paused", "halted"]);
    client.send(job("now").queue("halted")).await.unwrap();
    // What cannot be read, in a queue and in a set.
    server.cli(&["LPUSH", "queue:low", "no JSON"]);
    server.cli(&["ZADD", "schedule", "1", "no JSON either"]);
    // What a dead worker left, and what nobody knows of.
    let left =
        |jid: &str| format!(r#"{{"class":"Any","args":["now"],"jid":"{jid}","queue":"low"}}"#);
    let dead = "host:1:a4dc4b6ef2be";
    server.cli(&[
        "HSET",
        &format!("gandy:inflight:{dead}"),
        "1:low",
        &left("j1"),
    ]);
    server.cli(&["HSET", "gandy:dying", dead, "{}"]);
    let lost = "host:2:a4dc4b6ef2be";
    server.cli(&[
        "HSET",
        &format!("gandy:inflight:{lost}"),
        "1:low",
        &left("j2"),
    ]);
    is(
        "the dead worker is forgotten",
        &["HEXISTS", "gandy:dying", dead],
        "0",
    );
    is(
        "what nobody knew of is found",
        &["EXISTS", &format!("gandy:inflight:{lost}")],
        "0",
    );
    is("a retry", &["ZCARD", "retry"], "1");
    is(
        "a snoozed job alone is scheduled",
        &["ZCARD", "schedule"],
        "1",
    );
    is("one buried, two unreadable", &["ZCARD", "dead"], "3");
    is("the halted queue", &["LLEN", "queue:halted"], "1");
    is(
        "all runs but the snoozed one",
        &["GET", "stat:processed"],
        "8",
    );
    let identity = worker.identity().unwrap();
    is("the heartbeat", &["SISMEMBER", "processes", &identity], "1");
    worker.stop().await.unwrap();
    assert_eq!(denied(&server), "");
    let commands: [&[&str]; 5] = [
        &["FLUSHALL"],
        &["CONFIG", "SET", "maxmemory", "1"],
        &["KEYS", "*"],
        &["SET", "another-application", "1"],
        &["ACL", "LIST"],
    ];
    forbidden(&server, "worker", &commands);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_move_jobs_and_a_viewer_may_only_look() {
    let server = server();
    let client = client(&server);
    for what in ["a", "b"] {
        client.send(job(what)).await.unwrap();
    }
    let entry =
        |jid: &str| format!(r#"{{"class":"Any","args":[],"jid":"{jid}","queue":"default"}}"#);
    server.cli(&[
        "ZADD",
        "retry",
        "99999999999",
        &entry("r1"),
        "99999999999",
        &entry("r2"),
    ]);
    server.cli(&["ZADD", "dead", "9999999999", &entry("d1")]);
    server.cli(&["SADD", "processes", "host:1:a4dc4b6ef2be"]);
    for user in ["operator", "viewer"] {
        let inspect = Inspect::new(login(&server, user), "").unwrap();
        inspect.check().await.unwrap();
        assert_eq!(inspect.totals().await.unwrap().enqueued, 2);
        inspect.queues().await.unwrap();
        inspect.processes().await.unwrap();
        for place in [
            Place::Retry,
            Place::Dead,
            Place::Schedule,
            Place::Queue("default".into()),
        ] {
            inspect.jobs(&place, 0, 10).await.unwrap();
            inspect.size(&place).await.unwrap();
        }
        let found = inspect.find("d1").await.unwrap().unwrap();
        assert_eq!(inspect.reason(&found).await.unwrap(), None);
    }
    assert_eq!(denied(&server), "");

    let viewer = Inspect::new(login(&server, "viewer"), "").unwrap();
    let found = viewer.find("d1").await.unwrap().unwrap();
    for refused in [
        viewer.delete(&found).await.map(drop),
        viewer.retry(&found).await.map(drop),
        viewer.pause("default").await,
        viewer.quiet("host:1:a4dc4b6ef2be").await,
    ] {
        assert!(refused.unwrap_err().to_string().contains("NOPERM"));
    }
    denied(&server);

    let operator = Inspect::new(login(&server, "operator"), "").unwrap();
    let jid = async |jid| operator.find(jid).await.unwrap().unwrap();
    assert!(operator.retry(&jid("r1").await).await.unwrap());
    assert!(operator.bury(&jid("r2").await).await.unwrap());
    assert!(operator.delete(&jid("d1").await).await.unwrap());
    operator.pause("default").await.unwrap();
    operator.unpause("default").await.unwrap();
    operator.quiet("host:1:a4dc4b6ef2be").await.unwrap();
    assert_eq!(denied(&server), "");
    assert_eq!(server.cli(&["LLEN", "queue:default"]), "3");
    forbidden(
        &server,
        "operator",
        &[&["FLUSHALL"], &["DEL", "dead"], &["KEYS", "*"]],
    );
}

/// Each command is refused for want of rights.
fn forbidden(server: &RedisServer, user: &str, commands: &[&[&str]]) {
    let client = redis::Client::open(url(server, user)).unwrap();
    let mut connection = client.get_connection().unwrap();
    for command in commands {
        let mut request = redis::cmd(command[0]);
        request.arg(&command[1..]);
        let refused = request.query::<redis::Value>(&mut connection).unwrap_err();
        assert_eq!(
            refused.code(),
            Some("NOPERM"),
            "{user}: {command:?}: {refused}"
        );
    }
}
