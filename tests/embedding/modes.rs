//! Testing an application without Redis: collect, drain and inline, with the very handlers that a worker runs.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gandy::testing::{self, Crew};
use gandy::{
    BlockingHandler, Client, Consequence, Context, Flow, Handler, HandlerOptions, Job, JobError,
    Middleware, Next, Outcome, Push, RawHandler,
};
use serde::{Deserialize, Serialize};

use crate::{
    hello,
    shop::{Diary, Greet},
};

fn crew(diary: &Diary) -> Crew {
    Crew::new().handler::<Greet, _>(diary.clone())
}

#[tokio::test]
async fn collect_keeps_what_was_pushed_and_runs_nothing() {
    let (client, jobs) = testing::collect();
    let receipt = client.push(hello("a")).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Enqueued);
    let later = client.push_in(Duration::from_secs(60), hello("b")).await;
    assert_eq!(later.unwrap().outcome, Outcome::Scheduled);
    client.push_raw("Other", r#"[1,{"k":1.10}]"#).await.unwrap();
    let many = client.push_all([hello("c"), hello("d")]).await;
    assert!(many.iter().all(Result::is_ok));

    assert_eq!(jobs.len(), 5);
    assert_eq!(jobs.of::<Greet>(), ["a", "b", "c", "d"].map(hello));
    let all = jobs.all();
    assert_eq!(all[0].payload.jid(), receipt.jid);
    assert_eq!(all[0].at_ms, None);
    assert!(all[1].at_ms.is_some());
    assert_eq!(all[2].payload.class(), "Other");
    // As it would stand in Redis.
    assert!(
        all[2].payload.raw().starts_with(
            r#"{"retry":true,"queue":"default","args":[1,{"k":1.10}],"class":"Other","#
        )
    );
    assert!(!all[1].payload.raw().contains("enqueued_at"));
    jobs.clear();
    assert!(jobs.is_empty());
    // What Redis would not be given is refused here, too.
    assert!(client.push_raw("Other", "{}").await.is_err());
    assert!(jobs.is_empty());
}

#[tokio::test]
async fn collect_runs_client_middleware_and_heeds_settings() {
    let builder = Client::builder()
        .max_payload(200)
        .middleware(|push: &mut Push| match push.class() {
            "Stop" => Flow::Stop,
            _ => {
                push.record_mut().tags.push("seen".into());
                Flow::Go
            }
        });
    let (client, jobs) = testing::collect_with(builder);
    client.push(hello("a")).await.unwrap();
    let stopped = client.push_raw("Stop", "[]").await.unwrap();
    assert_eq!(stopped.outcome, Outcome::Stopped);
    let large = client.push(hello(&"x".repeat(300))).await.unwrap_err();
    assert!(large.to_string().contains("max_payload"), "{large}");
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs.all()[0].payload.field("tags"), Some(r#"["seen"]"#));
}

#[tokio::test]
async fn drain_runs_what_was_collected_with_real_handlers_in_order() {
    let diary = Diary::default();
    let (client, jobs) = testing::collect();
    client.push(hello("a")).await.unwrap();
    // Whatever time it is scheduled for.
    client
        .push_in(Duration::from_secs(3600), hello("b"))
        .await
        .unwrap();
    client.push(hello("")).await.unwrap();
    client.push(hello("panic")).await.unwrap();
    client.push_raw("Greet", "[1,2]").await.unwrap();
    client.push_raw("Nobody", "[]").await.unwrap();
    client.push(hello("c")).await.unwrap();
    let results = jobs.drain(&crew(&diary)).await;
    assert_eq!(diary.all(), ["hello a", "hello b", "hello c"]);
    assert!(jobs.is_empty());
    let class = |at: usize| results[at].as_ref().unwrap_err().class().to_owned();
    assert_eq!(results.len(), 7);
    assert!(results[0].is_ok() && results[1].is_ok() && results[6].is_ok());
    let classes = [class(2), class(3), class(4), class(5)];
    assert_eq!(
        classes,
        ["Nameless", "Panic", "ArgumentError", "UnknownClass"]
    );
    let nameless = results[2].as_ref().unwrap_err();
    assert_eq!(nameless.next(), Consequence::Discard);
    assert!(
        results[3]
            .as_ref()
            .unwrap_err()
            .message()
            .contains("as asked")
    );
    assert!(jobs.run_one(&crew(&diary)).await.is_none());
}

/// Greets a chain of names, each job pushing the next.
struct Chain {
    client: Arc<OnceLock<Client>>,
    diary: Diary,
}

#[derive(Serialize, Deserialize, Job)]
struct Link {
    left: u32,
}

impl Handler<Link> for Chain {
    async fn perform(&self, job: Link, _: &Context) -> Result<(), JobError> {
        self.diary.note(format!("begin {}", job.left));
        if let Some(left) = job.left.checked_sub(1) {
            self.client.get().unwrap().push(Link { left }).await?;
        }
        self.diary.note(format!("end {}", job.left));
        Ok(())
    }
}

#[tokio::test]
async fn drain_runs_what_jobs_push_and_inline_runs_it_while_it_is_pushed() {
    let (cell, diary) = (Arc::new(OnceLock::new()), Diary::default());
    let chain = |cell: &Arc<OnceLock<Client>>, diary: &Diary| {
        Crew::new().handler(Chain {
            client: Arc::clone(cell),
            diary: diary.clone(),
        })
    };
    let (client, jobs) = testing::collect();
    cell.set(client.clone()).unwrap();
    client.push(Link { left: 2 }).await.unwrap();
    assert_eq!(jobs.drain(&chain(&cell, &diary)).await.len(), 3);
    let one_after_the_other = ["begin 2", "end 2", "begin 1", "end 1", "begin 0", "end 0"];
    assert_eq!(diary.all(), one_after_the_other);

    let (cell, diary) = (Arc::new(OnceLock::new()), Diary::default());
    let (client, jobs) = testing::inline(chain(&cell, &diary));
    cell.set(client.clone()).unwrap();
    client.push(Link { left: 2 }).await.unwrap();
    let inside = ["begin 2", "begin 1", "begin 0", "end 0", "end 1", "end 2"];
    assert_eq!(diary.all(), inside);
    assert!(jobs.is_empty() && jobs.failures().is_empty());
}

#[tokio::test]
async fn inline_tells_failed_runs_apart_from_failed_pushes() {
    let diary = Diary::default();
    let (client, jobs) = testing::inline(crew(&diary));
    client.push(hello("a")).await.unwrap();
    let later = client.push_in(Duration::from_secs(60), hello("b")).await;
    assert_eq!(later.unwrap().outcome, Outcome::Scheduled);
    // In Redis the push would have succeeded, so here it does.
    client.push(hello("")).await.unwrap();
    client.push(hello("panic")).await.unwrap();
    assert!(client.push_raw("Greet", "{}").await.is_err());
    assert_eq!(diary.all(), ["hello a", "hello b"]);
    let failures = jobs.failures();
    let seen: Vec<(&str, &str)> = failures
        .iter()
        .map(|failure| (failure.job.payload.args(), failure.error.class()))
        .collect();
    assert_eq!(seen, [(r#"[""]"#, "Nameless"), (r#"["panic"]"#, "Panic")]);
    assert!(jobs.failures().is_empty(), "taken away");
}

/// What does not survive JSON is lost in tests as it is in production.
#[derive(Debug, PartialEq, Serialize, Deserialize, Job)]
#[job(timeout = "50ms")]
struct Odd {
    number: f64,
    #[serde(default)]
    missing: Option<String>,
}

#[tokio::test]
async fn jobs_go_through_json_middleware_timeouts_and_threads_as_in_a_worker() {
    struct Notes(Diary);
    impl Middleware for Notes {
        async fn call(&self, ctx: &Context, next: Next<'_>) -> Result<(), JobError> {
            self.0.note(format!("before {}", ctx.class()));
            let result = next.run(ctx).await;
            self.0.note(format!("after {}", ctx.class()));
            result
        }
    }
    struct Odds(Diary);
    impl Handler<Odd> for Odds {
        async fn perform(&self, job: Odd, ctx: &Context) -> Result<(), JobError> {
            if job.missing.is_some() {
                std::future::pending::<()>().await;
            }
            self.0
                .note(format!("{job:?} {} {}", ctx.queue(), ctx.attempt()));
            Ok(())
        }
    }
    #[derive(Serialize, Deserialize, Job)]
    struct Sum {
        numbers: Vec<u64>,
    }
    struct Summing(Diary);
    impl BlockingHandler<Sum> for Summing {
        fn perform(&self, job: Sum, _: &Context) -> Result<(), JobError> {
            self.0.note(job.numbers.iter().sum::<u64>().to_string());
            Ok(())
        }
    }
    struct Raw(Diary);
    impl RawHandler for Raw {
        async fn perform(&self, args: &str, _: &Context) -> Result<(), JobError> {
            self.0.note(args);
            Ok(())
        }
    }
    let diary = Diary::default();
    let crew = Crew::new()
        .layer(Notes(diary.clone()))
        .handler(Odds(diary.clone()))
        .handler_blocking(Summing(diary.clone()))
        .raw_handler("Raw", HandlerOptions::default(), Raw(diary.clone()))
        .handler_fn("Function", |(a, b): (u64, u64), ctx: Context| async move {
            ctx.set_progress(a, Some(b), "half way");
            Err(JobError::bury("Sum", (a + b).to_string()))
        });
    let (client, jobs) = testing::collect();
    let odd = |missing: Option<&str>| Odd {
        number: 1.5,
        missing: missing.map(str::to_owned),
    };
    client.push(odd(None)).await.unwrap();
    client.push(odd(Some("hangs"))).await.unwrap();
    let numbers = vec![1, 2, 3];
    client.push(Sum { numbers }).await.unwrap();
    client.push_raw("Raw", "[ 1.10 ]").await.unwrap();
    client.push_raw("Function", "[20,22]").await.unwrap();
    let results = jobs.drain(&crew).await;
    let lines = diary.all();
    assert_eq!(lines[1], "Odd { number: 1.5, missing: None } default 1");
    assert!(lines.contains(&"6".to_owned()) && lines.contains(&"[ 1.10 ]".to_owned()));
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.starts_with("before"))
            .count(),
        5
    );
    let timeout = results[1].as_ref().unwrap_err();
    assert_eq!(timeout.class(), "Timeout");
    let buried = results[4].as_ref().unwrap_err();
    assert_eq!((buried.next(), buried.message()), (Consequence::Bury, "42"));
}
