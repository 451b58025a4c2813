//! A walk over a place meets each job that stays there once, whatever others do between two pages, and it ends.

use std::collections::HashMap;

use gandy::{Act, Filter, Place, Walk};

use super::{inspect, job, queue};
use crate::support::Site;

/// All of the walk, with something done by others after each page.
async fn walk(
    mut walk: Walk,
    most: usize,
    mut meanwhile: impl FnMut(usize),
) -> HashMap<String, u32> {
    let mut met = HashMap::new();
    for page in 0.. {
        let Some(jobs) = walk.next(most).await.unwrap() else {
            break;
        };
        for job in jobs {
            *met.entry(job.payload.unwrap().jid().to_owned())
                .or_default() += 1;
        }
        meanwhile(page);
        assert!(page < 10_000, "it does not end");
    }
    met
}

fn once(met: &HashMap<String, u32>, numbers: impl Iterator<Item = usize>) {
    for number in numbers {
        assert_eq!(met.get(&number.to_string()), Some(&1), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_is_walked_in_either_direction_while_it_moves() {
    for youngest_first in [false, true] {
        for ties in [false, true] {
            let site = Site::start();
            let score = |number: usize| if ties { 7 } else { number };
            for number in 0..600 {
                site.add("retry", score(number), job(&number.to_string(), ""));
            }
            let begun = inspect(&site)
                .walk(&Place::Retry, None, youngest_first)
                .await
                .unwrap();
            let mut removed = 0;
            let met = walk(begun, 7, |page| {
                // From either end, and in the middle; and others come in before, behind and between.
                for number in [page, 599 - page, 300 + page % 100]
                    .into_iter()
                    .filter(|_| page < 100)
                {
                    let gone = job(&number.to_string(), "");
                    site.ask::<()>(redis::cmd("ZREM").arg("retry").arg(gone));
                    removed += 1;
                }
                for at in [0, 7, 300, 100_000] {
                    site.add("retry", at, job(&format!("new{page}-{at}"), ""));
                }
            })
            .await;
            assert!(removed > 100);
            let stayed = (100..300).chain(400..500);
            once(&met, stayed);
            assert!(met.values().all(|times| *times == 1), "none twice");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_walked_while_its_jobs_are_pushed_popped_and_given_back() {
    let site = Site::start();
    for number in 0..600 {
        site.push("q", job(&number.to_string(), ""));
    }
    let begun = inspect(&site).walk(&queue("q"), None, false).await.unwrap();
    let met = walk(begun, 7, |page| {
        for new in 0..20 {
            site.push("q", job(&format!("new{page}-{new}"), ""));
        }
        let popped = [1, 5, 0, 2][page % 4];
        for _ in 0..popped {
            site.ask::<()>(redis::cmd("RPOP").arg("queue:q"));
        }
        if page % 5 == 2 {
            let back = job(&format!("back{page}"), "");
            site.ask::<()>(redis::cmd("RPUSH").arg("queue:q").arg(back));
        }
    })
    .await;
    // About two are popped for each page of seven: what was popped before it was met is among the first 600 alone.
    let twice: Vec<_> = met.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    once(&met, 0..550);
}

/// Found by review: the walk went by the entry that it had met last, and began anew where somebody deleted that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_walked_while_others_delete_what_was_met_last() {
    let site = Site::start();
    let push = |number: usize| site.push("q", job(&number.to_string(), ""));
    (0..600).for_each(push);
    let begun = inspect(&site).walk(&queue("q"), None, false).await.unwrap();
    let met = walk(begun, 7, |page| {
        // Of each page the last three, and with every tenth page more jobs come back than a page holds.
        for number in 0..3 {
            let last = job(&(7 * page + 6 - number).to_string(), "");
            site.ask::<()>(redis::cmd("LREM").arg("queue:q").arg(1).arg(last));
        }
        for back in 0..(if page % 10 == 9 { 40 } else { 0 }) {
            let back = job(&format!("back{page}-{back}"), "");
            site.ask::<()>(redis::cmd("RPUSH").arg("queue:q").arg(back));
        }
    })
    .await;
    let twice: Vec<_> = met.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    once(&met, 0..600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_leaves_what_does_not_fit_and_ends_although_all_come_back() {
    let site = Site::start();
    let now = (site.clock() * 1000.0) as i64;
    let old = format!(r#","failed_at":{}"#, now - 60_000);
    let new = format!(r#","failed_at":{}"#, now + 60_000);
    for number in 0..200 {
        site.add("retry", 10 + number, job(&number.to_string(), &old));
    }
    let filter = Filter::parse("-jid:*7").unwrap();
    let mut sweep = inspect(&site)
        .sweep(&Place::Retry, Some(filter), Act::Retry)
        .await
        .unwrap();
    for step in 0.. {
        if !sweep.step(10).await.unwrap() {
            break;
        }
        // Each that was retried has failed again and stands in front of us.
        site.add("retry", 205, job(&format!("again{step}"), &new));
        assert!(step < 1_000, "it does not end");
    }
    let acts = sweep.so_far();
    assert_eq!((acts.matched, acts.done, acts.gone), (180, 180, 0));
    assert!(acts.newer > 0, "{acts:?}");
    let left = site.entries("retry").len() as u64;
    assert!(left > 20, "{left}");
    assert_eq!(
        site.ask::<u64>(redis::cmd("LLEN").arg("queue:default")),
        180
    );
}
