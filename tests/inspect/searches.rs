//! Pages that remember nothing between them but a bookmark, and the single job that one of them showed.

use std::collections::BTreeSet;
use std::time::Duration;

use gandy::{Bookmark, Filter, Inspect, Place};

use super::{inspect, jids, job, queue};
use crate::support::Site;

const LONG: Duration = Duration::from_secs(20);

/// All pages of three, each from the bookmark of the one before as a link carries it.
async fn all(inspect: &Inspect, place: &Place, filter: Option<&Filter>) -> Vec<String> {
    let (mut at, mut found) = (Bookmark::default(), Vec::new());
    loop {
        let page = inspect.search(place, filter, at, 3, LONG).await.unwrap();
        assert!(page.jobs.len() <= 3 && !page.out_of_time);
        let jobs: Vec<_> = page.jobs.into_iter().map(|hit| hit.job).collect();
        found.extend(jids(&jobs));
        match page.next {
            Some(next) => at = next.to_string().parse().unwrap(),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_follow_on_each_other_through_equal_scores_and_from_either_end() {
    let site = Site::start();
    let inspect = inspect(&site);
    // Seven for one second, as of a bulk push, between others.
    for number in 0..13 {
        let score = if (3..10).contains(&number) {
            "5.5".to_owned()
        } else {
            number.to_string()
        };
        let bytes = job(&format!("{number:02}"), "");
        for set in ["retry", "dead"] {
            site.add(set, &score, &bytes);
        }
        site.push("q", &bytes);
    }
    let mut retries = all(&inspect, &Place::Retry, None).await;
    assert_eq!(
        (retries.len(), &*retries[0], &*retries[12]),
        (13, "00", "12")
    );
    let mut dead = all(&inspect, &Place::Dead, None).await;
    assert_eq!((dead.len(), &*dead[0], &*dead[12]), (13, "12", "00"));
    let mut waiting = all(&inspect, &queue("q"), None).await;
    assert_eq!((waiting.len(), &*waiting[0]), (13, "00"));
    for found in [&mut retries, &mut dead, &mut waiting] {
        assert_eq!(found.drain(..).collect::<BTreeSet<_>>().len(), 13);
    }
    let filter = Filter::parse("jid:*1").unwrap();
    assert_eq!(
        all(&inspect, &Place::Retry, Some(&filter)).await,
        ["01", "11"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_loses_its_front_between_two_pages_is_shown_whole() {
    let site = Site::start();
    let inspect = inspect(&site);
    for number in 0..10 {
        site.add("retry", number, job(&number.to_string(), ""));
    }
    let first = inspect
        .search(&Place::Retry, None, Bookmark::default(), 4, LONG)
        .await
        .unwrap();
    site.redis.cli(&["ZPOPMIN", "retry", "3"]);
    let next = inspect
        .search(&Place::Retry, None, first.next.unwrap(), 4, LONG)
        .await
        .unwrap();
    let jobs: Vec<_> = next.jobs.into_iter().map(|hit| hit.job).collect();
    assert_eq!(jids(&jobs), ["4", "5", "6", "7"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_ends_in_time_and_goes_on_where_it_was() {
    let site = Site::start();
    let inspect = inspect(&site);
    for number in 0..300 {
        site.push("q", job(&format!("{number:03}"), ""));
    }
    let filter = Filter::parse("jid:299").unwrap();
    let (mut at, mut rounds) = (Bookmark::default(), 0);
    loop {
        let page = inspect
            .search(&queue("q"), Some(&filter), at, 1, Duration::ZERO)
            .await
            .unwrap();
        rounds += 1;
        if let Some(hit) = page.jobs.first() {
            assert_eq!(hit.index, 299);
            break;
        }
        assert!(page.out_of_time && page.examined > 0);
        at = page.next.unwrap();
    }
    assert!(rounds > 2, "{rounds}");
}
