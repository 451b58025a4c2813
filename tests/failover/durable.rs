//! `push_durable`: what it says is what replicas have.

use std::time::{Duration, Instant};

use gandy::{Client, Error, Kind, Outcome, Push, Server};
use gandy_tests::{RedisServer, cut_replication, wait_until};

const SOON: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);

fn client(server: &RedisServer) -> Client {
    let server = Server::new(&server.url()).unwrap();
    Client::builder().server(server).build().unwrap()
}

fn replica_of(primary: &RedisServer) -> RedisServer {
    let replica = RedisServer::start();
    replica.cli(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    wait_until(SOON, "the replica follows", || {
        replica
            .cli(&["INFO", "replication"])
            .contains("master_link_status:up")
    });
    replica
}

fn push(jid: &str) -> Push {
    Push::raw("A", "[]").jid(jid)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_push_says_how_many_replicas_have_it_and_errs_when_they_are_too_few() {
    let primary = RedisServer::with(&["--repl-diskless-sync-delay", "0"]);
    let replica = replica_of(&primary);
    let client = client(&primary);
    let receipt = client
        .send_durable(push("one"), 1, 10 * SECOND)
        .await
        .unwrap();
    assert_eq!((receipt.jid.as_str(), receipt.replicas), ("one", 1));
    assert_eq!(receipt.outcome, Outcome::Enqueued);
    // It has all of it: where workers look for the queue, too.
    assert_eq!(replica.cli(&["LLEN", "queue:default"]), "1");
    assert_eq!(replica.cli(&["SMEMBERS", "queues"]), "default");
    let later = push("later").after(3600 * SECOND);
    let receipt = client.send_durable(later, 1, 10 * SECOND).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Scheduled);
    assert_eq!(replica.cli(&["ZCARD", "schedule"]), "1");
    // There is one, and two are asked for.
    let error = client
        .send_durable(push("two"), 2, SECOND / 5)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("job two is enqueued, but 1 of 2 replicas"),
        "{text}"
    );
    assert_eq!(error.kind(), Kind::Unknown);
    cut_replication(&primary);
    let began = Instant::now();
    let error = client
        .send_durable(push("none"), 1, SECOND / 5)
        .await
        .unwrap_err();
    assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
    let Error::NotReplicated {
        jid,
        wanted,
        acknowledged,
        source: None,
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((jid.as_str(), wanted, acknowledged), ("none", 1, 0));
    // Both are enqueued all the same, once.
    assert_eq!(primary.cli(&["LLEN", "queue:default"]), "3");
    assert_eq!(replica.cli(&["LLEN", "queue:default"]), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_push_that_waits_holds_up_no_other_push() {
    let primary = RedisServer::start();
    let client = client(&primary);
    client.send(push("first")).await.unwrap();
    let waiting: Vec<_> = (0..4)
        .map(|number| {
            let client = client.clone();
            let push = push(&format!("waits{number}"));
            tokio::spawn(async move { client.send_durable(push, 1, 3 * SECOND).await })
        })
        .collect();
    wait_until(SOON, "they wait", || {
        primary
            .cli(&["INFO", "clients"])
            .contains("blocked_clients:4")
    });
    let began = Instant::now();
    client.send(push("second")).await.unwrap();
    assert!(began.elapsed() < 2 * SECOND, "{:?}", began.elapsed());
    for task in waiting {
        let error = task.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::NotReplicated { .. }), "{error:?}");
    }
    assert!(began.elapsed() < 10 * SECOND, "they waited for each other");
    assert_eq!(primary.cli(&["LLEN", "queue:default"]), "6");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_push_that_is_refused_or_may_not_wait_says_so() {
    let primary = RedisServer::start();
    primary.cli(&["SET", "queue:default", "no list"]);
    let error = client(&primary)
        .send_durable(push("a"), 1, SECOND)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    assert_eq!(error.kind(), Kind::Input, "{error:?}");
    primary.cli(&["DEL", "queue:default"]);
    primary.cli(&["ACL", "SETUSER", "default", "-wait"]);
    let error = client(&primary)
        .send_durable(push("b"), 1, SECOND)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("job b is enqueued") && text.contains("+wait"),
        "{text}"
    );
    assert_eq!(primary.cli(&["LLEN", "queue:default"]), "1");
}
