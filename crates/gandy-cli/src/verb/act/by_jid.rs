//! Acts on jobs by their ids: each is looked for, and done on its own.

use gandy::{Act, Error, Inspect, Kind, Place};

use super::report::{Report, Word};
use super::shown;
use crate::failure::{Failure, exit};
use crate::interrupt::Interrupt;
use crate::output;

/// Does it, or only looks. What ended it early stands in the report, with what was done until then.
pub(super) async fn run(
    inspect: &Inspect,
    jids: &[String],
    from: Option<&Place>,
    act: &Act,
    dry_run: bool,
) -> Result<Report, Failure> {
    let mut report = Report::new(Word::of(act));
    report.dry_run = dry_run;
    super::warn_of_a_full_grave(inspect, act, jids.len() as u64).await?;
    let interrupt = Interrupt::listen()?;
    for jid in jids {
        if interrupt.asked() {
            report.interrupted = true;
            break;
        }
        let found = match from {
            Some(place) => inspect.find_in(place, jid).await,
            None => inspect.find(jid).await,
        };
        let job = match found {
            Ok(Some(job)) => job,
            Ok(None) => {
                report.missing.push(jid.clone());
                continue;
            }
            Err(error) => {
                report.failure = Some(at(jid, looking(error), dry_run));
                break;
            }
        };
        report.acts.matched += 1;
        let outcome = match dry_run {
            true => inspect.could(&job, act).map(|()| None),
            false => inspect.act(&job, act).await.map(Some),
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(true)) => report.acts.done += 1,
            Ok(Some(false)) => report.acts.gone += 1,
            Err(Error::Config(why)) => {
                output::complain(&shown(&format!("{jid}: {why}")));
                report.acts.skipped += 1;
            }
            Err(error) => {
                report.failure = Some(at(jid, acting(error), dry_run));
                break;
            }
        }
    }
    Ok(report)
}

/// A view's words would say that nothing was changed, and jobs before this one were.
fn looking(error: Error) -> Failure {
    match error.kind() {
        Kind::Unknown => Failure {
            code: exit::UNAVAILABLE,
            text: "Redis did not answer; it was not done with this job".to_owned(),
        },
        _ => Failure::from(error),
    }
}

fn acting(error: Error) -> Failure {
    match error.kind() {
        Kind::Unknown => Failure::unknown("Redis did not answer; it is done or not"),
        _ => Failure::from(error),
    }
}

fn at(jid: &str, failure: Failure, dry_run: bool) -> Failure {
    failure.and(&match dry_run {
        true => format!("At job {}.", shown(jid)),
        false => format!(
            "At job {}; those before it are done. Run it again.",
            shown(jid)
        ),
    })
}
