//! The repairs. Each looks for what it repairs by itself, and each step looks again on the server: a repair may be cut off,
//! repeated, and run beside workers that do the same.

use std::time::{Duration, Instant};

use gandy_protocol::Identity;
use gandy_store::doctor::Shelf;
use gandy_store::{GiveBack, Grave, Guard, Line, Orphan, Retirement, StoreError, Target, Way};

use super::copies::At;
use super::exam::Exam;
use super::judge::silent;
use super::{Code, Repair};

/// As long as a worker's lease: nobody is declared dead who was not seen without one for so long (I8). A test holds this
/// and [`GAP`] to the worker's own.
const LEASE: Duration = Duration::from_secs(15);
/// As the reaper's: a longer gap between two looks ends the watch.
const GAP: Duration = Duration::from_secs(6);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// Where Redis forgets the watch again and again (restarts, failovers), it is not the time to declare anybody dead.
const WATCH_MAX: Duration = Duration::from_secs(60);
/// A larger payload is buried unread, as workers do.
const PAYLOAD_MAX: usize = 64 << 20;

pub(super) async fn run(line: &Line, grave: Grave, code: Code) -> Result<Repair, StoreError> {
    let (done, what) = match code {
        Code::OrphanedInFlight => orphans(line, grave).await?,
        Code::UnreapedWorker => unreaped(line, grave).await?,
        Code::LandedJobs => landed(line).await?,
        Code::SilentProcess => silent_ones(line).await?,
        Code::UnlistedQueue => unlisted(line).await?,
        Code::DuplicateJob => copies(line).await?,
        Code::UnparsableJob => unparsable(line, grave).await?,
        _ => (0, "nothing: no command repairs that".to_owned()),
    };
    Ok(Repair { code, done, what })
}

type Done = (u64, String);

async fn lives(line: &Line) -> Result<Exam, StoreError> {
    let mut exam = Exam::default();
    exam.look_at_lives(line).await?;
    Ok(exam)
}

fn blind() -> Done {
    let what = "nothing: the fleet or the dying cannot be read, so that who is dead cannot be told";
    (0, what.to_owned())
}

async fn orphans(line: &Line, grave: Grave) -> Result<Done, StoreError> {
    let exam = lives(line).await?;
    if exam.blind {
        return Ok(blind());
    }
    let mut entered = 0;
    for holder in &exam.orphans {
        entered += u64::from(line.disown(&holder.identity).await?);
    }
    let words = format!("{entered} processes are entered among the dying");
    if exam.is_anybody_alive() {
        return Ok((
            entered,
            format!("{words}; living workers give their jobs back within seconds"),
        ));
    }
    let back = reap_all(line, grave).await?;
    Ok((entered, format!("{words}; no worker lives, so {back}")))
}

async fn unreaped(line: &Line, grave: Grave) -> Result<Done, StoreError> {
    let exam = lives(line).await?;
    if exam.blind {
        return Ok(blind());
    }
    if exam.is_anybody_alive() {
        return Ok((
            0,
            "nothing: a living worker does that within 20 s".to_owned(),
        ));
    }
    let mut dead = 0;
    if !exam.leaseless.is_empty() {
        if !watch(line).await? {
            return Ok((
                0,
                "nothing: Redis did not stay the same for 15 s; try again".to_owned(),
            ));
        }
        for holder in &exam.leaseless {
            let outcome = line.condemn(&holder.identity, LEASE, None).await?;
            dead += u64::from(outcome == Retirement::Moved);
        }
    }
    let back = reap_all(line, grave).await?;
    let done = dead + exam.dying.len() as u64;
    Ok((done, format!("{dead} processes are declared dead; {back}")))
}

/// Watches over the leases until somebody has for as long as one. `false`: that came to nothing.
async fn watch(line: &Line) -> Result<bool, StoreError> {
    let begun = Instant::now();
    loop {
        let so_far = line.watch(GAP).await?;
        if so_far >= LEASE {
            return Ok(true);
        }
        if begun.elapsed() > WATCH_MAX {
            return Ok(false);
        }
        tokio::time::sleep(LOOK.min(LEASE - so_far)).await;
    }
}

/// Gives back what all the dying held, and says how much that was.
async fn reap_all(line: &Line, grave: Grave) -> Result<String, StoreError> {
    let (mut back, mut stuck, mut forgotten) = (0, 0, 0);
    for identity in line.dying().await? {
        let plan = plan(line.orphans(&identity, PAYLOAD_MAX).await?);
        let given = line
            .give_all_back(&identity, Guard::Dying, grave, &plan)
            .await?;
        back += given.back;
        stuck += given.stuck;
        forgotten += i32::from(forget(line, &identity).await?);
    }
    let stuck = match stuck {
        0 => String::new(),
        count => format!(", {count} could not be written and stay in flight"),
    };
    Ok(format!(
        "{back} jobs are given back{stuck}, {forgotten} processes forgotten"
    ))
}

async fn forget(line: &Line, identity: &Identity) -> Result<bool, StoreError> {
    let forgotten = line.forget(identity).await?;
    if forgotten {
        line.erase(identity).await?;
    }
    Ok(forgotten)
}

/// All to their queues at once: a person has asked for it. The death is counted for each job, so that one which kills its
/// workers is known when a worker reaps it the next time.
fn plan(orphans: Vec<Orphan>) -> Vec<GiveBack> {
    let give_back = |orphan: Orphan| GiveBack {
        token: orphan.token,
        way: match orphan.id {
            Some(_) => Way::Queue,
            None => Way::Dead(format!("cannot be run: larger than {PAYLOAD_MAX} bytes")),
        },
        charge: orphan.id,
        waiter: orphan.waiter,
    };
    let mut plan: Vec<GiveBack> = orphans.into_iter().map(give_back).collect();
    plan.sort_unstable_by_key(|job| std::cmp::Reverse(job.token.number));
    plan
}

async fn landed(line: &Line) -> Result<Done, StoreError> {
    let mut exam = lives(line).await?;
    if exam.blind {
        return Ok(blind());
    }
    if exam.is_anybody_alive() {
        return Ok((
            0,
            "nothing: a living worker does that within seconds".to_owned(),
        ));
    }
    exam.look_at_queues(line).await?;
    let mut back = 0;
    for queue in exam.queues.iter().filter(|queue| queue.landed > 0) {
        let mut left = queue.landed;
        while left > 0 {
            let moved = line.unland(&queue.name).await? as u64;
            back += moved;
            // Steps are bounded; what was added meanwhile is for the next look.
            left = if moved == 0 {
                0
            } else {
                left.saturating_sub(moved)
            };
        }
    }
    Ok((back, format!("{back} jobs are back in their queues")))
}

async fn silent_ones(line: &Line) -> Result<Done, StoreError> {
    let exam = lives(line).await?;
    if exam.blind {
        return Ok(blind());
    }
    let silent: Vec<String> = silent(&exam).map(str::to_owned).collect();
    let removed = line.prune(&silent).await?;
    Ok((removed, format!("{removed} processes are off the list")))
}

async fn unlisted(line: &Line) -> Result<Done, StoreError> {
    let mut exam = Exam::default();
    exam.look_at_queues(line).await?;
    let mut written = 0;
    for queue in exam.queues.iter().filter(|queue| !queue.listed) {
        written += u64::from(line.enlist(&queue.name).await?);
    }
    Ok((written, format!("{written} names are written into queues")))
}

async fn jobs(line: &Line) -> Result<Exam, StoreError> {
    let mut exam = Exam::default();
    exam.look_at_queues(line).await?;
    exam.look_at_jobs(line).await?;
    Ok(exam)
}

async fn copies(line: &Line) -> Result<Done, StoreError> {
    let exam = jobs(line).await?;
    let mut removed = 0;
    for pair in exam.pairs.iter().filter(|pair| pair.same) {
        let (keep, other) = (exam.at(pair.keep), exam.at(pair.other));
        removed += u64::from(line.drop_copy(keep, other).await?);
    }
    Ok((removed, format!("{removed} copies are removed")))
}

async fn unparsable(line: &Line, grave: Grave) -> Result<Done, StoreError> {
    let exam = jobs(line).await?;
    let mut buried = 0;
    let alive = |at: &&At| *exam.at(**at).0 != Shelf::Dead;
    for at in exam.unparsable.iter().filter(alive) {
        let (shelf, bytes) = exam.at(*at);
        let moved = line
            .relocate(&shelf.place(), bytes, &Target::Dead, grave)
            .await?;
        buried += u64::from(moved);
    }
    Ok((buried, format!("{buried} entries are in dead")))
}

#[cfg(test)]
mod tests {
    use gandy_store::Token;

    use super::*;

    #[test]
    fn jobs_of_the_dead_go_back_youngest_first_and_their_deaths_are_counted() {
        let orphan = |number, id: Option<&str>| Orphan {
            token: Token {
                number,
                queue: "q".into(),
            },
            id: id.map(str::to_owned),
            names_its_queue: true,
            deaths_before: 5,
            waiter: None,
        };
        let plan = plan(vec![
            orphan(1, Some("a")),
            orphan(3, None),
            orphan(2, Some("b")),
        ]);
        let numbers: Vec<u64> = plan.iter().map(|job| job.token.number).collect();
        assert_eq!(numbers, [3, 2, 1]);
        assert!(matches!(plan[0].way, Way::Dead(_)) && plan[0].charge.is_none());
        assert_eq!(
            (&plan[1].way, plan[1].charge.as_deref()),
            (&Way::Queue, Some("b"))
        );
    }

    /// The worker's are private to it, and a client without workers has them not at all.
    #[test]
    fn a_lease_is_as_long_as_the_workers() {
        let life = include_str!("../worker/life.rs");
        let lease = format!(
            "LEASE: Duration = Duration::from_secs({});",
            LEASE.as_secs()
        );
        assert!(life.contains(&lease), "{lease}");
        let reaper = include_str!("../worker/reaper.rs");
        let gap = format!("GAP: Duration = Duration::from_secs({});", GAP.as_secs());
        assert!(reaper.contains(&gap), "{gap}");
    }
}
