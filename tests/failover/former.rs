//! A primary that others have replaced and that does not know it: it was frozen, or cut off from the sentinels, and goes on.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};
use std::time::Duration;

use gandy::{Client, Inspect, Push, Retry, Server, StoreError};
use gandy_protocol::{Identity, Keys};
use gandy_store::{Ask, Grip, Line, List, Wire};
use gandy_tests::{MASTER, RedisServer};

use super::naming::liar;

const PATIENCE: Duration = Duration::from_secs(6);

fn push() -> Push {
    Push::raw("Note", "[]")
}

fn enqueued(server: &RedisServer) -> String {
    server.cli(&["LLEN", "queue:default"])
}

fn is_former<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> bool {
    outcome
        .unwrap_err()
        .to_string()
        .contains("named another primary")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_led_to_another_primary_leaves_the_former_one_with_all_its_connections() {
    let (former, primary) = (RedisServer::start(), RedisServer::start());
    let named = Arc::new(AtomicU16::new(former.port()));
    let url = format!("redis+sentinel://127.0.0.1:{}/{MASTER}", liar(&named));
    let server = Server::new(&url).unwrap();
    let line = || Line::single(server.clone(), Keys::default(), PATIENCE);
    let client = Client::builder().server(server.clone());
    let client = client.retry(Retry::never()).build().unwrap();
    let inspect = Inspect::new(server.clone(), "").unwrap();
    client.send(push()).await.unwrap();
    assert_eq!(inspect.totals().await.unwrap().enqueued, 1);

    let idle = Grip::new(&Keys::default(), &Identity::new("h", 1, [1; 6]), ["idle"]);
    let ask = Ask {
        ended: &[],
        wanted: 1,
        first: 1,
        lists: &[List::Landing(0), List::Queue(0)],
        payload_max: 1 << 20,
        reply_max: 4 << 20,
        look: 4,
    };
    let mut wire = Wire::new(server.clone(), PATIENCE);
    // Nothing changes for who is connected until somebody of the process is led elsewhere.
    named.store(primary.port(), Ordering::Release);
    client.send(push()).await.unwrap();
    assert_eq!(enqueued(&former), "2");

    named.store(former.port(), Ordering::Release);
    let waiting = async { wire.wait(&idle, 0, idle.cycle(&ask)).await };
    let meanwhile = async {
        gandy_tests::wait_until_async(PATIENCE, "it waits at the former one", async || {
            former
                .cli(&["INFO", "clients"])
                .contains("blocked_clients:1")
        })
        .await;
        named.store(primary.port(), Ordering::Release);
        line().landed(&["idle".to_owned()]).await.unwrap();
        former.cli(&["LPUSH", "queue:idle", "{}"]);
    };
    let ((landed, haul), ()) = tokio::join!(waiting, meanwhile);
    assert!(is_former(landed), "what landed there is forgotten");
    assert!(is_former(haul));

    client.send(push()).await.unwrap();
    assert_eq!(
        (enqueued(&former), enqueued(&primary)),
        ("2".into(), "1".into())
    );
    assert_eq!(inspect.totals().await.unwrap().enqueued, 1);
    wire.send(idle.cycle(&ask)).await.unwrap();
    wire.receive().await.unwrap();
}
