//! What a review of the dashboard found, each as it was found: it does not happen again.
#![allow(clippy::unwrap_used)]

mod support;

use gandy_tests::RedisServer;
use gandy_web::Redaction;
use reqwest::{Method, StatusCode};
use support::{Page, Site, of, send};

fn job(jid: &str, more: &str) -> String {
    format!(r#"{{"class":"Mail","args":[1],"jid":"{jid}","queue":"low","retry":true{more}}}"#)
}

/// A redis with two dead jobs, one of which is none, and a queue.
fn filled() -> RedisServer {
    let redis = RedisServer::start();
    redis.cli(&["ZADD", "dead", "1795398104", &job("a1", "")]);
    redis.cli(&["ZADD", "dead", "1795398105", &job("a2", "")]);
    redis.cli(&["SADD", "queues", "low"]);
    redis.cli(&["LPUSH", "queue:low", &job("q1", "")]);
    redis
}

fn entries(page: &Page) -> Vec<String> {
    let after = page.body.split("name=\"entry\" value=\"").skip(1);
    after
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

async fn json(site: &Site, path: &str, body: &'static str) -> Page {
    let request = site
        .request(Method::POST, &format!("/api/v1{path}"))
        .header("content-type", "application/json");
    send(request.body(body)).await
}

#[tokio::test]
async fn an_act_is_started_by_nobody_else_and_after_a_restart_by_nobody() {
    let redis = filled();
    let (one, other) = (Site::start(of(&redis)).await, Site::start(of(&redis)).await);
    let prepared = one.post("/dead/delete", "all=1").await;
    let act = prepared.header("location").to_owned();
    assert!(act.starts_with("/acts/"), "{act}");
    let elsewhere = other.post("/dead/delete", "all=1").await;
    assert_ne!(elsewhere.header("location"), act);
    let page = other.post(&format!("{act}/start"), "").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert_eq!(redis.cli(&["ZCARD", "dead"]).trim(), "2");
}

#[tokio::test]
async fn a_job_that_was_looked_for_by_its_id_is_where_its_page_says() {
    let redis = RedisServer::start();
    // As workers write it, with microseconds: rounded to milliseconds it was an address at which nothing stood.
    redis.cli(&["ZADD", "retry", "4000000000.123456", &job("a1", "")]);
    let site = Site::start(of(&redis)).await;
    let list = site.get("/retries").await.ok();
    let [spot] = &entries(&list)[..] else {
        panic!("{}", list.body)
    };
    let page = site.get("/jobs/a1").await.ok();
    page.has(&format!("data-page=\"entry:retry:{spot}\""));
    let link = page.body.split("href=\"/push?copy=").nth(1).unwrap();
    let link = link.split('"').next().unwrap();
    let form = site.get(&format!("/push?copy={link}")).await.ok();
    form.has("Mail");
}

#[tokio::test]
async fn its_connections_are_few_and_have_its_name() {
    let redis = filled();
    let site = Site::start(of(&redis)).await;
    let paths = ["/", "/busy", "/dead", "/doctor", "/jobs/q1", "/metrics"];
    let all = paths.iter().cycle().take(60).map(|path| site.get(path));
    futures_util::future::join_all(all).await;
    let list = redis.cli(&["CLIENT", "LIST"]);
    let (own, others): (Vec<&str>, Vec<&str>) = list
        .lines()
        .filter(|line| !line.trim().is_empty())
        .partition(|line| line.contains(" name=gandy-web "));
    assert!((1..=9).contains(&own.len()), "{list}");
    assert_eq!(others.len(), 1, "but for the one that asks: {list}");
}

#[tokio::test]
async fn what_was_misspelt_is_not_taken_for_all() {
    let redis = filled();
    let site = Site::start(of(&redis)).await;
    for body in [
        r#"{"all":true,"filters":"class:Bill"}"#,
        r#"{"all":0.5}"#,
        r#"{"all":"no"}"#,
    ] {
        let page = json(&site, "/dead/delete", body).await;
        assert_eq!(
            page.status,
            StatusCode::BAD_REQUEST,
            "{body}: {}",
            page.body
        );
    }
    let page = site
        .get("/api/v1/queues/low?end=last&filter=class:Nobody")
        .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let page = site.get("/queues/low?end=last&filter=class:Nobody").await;
    page.ok().has("fits that filter").lacks("q1");
}

#[tokio::test]
async fn an_act_on_one_job_is_not_done_to_another() {
    let redis = filled();
    let site = Site::start(of(&redis)).await;
    let entry = entries(&site.get("/dead").await.ok()).remove(0);
    let form = format!("place=dead&entry={entry}");
    let page = site.post("/jobs/somebody-else/delete", &form).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.body);
    assert_eq!(redis.cli(&["ZCARD", "dead"]).trim(), "2");
    // And a page is under the id of the job that it shows.
    let page = site
        .get(&format!("/jobs/somebody-else?at=dead:{entry}"))
        .await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert!(page.header("location").starts_with("/jobs/a2?at="));
}

#[tokio::test]
async fn what_a_proxy_hands_on_and_what_other_sites_embed_is_not_answered() {
    let redis = filled();
    let site = Site::start(of(&redis)).await;
    for header in ["x-forwarded-for", "x-real-ip", "forwarded", "via"] {
        let request = site.request(Method::GET, "/").header(header, "203.0.113.9");
        assert_eq!(
            send(request).await.status,
            StatusCode::FORBIDDEN,
            "{header}"
        );
    }
    for (mode, dest, status) in [
        ("no-cors", "image", StatusCode::FORBIDDEN),
        ("navigate", "iframe", StatusCode::FORBIDDEN),
        ("navigate", "document", StatusCode::OK),
    ] {
        let request = site
            .request(Method::GET, "/dead")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", dest);
        assert_eq!(send(request).await.status, status, "{mode} {dest}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_job_and_fields_and_messages_keep_their_secrets() {
    let redis = RedisServer::start();
    for (score, bytes) in [
        r#"{"class":"Bill","jid":"b1","args":{"password":"CANARY"}}"#,
        r#"{"class":"Bill","jid":"b2","args":[{"api_token":"CANARY"#,
        r#""{\"class\":\"Bill\",\"args\":[{\"password\":\"CANARY\"}]}""#,
        r#"{"class":"W","wrapped":"Mailer","jid":"b4","args":[{"job_class":"Mailer","arguments":["a","CANARY"]}]}"#,
        r#"{"class":"Bill","jid":"b5","args":["{\"privateKey\":\"CANARY\"}"],"apiToken":"CANARY"}"#,
        r#"{"class":"Login","jid":"b6","args":[],"error_class":"Wrong","error_message":"CANARY","retry_count":0}"#,
    ]
    .iter()
    .enumerate()
    {
        redis.cli(&["ZADD", "dead", &(1_795_398_104 + score).to_string(), bytes]);
    }
    let usual = of(&redis).redact(
        Redaction::default()
            .rule("Mailer:1")
            .and_then(|all| all.rule("Login:error"))
            .unwrap(),
    );
    let site = Site::start(usual).await;
    let list = site.get("/dead").await.ok();
    let mut pages = vec!["/dead?view=errors".to_owned(), "/api/v1/dead".to_owned()];
    for entry in entries(&list) {
        pages.push(format!("/jobs/-?at=dead:{entry}"));
        pages.push(format!("/push?copy=dead:{entry}"));
    }
    list.lacks("CANARY");
    for path in pages {
        let mut page = site.get(&path).await;
        if page.status == StatusCode::SEE_OTHER {
            page = site.get(page.header("location")).await;
        }
        page.lacks("CANARY");
    }
}

#[tokio::test]
async fn names_do_not_look_like_others() {
    let redis = RedisServer::start();
    let name = "\u{202e}lacitirc";
    redis.cli(&["SADD", "queues", name]);
    redis.cli(&["LPUSH", &format!("queue:{name}"), &job("x", "")]);
    let site = Site::start(of(&redis)).await;
    for path in ["/", "/queues", "/queues/%E2%80%AElacitirc"] {
        site.get(path)
            .await
            .ok()
            .has("\\u{202e}lacitirc")
            .lacks(">\u{202e}");
    }
}

#[tokio::test]
async fn a_part_of_an_application_is_not_said_to_be_told() {
    let redis = RedisServer::start();
    let identity = "web:1:0123456789ab";
    redis.cli(&["SADD", "processes", identity]);
    let info = r#"{"hostname":"web","embedded":true,"queues":["low"],"concurrency":1}"#;
    redis.cli(&[
        "HSET",
        identity,
        "info",
        info,
        "beat",
        "1795398104",
        "busy",
        "0",
    ]);
    let site = Site::start(of(&redis)).await;
    let page = site.post("/processes/all/quiet", "").await;
    site.get(page.header("location"))
        .await
        .ok()
        .has("Nobody was told anything. One is part of an application");
    assert_eq!(
        redis
            .cli(&["EXISTS", &format!("{identity}-signals")])
            .trim(),
        "0"
    );
    let page = json(&site, &format!("/processes/{identity}/stop"), "{}").await;
    assert_eq!(page.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_sum_over_some_queues_is_not_said_to_be_of_all() {
    let redis = RedisServer::start();
    let names: Vec<String> = (0..1_200).map(|number| format!("q{number:04}")).collect();
    let mut add = vec!["SADD", "queues"];
    add.extend(names.iter().map(String::as_str));
    redis.cli(&add);
    redis.cli(&["LPUSH", "queue:q0000", &job("first", "")]);
    redis.cli(&["LPUSH", "queue:q1199", &job("last", "")]);
    redis.cli(&["SADD", "paused", "q1199"]);
    let site = Site::start(of(&redis)).await;
    site.get("/").await.ok().has(">1+<");
    site.get("/queues/q1199")
        .await
        .ok()
        .has("Resume")
        .lacks("nobody has pushed");
    let page = site.get("/search?q=q1199").await;
    assert_eq!(page.header("location"), "/queues/q1199");
}

#[tokio::test]
async fn one_strange_entry_keeps_nobody_from_the_others() {
    let redis = filled();
    redis.cli(&["ZADD", "dead", "1e300", &job("far", "")]);
    let site = Site::start(of(&redis)).await;
    let all: Vec<String> = entries(&site.get("/dead").await.ok())
        .iter()
        .map(|entry| format!("entry={}", entry.replace('+', "%2B")))
        .collect();
    assert_eq!(all.len(), 3);
    let page = site.post("/dead/delete", &all.join("&")).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    assert_eq!(redis.cli(&["ZCARD", "dead"]).trim(), "0");
}
