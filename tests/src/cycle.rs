//! One cycle of a claim loop, made by hand in the name of a process.

use std::time::Duration;

use gandy_protocol::{Identity, Keys};
use gandy_store::{Ask, Grant, Grip, Haul, Line, List, Server, StoreError, Token, Wire};

use crate::RedisServer;

/// A line to `server`, for what is done by hand there.
pub fn line(server: &RedisServer) -> Line {
    let server = Server::new(&server.url()).expect("the harness gives a valid URL");
    Line::single(server, Keys::default(), Duration::from_secs(5))
}

/// Finishes `ended` and claims up to `wanted` jobs of `queue` under the numbers from `first` on, on a wire of its own. A
/// server that does not know the script is taught it first, as a worker does.
///
/// # Errors
/// The cycle's.
pub async fn one_cycle(
    line: &Line,
    identity: &Identity,
    ended: &[Token],
    queue: &str,
    first: u64,
    wanted: usize,
) -> Result<Haul, StoreError> {
    let grip = Grip::new(line.keys(), identity, [queue]);
    let ask = Ask {
        ended,
        wanted,
        first,
        lists: &[List::Landing(0), List::Queue(0)],
        payload_max: 1 << 20,
        reply_max: 4 << 20,
        look: 4,
    };
    let mut wire = Wire::new(line.server().clone(), Duration::from_secs(5));
    loop {
        wire.send(grip.cycle(&ask)).await?;
        let haul = wire.receive().await?;
        if haul.grant != Grant::Untaught {
            return Ok(haul);
        }
    }
}

/// Claims one job of `default` under `number`, and whoever bears the name knows nothing of it.
///
/// # Panics
/// When no job was claimed.
pub async fn claim_one(line: &Line, identity: &Identity, number: u64) {
    let haul = one_cycle(line, identity, &[], "default", number, 1)
        .await
        .expect("a claim by hand is answered");
    assert_eq!(
        haul.claims.len(),
        1,
        "no job was claimed by hand: {:?}",
        haul.grant
    );
}
