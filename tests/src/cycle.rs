//! One cycle of a claim loop, made by hand.

use std::time::Duration;

use gandy_store::{Ask, Grant, Grip, Haul, Server, StoreError, Wire};

/// Sends it on a wire of its own. A server that does not know the script is taught it first, as a worker does.
///
/// # Errors
/// The cycle's.
pub async fn one_cycle(server: &Server, grip: &Grip, ask: &Ask<'_>) -> Result<Haul, StoreError> {
    let mut wire = Wire::new(server.clone(), Duration::from_secs(5));
    loop {
        wire.send(grip.cycle(ask)).await?;
        let haul = wire.receive().await?;
        if haul.grant != Grant::Untaught {
            return Ok(haul);
        }
    }
}
