//! What a review of the dashboard found, each as it was found: it does not happen again.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use gandy_tests::RedisServer;
use gandy_web::{Access, Credentials, Redaction, Role};
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

/// The head and body of a form's request, as bytes.
fn request(site: &Site, path: &str, form: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        site.address,
        form.len()
    )
}

/// Of a hundred 51 were deleted, and the log said nothing.
#[tokio::test]
async fn an_act_goes_on_when_its_browser_hangs_up() {
    let redis = RedisServer::start();
    for number in 0..100 {
        let score = 4_000_000_000_u64 + number;
        redis.cli(&[
            "ZADD",
            "retry",
            &score.to_string(),
            &job(&format!("j{number}"), ""),
        ]);
    }
    let site = Site::start(of(&redis)).await;
    let list = site.get("/retries?count=100").await.ok();
    let form: Vec<String> = entries(&list)
        .iter()
        .map(|spot| format!("entry={}", spot.replace('@', "%40")))
        .collect();
    assert_eq!(form.len(), 100);
    let request = request(&site, "/retries/delete", &form.join("&"));
    let mut stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
        .await
        .unwrap();
    gandy_tests::wait_until_async(Duration::from_secs(20), "the first of them", async || {
        redis.cli(&["ZCARD", "retry"]).trim() != "100"
    })
    .await;
    drop(stream);
    gandy_tests::wait_until_async(Duration::from_secs(20), "the last of them", async || {
        redis.cli(&["ZCARD", "retry"]).trim() == "0"
    })
    .await;
}

#[tokio::test]
async fn a_copy_and_what_is_said_of_a_run_hide_what_the_page_hides() {
    let redis = RedisServer::start();
    let more = r#","cattr":{"api_token":"CANARY1"},"meta":{"user":{"password":"CANARY2"}},"blob":"{\"secret\":\"CANARY3\"}","plain":{"a":1},"error_class":"RuntimeError","error_message":"CANARY4","failed_at":1795398104597,"retried_at":1795398104597,"retry_count":1"#;
    redis.cli(&["ZADD", "retry", "4000000000", &job("a1", more)]);
    let ended = r#"{"outcome":"failed","at":1795398104597,"will_retry":true,"error_class":"RuntimeError","error_message":"CANARY5"}"#;
    redis.cli(&["SET", "gandy:outcome:a1", ended]);
    redis.cli(&["SET", "gandy:outcome:gone", ended]);
    let plain = Site::start(of(&redis)).await;
    let spot = entries(&plain.get("/retries").await.ok()).remove(0);
    let copy = format!("/push?copy=retry:{}", spot.replace('@', "%40"));
    let form = plain.get(&copy).await.ok();
    form.has("plain")
        .lacks("CANARY1")
        .lacks("CANARY2")
        .lacks("CANARY3");
    // They are there to be hidden.
    plain
        .get("/api/v1/jobs/a1")
        .await
        .ok()
        .has("CANARY4")
        .has("CANARY5");
    plain.get("/jobs/gone").await.ok().has("CANARY5");
    let redaction = Redaction::default().rule("*:error").unwrap();
    let site = Site::start(of(&redis).redact(redaction)).await;
    for path in [
        "/api/v1/jobs/a1",
        "/api/v1/jobs/gone",
        "/jobs/a1",
        "/jobs/gone",
        "/retries",
        "/retries?view=errors",
        "/api/v1/retries",
        &copy,
    ] {
        site.get(path).await.ok().lacks("CANARY4").lacks("CANARY5");
    }
    for path in ["/api/v1/jobs/a1/cancel", "/api/v1/jobs/gone/cancel"] {
        plain.post(path, "").await.ok().has("CANARY5");
        site.post(path, "").await.ok().lacks("CANARY5");
    }
}

#[tokio::test]
async fn a_viewer_may_not_guess_at_what_is_hidden_by_its_name() {
    let redis = RedisServer::start();
    redis.cli(&[
        "ZADD",
        "retry",
        "4000000000",
        r#"{"class":"Login","args":[{"otp":"4711"}],"jid":"a1","queue":"low"}"#,
    ]);
    let path = "/retries?filter=arg:%27%7B%22otp%22:%224711%22%7D%27";
    let viewer = Site::start(of(&redis).access(Access::everybody(Role::Viewer))).await;
    assert_eq!(viewer.get(path).await.status, StatusCode::FORBIDDEN);
    let shown = of(&redis).access(Access::everybody(Role::Viewer));
    let shown = Site::start(shown.redact(Redaction::none())).await;
    shown.get(path).await.ok().has("4711");
    let operator = Site::start(of(&redis)).await;
    operator.get(path).await.ok().has("[redacted]");
}

/// What was not heeded was taken for "all".
#[tokio::test]
async fn an_act_takes_no_field_that_it_does_not_heed() {
    let redis = filled();
    let site = Site::start(of(&redis)).await;
    for (path, body) in [
        ("/queues/low/clear", r#"{"filter":"class:A"}"#),
        ("/queues/low/pause", r#"{"for":"1h"}"#),
        ("/jobs/q1/cancel", r#"{"entry":"x"}"#),
        ("/processes/all/quiet", r#"{"identity":"one"}"#),
        ("/doctor/orphans", r#"{"dry_run":true}"#),
    ] {
        let page = json(&site, path, body).await;
        assert_eq!(
            page.status,
            StatusCode::BAD_REQUEST,
            "{path}: {}",
            page.body
        );
    }
    assert_eq!(redis.cli(&["SCARD", "paused"]).trim(), "0");
}

#[tokio::test]
async fn an_act_leads_back_to_the_page_from_which_it_was_asked() {
    let redis = RedisServer::start();
    for number in 0..6 {
        let score = 4_000_000_000_u64 + number;
        redis.cli(&[
            "ZADD",
            "retry",
            &score.to_string(),
            &job(&format!("j{number}"), ""),
        ]);
    }
    let site = Site::start(of(&redis)).await;
    let first = site.get("/retries?count=2").await.ok();
    let next = first.body.split("rel=\"next\"").next().unwrap();
    let next = next
        .rsplit("href=\"")
        .next()
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let second = site
        .get(&next.replace("&amp;", "&").replace("&#38;", "&"))
        .await
        .ok();
    let from = second.body.split("name=\"from\" value=\"").nth(1).unwrap();
    let from = from.split('"').next().unwrap();
    let entry = entries(&second).remove(0).replace('@', "%40");
    let form = format!("count=2&from={from}&filter=&entry={entry}");
    let page = site.post("/retries/delete", &form).await;
    let to = page.header("location").to_owned();
    assert!(to.contains("count=2") && to.contains("from="), "{to}");
    site.get(&to).await.ok().has("1 job deleted");
}

#[tokio::test]
async fn small_mistakes_are_not_made_again() {
    let redis = filled();
    let site = Site::start(of(&redis)).await;
    // A class has colons, and is no filter.
    let page = site.get("/search?q=Billing::Invoice").await;
    assert_eq!(page.header("location"), "/metrics/Billing%3A%3AInvoice");
    let page = site.get("/search?q=class:Mail").await;
    assert_eq!(page.header("location"), "/retries?filter=class%3AMail");
    // A tag may have a comma, where it is not one field of a form.
    let body = r#"{"class":"A","args":[],"queue":"tags","tags":["a,b"]}"#;
    assert_eq!(json(&site, "/jobs", body).await.status, StatusCode::CREATED);
    assert!(
        redis
            .cli(&["LINDEX", "queue:tags", "0"])
            .contains(r#""tags":["a,b"]"#)
    );
    // One field of another type does not take the others along.
    let info = r#"{"tag":null,"embedded":true,"hostname":"h","pid":1,"concurrency":1}"#;
    redis.cli(&["SADD", "processes", "h:1:a"]);
    redis.cli(&[
        "HSET",
        "h:1:a",
        "info",
        info,
        "busy",
        "0",
        "beat",
        "1795398104",
    ]);
    let page = json(&site, "/processes/h:1:a/stop", "{}").await;
    assert_eq!(page.status, StatusCode::CONFLICT, "{}", page.body);
    assert_eq!(redis.cli(&["EXISTS", "h:1:a-signals"]).trim(), "0");
}

/// A pass in a cookie, behind which nobody waits who has been let in; it lets nobody in by itself.
#[tokio::test]
async fn who_was_let_in_has_a_pass_that_is_no_secret() {
    let redis = RedisServer::start();
    let credentials = Credentials::new()
        .token("a-token-of-some-length", Role::Viewer)
        .unwrap();
    let site = Site::start(of(&redis).access(Access::credentials(credentials))).await;
    let ask = |token: Option<&str>, pass: Option<&str>| {
        let mut request = site.request(Method::GET, "/");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(pass) = pass {
            request = request.header("cookie", format!("gandy_theme=dark; {pass}"));
        }
        send(request)
    };
    let page = ask(Some("a-token-of-some-length"), None).await.ok();
    let given = page.header("set-cookie").to_owned();
    assert!(
        given.contains("; Path=/; HttpOnly; SameSite=Strict"),
        "{given}"
    );
    let pass = given.split(';').next().unwrap();
    let again = ask(Some("a-token-of-some-length"), Some(pass)).await.ok();
    assert_eq!(again.header("set-cookie"), "");
    assert_eq!(ask(None, Some(pass)).await.status, StatusCode::UNAUTHORIZED);
    let wrong = ask(Some("a-token-of-other-sort"), Some(pass)).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.header("set-cookie"), "");
}
