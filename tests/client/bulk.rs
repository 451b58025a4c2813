//! Bulk pushes: results stand in the order of the jobs, and every job is where its result says.

use std::collections::HashMap;
use std::time::Duration;

use gandy::{Client, Error, Flow, Job, Kind, Outcome, Push, StoreError};
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    mail,
    site::{calls, client, dbsize, list, members},
    support::Site,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_of_2500_mixed_pushes_stand_in_the_order_of_the_jobs() {
    let site = Site::start();
    let client = Client::builder()
        .server(site.server())
        .max_payload(10_000)
        .middleware(|push: &mut Push| match push.class() {
            "Stopped" => Flow::Stop,
            _ => Flow::Go,
        })
        .build()
        .unwrap();
    const LARGE: usize = 1234;
    const BAD: usize = 777;
    let push = |number: usize| {
        let queue = ["a", "b", "c"][number % 3];
        let (class, args) = match number {
            LARGE => ("Large", format!(r#"["{}"]"#, "x".repeat(10_000))),
            BAD => ("Bad", r#"{"not":"an array"}"#.to_owned()),
            _ if number % 50 == 7 => ("Stopped", "[]".to_owned()),
            _ => ("A", format!("[{number}]")),
        };
        let push = Push::raw(class, args)
            .queue(queue)
            .jid(format!("j{number}"));
        match number % 10 {
            3 => push.at_millis(4_000_000_000_000 + number as i64),
            _ => push,
        }
    };
    let results = client.send_all((0..2500).map(push)).await;
    assert_eq!(results.len(), 2500);

    // Where each job really is.
    let mut places: HashMap<String, &str> = HashMap::new();
    for queue in ["a", "b", "c"] {
        let key = format!("queue:{queue}");
        let mut last = usize::MAX;
        for bytes in list(&site, &key) {
            let job: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let number = usize::try_from(job["args"][0].as_u64().unwrap()).unwrap();
            assert!(number < last, "{key} is not in order");
            last = number;
            assert_eq!(job["queue"], queue);
            let jid = job["jid"].as_str().unwrap().to_owned();
            assert!(places.insert(jid, "queue").is_none(), "twice");
        }
    }
    for entry in site.entries("schedule") {
        let job = entry.json();
        let number = job["args"][0].as_f64().unwrap();
        assert_eq!((entry.score * 1000.0).round(), 4_000_000_000_000.0 + number);
        let jid = job["jid"].as_str().unwrap().to_owned();
        assert!(places.insert(jid, "schedule").is_none(), "twice");
    }
    for (number, result) in results.iter().enumerate() {
        let jid = format!("j{number}");
        let place = places.get(&jid).copied();
        match result {
            Ok(receipt) => {
                assert_eq!(receipt.jid, jid, "result {number} is another job's");
                let expected = match receipt.outcome {
                    Outcome::Enqueued => Some("queue"),
                    Outcome::Scheduled => Some("schedule"),
                    _ => None,
                };
                assert_eq!(place, expected, "job {number}");
                assert_eq!(receipt.outcome == Outcome::Stopped, number % 50 == 7);
                assert_eq!(receipt.outcome == Outcome::Scheduled, number % 10 == 3);
            }
            Err(Error::TooLarge { .. }) => assert_eq!((number, place), (LARGE, None)),
            Err(Error::Record(_)) => assert_eq!((number, place), (BAD, None)),
            Err(other) => panic!("job {number}: {other}"),
        }
    }
    assert_eq!(places.len(), 2500 - 2 - 50);
    assert_eq!(members(&site, "queues"), ["a", "b", "c"]);
    // One command for up to 1,000 jobs of a queue, one for all that is scheduled.
    assert_eq!(calls(&site, "lpush"), 3);
    assert_eq!(calls(&site, "zadd"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_all_sends_1000_jobs_in_a_command_and_names_the_queue_once() {
    let site = Site::start();
    let client = client(&site);
    let results = client.push_all((0..2500).map(mail)).await;
    assert!(results.iter().all(Result::is_ok));
    let queue = list(&site, "queue:mailers");
    for (number, bytes) in queue.iter().rev().enumerate() {
        let job: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(job["args"][0], number, "the first pushed is popped first");
        assert_eq!(job["jid"], results[number].as_ref().unwrap().jid);
    }
    assert_eq!((calls(&site, "lpush"), calls(&site, "sadd")), (3, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_cannot_be_written_as_json_leaves_the_others_in_their_places() {
    #[derive(Deserialize, Job)]
    struct Picky {
        number: u64,
    }
    impl Serialize for Picky {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::{Error, SerializeStruct};
            if self.number == 2 {
                return Err(S::Error::custom("two is not written"));
            }
            let mut fields = serializer.serialize_struct("Picky", 1)?;
            fields.serialize_field("number", &self.number)?;
            fields.end()
        }
    }
    let site = Site::start();
    let results = client(&site)
        .push_all((0..5).map(|number| Picky { number }))
        .await;
    assert_eq!(results.len(), 5);
    let queue = list(&site, "queue:default");
    assert_eq!(queue.len(), 4);
    for (number, result) in results.iter().enumerate() {
        match (number, result) {
            (2, Err(Error::Args(error))) => {
                assert!(error.to_string().contains("two is not written"), "{error}");
            }
            (_, Ok(receipt)) => {
                let field = format!(
                    r#""args":[{number}],"class":"Picky","jid":"{}""#,
                    receipt.jid
                );
                let found = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).contains(&field);
                assert!(queue.iter().any(found), "job {number}");
            }
            (_, other) => panic!("job {number}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_pushes_nothing() {
    let site = Site::start();
    let client = client(&site);
    assert!(client.send_all([]).await.is_empty());
    assert!(client.push_all(Vec::<crate::Mail>::new()).await.is_empty());
    assert_eq!(dbsize(&site), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_whose_key_is_broken_fails_alone() {
    let site = Site::start();
    site.ask::<()>(redis::cmd("SET").arg("queue:bad").arg("x"));
    let queues = ["good", "bad", "good", "bad"];
    let pushes = queues.map(|queue| Push::raw("A", "[]").queue(queue));
    let results = client(&site).send_all(pushes).await;
    for (queue, result) in queues.iter().zip(&results) {
        match result {
            Ok(_) => assert_eq!(*queue, "good"),
            Err(error) => {
                assert_eq!((*queue, error.kind()), ("bad", Kind::Input));
                let refused = matches!(error, Error::Store(StoreError::Refused { .. }));
                assert!(
                    refused && error.to_string().contains("WRONGTYPE"),
                    "{error}"
                );
            }
        }
    }
    assert_eq!(list(&site, "queue:good").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_push_to_a_redis_that_is_down_ends_and_says_so_for_every_job() {
    let site = Site::start();
    let client = client(&site);
    client.push(mail(1)).await.unwrap();
    site.redis.kill9();
    let began = std::time::Instant::now();
    let results = client.push_all((0..2500).map(mail)).await;
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(results.len(), 2500);
    for result in results {
        let kind = result.unwrap_err().kind();
        assert!(matches!(kind, Kind::Retry | Kind::Unknown), "{kind:?}");
    }
}
