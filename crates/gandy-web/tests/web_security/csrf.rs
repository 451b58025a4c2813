//! Requests from elsewhere: no act is taken from another site's page, and looking changes nothing.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use gandy_tests::RedisServer;
use reqwest::{Method, StatusCode};

use crate::data;
use crate::routes::{self, filled, usual};
use crate::support::{Site, of, send};

const FORM: &str = "application/x-www-form-urlencoded";

/// What Redis is told from now on, as MONITOR shows it.
struct Monitor {
    lines: BufReader<TcpStream>,
}

impl Monitor {
    fn of(redis: &RedisServer) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut lines = BufReader::new(stream);
        let mut ok = String::new();
        lines.read_line(&mut ok).unwrap();
        assert_eq!(ok, "+OK\r\n");
        Self { lines }
    }

    /// The names of the commands until now, those within scripts included.
    fn commands(&mut self, redis: &RedisServer) -> BTreeSet<String> {
        redis.cli(&["ECHO", "the-end-of-it"]);
        let mut commands = BTreeSet::new();
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line).unwrap();
            if line.contains("the-end-of-it") {
                return commands;
            }
            let name = line
                .split("] \"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap();
            commands.insert(name.to_lowercase());
        }
    }
}

/// The commands that write, as the server itself has them.
fn writes(redis: &RedisServer) -> BTreeSet<String> {
    let list = redis.cli(&["COMMAND", "LIST", "FILTERBY", "ACLCAT", "write"]);
    let writes: BTreeSet<String> = list.lines().map(str::to_owned).collect();
    assert!(writes.contains("lpush") && writes.contains("sadd") && !writes.contains("get"));
    writes
}

#[tokio::test]
async fn web_csrf() {
    let redis = RedisServer::start();
    data::fill(&redis, &["harmless".to_owned()]);
    let writes = writes(&redis);
    let site = Site::start(of(&redis)).await;
    let mut monitor = Monitor::of(&redis);
    for route in routes::all() {
        let path = filled(&route.path, usual);
        if route.get && path != "/live" {
            let page = site.get(&path).await;
            assert!(page.status.as_u16() < 500, "{path}: {}", page.body);
        }
        if !route.post {
            continue;
        }
        for (name, value, kind) in [
            ("sec-fetch-site", "cross-site", FORM),
            ("sec-fetch-site", "same-site", FORM),
            ("sec-fetch-site", "cross-site", "application/json"),
            ("origin", "http://evil.example", FORM),
            ("origin", "http://evil.example", "application/json"),
            ("origin", "null", FORM),
            ("x-nothing", "x", FORM),
            ("x-nothing", "x", "text/plain"),
            ("x-nothing", "x", "multipart/form-data; boundary=x"),
            ("x-gandy-token", "00000000000000000000000000000000", FORM),
        ] {
            let post = site
                .request(Method::POST, &path)
                .header("content-type", kind);
            let page = send(post.header(name, value).body("all=1&class=A&args=[]")).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {name}: {value}");
        }
        // By GET it is another page, or none.
        if !route.get {
            assert_eq!(
                site.get(&path).await.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{path}"
            );
        }
    }
    // Other ways of asking.
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let page = send(
            site.request(method.clone(), "/queues/low/pause")
                .header("origin", "http://evil.example"),
        )
        .await;
        assert!(page.status.is_client_error(), "{method}: {}", page.status);
        assert!(page.headers.get("access-control-allow-origin").is_none());
    }
    let seen = monitor.commands(&redis);
    let wrote: Vec<&String> = seen.intersection(&writes).collect();
    assert!(wrote.is_empty(), "{wrote:?}");
    assert!(
        seen.contains("zrange") || seen.contains("zrangebyscore"),
        "{seen:?}"
    );
    // The same is seen when something is done.
    site.post("/queues/low/pause", "").await;
    assert!(monitor.commands(&redis).contains("sadd"));
}
