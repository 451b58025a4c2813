//! Where the jobs go that a process gives back, a dead one or a living.
//!
//! A job that was aboard in one death goes back to its queue at once. Aboard in two it is a suspect: it comes back
//! through `schedule`, each suspect at a jittered delay of its own, so that they part. In the third death it is buried
//! only if it was the only suspect aboard: innocents must not share a pill's grave (design, section 4).

use std::time::Duration;

use gandy_store::{GIVE_BACK_MAX, GiveBack, Guard, Line, Orphan, StoreError, Token, Way};

use super::{core::Core, life::Life};

/// Deaths after which a job is buried: Sidekiq Pro's rule.
const DEATHS_MAX: u64 = 3;
/// A suspect comes back within this.
const APART: Duration = Duration::from_secs(60);

/// Decides for all jobs of one dead process. `random` gives numbers in `[0, 1)`. The result is ordered for
/// [`gandy_store::Line::give_back`]: youngest first.
pub(crate) fn plan(
    orphans: Vec<Orphan>,
    limit: usize,
    mut random: impl FnMut() -> f64,
) -> Vec<GiveBack> {
    let suspect = |orphan: &Orphan| orphan.deaths_before + 1 >= DEATHS_MAX;
    let suspects = orphans.iter().filter(|orphan| suspect(orphan)).count();
    let mut jobs: Vec<GiveBack> = orphans
        .into_iter()
        .map(|orphan| {
            let deaths = orphan.deaths_before + 1;
            let way = match orphan.id {
                None => Way::Dead(format!("cannot be run: larger than max_fetch_payload ({limit} bytes)")),
                Some(_) if deaths >= DEATHS_MAX && suspects == 1 => {
                    Way::Dead(format!("aboard when {deaths} processes died within 72 hours, the last time the only suspect"))
                }
                // The promoter goes by what the bytes say; without that it would land in a queue where nobody listens.
                Some(_) if deaths + 1 >= DEATHS_MAX && orphan.names_its_queue => Way::Schedule(APART.mul_f64(random().clamp(0.0, 1.0))),
                Some(_) => Way::Queue,
            };
            GiveBack { token: orphan.token, way, charge: orphan.id, waiter: orphan.waiter }
        })
        .collect();
    jobs.sort_unstable_by_key(|job| std::cmp::Reverse(job.token.number));
    jobs
}

/// For a process that leaves in good order: everything back to its queue, nothing charged.
pub(crate) fn return_all(tokens: Vec<Token>) -> Vec<GiveBack> {
    let mut jobs: Vec<GiveBack> = tokens
        .into_iter()
        .map(|token| GiveBack {
            token,
            way: Way::Queue,
            charge: None,
            // Buried only where its queue's key is no list any more.
            waiter: None,
        })
        .collect();
    jobs.sort_unstable_by_key(|job| std::cmp::Reverse(job.token.number));
    jobs
}

/// Gives back what this life took back from its runs, or does not want. It is forgotten when Redis has answered, and
/// sent again until then: what is unknown may be taken in, and would then run here and elsewhere (P3).
pub(crate) async fn give_back_withdrawn(
    core: &Core,
    line: &Line,
    life: &Life,
) -> Result<(), StoreError> {
    give_back_living(core, line, life, life.withdrawn()).await
}

/// Gives back in the name of a life. Where that is over, its reaper does it; whoever went on would take these jobs for
/// strays.
pub(crate) async fn give_back_living(
    core: &Core,
    line: &Line,
    life: &Life,
    tokens: Vec<Token>,
) -> Result<(), StoreError> {
    let jobs = return_all(tokens);
    // Step by step, since what a step took in is forgotten at once, whatever becomes of the next one.
    for chunk in jobs.chunks(GIVE_BACK_MAX) {
        let outcomes = line
            .give_back(&life.identity, Guard::Living, core.config.grave(), chunk)
            .await?;
        if outcomes.is_none() && !life.closed.is_cancelled() {
            life.dead.cancel();
        }
        life.forget(chunk.iter().map(|job| &job.token));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orphan(number: u64, deaths_before: u64) -> Orphan {
        Orphan {
            token: Token {
                number,
                queue: "q".into(),
            },
            id: Some(format!("j{number}")),
            names_its_queue: true,
            deaths_before,
            waiter: None,
        }
    }

    fn ways(orphans: Vec<Orphan>) -> Vec<(u64, Way)> {
        plan(orphans, 100, || 0.5)
            .into_iter()
            .map(|job| (job.token.number, job.way))
            .collect()
    }

    #[test]
    fn the_first_death_returns_youngest_first_so_that_the_oldest_is_popped_next() {
        assert_eq!(
            ways(vec![orphan(9, 0), orphan(10, 0), orphan(2, 0)]),
            [(10, Way::Queue), (9, Way::Queue), (2, Way::Queue)]
        );
    }

    #[test]
    fn a_job_reaped_twice_comes_back_apart_from_the_others() {
        assert_eq!(
            ways(vec![orphan(1, 1)]),
            [(1, Way::Schedule(Duration::from_secs(30)))]
        );
    }

    #[test]
    fn the_only_suspect_is_buried_at_the_third_death_and_innocents_are_not() {
        let ways = ways(vec![orphan(1, 2), orphan(2, 0), orphan(3, 1)]);
        assert!(matches!(ways[2], (1, Way::Dead(_))));
        assert_eq!(ways[1], (2, Way::Queue));
        assert!(matches!(ways[0], (3, Way::Schedule(_))));
    }

    #[test]
    fn two_suspects_are_offered_again() {
        assert!(
            ways(vec![orphan(1, 2), orphan(2, 5)])
                .iter()
                .all(|(_, way)| matches!(way, Way::Schedule(_)))
        );
    }

    #[test]
    fn an_oversized_payload_is_buried_unread_and_charges_nobody() {
        let huge = Orphan {
            token: Token {
                number: 1,
                queue: "q".into(),
            },
            id: None,
            names_its_queue: false,
            deaths_before: 0,
            waiter: None,
        };
        let jobs = plan(vec![huge], 100, || 0.0);
        assert!(matches!(jobs[0].way, Way::Dead(_)) && jobs[0].charge.is_none());
    }

    #[test]
    fn a_suspect_whose_bytes_do_not_name_its_queue_goes_straight_back_there() {
        let nameless = Orphan {
            names_its_queue: false,
            ..orphan(1, 1)
        };
        assert_eq!(ways(vec![nameless]), [(1, Way::Queue)]);
    }
}
