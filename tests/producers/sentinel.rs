//! Behind sentinels: a failover is an outage like any.

use gandy::{Buffer, Outcome};
use gandy_tests::{Watched, wait_until_async};
use std::collections::BTreeSet;
use std::time::Duration;

use crate::{builder, job, numbered};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_of_a_failover_are_kept_for_the_new_primary() {
    let watched = Watched::start();
    watched.wait_until_ready();
    let client = builder(&watched.url())
        .buffer(Buffer::default())
        .build()
        .unwrap();
    client.send(job(0)).await.unwrap();
    let (primary, replica) = watched.roles();
    primary.kill9();
    let mut kept = 0;
    for number in 1..100 {
        let receipt = client.send(job(number)).await.unwrap();
        kept += usize::from(receipt.outcome == Outcome::Buffered);
    }
    assert!(kept > 0);
    let long = Duration::from_secs(60);
    wait_until_async(long, "nothing is kept", async || client.buffered() == 0).await;
    let jobs = replica.cli(&["LRANGE", "queue:default", "0", "-1"]);
    let there: BTreeSet<String> = numbered(1..100)
        .into_iter()
        .filter(|jid| jobs.contains(jid.as_str()))
        .collect();
    assert_eq!(there.len(), 99);
    let again = client.send(job(0).idempotency_key("k")).await.unwrap();
    assert_eq!(again.outcome, Outcome::Enqueued);
}
