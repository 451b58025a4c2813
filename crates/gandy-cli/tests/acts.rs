//! The acts of `gandy`: retry, delete, bury, move, clear, pause, quiet, stop, export, import, and the filters of `gandy jobs`,
//! on real sets of up to 100,000 jobs. Cut off at any moment, no job is lost and none is there twice.
#![allow(clippy::unwrap_used)]

mod support;

#[path = "acts/cut.rs"]
mod cut;
#[path = "acts/files.rs"]
mod files;
#[path = "acts/filters.rs"]
mod filters;
#[path = "acts/jids.rs"]
mod jids;
#[path = "acts/processes.rs"]
mod processes;
#[path = "acts/queues.rs"]
mod queues;
#[path = "acts/scale.rs"]
mod scale;
#[path = "acts/sets.rs"]
mod sets;

use gandy_tests::RedisServer;

/// Puts `count` jobs from number `first` into a set or a queue: class `Rare` each thousandth and `Common` else, their number
/// as the argument and in the jid, in a set one for each second from 2026-11-23 on.
pub(crate) fn load(redis: &RedisServer, key: &str, first: u64, count: u64) {
    const FILL: &str = r#"
      for i = tonumber(ARGV[1]), ARGV[1] + ARGV[2] - 1 do
        local job = string.format('{"retry":true,"queue":"default","args":[%d,"x"],"class":"%s","jid":"%024d","created_at":1763700000000,"failed_at":1763700001000,"error_class":"Net::ReadTimeout","error_message":"no reply","retry_count":3}', i, i % 1000 == 0 and 'Rare' or 'Common', i)
        if string.find(KEYS[1], 'queue') then
          redis.call('LPUSH', KEYS[1], job)
        else
          redis.call('ZADD', KEYS[1], 1795398104 + i, job)
        end
      end"#;
    let mut redis = redis.conn();
    for from in (first..first + count).step_by(20_000) {
        let part = 20_000.min(first + count - from);
        redis::cmd("EVAL")
            .arg(FILL)
            .arg(1)
            .arg(key)
            .arg(from)
            .arg(part)
            .exec(&mut redis)
            .unwrap();
    }
}

/// The entries of a set by score, or of a queue in the order in which they are popped.
pub(crate) fn entries(redis: &RedisServer, key: &str) -> Vec<String> {
    let list = key.contains("queue") || key.contains("landing");
    let verb = if list { "LRANGE" } else { "ZRANGE" };
    let mut found: Vec<String> = redis::cmd(verb)
        .arg(key)
        .arg(0)
        .arg(-1)
        .query(&mut redis.conn())
        .unwrap();
    if list {
        found.reverse();
    }
    found
}

/// The numbers of the jobs there, in the same order.
pub(crate) fn numbers(redis: &RedisServer, key: &str) -> Vec<u64> {
    let number = |job: &String| {
        let jid = job.split(r#""jid":""#).nth(1).unwrap();
        jid[..24].parse().unwrap()
    };
    entries(redis, key).iter().map(number).collect()
}

/// All of them in several places, each as often as it is there.
pub(crate) fn everywhere(redis: &RedisServer, keys: &[&str]) -> Vec<u64> {
    let mut all: Vec<u64> = keys.iter().flat_map(|key| numbers(redis, key)).collect();
    all.sort_unstable();
    all
}

/// A job as Ruby's Sidekiq has left it in `retry`, with things that nobody but Ruby knows.
pub(crate) const RUBY: &str = r#"{"retry":true,"queue":"mailers","tags":["a","b"],"args":[12345678901234567890123,1.50,{"k": [ ]}],"class":"Mailer","jid":"b5de70b63090decd6440fd9e","cattr":{"n": 98765432109876543210},"created_at":1795398164.3647704,"enqueued_at":1795398164.4,"error_message":"no \u001b[31mreply","error_class":"Net::ReadTimeout","failed_at":1795398165.1,"retry_count":3,"error_backtrace":"eJyLjgUAARUAuQ=="}"#;
