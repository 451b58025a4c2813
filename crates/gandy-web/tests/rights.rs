//! With the shipped users of Redis: `dashboard` sees every page and can do nothing, `operator` acts.
#![allow(clippy::unwrap_used)]

mod support;

use gandy::Server;
use gandy_tests::{FLAVOURS, denied, url_of};
use gandy_web::Dashboard;
use reqwest::StatusCode;
use support::Site;

const JOB: &str = r#"{"class":"A","args":[1],"jid":"000000000000000000000001","queue":"low","created_at":1795398104597,"failed_at":1795398104597,"retry_count":0}"#;

#[tokio::test]
async fn each_role_of_redis_is_enough_for_what_it_is_for() {
    for flavour in FLAVOURS {
        let redis = flavour.serve(&[]);
        redis.cli(&["ZADD", "retry", "4000000000", JOB]);
        redis.cli(&["SADD", "queues", "low"]);
        redis.cli(&["LPUSH", "queue:low", JOB]);
        let _ = denied(&redis);
        let dashboard = |role: &str| {
            let server = Server::new(&url_of(&redis, role)).unwrap();
            let functions = flavour == gandy_tests::Flavour::Functions;
            Dashboard::builder(server.with_functions(functions))
        };
        let site = Site::start(dashboard("dashboard").read_only(true)).await;
        for path in [
            "/queues",
            "/queues/low",
            "/busy",
            "/retries",
            "/retries?view=errors",
            "/scheduled",
            "/dead",
            "/jobs/000000000000000000000001",
            "/metrics",
            "/metrics/A",
            "/stats",
        ] {
            site.get(path).await.ok();
        }
        // The survey asks for one setting that INFO does not tell, and does without.
        let log = denied(&redis);
        let lines: Vec<&str> = log.lines().collect();
        let objects = lines.windows(2).filter(|pair| pair[0] == "object");
        let others: Vec<&str> = objects
            .map(|pair| pair[1])
            .filter(|it| *it != "config|get")
            .collect();
        assert!(others.is_empty(), "{flavour:?}: {others:?}");
        // The doctor, of whom the first page tells, looks at more than this user may, and says so.
        site.get("/").await.ok();
        site.get("/doctor").await.ok().has("Not looked at");
        let site = Site::start(dashboard("dashboard")).await;
        let page = site.post("/queues/low/pause", "").await;
        assert_eq!(page.status, StatusCode::BAD_GATEWAY);
        page.has("gandy doctor says which are missing");
        let site = Site::start(dashboard("operator")).await;
        let page = site.post("/retries/retry", "all=1").await;
        let act = page.header("location").to_owned();
        site.post(&format!("{act}/start"), "").await;
        gandy_tests::wait_until_async(std::time::Duration::from_secs(30), "the act", async || {
            site.get(&act).await.body.contains("1 job put into")
        })
        .await;
        assert_eq!(redis.cli(&["LLEN", "queue:low"]).trim(), "2");
    }
}
