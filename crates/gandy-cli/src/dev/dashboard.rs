//! The dashboard beside the two: this very program, as `gandy web`.

use tokio::process::Command;

use super::{Wish, worker::ELSEWHERE};
use crate::failure::Failure;

/// To be started with this Redis.
pub(super) fn command(wish: &Wish, url: &str) -> Result<Command, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::bug(format!("the path of this program cannot be found: {error}"))
    })?;
    let mut command = Command::new(program);
    // A free port, unless one is asked for: two of us run side by side.
    let address = format!("127.0.0.1:{}", wish.web_port.unwrap_or(0));
    command
        .args(["web", "--bind", &address])
        .env("REDIS_URL", url);
    for name in ELSEWHERE {
        command.env_remove(name);
    }
    if let Some(file) = &wish.config {
        command.arg("--config").arg(file);
    }
    if let Some(namespace) = &wish.namespace {
        command.arg("--namespace").arg(namespace);
    }
    Ok(command)
}
