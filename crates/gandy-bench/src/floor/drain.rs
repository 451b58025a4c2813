//! The bare protocol's drain: one script claims K jobs into the in-flight hash under tokens `<number>:<queue>`, one
//! variadic HDEL, alone or in that script, finishes them; D batches are outstanding on one connection, so K × D jobs are in flight.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use sha1::{Digest as _, Sha1};

use crate::order::{self, Order};
use crate::resp::Conn;

/// Claims. KEYS: queue, in-flight hash. ARGV: how many, first token number.
const CLAIM: &str = "
local items = redis.call('RPOP', KEYS[1], ARGV[1])
if not items then return {} end
local first, pairs_ = tonumber(ARGV[2]), {}
for i = 1, #items do
  pairs_[2 * i - 1], pairs_[2 * i] = (first + i - 1) .. ':default', items[i]
end
redis.call('HSET', KEYS[2], unpack(pairs_))
return items";

/// Before a claim: finishes in the same call. ARGV from the third on: the ended tokens.
const FINISH: &str = "
if #ARGV > 2 then redis.call('HDEL', KEYS[2], unpack(ARGV, 3)) end";

const QUEUE: &[u8] = b"queue:default";
/// Where the floor's jobs in flight are.
pub(crate) const INFLIGHT: &str = "gandy:inflight:floor";

/// One way to drive the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drive {
    /// Batches outstanding (D).
    pub(crate) batches: usize,
    /// Jobs a batch (K).
    pub(crate) batch: usize,
    /// Finish and claim in one script instead of HDEL and script in one pipeline.
    pub(crate) merged: bool,
}

impl Drive {
    /// The ways worth trying with this many jobs in flight.
    pub(crate) fn all(concurrency: usize) -> Vec<Drive> {
        let mut all = Vec::new();
        for batches in [1, 2, 4, 8] {
            if concurrency >= 2 * batches || batches == 1 {
                for merged in [false, true] {
                    all.push(Drive {
                        batches,
                        batch: concurrency / batches,
                        merged,
                    });
                }
            }
        }
        all
    }

    /// For people.
    pub(crate) fn label(&self) -> String {
        let how = if self.merged {
            "one script"
        } else {
            "pipeline"
        };
        format!("K={} D={} {how}", self.batch, self.batches)
    }

    /// How a process is told.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        vec![
            ("FLOOR_BATCHES".into(), self.batches.to_string()),
            ("FLOOR_BATCH".into(), self.batch.to_string()),
            ("FLOOR_MERGED".into(), u8::from(self.merged).to_string()),
        ]
    }

    fn from_env(concurrency: usize) -> Result<Self> {
        let batches = usize::try_from(order::number("FLOOR_BATCHES", 2)?)?.max(1);
        let batch = order::number("FLOOR_BATCH", (concurrency / batches) as u64)?;
        Ok(Self {
            batches,
            batch: usize::try_from(batch)?.max(1),
            merged: order::number("FLOOR_MERGED", 0)? == 1,
        })
    }
}

/// Drains until it is killed.
pub(crate) fn work(order: &Order) -> Result<()> {
    let drive = Drive::from_env(order.concurrency)?;
    let mut conn = Conn::connect(&order.address())?;
    let mut driver = Driver::new(&mut conn, drive)?;
    for at in 0..driver.batches.len() {
        driver.send(at);
    }
    loop {
        let mut got = 0;
        for at in 0..driver.batches.len() {
            driver.conn.flush()?;
            let count = driver.receive(at)?;
            got += count;
            driver.send(at);
        }
        if got == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A batch on its way: its tokens' numbers.
#[derive(Debug, Clone, Copy, Default)]
struct Batch {
    first: u64,
    held: usize,
    finishing: bool,
}

struct Driver<'a> {
    conn: &'a mut Conn,
    drive: Drive,
    script: Vec<u8>,
    batches: Vec<Batch>,
    next: u64,
    text: String,
}

impl<'a> Driver<'a> {
    fn new(conn: &'a mut Conn, drive: Drive) -> Result<Self> {
        let finish = if drive.merged { FINISH } else { "" };
        let script = format!("#!lua flags=allow-oom{finish}{CLAIM}");
        conn.ask(&["SCRIPT", "LOAD", &script])?;
        let mut hex = String::new();
        for byte in Sha1::digest(script.as_bytes()) {
            let _ = write!(hex, "{byte:02x}");
        }
        let batches = vec![Batch::default(); drive.batches];
        Ok(Self {
            conn,
            drive,
            script: hex.into_bytes(),
            batches,
            next: 0,
            text: String::new(),
        })
    }

    /// Finishes what the batch holds and claims anew.
    fn send(&mut self, at: usize) {
        let Batch { first, held, .. } = self.batches[at];
        let finishing = held > 0 && !self.drive.merged;
        if finishing {
            self.conn.begin(2 + held);
            self.conn.part(b"HDEL");
            self.conn.part(INFLIGHT.as_bytes());
            self.tokens(first, held);
        }
        let merged = if self.drive.merged { held } else { 0 };
        self.conn.begin(7 + merged);
        self.conn.part(b"EVALSHA");
        self.conn.part(&self.script);
        self.conn.part(b"2");
        self.conn.part(QUEUE);
        self.conn.part(INFLIGHT.as_bytes());
        self.number(self.drive.batch as u64);
        self.number(self.next);
        self.tokens(first, merged);
        self.batches[at] = Batch {
            first: self.next,
            held: 0,
            finishing,
        };
        self.next += self.drive.batch as u64;
    }

    fn number(&mut self, number: u64) {
        self.text.clear();
        let _ = write!(self.text, "{number}");
        self.conn.part(self.text.as_bytes());
    }

    fn tokens(&mut self, first: u64, count: usize) {
        for number in first..first + count as u64 {
            self.text.clear();
            let _ = write!(self.text, "{number}:default");
            self.conn.part(self.text.as_bytes());
        }
    }

    fn receive(&mut self, at: usize) -> Result<usize> {
        let batch = &mut self.batches[at];
        if batch.finishing {
            self.conn.skim()?;
        }
        batch.held = self.conn.skim()?;
        ensure!(batch.held <= self.drive.batch, "Redis gave too many jobs");
        Ok(batch.held)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn no_way_has_more_in_flight_than_slots() {
        for concurrency in [1, 10, 25, 100] {
            let all = Drive::all(concurrency);
            assert!(!all.is_empty());
            for drive in all {
                assert!(drive.batch * drive.batches <= concurrency);
                assert!(drive.batch > 0);
            }
        }
        assert_eq!(Drive::all(100).len(), 8);
    }
}
