//! Producers under outage: what a client repeats, what it keeps in memory, and what it pushes at most once.
#![allow(clippy::unwrap_used)]

#[path = "producers/bound.rs"]
mod bound;
#[path = "producers/bulk.rs"]
mod bulk;
#[path = "producers/kept.rs"]
mod kept;
#[path = "producers/once.rs"]
mod once;
#[path = "producers/repeat.rs"]
mod repeat;
#[path = "producers/sentinel.rs"]
mod sentinel;
mod support;

use std::time::Duration;

use gandy::{Client, ClientBuilder, Patience, Push, Server};
use gandy_faults::{Deed, Plan, Proxy, Rule, When};
use gandy_tests::{RedisServer, detour, seed};
use support::Site;

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any outage of these tests.
const LONG: Duration = Duration::from_secs(20);

/// A Redis whose writes survive its `kill -9`.
fn durable() -> Site {
    Site::over(RedisServer::with_aof(), "")
}

fn builder(url: &str) -> ClientBuilder {
    let patience = Patience {
        connect: SECOND,
        reply: SECOND,
    };
    let server = Server::new(url).unwrap().with_patience(patience);
    Client::builder().server(server)
}

/// Nobody listens there, ever: the port of a server that was killed may be given to that of another test.
const NOBODY: &str = "redis://127.0.0.1:1";

fn job(number: usize) -> Push {
    Push::raw("A", format!("[{number}]")).jid(format!("j{number:05}"))
}

/// The ids in a list in the order in which they were pushed.
fn ids(site: &Site, queue: &str) -> Vec<String> {
    let key = format!("queue:{queue}");
    let jobs: Vec<Vec<u8>> = site.ask(redis::cmd("LRANGE").arg(key).arg(0).arg(-1));
    let id = |bytes: &Vec<u8>| {
        let job: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        job["jid"].as_str().unwrap().to_owned()
    };
    jobs.iter().rev().map(id).collect()
}

fn raw(site: &Site, key: &str) -> Vec<Vec<u8>> {
    site.ask(redis::cmd("LRANGE").arg(key).arg(0).arg(-1))
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("j{number:05}")).collect()
}

/// How often clients called a command.
fn calls(site: &Site, command: &str) -> u64 {
    let info: String = site.ask(redis::cmd("INFO").arg("commandstats"));
    let start = format!("cmdstat_{command}:calls=");
    info.lines()
        .find_map(|line| line.strip_prefix(&start)?.split(',').next()?.parse().ok())
        .unwrap_or(0)
}

/// A Redis behind a proxy.
fn behind_proxy() -> (Site, Proxy) {
    let site = Site::start();
    let proxy = detour(&site.redis, seed());
    (site, proxy)
}

/// The first reply to this command is lost, and the connection with it.
fn lose(command: &str) -> Plan {
    Plan::default().rule(Rule::of(command, When::Nth(1), Deed::Lose))
}
