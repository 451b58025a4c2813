//! Bare LPUSH round trips: on a connection of the redis crate's multiplexed kind, which Gandy's client uses too, or raw.

use anyhow::{Result, anyhow};

use crate::meter::Meter;
use crate::order::{self, Order};
use crate::payload;
use crate::resp::Conn;

/// `callers` push one after another each.
pub(crate) fn run(order: &Order, callers: u64) -> Result<()> {
    let mut bytes = Vec::new();
    payload::write(order.task, "default", 1, &mut bytes);
    if order::text("FLOOR_CLIENT").as_deref() == Some("raw") {
        return raw(order, &bytes);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(multiplexed(order, callers, bytes))
}

fn raw(order: &Order, payload: &[u8]) -> Result<()> {
    let mut meter = Meter::new();
    let mut conn = Conn::connect(&order.address())?;
    meter.go();
    for _ in 0..order.jobs {
        conn.push(&[b"LPUSH", b"queue:default", payload]);
        conn.flush()?;
        conn.skim()?;
    }
    meter.tell()
}

async fn multiplexed(order: &Order, callers: u64, payload: Vec<u8>) -> Result<()> {
    let mut meter = Meter::new();
    let conn = super::multiplexed(&order.redis_url).await?;
    let jobs = order.jobs;
    let one = |caller: u64| {
        let (mut conn, payload) = (conn.clone(), payload.clone());
        async move {
            for _ in (caller..jobs).step_by(usize::try_from(callers)?) {
                let mut command = redis::cmd("LPUSH");
                command.arg("queue:default").arg(&payload);
                command.query_async::<i64>(&mut conn).await?;
            }
            anyhow::Ok(())
        }
    };
    meter.go();
    if callers == 1 {
        one(0).await?;
    } else {
        let tasks: Vec<_> = (0..callers)
            .map(|caller| tokio::spawn(one(caller)))
            .collect();
        for task in tasks {
            task.await.map_err(|error| anyhow!("{error}"))??;
        }
    }
    meter.tell()
}
