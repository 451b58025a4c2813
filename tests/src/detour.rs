//! A way to a test's Redis through the fault proxy, which knows Gandy's scripts by their names.

use gandy_faults::{Names, Proxy};

use crate::RedisServer;

/// What chance is drawn from: `GANDY_SEED`, else a new number, which is printed so that a failure can be repeated.
pub fn seed() -> u64 {
    let given = std::env::var("GANDY_SEED").ok();
    let seed = match &given {
        Some(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("GANDY_SEED is no number: {text}")),
        None => fastrand::u64(..),
    };
    println!("GANDY_SEED={seed}");
    seed
}

/// A proxy before `server`. Rules call scripts by their names: `claim`, `settle`, `renew`…
///
/// # Panics
/// When it cannot be started.
#[track_caller]
pub fn detour(server: &RedisServer, seed: u64) -> Proxy {
    let scripts = gandy_store::SCRIPTS.iter();
    let names = scripts.map(|&(name, code)| (gandy_protocol::sha1_hex(code.as_bytes()), name));
    Proxy::start(server.port(), Names::of_scripts(names), seed)
        .unwrap_or_else(|error| panic!("the fault proxy does not start: {error}"))
}
