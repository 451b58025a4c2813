//! Looks at what pushes left in Redis, for the client's promises.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gandy::{Client, Kind, Push, Receipt};
use gandy_tests::wait_until;
use serde_json::Value;

use crate::support::{SOON, Site};

pub(crate) fn client(site: &Site) -> Client {
    Client::builder().server(site.server()).build().unwrap()
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// A list from left to right: the youngest job first.
pub(crate) fn list(site: &Site, key: &str) -> Vec<Vec<u8>> {
    site.ask(redis::cmd("LRANGE").arg(key).arg(0).arg(-1))
}

/// A set, sorted.
pub(crate) fn members(site: &Site, key: &str) -> Vec<String> {
    let mut members: Vec<String> = site.ask(redis::cmd("SMEMBERS").arg(key));
    members.sort_unstable();
    members
}

pub(crate) fn dbsize(site: &Site) -> usize {
    site.ask(&redis::cmd("DBSIZE"))
}

/// How often clients called a command, this test's own calls included.
pub(crate) fn calls(site: &Site, command: &str) -> u64 {
    let info: String = site.ask(redis::cmd("INFO").arg("commandstats"));
    let start = format!("cmdstat_{command}:calls=");
    info.lines()
        .find_map(|line| line.strip_prefix(&start)?.split(',').next()?.parse().ok())
        .unwrap_or(0)
}

/// The job's id, and its bytes with `*` for id and times. The times are checked: integers of milliseconds, just now.
pub(crate) fn shape(bytes: &[u8]) -> (String, String) {
    let mut text = String::from_utf8(bytes.to_vec()).unwrap();
    // A number like 1e400 is JSON that serde_json's values cannot hold: only the tail is parsed.
    let tail = text.rfind(r#","jid":"#).unwrap();
    let job: Value = serde_json::from_str(&format!("{{{}", &text[tail + 1..])).unwrap();
    let jid = job["jid"].as_str().unwrap().to_owned();
    text = text.replace(&format!(r#""jid":"{jid}""#), r#""jid":"*""#);
    for name in ["created_at", "enqueued_at"] {
        if let Some(stamp) = job.get(name) {
            let age = now_ms() - stamp.as_i64().unwrap();
            assert!((0..60_000).contains(&age), "{name} is {age} ms ago");
            text = text.replace(&format!(r#""{name}":{stamp}"#), &format!(r#""{name}":*"#));
        }
    }
    (jid, text)
}

/// The clients' connections, without the test's own.
pub(crate) fn connections(site: &Site) -> usize {
    let own: u64 = site.ask(redis::cmd("CLIENT").arg("ID"));
    let all: String = site.ask(redis::cmd("CLIENT").arg("LIST"));
    let own = format!("id={own} ");
    all.lines().filter(|line| !line.starts_with(&own)).count()
}

/// The server closes every connection but the test's own. A client that has not seen that yet may be told `Unknown` once.
pub(crate) fn cut_connections(site: &Site) {
    site.ask::<()>(
        redis::cmd("CLIENT")
            .arg("KILL")
            .arg("TYPE")
            .arg("normal")
            .arg("SKIPME")
            .arg("yes"),
    );
    wait_until(SOON, "the connections are gone", || connections(site) == 0);
}

/// Pushes, again after each `Unknown`.
pub(crate) async fn push_again(client: &Client, push: Push) -> Receipt {
    let give_up = Instant::now() + SOON;
    loop {
        match client.send(push.clone()).await {
            Ok(receipt) => return receipt,
            Err(error) if error.kind() == Kind::Unknown && Instant::now() < give_up => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}
