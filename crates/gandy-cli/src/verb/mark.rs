//! `gandy mark LABEL`: notes a deploy.

use clap::Args;
use serde::Serialize;

use crate::cli::Common;
use crate::failure::Failure;
use crate::printable::printable;
use crate::{document, output};

const EXAMPLES: &str = r#"EXAMPLES
  gandy mark v1.4.2                                    in a deploy's last step; each host may do it
  gandy mark "$(git log -1 --format='%h %s')"

Sidekiq's Web UI, gandy metrics and gandy history show it for 90 days. Of two labels in one minute the first stays, and
a label is marked at most once a minute (Sidekiq's rules).

JSON
  {"label":"v1.4.2","at_ms":1795398060000,"marked":true}     at_ms is null where marked is false

Exit codes and environment: gandy --help"#;

/// The lock on the label may be all that was written.
const AGAIN: &str = "gandy metrics shows whether it is. It is safe to run it again, after a minute: until then a label is marked once.";

/// Mark a deploy, for metrics and history
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MarkArgs {
    /// What is deployed
    label: String,
}

#[derive(Serialize)]
struct Document<'a> {
    label: &'a str,
    at_ms: Option<i64>,
    marked: bool,
}

pub(crate) async fn run(args: &MarkArgs, common: &Common) -> Result<(), Failure> {
    let at_ms = common
        .inspect()?
        .mark(&args.label)
        .await
        .map_err(|error| Failure::of_write(error, AGAIN))?;
    if common.json {
        return document::print(&Document {
            label: &args.label,
            at_ms,
            marked: at_ms.is_some(),
        });
    }
    let label = printable(&args.label);
    match at_ms {
        Some(_) => output::print(&format!("marked {label}")),
        None => {
            output::note(&format!(
                "{label} was marked within the last minute; nothing is done"
            ));
            Ok(())
        }
    }
}
