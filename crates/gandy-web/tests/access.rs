//! Who is answered, and who may act: on a served dashboard, by real requests. What strangers are refused, for every route, is in
//! `web_security`.
#![allow(clippy::unwrap_used)]

mod support;

use axum::Router;
use gandy_tests::RedisServer;
use gandy_web::{Access, Role};
use reqwest::{Method, StatusCode};
use support::{Site, of, send};

#[tokio::test]
async fn every_answer_carries_the_headers_that_keep_a_page_safe() {
    let redis = RedisServer::start();
    let site = Site::start(of(&redis)).await;
    for path in ["/", "/nowhere", "/stats"] {
        let page = site.get(path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert_eq!(page.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn without_credentials_only_localhost_by_its_name_is_answered() {
    let redis = RedisServer::start();
    let site = Site::start(of(&redis)).await;
    site.get("/").await.ok();
    let rebound = site
        .request(Method::GET, "/")
        .header("host", "evil.example");
    let page = send(rebound).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.has("localhost").lacks("Overview");
}

#[tokio::test]
async fn acts_of_our_own_pages_are_taken() {
    let redis = RedisServer::start();
    let site = Site::start(of(&redis)).await;
    let post = || {
        site.request(Method::POST, "/queues/q/pause")
            .header("content-type", "application/x-www-form-urlencoded")
            .body("")
    };
    let host = site.address.to_string();
    let paused = || redis.cli(&["SISMEMBER", "paused", "q"]);
    // What a browser says of itself counts more than what a page of elsewhere could add.
    let both = post()
        .header("sec-fetch-site", "cross-site")
        .header("origin", format!("http://{host}"));
    assert_eq!(send(both).await.status, StatusCode::FORBIDDEN);
    for (name, value) in [
        ("sec-fetch-site", "same-origin".to_owned()),
        ("sec-fetch-site", "none".to_owned()),
        ("origin", format!("http://{host}")),
    ] {
        let page = send(post().header(name, &value)).await;
        assert_eq!(
            page.status,
            StatusCode::SEE_OTHER,
            "{name}: {value}: {}",
            page.body
        );
    }
    assert!(paused().starts_with('1'));
    // The oldest browsers say nothing: they show the page's token.
    let page = site.get("/").await.ok();
    let token = page
        .body
        .split("data-token=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let shown = site
        .request(Method::POST, "/queues/q/unpause")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("_token={token}"));
    assert_eq!(send(shown).await.status, StatusCode::SEE_OTHER);
    assert!(paused().starts_with('0'));
}

#[tokio::test]
async fn read_only_takes_no_act_from_anybody() {
    let redis = RedisServer::start();
    let site = Site::start(of(&redis).read_only(true)).await;
    site.get("/").await.ok().has("read-only");
    let page = site.post("/queues/q/pause", "").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.has("read-only");
    assert!(redis.cli(&["EXISTS", "paused"]).starts_with('0'));
}

#[tokio::test]
async fn the_hosts_own_check_decides_and_links_follow_the_mount() {
    let redis = RedisServer::start();
    let access = Access::by(|parts| {
        parts
            .headers
            .contains_key("x-admin")
            .then_some(Role::Operator)
    });
    let dashboard = of(&redis).access(access).build().unwrap();
    let inner = Router::new().nest("/jobs", dashboard.router());
    let site = Site::serve(Router::new().nest("/admin/a", inner), "/admin/a").await;
    assert_eq!(site.get("/jobs").await.status, StatusCode::FORBIDDEN);
    let get = |path| site.request(Method::GET, path).header("x-admin", "1");
    let page = send(get("/jobs")).await.ok();
    page.has("href=\"/admin/a/jobs/queues\"")
        .has("data-base=\"/admin/a/jobs\"");
    let style = page
        .body
        .split("<link rel=\"stylesheet\" href=\"")
        .nth(1)
        .unwrap();
    let style = style
        .split('"')
        .next()
        .unwrap()
        .strip_prefix("/admin/a")
        .unwrap();
    let page = send(get(style)).await.ok();
    assert!(page.header("cache-control").contains("immutable"));
    let page = send(get("/jobs/search?q=dead")).await;
    assert_eq!(
        (page.status, page.header("location")),
        (StatusCode::SEE_OTHER, "/admin/a/jobs/dead")
    );
}

#[tokio::test]
async fn a_first_visit_is_small() {
    let redis = RedisServer::start();
    let site = Site::start(of(&redis)).await;
    let get = |path: &str| {
        site.client
            .get(format!("http://{}{path}", site.address))
            .header("accept-encoding", "gzip")
    };
    let page = site.get("/").await.ok();
    let mut all = get("/").send().await.unwrap().bytes().await.unwrap().len();
    let files: Vec<&str> = page
        .body
        .split('"')
        .filter(|text| text.starts_with("/assets/"))
        .collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let answer = get(file).send().await.unwrap();
        assert_eq!(answer.headers()["content-encoding"], "gzip", "{file}");
        all += answer.bytes().await.unwrap().len();
    }
    assert!(all < 60_000, "{all} bytes");
}
