//! The bare wake-up: LPUSH to a client that is blocked in BLMOVE.

use std::fs::File;
use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::order::Order;
use crate::payload::now_ns;
use crate::resp::{Conn, Reply};
use crate::told::Told;

/// Pushes; another thread with a connection of its own is woken each time.
pub(crate) fn run(order: &Order) -> Result<()> {
    let path = order.latency_file.as_ref().context("no LATENCY_FILE")?;
    let mut file = File::options().create(true).append(true).open(path)?;
    let (address, jobs) = (order.address(), order.jobs);
    let mut waiter = Conn::connect(&address)?;
    let woken = std::thread::spawn(move || -> Result<()> {
        for _ in 0..jobs {
            let landing = "gandy:landing:default";
            let reply = waiter.ask(&["BLMOVE", "queue:default", landing, "RIGHT", "LEFT", "60"])?;
            let now = now_ns();
            let Reply::Bulk(then) = reply else {
                bail!("nothing came within 60 s");
            };
            let then: u64 = String::from_utf8_lossy(&then).parse()?;
            writeln!(file, "{}", now.saturating_sub(then))?;
        }
        Ok(())
    });
    let mut conn = Conn::connect(&address)?;
    let begun = Instant::now();
    for _ in 0..jobs {
        conn.ask(&["LPUSH", "queue:default", &now_ns().to_string()])?;
        std::thread::sleep(order.pace);
    }
    woken.join().map_err(|_| anyhow!("the waiter panicked"))??;
    Told::took(begun.elapsed()).tell()
}
