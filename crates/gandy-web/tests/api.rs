//! `/api/v1` is what its document says, hides what the pages hide, and does what it was told.
#![allow(clippy::unwrap_used)]

#[path = "support/data.rs"]
mod data;
#[path = "support/routes.rs"]
mod routes;
#[path = "support/schema.rs"]
mod schema;
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use gandy_tests::{RedisServer, wait_until_async};
use reqwest::Method;
use serde_json::{Value, json};
use support::{Page, Site, of, send};

const BASE: &str = "/api/v1";

fn job(number: u32, more: &str) -> String {
    format!(
        r#"{{"class":"Mailer","args":[12345678901234567890123,{{"password":"hush"}}],"jid":"{number:024x}","queue":"low","retry":true,"created_at":1795398104597{more}}}"#
    )
}

fn fill(redis: &RedisServer) {
    data::fill(redis, &["Some <text>".to_owned()]);
    let failed = r#","failed_at":1795398105000,"retry_count":1,"error_class":"Timeout","error_message":"no reply","error_backtrace":["a","b"]"#;
    for number in 0..10_u32 {
        let score = (4_000_000_000_u32 + number).to_string();
        redis.cli(&["ZADD", "retry", &score, &job(number, failed)]);
        redis.cli(&["ZADD", "schedule", &score, &job(100 + number, "")]);
        redis.cli(&["ZADD", "dead", &score, &job(200 + number, failed)]);
        redis.cli(&["LPUSH", "queue:low", &job(300 + number, "")]);
    }
    redis.cli(&["SADD", "queues", "low"]);
    let payload = job(400, "");
    let work = json!({ "queue": "low", "payload": payload, "run_at": 1_795_398_104 });
    redis.cli(&["HSET", "Some <text>:work", "2", &work.to_string()]);
}

/// A dashboard, its document, and what of it was asked.
struct Api {
    site: Site,
    document: Value,
    asked: BTreeSet<(String, String)>,
}

impl Api {
    async fn of(site: Site) -> Self {
        let page = site.get("/api/v1/openapi.json").await.ok();
        let document = serde_json::from_str(&page.body).unwrap();
        Self {
            site,
            document,
            asked: BTreeSet::new(),
        }
    }

    /// Asks, and holds the answer to the document: status, type and shape.
    async fn ask(
        &mut self,
        method: &str,
        template: &str,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let mut request = self.site.request(
            Method::from_bytes(method.as_bytes()).unwrap(),
            &format!("{BASE}{path}"),
        );
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        } else if method == "POST" {
            request = request.header("content-type", "application/json");
        }
        let page = send(request).await;
        self.asked.insert((method.to_owned(), template.to_owned()));
        let operation = &self.document["paths"][template][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {template}");
        let value = self.held(&operation["responses"], &page, path);
        (page.status.as_u16(), value)
    }

    fn held(&self, responses: &Value, page: &Page, path: &str) -> Value {
        let said = &page.body;
        let mut answer = &responses[page.status.as_str()];
        if let Some(pointer) = answer["$ref"].as_str() {
            answer = self.document.pointer(&pointer[1..]).unwrap();
        }
        assert!(
            answer.is_object(),
            "{path}: {} is not documented: {said}",
            page.status
        );
        assert_eq!(page.header("content-type"), "application/json", "{path}");
        let value: Value = serde_json::from_str(said).unwrap();
        let schema = &answer["content"]["application/json"]["schema"];
        let faults = schema::faults(&self.document, schema, &value);
        assert!(faults.is_empty(), "{path}: {faults:#?}");
        value
    }

    async fn get(&mut self, template: &str, path: &str) -> Value {
        let (status, value) = self.ask("GET", template, path, None).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    async fn post(&mut self, template: &str, path: &str, body: Value, status: u16) -> Value {
        let (said, value) = self.ask("POST", template, path, Some(body)).await;
        assert_eq!(said, status, "{path}: {value}");
        value
    }
}

fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(|method| (method.to_uppercase(), path.clone()))
    });
    all.collect()
}

#[tokio::test]
async fn the_document_names_the_routes_and_nothing_else() {
    let redis = RedisServer::start();
    let api = Api::of(Site::start(of(&redis)).await).await;
    let mut routed = BTreeSet::new();
    for route in routes::api() {
        for (is, method) in [(route.get, "GET"), (route.post, "POST")] {
            if is {
                routed.insert((method.to_owned(), route.path.clone()));
            }
        }
    }
    assert_eq!(operations(&api.document), routed);
    // Where it is mounted its addresses are too.
    let dashboard = of(&redis).build().unwrap();
    let router = axum::Router::new().nest("/admin/jobs", dashboard.router());
    let api = Api::of(Site::serve(router, "/admin/jobs").await).await;
    assert_eq!(api.document["servers"][0]["url"], "/admin/jobs/api/v1");
    assert_eq!(api.document["openapi"], "3.1.0");
}

#[tokio::test]
async fn every_documented_answer_is_as_documented_and_every_act_has_its_effect() {
    let redis = RedisServer::start();
    fill(&redis);
    let mut api = Api::of(Site::start(of(&redis)).await).await;
    look(&mut api).await;
    look_into_sets(&mut api).await;
    look_for_what_is_not_there(&mut api).await;
    act_on_some(&mut api, &redis).await;
    act_on_all(&mut api, &redis).await;
    act_on_one(&mut api).await;
    act_on_the_rest(&mut api, &redis).await;
    assert_eq!(operations(&api.document), api.asked);
}

async fn look(api: &mut Api) {
    let stats = api.get("/stats", "/stats").await;
    assert_eq!(
        (&stats["retries"], &stats["enqueued"]),
        (&json!(11), &json!(11))
    );
    api.get("/openapi.json", "/openapi.json").await;
    assert_eq!(
        api.get("/history", "/history?days=3")
            .await
            .as_array()
            .unwrap()
            .len(),
        3
    );
    for path in ["/metrics", "/metrics?range=72h&filter=some"] {
        let metrics = api.get("/metrics", path).await;
        assert_eq!(metrics["classes"][0]["runs"], 5, "{metrics}");
        assert_eq!(metrics["marks"][0]["label"], "Some <text>", "{metrics}");
    }
    assert_eq!(
        api.get("/metrics", "/metrics?filter=nobody").await["classes"],
        json!([])
    );
    let failing = api
        .get("/metrics", "/metrics?order=failures&filter=SOME")
        .await;
    assert_eq!(failing["classes"][0]["failures"], 2, "{failing}");
    let class = api
        .get("/metrics/{class}", "/metrics/Some%20%3Ctext%3E")
        .await;
    assert_eq!(class["classes"][0]["failures"], 2);
    let doctor = api.get("/doctor", "/doctor").await;
    assert!(!doctor["findings"].as_array().unwrap().is_empty());
    let processes = api.get("/processes", "/processes").await;
    assert_eq!(processes[0]["info"]["hostname"], "Some <text>");
    assert_eq!(processes[0]["work"].as_array().unwrap().len(), 2);
    assert_eq!(api.get("/busy", "/busy").await.as_array().unwrap().len(), 2);
    assert_eq!(api.get("/queues", "/queues").await[1]["size"], 10);
    let queue = api.get("/queues/{name}", "/queues/low?count=4").await;
    assert_eq!(queue["jobs"][0]["jid"], format!("{:024x}", 300));
    let last = api
        .get("/queues/{name}", "/queues/low?end=last&count=4")
        .await;
    assert_eq!(last["jobs"][0]["jid"], format!("{:024x}", 309));
}

async fn look_into_sets(api: &mut Api) {
    for (set, whole) in [("/retries", 11), ("/scheduled", 11), ("/dead", 12)] {
        let (mut from, mut all) = (String::new(), BTreeSet::new());
        loop {
            let page = api.get(set, &format!("{set}?count=5&from={from}")).await;
            assert_eq!(page["size"], whole);
            let jobs = page["jobs"].as_array().unwrap();
            all.extend(
                jobs.iter()
                    .map(|job| job["entry"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page["next"].as_str() else {
                break;
            };
            next.clone_into(&mut from);
        }
        assert_eq!(all.len(), whole, "{set}");
        let found = api.get(set, &format!("{set}?filter=class:Mailer")).await;
        assert_eq!(found["jobs"].as_array().unwrap().len(), 10);
    }
    let retry = api
        .get("/retries", "/retries?count=1&filter=class:Mailer")
        .await;
    let (jid, entry) = (&retry["jobs"][0]["jid"], &retry["jobs"][0]["entry"]);
    for path in [
        format!("/jobs/{:024x}", 0),
        format!("/jobs/{:024x}?at=retry:{}", 0, entry.as_str().unwrap()),
    ] {
        let job = api.get("/jobs/{jid}", &path).await;
        assert_eq!(
            (&job["jid"], &job["reasons"][0]["code"]),
            (jid, &json!("retrying"))
        );
        assert_eq!(job["history"].as_array().unwrap().len(), 2, "{job}");
    }
}

async fn look_for_what_is_not_there(api: &mut Api) {
    for (template, path, status, code) in [
        ("/jobs/{jid}", "/jobs/nobody", 404, "not-found"),
        ("/jobs/{jid}", "/jobs/x?within=99", 400, "bad-request"),
        ("/retries", "/retries?filter=age%3E", 400, "bad-request"),
        ("/retries", "/retries?filter=%ff", 400, "bad-request"),
        ("/queues/{name}", "/queues/%ff", 400, "bad-request"),
        ("/acts/{id}", "/acts/7", 404, "not-found"),
        ("/history", "/history?days=0", 400, "bad-request"),
    ] {
        let (said, value) = api.ask("GET", template, path, None).await;
        assert_eq!(
            (said, &value["error"]["code"]),
            (status, &json!(code)),
            "{path}"
        );
    }
    let page = api.site.get("/api/v1/nowhere").await;
    assert!(
        page.status == 404 && page.body.contains("not-found"),
        "{}",
        page.body
    );
}

fn count(redis: &RedisServer, args: &[&str]) -> u64 {
    redis.cli(args).trim().parse().unwrap()
}

async fn act_on_some(api: &mut Api, redis: &RedisServer) {
    let said = api
        .post("/queues/{name}/{act}", "/queues/low/pause", json!({}), 200)
        .await;
    assert_eq!(
        (said, count(redis, &["SISMEMBER", "paused", "low"])),
        (json!({ "queue": "low", "paused": true }), 1)
    );
    api.post(
        "/queues/{name}/{act}",
        "/queues/low/unpause",
        json!({}),
        200,
    )
    .await;
    for (set, act, left) in [
        ("retries", "retry", 10),
        ("scheduled", "bury", 10),
        // The one that was buried has the bytes of one there.
        ("dead", "delete", 11),
    ] {
        let list = api
            .get(&format!("/{set}"), &format!("/{set}?count=1"))
            .await;
        let body = json!({ "entries": [list["jobs"][0]["entry"]] });
        let path = format!("/{set}/{act}");
        let said = api
            .post(&format!("/{set}/{{act}}"), &path, body.clone(), 200)
            .await;
        assert_eq!(
            (&said["done"], &said["gone"]),
            (&json!(1), &json!(0)),
            "{path}"
        );
        let said = api.post(&format!("/{set}/{{act}}"), &path, body, 200).await;
        assert_eq!(
            (&said["done"], &said["gone"]),
            (&json!(0), &json!(1)),
            "{path}"
        );
        let key = match set {
            "retries" => "retry",
            "scheduled" => "schedule",
            _ => "dead",
        };
        assert_eq!(count(redis, &["ZCARD", key]), left, "{path}");
    }
    for body in [
        json!({}),
        json!({ "all": false }),
        json!({ "entries": ["x"] }),
        json!([]),
    ] {
        api.post("/retries/{act}", "/retries/delete", body, 400)
            .await;
    }
}

async fn act_on_all(api: &mut Api, redis: &RedisServer) {
    let prepared = api
        .post(
            "/retries/{act}",
            "/retries/delete",
            json!({ "all": true, "filter": "class:Mailer" }),
            201,
        )
        .await;
    assert_eq!(
        (&prepared["phase"], &prepared["counted"]),
        (&json!("prepared"), &json!(10))
    );
    assert_eq!(count(redis, &["ZCARD", "retry"]), 10, "it was only counted");
    let act = format!("/acts/{}", prepared["id"]);
    api.post("/acts/{id}/{what}", &format!("{act}/start"), json!({}), 200)
        .await;
    wait_until_async(Duration::from_secs(30), "the act's end", async || {
        api.site
            .get(&format!("{BASE}{act}"))
            .await
            .body
            .contains("\"phase\":\"done\"")
    })
    .await;
    assert_eq!(api.get("/acts/{id}", &act).await["done"], 10);
    assert_eq!(count(redis, &["ZCARD", "retry"]), 0);
}

async fn act_on_one(api: &mut Api) {
    let list = api.get("/dead", "/dead?count=1").await;
    let (jid, entry) = (
        list["jobs"][0]["jid"].as_str().unwrap(),
        &list["jobs"][0]["entry"],
    );
    let one = json!({ "place": "dead", "entry": entry });
    let path = format!("/jobs/{jid}/retry");
    api.post("/jobs/{jid}/{act}", &path, one.clone(), 200).await;
    api.post("/jobs/{jid}/{act}", &path, one, 404).await;
    let said = api
        .post("/jobs/{jid}/{act}", "/jobs/nobody/cancel", json!({}), 200)
        .await;
    assert_eq!(said["answer"], "not-running");
    let raw = api.get("/dead", "/dead").await;
    let raw = raw["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|job| job["payload"].is_null())
        .unwrap();
    let one = json!({ "place": "dead", "entry": raw["entry"] });
    api.post("/jobs/{jid}/{act}", "/jobs/-/retry", one, 409)
        .await;
}

async fn act_on_the_rest(api: &mut Api, redis: &RedisServer) {
    let push = json!({ "class": "Hello", "args": [9_007_199_254_740_993_u64], "queue": "new", "retry": false, "tags": ["a", "b"] });
    let said = api.post("/jobs", "/jobs", push, 201).await;
    let pushed = redis.cli(&["LINDEX", "queue:new", "0"]);
    assert!(
        pushed.contains(said["jid"].as_str().unwrap()) && pushed.contains("[9007199254740993]"),
        "{pushed}"
    );
    assert!(
        pushed.contains(r#""tags":["a","b"]"#) && pushed.contains(r#""retry":false"#),
        "{pushed}"
    );
    let said = api
        .post(
            "/jobs",
            "/jobs",
            json!({ "class": "Hello", "args": [], "in": "5m" }),
            201,
        )
        .await;
    assert_eq!(said["outcome"], "scheduled");
    api.post(
        "/jobs",
        "/jobs",
        json!({ "class": "Hello", "args": 5 }),
        400,
    )
    .await;
    let path = "/processes/Some%20%3Ctext%3E/quiet";
    let told = api
        .post("/processes/{identity}/{signal}", path, json!({}), 200)
        .await;
    assert_eq!(told[0]["signal"], "quiet");
    assert_eq!(count(redis, &["LLEN", "Some <text>-signals"]), 1);
    api.post(
        "/processes/{identity}/{signal}",
        "/processes/nobody/stop",
        json!({}),
        404,
    )
    .await;
    redis.cli(&["SREM", "queues", "new"]);
    let fixed = api
        .post("/doctor/{code}", "/doctor/unlisted-queue", json!({}), 200)
        .await;
    assert_eq!(
        (
            &fixed["done"],
            count(redis, &["SISMEMBER", "queues", "new"])
        ),
        (&json!(1), 1)
    );
}

#[tokio::test]
async fn what_pages_hide_is_hidden_here_and_the_rest_is_exact() {
    let redis = RedisServer::start();
    fill(&redis);
    let site = Site::start(of(&redis)).await;
    let mut exact = 0;
    for path in [
        "/retries",
        "/scheduled",
        "/dead",
        "/queues/low",
        "/queues/low?end=last",
        "/processes",
        "/busy",
        "/jobs/000000000000000000000005",
        "/jobs/000000000000000000000130",
    ] {
        let page = site.get(&format!("{BASE}{path}")).await.ok();
        page.lacks("hush");
        exact += u32::from(
            page.body.contains("12345678901234567890123") && page.body.contains("[redacted]"),
        );
    }
    assert_eq!(exact, 8, "all but busy have payloads");
    let site = Site::start(of(&redis).redact(gandy_web::Redaction::none())).await;
    site.get("/api/v1/retries").await.ok().has("hush");
    let site = Site::start(of(&redis).read_only(true)).await;
    let request = site.request(Method::POST, "/api/v1/queues/low/pause");
    let page = send(
        request
            .header("content-type", "application/json")
            .body("{}"),
    )
    .await;
    assert_eq!(page.status, 403);
    page.has(r#""code":"forbidden""#).has("read-only");
    assert_eq!(redis.cli(&["EXISTS", "paused"]).trim(), "0");
}

/// Nonsense as input, by schemathesis, where `SCHEMATHESIS` names it (`scripts/test` installs it where it can): no answer is
/// a server's error, and each is of a status, a type and a shape that is documented.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_no_answer_that_is_not_documented() {
    let Some(program) = std::env::var_os("SCHEMATHESIS") else {
        eprintln!("skipped: SCHEMATHESIS is not set");
        return;
    };
    let redis = RedisServer::start();
    fill(&redis);
    let site = Site::start(of(&redis)).await;
    let mut command = std::process::Command::new(program);
    command.args([
        "run",
        &site.url("/api/v1/openapi.json"),
        "--url",
        &site.url(BASE),
    ]);
    command.args([
        "--phases",
        "coverage,fuzzing",
        "--max-examples",
        "3",
        "--generation-deterministic",
        "--max-time",
        "8",
    ]);
    command.args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"]);
    command.args([
        "--header",
        "Sec-Fetch-Site: same-origin",
        "--warnings",
        "off",
        "--no-color",
    ]);
    let folder = tempfile::tempdir().unwrap();
    command.current_dir(folder.path());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    site.get("/api/v1/stats").await.ok();
}
