//! Acts on jobs by their ids: each is looked for, and done on its own.

use gandy::{Act, Error, Inspect, JobInfo, Kind, Place};

use super::report::{Report, Word};
use super::shown;
use crate::failure::Failure;
use crate::output;

/// Does it, or only looks.
pub(super) async fn run(
    inspect: &Inspect,
    jids: &[String],
    from: Option<&Place>,
    act: &Act,
    dry_run: bool,
) -> Result<Report, Failure> {
    let mut report = Report::new(Word::of(act));
    report.dry_run = dry_run;
    for jid in jids {
        let found: Option<JobInfo> = match from {
            Some(place) => inspect.find_in(place, jid).await?,
            None => inspect.find(jid).await?,
        };
        let Some(job) = found else {
            report.missing.push(jid.clone());
            continue;
        };
        report.acts.matched += 1;
        if dry_run {
            continue;
        }
        match inspect.act(&job, act).await {
            Ok(true) => report.acts.done += 1,
            Ok(false) => report.acts.gone += 1,
            Err(Error::Config(why)) => {
                output::complain(&shown(&format!("{jid}: {why}")));
                report.acts.skipped += 1;
            }
            Err(error) => {
                let unknown = error.kind() == Kind::Unknown;
                let failure = match unknown {
                    true => Failure::unknown("Redis did not answer; it is done or not"),
                    false => Failure::from(error),
                };
                report.failure = Some(failure.and(&format!(
                    "At job {}; those before it are done. Run it again.",
                    shown(jid)
                )));
                break;
            }
        }
    }
    Ok(report)
}
