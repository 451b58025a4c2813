//! What open pages are sent: by real streams, read as a browser reads them.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use gandy_tests::RedisServer;
use reqwest::{Method, Response};
use serde_json::Value;
use support::{Site, of};

/// For news to come.
const DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(500);

fn job(number: usize) -> String {
    format!(
        r#"{{"class":"Mail","args":[],"jid":"{number:024}","queue":"low","enqueued_at":1795398104597}}"#
    )
}

/// A queue of so many jobs.
fn queue(jobs: usize) -> RedisServer {
    let redis = RedisServer::start();
    redis.cli(&["SADD", "queues", "low"]);
    let all: Vec<String> = (0..jobs).map(job).collect();
    for some in all.chunks(1_000) {
        let mut command = vec!["LPUSH", "queue:low"];
        command.extend(some.iter().map(String::as_str));
        redis.cli(&command);
    }
    redis
}

/// An open page's stream.
struct Stream {
    response: Response,
    rest: String,
}

impl Stream {
    async fn open(site: &Site, page: &str) -> Self {
        let page = page.replace('@', "%40").replace('~', "%7E");
        let request = site.request(Method::GET, &format!("/live?page={page}"));
        let response = request.send().await.unwrap();
        assert!(
            response.status().is_success(),
            "{page}: {}",
            response.status()
        );
        Self {
            response,
            rest: String::new(),
        }
    }

    /// The next news.
    async fn news(&mut self) -> Value {
        let read = async {
            loop {
                while let Some((event, rest)) = self.rest.split_once("\n\n") {
                    let data = event.strip_prefix("event: news\ndata: ").map(str::to_owned);
                    self.rest = rest.to_owned();
                    if let Some(data) = data {
                        return serde_json::from_str(&data).unwrap();
                    }
                }
                let chunk = self
                    .response
                    .chunk()
                    .await
                    .unwrap()
                    .expect("the stream goes on");
                self.rest.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        tokio::time::timeout(DEADLINE, read).await.expect("news")
    }

    /// Until news has this text in this fragment.
    async fn until(&mut self, name: &str, text: &str) {
        let begun = Instant::now();
        loop {
            let news = self.news().await;
            if news[name].as_str().is_some_and(|html| html.contains(text)) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{name}: {text}: {news}");
        }
    }
}

#[tokio::test]
async fn who_comes_back_is_not_sent_what_was_there_when_nobody_looked() {
    let redis = queue(5);
    let site = Site::start(of(&redis).poll(POLL)).await;
    let mut stream = Stream::open(&site, "queue:low").await;
    stream.until("size", "5").await;
    drop(stream);
    // Until the dashboard has seen that nobody listens, and some ticks in which it looks at nothing.
    tokio::time::sleep(POLL * 6).await;
    for number in 5..100 {
        redis.cli(&["LPUSH", "queue:low", &job(number)]);
    }
    site.get("/queues/low").await.ok().has("100");
    let mut stream = Stream::open(&site, "queue:low").await;
    assert_eq!(stream.news().await["size"], "100");
}

#[tokio::test]
async fn a_queue_that_somebody_empties_is_shown_empty() {
    let redis = queue(100);
    let site = Site::start(of(&redis).poll(POLL)).await;
    let mut stream = Stream::open(&site, "queue:low").await;
    stream.until("size", "100").await;
    redis.cli(&["DEL", "queue:low"]);
    redis.cli(&["SREM", "queues", "low"]);
    stream.until("size", "0").await;
    // And full again, when it is.
    redis.cli(&["LPUSH", "queue:low", &job(1)]);
    redis.cli(&["SADD", "queues", "low"]);
    stream.until("size", "1").await;
}

#[tokio::test]
async fn a_page_of_a_job_that_has_gone_says_so_and_does_not_go_on_looking() {
    let redis = queue(30_000);
    let site = Site::start(of(&redis).poll(Duration::from_millis(200))).await;
    let list = site.get("/queues/low").await.ok();
    let spot = list.body.split("name=\"entry\" value=\"").nth(1).unwrap();
    let spot = spot.split('"').next().unwrap().to_owned();
    let mut stream = Stream::open(&site, &format!("entry:queue:low:{spot}")).await;
    stream.news().await;
    redis.cli(&["RPOP", "queue:low"]);
    stream.until("gone", "Look again").await;
    let ranges = || {
        let stats = redis.cli(&["INFO", "commandstats"]);
        let line = stats
            .lines()
            .find(|line| line.starts_with("cmdstat_lrange:"));
        let calls = line.unwrap().split("calls=").nth(1).unwrap();
        calls.split(',').next().unwrap().parse::<u64>().unwrap()
    };
    let before = ranges();
    // Ten ticks, told by the navigation that goes on.
    for number in 0..10 {
        redis.cli(&["LPUSH", "queue:low", &job(100_000 + number)]);
        stream.until("nav", "30,0").await;
    }
    // One look of all of it were sixty; what is left is each look at the queue's oldest job.
    assert!(ranges() - before < 40, "{}", ranges() - before);
}

#[tokio::test]
async fn news_come_also_while_somebody_acts_all_the_time() {
    let redis = queue(10);
    let site = Site::start(of(&redis).poll(POLL)).await;
    let mut stream = Stream::open(&site, "queue:low").await;
    stream.until("size", "10").await;
    let acts = async {
        loop {
            site.post("/queues/other/pause", "").await;
        }
    };
    let news = async {
        for number in 10..13 {
            redis.cli(&["LPUSH", "queue:low", &job(number)]);
            stream.until("size", &format!("{}", number + 1)).await;
        }
    };
    tokio::select! {
        () = acts => {}
        () = news => {}
    }
}
