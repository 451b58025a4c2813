//! The single job that a page showed is found again, and said to be gone only where it is.

use std::time::Duration;

use gandy::{Bookmark, Hit, Place, Sought, Stood};

use super::{inspect, job, queue};
use crate::support::Site;

const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_known_by_its_bytes_and_found_near_where_it_stood() {
    let site = Site::start();
    let inspect = inspect(&site);
    for number in 0..40 {
        site.add("retry", 7.25, job(&format!("{number:02}"), ""));
        site.push("q", job(&format!("{number:02}"), ""));
    }
    let page = inspect
        .search(&Place::Retry, None, Bookmark::default(), 40, LONG)
        .await
        .unwrap();
    let wanted = &page.jobs[30].job;
    let at = async |score, digest: String| {
        let found = inspect.job_at(&Place::Retry, score, &digest, LONG);
        found.await.unwrap()
    };
    assert_eq!(
        found(at(7.25, wanted.digest()).await).job.bytes,
        wanted.bytes
    );
    for (score, digest) in [(7.5, wanted.digest()), (7.25, "0".repeat(40))] {
        assert!(matches!(at(score, digest).await, Sought::Gone));
    }
    let page = inspect
        .search(&queue("q"), None, Bookmark::default(), 40, LONG)
        .await
        .unwrap();
    let hit = &page.jobs[30];
    assert_eq!((hit.index, hit.behind), (30, 9));
    site.redis.cli(&["RPOP", "queue:q", "20"]);
    let stood = Stood::of(hit);
    let near = async || inspect.job_near("q", &stood, LONG).await.unwrap();
    let now = found(near().await);
    assert_eq!(now.job.bytes, hit.job.bytes);
    assert_eq!((now.index, now.behind), (10, 9), "where it is now");
    let bytes = String::from_utf8(hit.job.bytes.clone()).unwrap();
    site.redis.cli(&["LREM", "queue:q", "0", &bytes]);
    assert!(matches!(near().await, Sought::Gone));
}

/// Found by review: of 20,000 jobs 5,000 were popped, and 50 that stood there were said to be gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_queue_are_found_again_however_far_it_moved() {
    let site = Site::start();
    let inspect = inspect(&site);
    let push = |numbers: std::ops::Range<u32>| {
        let jobs: Vec<String> = numbers
            .map(|number| job(&format!("{number}"), ""))
            .collect();
        site.ask::<()>(redis::cmd("LPUSH").arg("queue:q").arg(jobs));
    };
    let pop = |count: u32| site.ask::<()>(redis::cmd("RPOP").arg("queue:q").arg(count));
    push(0..20_000);
    let shown = async |from: &str| -> Vec<Stood> {
        let place = queue("q");
        let page = inspect.search(&place, None, from.parse().unwrap(), 50, LONG);
        page.await.unwrap().jobs.iter().map(Stood::of).collect()
    };
    let [last, middle, first] = [
        shown("~19950").await,
        shown("~12000").await,
        shown("~0").await,
    ];
    pop(5_000);
    // Where they stood by the end that is pushed to: no walk is needed.
    for (stood, index) in [(&last, 14_950), (&middle, 7_000)] {
        let again = inspect.jobs_near("q", stood, Duration::ZERO).await.unwrap();
        for (at, sought) in again.into_iter().enumerate() {
            let hit = found(sought);
            assert_eq!(
                (hit.job.digest(), hit.index),
                (stood[at].digest.clone(), index + at)
            );
        }
    }
    // What was popped is gone only for who has looked at everything.
    for (within, sure) in [(Duration::ZERO, false), (LONG, true)] {
        for sought in inspect.jobs_near("q", &first, within).await.unwrap() {
            match sought {
                Sought::Gone => assert!(sure),
                Sought::Unseen { looked_at } => assert!(!sure && looked_at < 1_000),
                Sought::Found(hit) => panic!("{hit:?}"),
            }
        }
    }
    // With as many pushes as pops it is a walk, and one for all of them.
    push(20_000..25_000);
    pop(3_000);
    site.ask::<()>(redis::cmd("LMOVE").arg(&["queue:q", "gandy:landing:q", "RIGHT", "LEFT"]));
    for (stood, index) in [(&last, 11_950), (&middle, 4_000)] {
        let again = inspect.jobs_near("q", stood, LONG).await.unwrap();
        let indexes: Vec<usize> = again
            .into_iter()
            .map(|sought| found(sought).index)
            .collect();
        assert!(indexes.into_iter().eq(index..index + 50));
    }
    // An address without the distance from behind, as older links have it; and what was put back in front.
    let mut old = middle[0].clone();
    old.behind = None;
    assert_eq!(
        found(inspect.job_near("q", &old, LONG).await.unwrap()).index,
        4_000
    );
    for number in 0..700 {
        site.ask::<()>(
            redis::cmd("RPUSH")
                .arg("queue:q")
                .arg(job(&format!("back{number}"), "")),
        );
    }
    assert_eq!(
        found(inspect.job_near("q", &middle[0], LONG).await.unwrap()).index,
        4_700
    );
    // Where all that stood behind it were deleted.
    site.ask::<()>(redis::cmd("LTRIM").arg("queue:q").arg(12_500).arg(-1));
    assert!(matches!(
        inspect.job_near("q", &last[49], LONG).await.unwrap(),
        Sought::Gone
    ));
    found(inspect.job_near("q", &middle[0], LONG).await.unwrap());
    // None of many that is in none of them.
    assert!(inspect.jobs_near("q", &[], LONG).await.unwrap().is_empty());
    assert!(matches!(
        inspect.job_near("none", &old, LONG).await.unwrap(),
        Sought::Gone
    ));
}

fn found(sought: Sought) -> Hit {
    match sought {
        Sought::Found(hit) => *hit,
        other => panic!("{other:?}"),
    }
}
