//! Variadic LPUSH of 1,000 payloads: the floor of bulk pushing, and how the runner itself fills queues.

use anyhow::Result;

use crate::meter::Meter;
use crate::order::{self, Order};
use crate::payload;
use crate::resp::Conn;
use crate::task::Task;

/// Payloads in one command.
const SLICE: u64 = 1_000;
/// Sent before the replies are read; Redis buffers them.
const AHEAD_BYTES: usize = 8 << 20;

/// Fills `queue` as fast as Redis takes it: many commands on their way at once.
pub(crate) fn fill(
    address: &str,
    key: &str,
    queue: &str,
    task: Task,
    range: std::ops::Range<u64>,
) -> Result<()> {
    let mut conn = Conn::connect(address)?;
    let mut bytes = Vec::new();
    let mut owed = 0;
    let mut first = range.start;
    while first < range.end {
        let last = range.end.min(first + SLICE);
        conn.begin(2 + usize::try_from(last - first)?);
        conn.part(b"LPUSH");
        conn.part(key.as_bytes());
        for number in first..last {
            bytes.clear();
            payload::write(task, queue, number, &mut bytes);
            conn.part(&bytes);
        }
        owed += 1;
        first = last;
        if conn.gathered() >= AHEAD_BYTES || first == range.end {
            conn.flush()?;
            for _ in 0..owed {
                conn.skim()?;
            }
            owed = 0;
        }
    }
    Ok(())
}

/// The floor's `fill`: one command after another, as a caller that waits for each.
pub(crate) fn run(order: &Order) -> Result<()> {
    let slices: Vec<Vec<Vec<u8>>> = (0..8).map(|_| slice(order.task)).collect();
    if order::text("FLOOR_CLIENT").as_deref() == Some("multiplexed") {
        return multiplexed(order, &slices);
    }
    let mut meter = Meter::new();
    let mut conn = Conn::connect(&order.address())?;
    meter.go();
    for at in 0..usize::try_from(order.jobs / SLICE)? {
        let slice = &slices[at % slices.len()];
        conn.begin(2 + slice.len());
        conn.part(b"LPUSH");
        conn.part(b"queue:default");
        for payload in slice {
            conn.part(payload);
        }
        conn.flush()?;
        conn.skim()?;
    }
    meter.tell()
}

/// Made beforehand: the floor is what pushing costs, not what writing JSON costs.
fn slice(task: Task) -> Vec<Vec<u8>> {
    let make = |number| {
        let mut bytes = Vec::new();
        payload::write(task, "default", number, &mut bytes);
        bytes
    };
    (0..SLICE).map(make).collect()
}

fn multiplexed(order: &Order, slices: &[Vec<Vec<u8>>]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut meter = Meter::new();
        let mut conn = super::multiplexed(&order.redis_url).await?;
        meter.go();
        for at in 0..usize::try_from(order.jobs / SLICE)? {
            let mut command = redis::cmd("LPUSH");
            command.arg("queue:default").arg(&slices[at % slices.len()]);
            command.query_async::<i64>(&mut conn).await?;
        }
        meter.tell()
    })
}
