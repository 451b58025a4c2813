//! Every page on real data, every act with its effect read back from Redis.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use gandy::{Client, Context, JobError, Server, Worker, WorkerConfig};
use gandy_tests::{RedisServer, wait_until_async};
use reqwest::{StatusCode, Url};
use support::{Page, Site, of};

const DEADLINE: Duration = Duration::from_secs(30);

fn job(class: &str, number: u32, more: &str) -> String {
    format!(
        r#"{{"class":"{class}","args":[{number},"<script>alert(1)</script>",{{"password":"hush"}}],"jid":"{number:024x}","queue":"low","retry":true,"created_at":1795398104597{more}}}"#
    )
}

/// Ten retries, three of them of another class; two scheduled, one dead, some bytes that are no job; a queue of thirty.
fn fill(redis: &RedisServer) {
    let failed = r#","failed_at":1795398105000,"retry_count":1,"error_class":"Timeout","error_message":"no <b>reply</b>""#;
    for number in 0..10_u32 {
        let class = if number < 3 { "Import" } else { "Mailer" };
        let score = (4_000_000_000_u32 + number).to_string();
        redis.cli(&["ZADD", "retry", &score, &job(class, number, failed)]);
    }
    for number in 20..22 {
        redis.cli(&[
            "ZADD",
            "schedule",
            "4000000000.5",
            &job("Later", number, ""),
        ]);
    }
    redis.cli(&["ZADD", "dead", "1795398104.25", &job("Gone", 30, failed)]);
    redis.cli(&["ZADD", "dead", "1795398104", "{no job"]);
    redis.cli(&["SADD", "queues", "low"]);
    for number in 40..70 {
        redis.cli(&[
            "LPUSH",
            "queue:low",
            &job("Low", number, ",\"enqueued_at\":1795398104597"),
        ]);
    }
}

/// The addresses of the entries of a page, in their order.
fn entries(page: &Page) -> Vec<String> {
    let after = page.body.split("name=\"entry\" value=\"").skip(1);
    after
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

fn count(redis: &RedisServer, args: &[&str]) -> u64 {
    redis.cli(args).trim().parse().unwrap()
}

#[tokio::test]
async fn every_page_reads_whole_and_shows_text_as_text() {
    let redis = RedisServer::start();
    fill(&redis);
    let site = Site::start(of(&redis)).await;
    for (path, text) in [
        ("/", "Jobs a second"),
        ("/queues", "low"),
        ("/queues/low", "Youngest first"),
        ("/queues/low?end=last", "Youngest first"),
        ("/queues/nobody", "nobody has pushed to it"),
        ("/busy", "No worker shows itself"),
        ("/retries", "10 jobs"),
        ("/retries?view=errors", "Timeout"),
        ("/scheduled", "Later"),
        ("/dead", "No job"),
        ("/metrics", "No run was counted"),
        ("/metrics/Mailer", "Mailer"),
        ("/metrics?range=72h", "72 hours"),
        ("/doctor", "What to do"),
        ("/push?queue=low", "Arguments, a JSON array"),
        ("/jobs/000000000000000000000005", "Mailer"),
        ("/jobs/ffffffffffffffffffffffff", "unknown"),
    ] {
        let page = site.get(path).await.ok();
        page.has(text)
            .has("</html>")
            .lacks("<script>alert")
            .lacks("<b>reply")
            .lacks("hush");
    }
    let jobs = site.get("/retries").await;
    assert_eq!(entries(&jobs).len(), 10);
    jobs.has("&#60;script&#62;");
}

#[tokio::test]
async fn lists_are_filtered_paged_and_a_wrong_filter_is_said() {
    let redis = RedisServer::start();
    fill(&redis);
    let site = Site::start(of(&redis)).await;
    let page = site.get("/retries?filter=class:Import").await.ok();
    assert_eq!(entries(&page).len(), 3);
    let wrong = site.get("/retries?filter=age%3E").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    wrong.has("write age");
    for path in [
        "/retries?count=4",
        "/queues/low?count=4",
        "/queues/low?count=4&end=last",
        "/dead?count=1",
    ] {
        let (mut next, mut all) = (Some(path.to_owned()), Vec::new());
        while let Some(path) = next {
            let page = site.get(&path).await.ok();
            all.extend(entries(&page));
            next = page
                .body
                .split("\" rel=\"next\"")
                .next()
                .filter(|before| before.len() < page.body.len())
                .map(|before| {
                    before
                        .rsplit("href=\"")
                        .next()
                        .unwrap()
                        .replace("&#38;", "&")
                });
            assert!(all.len() <= 30, "{path}");
        }
        let whole = match path {
            "/retries?count=4" => 10,
            "/dead?count=1" => 2,
            _ => 30,
        };
        assert_eq!(all.len(), whole, "{path}");
        all.sort();
        all.dedup();
        assert_eq!(all.len(), whole, "{path}");
    }
    for wrong in [
        "/retries?count=0",
        "/retries?count=101",
        "/retries?from=x",
        "/?days=8",
        "/metrics?range=1y",
        "/jobs/x?within=999",
        "/live?page=x",
    ] {
        let page = site.get(wrong).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{wrong}");
        page.has("That request cannot be read");
    }
}

#[tokio::test]
async fn selected_jobs_are_acted_on_by_their_exact_bytes() {
    let redis = RedisServer::start();
    fill(&redis);
    let site = Site::start(of(&redis)).await;
    let retries = entries(&site.get("/retries").await);
    let form = format!("entry={}&entry={}", retries[0], retries[1]);
    let page = site.post("/retries/retry", &form).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    site.get(page.header("location"))
        .await
        .ok()
        .has("2 jobs put into their queues");
    assert_eq!(count(&redis, &["ZCARD", "retry"]), 8);
    assert_eq!(count(&redis, &["LLEN", "queue:low"]), 32);
    // Again: they are not there any more, and nothing else is touched.
    let page = site.post("/retries/delete", &form).await;
    site.get(page.header("location"))
        .await
        .ok()
        .has("2 not there any more");
    assert_eq!(count(&redis, &["ZCARD", "retry"]), 8);
    // The score of one and the digest of another is nobody's address.
    let mixed = format!(
        "{}@{}",
        retries[2].split('@').next().unwrap(),
        retries[3].split('@').nth(1).unwrap()
    );
    site.post("/retries/delete", &format!("entry={mixed}"))
        .await;
    assert_eq!(count(&redis, &["ZCARD", "retry"]), 8);
    site.post("/retries/bury", &format!("entry={}", retries[2]))
        .await;
    assert_eq!(
        (
            count(&redis, &["ZCARD", "retry"]),
            count(&redis, &["ZCARD", "dead"])
        ),
        (7, 3)
    );
    // Jobs that are popped move the others; they are found all the same.
    let low = entries(&site.get("/queues/low").await);
    redis.cli(&["RPOP", "queue:low", "5"]);
    site.post("/queues/low/delete", &format!("entry={}", low[7]))
        .await;
    assert_eq!(count(&redis, &["LLEN", "queue:low"]), 26);
    site.post("/queues/low/move", &format!("entry={}&to=high", low[8]))
        .await;
    assert_eq!(count(&redis, &["LLEN", "queue:high"]), 1);
    let scheduled = entries(&site.get("/scheduled").await);
    site.post("/scheduled/now", &format!("entry={}", scheduled[1]))
        .await;
    assert_eq!(count(&redis, &["ZCARD", "schedule"]), 1);
    // What is no job can be deleted and not run.
    let dead = entries(&site.get("/dead").await);
    let page = site
        .post("/dead/retry", &format!("entry={}", dead.last().unwrap()))
        .await;
    site.get(page.header("location"))
        .await
        .ok()
        .has("cannot be run");
    site.post("/dead/delete", &format!("entry={}", dead.last().unwrap()))
        .await;
    assert!(
        !redis
            .cli(&["ZRANGE", "dead", "0", "-1"])
            .contains("{no job")
    );
    for wrong in ["entry=x", "entry=@", "to="] {
        let page = site
            .post("/queues/low/move", &format!("{wrong}&entry=a@1"))
            .await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn all_that_match_are_counted_first_and_then_acted_on_in_the_background() {
    let redis = RedisServer::start();
    fill(&redis);
    let site = Site::start(of(&redis)).await;
    let page = site
        .post("/retries/delete", "all=1&filter=class:Mailer")
        .await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    let act = page.header("location").to_owned();
    site.get(&act)
        .await
        .ok()
        .has("Delete 7 jobs")
        .has("class:Mailer");
    assert_eq!(
        count(&redis, &["ZCARD", "retry"]),
        10,
        "a preview touches nothing"
    );
    site.post(&format!("{act}/start"), "").await;
    wait_until_async(DEADLINE, "the act's end", async || {
        site.get(&act).await.body.contains("7 jobs deleted")
    })
    .await;
    assert_eq!(count(&redis, &["ZCARD", "retry"]), 3);
    // Started again it stays as it ended, and so does it after a stop. (It once ran for ever then, and after four of them
    // no other could be started.)
    site.post(&format!("{act}/start"), "").await;
    site.post(&format!("{act}/stop"), "").await;
    site.get(&act).await.ok().has("7 jobs deleted");
    assert_eq!(count(&redis, &["ZCARD", "retry"]), 3);
    let page = site.post("/queues/low/clear", "").await;
    let act = page.header("location").to_owned();
    site.get(&act).await.ok().has("Delete 30 jobs");
    site.post(&format!("{act}/start"), "").await;
    wait_until_async(DEADLINE, "the queue's end", async || {
        site.get(&act).await.body.contains("30 jobs deleted")
    })
    .await;
    assert_eq!(count(&redis, &["SISMEMBER", "queues", "low"]), 0);
    let wrong = site.post("/retries/delete", "all=1&filter=age%3E").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(site.get("/acts/999").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_jobs_page_offers_what_its_state_allows() {
    let redis = RedisServer::start();
    fill(&redis);
    let site = Site::start(of(&redis)).await;
    let list = site.get("/retries").await.ok();
    let link = list
        .body
        .split("href=\"/jobs/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&#38;", "&");
    for path in [
        format!("/jobs/{link}"),
        "/jobs/000000000000000000000000".to_owned(),
    ] {
        let page = site.get(&path).await.ok();
        page.has("will be retried")
            .has("First failure")
            .has("Retry now")
            .has("[redacted]")
            .lacks("hush");
        let entry = page
            .body
            .split("name=\"entry\" value=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let form = format!("place=retry&entry={entry}");
        if path.contains("at=") {
            continue;
        }
        let page = site
            .post("/jobs/000000000000000000000000/retry", &form)
            .await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        site.get(page.header("location"))
            .await
            .ok()
            .has("The job is in its queue");
    }
    assert_eq!(count(&redis, &["ZCARD", "retry"]), 9);
    site.get("/jobs/000000000000000000000000")
        .await
        .ok()
        .has("waiting")
        .has("Bury")
        .lacks("Retry now");
    let page = site
        .post(
            "/push",
            "class=Hello&args=[9007199254740993]&queue=low&tags=a+b",
        )
        .await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    assert!(
        redis
            .cli(&["LINDEX", "queue:low", "0"])
            .contains("\"args\":[9007199254740993]")
    );
    let page = site.post("/push", "class=Hello&args=9&queue=low").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.has("must be a JSON array").has("Hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_and_runs_are_seen_and_told() {
    let redis = RedisServer::start();
    let config = WorkerConfig::new(Server::new(&redis.url()).unwrap());
    let worker = Worker::builder(config)
        .concurrency(2)
        .handler_fn("Nap", |(_,): (u64,), ctx: Context| async move {
            ctx.set_progress(3, Some(10), "pages");
            ctx.cancellation().cancelled().await;
            Err(JobError::retry("Cancelled", "as asked"))
        })
        .build()
        .unwrap()
        .start();
    let client = Client::connect(&redis.url()).await.unwrap();
    client.push_raw("Nap", "[7]").await.unwrap();
    let site = Site::start(of(&redis)).await;
    wait_until_async(DEADLINE, "the run", async || {
        site.get("/busy").await.body.contains("Cancel</button>")
    })
    .await;
    let page = site.get("/busy").await.ok();
    page.has("Nap").has("1 of 2").has("3 of 10");
    let jid = page
        .body
        .split("href=\"/jobs/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    site.get(&format!("/jobs/{jid}"))
        .await
        .ok()
        .has("running")
        .has("Cancel this run");
    let page = site.post(&format!("/jobs/{jid}/cancel"), "").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    wait_until_async(DEADLINE, "its end", async || {
        count(&redis, &["ZCARD", "dead"]) == 1
    })
    .await;
    let identity = redis.cli(&["HKEYS", "gandy:fleet"]).trim().to_owned();
    let page = site.post(&format!("/processes/{identity}/quiet"), "").await;
    site.get(page.header("location"))
        .await
        .ok()
        .has("was told to take no more");
    wait_until_async(DEADLINE, "quiet", async || {
        site.get("/busy").await.body.contains(">quiet</span>")
    })
    .await;
    let nobody = site.post("/processes/nobody:1:0123456789ab/stop", "").await;
    site.get(nobody.header("location"))
        .await
        .ok()
        .has("no such process");
    site.post("/processes/all/stop", "").await;
    tokio::time::timeout(DEADLINE, worker.wait())
        .await
        .expect("its end")
        .unwrap();
}

#[tokio::test]
async fn a_page_that_is_open_while_redis_restarts_says_so_and_comes_back() {
    let redis = RedisServer::with_aof();
    fill(&redis);
    let site = Site::start(of(&redis).poll(Duration::from_millis(200))).await;
    site.get("/retries").await.ok();
    let mut live = site
        .client
        .get(site.url("/live?page=overview"))
        .send()
        .await
        .unwrap();
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    let first = String::from_utf8(live.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(
        first.starts_with("event: news\ndata: {") && first.contains("\"nav\""),
        "{first}"
    );
    redis.kill9();
    let mut seen = String::new();
    while !seen.contains("is not available") && !seen.contains("did not answer") {
        let chunk = tokio::time::timeout(DEADLINE, live.chunk())
            .await
            .expect("news of the outage");
        seen = String::from_utf8_lossy(&chunk.unwrap().unwrap()).into_owned();
    }
    let page = site.get("/retries").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.has("</html>")
        .has("went away <time")
        .has("data-page=\"nav\"");
    redis.restart();
    wait_until_async(DEADLINE, "the page's return", async || {
        site.get("/retries").await.status == StatusCode::OK
    })
    .await;
    let mut seen = String::new();
    while !seen.contains("\"tiles\"") {
        let chunk = tokio::time::timeout(DEADLINE, live.chunk())
            .await
            .expect("news of the return");
        seen = String::from_utf8_lossy(&chunk.unwrap().unwrap()).into_owned();
    }
}

/// What stands between the two, as a browser reads it.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<(String, &'a str)> {
    let (_, rest) = text.split_once(before)?;
    let (inner, rest) = rest.split_once(after)?;
    let mut inner = inner.to_owned();
    for (code, char) in [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
    ] {
        inner = inner.replace(code, char);
    }
    Some((inner, rest))
}

/// A value as a browser sends it.
fn sent(value: &str) -> String {
    value.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Each group's count, link, and the filter of its acts.
fn groups(page: &Page) -> Vec<(usize, String, String)> {
    let rows = page.body.split("<tr data-row>").skip(1);
    let group = |row: &str| {
        let (count, row) = between(row, "<b>", "</b>").unwrap();
        let (link, row) = between(row, "href=\"", "\"").unwrap();
        let (filter, _) = between(row, "name=\"filter\" value=\"", "\"").unwrap();
        (count.parse().unwrap(), link, filter)
    };
    rows.map(group).collect()
}

#[tokio::test]
async fn a_groups_count_is_what_its_link_finds_and_what_its_acts_take() {
    let redis = RedisServer::start();
    let hour_ago = chrono::Utc::now().timestamp_millis() - 3_660_000;
    let failed = |class: &str, message: &str| {
        format!(r#","failed_at":{hour_ago},"error_class":"{class}","error_message":"{message}""#)
    };
    let timeout = failed("Timeout", "no reply");
    let young = timeout.replace(
        &hour_ago.to_string(),
        &chrono::Utc::now().timestamp_millis().to_string(),
    );
    let none = format!(r#","failed_at":{hour_ago}"#);
    let wrapper = "Sidekiq::ActiveJob::Wrapper";
    let all = [
        (2, "Mail", timeout.clone()),
        (1, "Mail", young),
        (4, "Mail", failed("Net::Timeout", "no reply")),
        (5, "Mail", failed("E", "a Timeout b")),
        (2, "Mail*", timeout.clone()),
        (2, r#"Ma\"il\\"#, timeout.clone()),
        (2, "Mail", none.clone()),
        (1, "Mail", format!(r#"{none},"error_class":null"#)),
        (3, wrapper, format!(r#"{timeout},"wrapped":"Mail*""#)),
        (1, wrapper, timeout),
    ];
    let mut number = 0;
    for (count, class, more) in &all {
        for _ in 0..*count {
            number += 1;
            redis.cli(&["ZADD", "retry", "4000000000", &job(class, number, more)]);
        }
    }
    redis.cli(&["ZADD", "retry", "4000000000", "{no job"]);
    let site = Site::start(of(&redis)).await;
    for (path, expected) in [
        ("/retries?view=errors", vec![5, 5, 4, 3, 3, 2, 1]),
        (
            "/retries?view=errors&filter=age%3E1h+-error:Net::Timeout",
            vec![5, 5, 3, 2, 2, 1],
        ),
    ] {
        let groups = groups(&site.get(path).await.ok());
        let counts: Vec<usize> = groups.iter().map(|(count, ..)| *count).collect();
        assert_eq!(counts, expected, "{path}: {groups:?}");
        for (count, link, filter) in groups {
            assert_eq!(
                entries(&site.get(&link).await.ok()).len(),
                count,
                "{filter}"
            );
            let form = format!("all=1&filter={}", sent(&filter));
            let act = site.post("/retries/delete", &form).await;
            assert_eq!(act.status, StatusCode::SEE_OTHER, "{}", act.body);
            let plural = if count == 1 { "" } else { "s" };
            let said = format!("Delete {count} job{plural}");
            site.get(act.header("location")).await.ok().has(&said);
        }
    }
    // The page of a class, by the name that it is counted under.
    for (class, count) in [("Ma\"il\\", 2), ("Mail*", 5), ("Mail", 15), (wrapper, 1)] {
        let page = site.get(&format!("/metrics/{}", sent(class))).await.ok();
        let (_, rest) = page.body.split_once("Jobs of it:").unwrap();
        let (link, _) = between(rest, "href=\"", "\"").unwrap();
        assert_eq!(entries(&site.get(&link).await.ok()).len(), count, "{class}");
    }
}

/// The classes of the table, and the sum of the plot's runs.
fn ran(page: &Page) -> (Vec<String>, u64) {
    let rows = page.body.split("data-open>").skip(1);
    let names = rows.map(|row| row.split("</a>").next().unwrap().to_owned());
    let (series, _) = between(&page.body, "data-series=\"", "\"").unwrap();
    let runs = series.split("],[").nth(1).unwrap().split(',');
    let sum = runs.map(|runs| runs.parse::<u64>().unwrap()).sum();
    (names.collect(), sum)
}

#[tokio::test]
async fn a_rare_class_is_found_among_many_and_the_plot_is_of_all() {
    let redis = RedisServer::start();
    let mut fields = Vec::new();
    for number in 0..200 {
        fields.extend([format!("Class{number:03}|p"), (1_000 + number).to_string()]);
    }
    for (field, count) in [
        ("Class000|f", "1"),
        ("Rare::Payment|p", "1"),
        ("Rare::Payment|f", "1"),
    ] {
        fields.extend([field.to_owned(), count.to_owned()]);
    }
    let key = chrono::Utc::now().format("j|%y%m%d|%-H:%M").to_string();
    let mut hset = vec!["HSET", &key];
    hset.extend(fields.iter().map(String::as_str));
    redis.cli(&hset);
    let all: u64 = (0..200).map(|number| 1_000 + number).sum::<u64>() + 1;
    let site = Site::start(of(&redis)).await;

    let page = site.get("/metrics").await.ok();
    page.has("60 of 201 classes, the busiest")
        .has("runs of 201 classes")
        .lacks("Rare::Payment");
    let (names, sum) = ran(&page);
    assert_eq!((names.len(), &*names[0], sum), (60, "Class199", all));

    let page = site.get("/metrics?filter=+rare::pAY").await.ok();
    assert_eq!(ran(&page), (vec!["Rare::Payment".to_owned()], 1));
    page.has("runs of 1 class<").lacks("the busiest");
    site.get("/metrics?filter=rar*")
        .await
        .ok()
        .has("No class with that in its name ran");

    let page = site
        .get("/metrics?range=4h&order=failures&filter=a")
        .await
        .ok();
    page.has("60 of 201 classes, those that failed most")
        .has("/metrics?range=4h&amp;order=runs&amp;filter=a\"")
        .has("/metrics?range=8h&amp;order=failures&amp;filter=a\"")
        .has("name=\"order\" value=\"failures\"");
    let (names, sum) = ran(&page);
    assert_eq!(
        (&names[..3], sum),
        (
            &[
                "Rare::Payment".to_owned(),
                "Class000".to_owned(),
                "Class199".to_owned()
            ][..],
            all
        )
    );
    let (names, _) = ran(&site.get("/metrics?order=failures").await.ok());
    assert_eq!(names[0], "Rare::Payment", "of all, too");

    let wrong = site.get("/metrics?order=loudness").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    wrong.has("must be one of: runs, failures");
}

#[tokio::test]
async fn terms_are_offered_that_find_something() {
    let redis = RedisServer::start();
    fill(&redis);
    let odd = r#"{"class":"A \"b\" c","args":[],"jid":"odd","tags":["eu","two words","a tag that is so long that it is not shown whole"],"error_class":"No:Such \\ thing"}"#;
    redis.cli(&["ZADD", "dead", "1795398106", odd]);
    let site = Site::start(of(&redis)).await;
    for path in ["/retries", "/dead", "/scheduled", "/queues/low"] {
        let page = site.get(path).await.ok();
        let offered: Vec<String> = page
            .body
            .split("<option value=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .map(|term| term.replace("&#34;", "\"").replace("&#39;", "'"))
            .collect();
        assert!(!offered.is_empty(), "{path}");
        for term in offered {
            let url = Url::parse_with_params("http://x", [("filter", &term)]).unwrap();
            let found = site
                .get(&format!("{path}?{}", url.query().unwrap()))
                .await
                .ok();
            assert!(!entries(&found).is_empty(), "{path}: {term}");
        }
    }
    let page = site.get("/dead").await.ok();
    page.has("tag=&#34;two words&#34;")
        .has("tag=eu")
        .lacks("tag=&#34;a tag");
}
