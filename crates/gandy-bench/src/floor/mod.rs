//! The floor: the bare protocol without a job system around it. What is left between it and a contender is the contender's.
//!
//! * `drain`: claim by one script into a hash, finish by token.
//! * `fill`: variadic LPUSH. `push`: LPUSH round trips. `pickup`: LPUSH to a client that is blocked in BLMOVE.

pub(crate) mod drain;
pub(crate) mod fill;
mod pickup;
mod push;

use anyhow::{Result, bail};

use crate::order::Order;

/// Does what `verb` says.
pub(crate) fn run(verb: &str) -> Result<()> {
    let order = Order::from_env()?;
    match verb {
        "work" => drain::work(&order),
        "fill" => fill::run(&order),
        "push" => push::run(&order, 1),
        "push64" => push::run(&order, 64),
        "pickup" => pickup::run(&order),
        other => bail!("{other:?} is no verb; it must be work, fill, push, push64 or pickup"),
    }
}
