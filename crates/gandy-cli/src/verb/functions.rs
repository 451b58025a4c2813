//! `gandy install-functions`: what workers run in Redis, put there by an administrator.

use clap::Args;

use crate::cli::Common;
use crate::failure::Failure;
use crate::{document, output, words};

const EXAMPLES: &str = r#"EXAMPLES
  gandy install-functions --redis redis://admin:PASSWORD@HOST
  REDIS_URL_FILE=/run/secrets/admin gandy install-functions --json

Workers with `functions = true` then need the right to FCALL, and none to bring scripts along. Run it again with each new
version before its workers start; what older versions installed stays until FUNCTION DELETE removes it.

JSON
  ["gandy_claim_0123456789ab"]     those that were not there yet

Exit codes and environment: gandy --help"#;

/// Put what workers run in Redis there as functions
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FunctionsArgs {}

pub(crate) async fn run(common: &Common) -> Result<(), Failure> {
    let installed = common
        .inspect()?
        .install_functions()
        .await
        .map_err(|error| Failure::of_write(error, "Run it again: what is there stays as it is."))?;
    if common.json {
        return document::print(&installed);
    }
    let count = words::count(installed.len() as u64, "function");
    output::print(&format!("{count} installed"))
}
