//! The floor: the bare protocol without a job system around it. What is left between it and a contender is the contender's.
//!
//! * `drain`: claim by one script into a hash, finish by token.
//! * `fill`: variadic LPUSH. `push`: LPUSH round trips. `pickup`: LPUSH to a client that is blocked in BLMOVE.

pub(crate) mod drain;
pub(crate) mod fill;
mod pickup;
mod push;

use std::time::Duration;

use anyhow::{Result, bail};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, IntoConnectionInfo as _};

use crate::order::Order;

/// A connection as Gandy's client has it: of the redis crate's multiplexed kind, without Nagle's delay, with a deadline for
/// each reply.
async fn multiplexed(url: &str) -> Result<MultiplexedConnection> {
    let info = url.into_connection_info()?;
    let tcp = TcpSettings::default().set_nodelay(true);
    let client = redis::Client::open(info.set_tcp_settings(tcp))?;
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
    let conn = client.get_multiplexed_async_connection_with_config(&config);
    Ok(conn.await?)
}

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
