//! Two workers in one process have nothing in common but the process: no handler, counter, signal, stop or stall of one
//! reaches the other.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use gandy::{Context, Fences, JobError, RunningWorker, Worker, WorkerBuilder};
use gandy_tests::{wait_eq, wait_until};
use nix::sys::signal::{Signal, raise};
use support::{SOON, Site};

/// Which jobs one worker has ended, and how often each.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<BTreeMap<String, usize>>>);

impl Book {
    fn note(&self, jid: &str) {
        *self.0.lock().unwrap().entry(jid.to_owned()).or_default() += 1;
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn has(&self, jid: &str) -> bool {
        self.0.lock().unwrap().contains_key(jid)
    }

    /// Every job ran once, and all of them begin with `start`.
    #[track_caller]
    fn assert_own(&self, start: &str) {
        for (jid, runs) in self.0.lock().unwrap().iter() {
            assert!(
                *runs == 1 && jid.starts_with(start),
                "{jid} ran {runs} times at {start}"
            );
        }
    }
}

/// A worker whose classes are those of every other, with a book of its own.
fn builder(site: &Site, queues: &[&str], book: &Book) -> WorkerBuilder {
    let (marks, naps) = (book.clone(), book.clone());
    Worker::builder(site.config())
        .signals(false)
        .queues(queues.iter().copied())
        .concurrency(4)
        .timeout(Duration::from_millis(200))
        .handler_fn("Mark", move |_: (), ctx: Context| {
            marks.note(ctx.jid());
            async { Ok(()) }
        })
        .handler_fn("Nap", move |(millis,): (u64,), ctx: Context| {
            let naps = naps.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                naps.note(ctx.jid());
                Ok(())
            }
        })
        .handler_fn("Fail", |_: (), _: Context| async {
            Err(JobError::retry("Boom", "no luck"))
        })
        .handler_fn("Panic", |_: (), _: Context| async { panic!("as told") })
        // Holds the thread of its runtime.
        .handler_fn("Stall", |(millis,): (u64,), _: Context| async move {
            std::thread::sleep(Duration::from_millis(millis));
            Ok(())
        })
}

fn start(site: &Site, queues: &[&str], book: &Book) -> RunningWorker {
    joined(builder(site, queues, book).build().unwrap().start())
}

fn joined(worker: RunningWorker) -> RunningWorker {
    wait_until(SOON, "the worker joins", || worker.identity().is_some());
    worker
}

fn push(site: &Site, queue: &str, class: &str, args: &str, jid: &str) {
    site.push(
        queue,
        format!(r#"{{"class":"{class}","args":{args},"jid":"{jid}","queue":"{queue}"}}"#),
    );
}

fn marks(site: &Site, queue: &str, prefix: &str, count: usize) {
    for number in 0..count {
        push(site, queue, "Mark", "[]", &format!("{prefix}{number}"));
    }
}

fn counter(site: &Site, name: &str) -> usize {
    let count: Option<usize> = site.ask(redis::cmd("GET").arg(site.key(name)));
    count.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_two_namespaces_each_runs_and_counts_its_own() {
    let a = Site::over(gandy_tests::RedisServer::start(), "a");
    let b = a.beside("b");
    let (books, errors) = ([Book::default(), Book::default()], Book::default());
    let noted = errors.clone();
    let first = builder(&a, &["q"], &books[0])
        .on_error(move |ctx, _| noted.note(ctx.jid()))
        .build()
        .unwrap();
    let (first, second) = (joined(first.start()), start(&b, &["q"], &books[1]));
    assert_ne!(first.identity(), second.identity());
    // The same class, queue and, for one of them, the same jid.
    marks(&a, "q", "a", 50);
    marks(&b, "q", "b", 70);
    for site in [&a, &b] {
        push(site, "q", "Fail", "[]", "fails");
        push(site, "q", "Panic", "[]", "panics");
        site.settle();
    }
    assert_eq!((books[0].len(), books[1].len()), (50, 70));
    books[0].assert_own("a");
    books[1].assert_own("b");
    assert_eq!(
        errors.len(),
        2,
        "the hook of the first hears only of its own"
    );
    assert_eq!((a.count("retry"), b.count("retry")), (2, 2));
    for worker in [&first, &second] {
        assert_eq!((worker.busy(), worker.fences()), (0, Fences::default()));
    }
    for (site, worker) in [(&a, &first), (&b, &second)] {
        let members: Vec<String> = site.ask(redis::cmd("SMEMBERS").arg(site.key("processes")));
        assert_eq!(members, [worker.identity().unwrap()]);
    }
    first.stop().await.unwrap();
    second.stop().await.unwrap();
    assert_eq!(
        (counter(&a, "stat:processed"), counter(&a, "stat:failed")),
        (52, 2)
    );
    assert_eq!(
        (counter(&b, "stat:processed"), counter(&b, "stat:failed")),
        (72, 2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_one_namespace_each_takes_from_its_own_queues() {
    let site = Site::start();
    let books = [Book::default(), Book::default()];
    let first = start(&site, &["left"], &books[0]);
    let second = start(&site, &["right"], &books[1]);
    marks(&site, "left", "left", 100);
    marks(&site, "right", "right", 100);
    site.settle();
    assert_eq!((books[0].len(), books[1].len()), (100, 100));
    books[0].assert_own("left");
    books[1].assert_own("right");
    let members: usize = site.ask(redis::cmd("SCARD").arg("processes"));
    assert_eq!(members, 2);
    // What one fails, whoever promotes it, comes back to the one that knows its queue.
    push(&site, "right", "Fail", "[]", "fails");
    site.settle();
    let entry = site.entry("retry", "fails").unwrap();
    site.make_due("retry", &entry);
    wait_until(SOON, "the second failure", || {
        site.entry("retry", "fails")
            .is_some_and(|entry| entry.json()["retry_count"] == 1)
    });
    first.stop().await.unwrap();
    second.stop().await.unwrap();
    assert_eq!(counter(&site, "stat:processed"), 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_is_quiet_and_stops_the_other_goes_on() {
    let site = Site::start();
    let books = [Book::default(), Book::default()];
    let first = start(&site, &["left"], &books[0]);
    let second = start(&site, &["right"], &books[1]);
    let (left, right) = (first.identity().unwrap(), second.identity());
    push(&site, "left", "Nap", "[60000]", "long");
    push(&site, "right", "Nap", "[1500]", "steady");
    wait_until(SOON, "both to be busy", || {
        (first.busy(), second.busy()) == (1, 1)
    });

    first.quiet();
    marks(&site, "left", "left", 5);
    marks(&site, "right", "right", 20);
    wait_eq(SOON, "the second's jobs to run", &20, || books[1].len());
    let shown = |identity: &str| site.ask::<String>(redis::cmd("HGET").arg(identity).arg("quiet"));
    wait_eq(
        SOON,
        "the first to be shown as quiet",
        &"true".to_owned(),
        || shown(&left),
    );
    assert_eq!(shown(right.as_deref().unwrap()), "false");
    assert_eq!(books[0].len(), 0);

    first.stop().await.unwrap();
    // Its job is back, the oldest; the other's still runs, under the same identity.
    let waiting: Vec<String> = site.ask(redis::cmd("LRANGE").arg("queue:left").arg(0).arg(-1));
    assert_eq!(waiting.len(), 6);
    assert!(waiting[5].contains(r#""jid":"long""#), "{waiting:?}");
    assert_eq!(second.identity(), right);
    assert!(!books[1].has("steady"), "the test was too slow to tell");
    wait_until(SOON, "the other's job to end undisturbed", || {
        books[1].has("steady")
    });
    marks(&site, "right", "right more", 20);
    wait_eq(SOON, "the second's later jobs", &41, || books[1].len());

    // A third in the place of the first.
    site.ask::<()>(redis::cmd("RPOP").arg("queue:left"));
    let third = start(&site, &["left"], &books[0]);
    site.settle();
    assert_eq!(books[0].len(), 5);
    third.stop().await.unwrap();
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_on_one_queue_run_each_job_once_while_one_of_them_stops() {
    let site = Site::start();
    let books = [Book::default(), Book::default()];
    let first = start(&site, &["q"], &books[0]);
    let second = start(&site, &["q"], &books[1]);
    for number in 0..400 {
        push(&site, "q", "Nap", "[5]", &format!("job{number}"));
    }
    wait_until(SOON, "both to have run some", || {
        books.iter().all(|book| book.len() > 20)
    });
    first.stop().await.unwrap();
    site.settle();
    books.iter().for_each(|book| book.assert_own("job"));
    assert_eq!(books[0].len() + books[1].len(), 400);
    assert_eq!(second.fences(), Fences::default());
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_reach_the_one_that_listens() {
    let site = Site::start();
    let books = [Book::default(), Book::default()];
    let listens = builder(&site, &["left"], &books[0])
        .signals(true)
        .build()
        .unwrap();
    let listens = joined(listens.start());
    let deaf = start(&site, &["right"], &books[1]);

    raise(Signal::SIGTSTP).unwrap();
    let shown = |worker: &RunningWorker| {
        let identity = worker.identity().unwrap();
        site.ask::<String>(redis::cmd("HGET").arg(identity).arg("quiet"))
    };
    wait_eq(SOON, "the first to be quiet", &"true".to_owned(), || {
        shown(&listens)
    });
    assert_eq!(shown(&deaf), "false");
    // From Redis too.
    let signals = format!("{}-signals", deaf.identity().unwrap());
    site.ask::<()>(redis::cmd("LPUSH").arg(&signals).arg("TERM"));
    wait_until(SOON, "the signal to be taken", || {
        !site.ask::<bool>(redis::cmd("EXISTS").arg(&signals))
    });

    raise(Signal::SIGTERM).unwrap();
    listens.wait().await.unwrap();
    marks(&site, "right", "right", 10);
    wait_eq(SOON, "the second to work on", &10, || books[1].len());
    assert_eq!(shown(&deaf), "false");
    deaf.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_runtime_stands_still_holds_only_itself_up() {
    let site = Site::start();
    let books = [Book::default(), Book::default()];
    let stuck = builder(&site, &["left"], &books[0]).build().unwrap();
    let handle = stuck.handle();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(stuck.run())
    });
    // The first to join promotes, so it is the promoter that will stand still.
    wait_until(SOON, "the first to promote", || {
        let promoter: Option<String> = site.ask(redis::cmd("GET").arg("gandy:promoter"));
        promoter.is_some() && promoter == handle.identity()
    });
    let second = start(&site, &["right"], &books[1]);
    let before = (handle.identity(), second.identity());
    push(&site, "left", "Stall", "[4000]", "stalls");
    wait_until(SOON, "the first to stand still", || handle.busy() == 1);
    let started = Instant::now();
    push(&site, "right", "Mark", "[]", "direct");
    let scheduled = r#"{"class":"Mark","args":[],"jid":"scheduled","queue":"right"}"#;
    site.add("schedule", site.clock(), scheduled);
    wait_eq(SOON, "the second to run both", &2, || books[1].len());
    let took = started.elapsed();
    assert!(
        took < Duration::from_secs(3),
        "the second waited for the first: {took:?}"
    );
    assert_eq!(handle.busy(), 1, "the first still stands");
    // Its lease is renewed by a thread of its own: it comes out of this alive.
    marks(&site, "left", "left", 1);
    wait_eq(SOON, "the first to go on", &1, || books[0].len());
    assert_eq!((handle.identity(), second.identity()), before);
    handle.stop();
    thread.join().unwrap().unwrap();
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_loses_its_redis_holds_only_itself_up() {
    let (lost, kept) = (Site::start(), Site::start());
    let books = [Book::default(), Book::default()];
    let first = start(&lost, &["q"], &books[0]);
    let second = start(&kept, &["q"], &books[1]);
    marks(&lost, "q", "lost", 1);
    wait_eq(SOON, "the first to work", &1, || books[0].len());
    lost.redis.kill9();
    for number in 0..20 {
        let pushed = Instant::now();
        marks(&kept, "q", &format!("kept{number}-"), 1);
        wait_eq(SOON, "the second to work on", &(number + 1), || {
            books[1].len()
        });
        let took = pushed.elapsed();
        assert!(
            took < Duration::from_secs(1),
            "a job took {took:?} beside a lost Redis"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    // An empty one comes back: the first finds itself forgotten and joins anew.
    let before = first.identity();
    lost.redis.restart();
    let again = lost.beside("");
    marks(&again, "q", "again", 1);
    wait_eq(SOON, "the first to work again", &2, || books[0].len());
    assert_ne!(first.identity(), before);
    assert!(second.identity().is_some());
    first.stop().await.unwrap();
    second.stop().await.unwrap();
    assert_eq!(counter(&kept, "stat:processed"), 20);
}
