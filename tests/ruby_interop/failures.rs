//! We fail, and Ruby reads and moves what that leaves; a job's retries cross the border in both directions.

use std::time::Duration;

use gandy::{Backtrace, Client, Push};
use gandy_tests::{History, RubyWorker, wait_eq, wait_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Entry, SOON};
use crate::{Border, Runs, now};

impl Border {
    /// An entry as Ruby reads it.
    #[track_caller]
    fn read(&self, set: &str, jid: &str) -> Value {
        let found = self.ruby.entries(set);
        let entry = found.into_iter().find(|entry| entry["jid"] == json!(jid));
        entry.unwrap_or_else(|| panic!("Ruby does not see {jid} in {set}"))
    }

    #[track_caller]
    fn entry(&self, set: &str, jid: &str) -> Entry {
        let entry = self.site.entry(set, jid);
        entry.unwrap_or_else(|| panic!("{jid} is not in {set}"))
    }

    #[track_caller]
    fn press(&self, set: &str, jid: &str, action: &str) {
        assert!(self.ruby.entry_action(set, jid, action), "{action} {jid}");
    }
}

async fn send(client: &Client, push: Push) -> String {
    client.send(push).await.unwrap().jid
}

fn with_backtrace(class: &str, backtrace: Backtrace) -> Push {
    let mut push = Push::raw(class, "[1]");
    push.record_mut().backtrace = Some(backtrace);
    push
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_ruby_reads_our_retries_our_dead_and_our_numbers() {
    let Some(border) = Border::open("ruby_interop_ruby_reads_our_retries_our_dead") else {
        return;
    };
    let (begun, client, runs) = (now(), border.client().await, Runs::default());
    let worker = border.worker(&runs);
    let all =
        with_backtrace("FailJob", Backtrace::All).field("trace", r#"{"id":18014398509481985}"#);
    let all = send(&client, all.unwrap()).await;
    let three = send(&client, with_backtrace("FailJob", Backtrace::Lines(3))).await;
    let none = send(&client, Push::raw("FailJob", "[9007199254740993]").retry(0)).await;
    let dropped = send(&client, Push::raw("FailJob", "[]").retry(false)).await;
    let unknown = send(&client, Push::raw("Nobody::Knows", "[]")).await;
    border.site.push("default", "not { JSON");
    border.site.settle();
    let failed_by = now();

    let retry = border.read("retry", &all);
    let item = &retry["item"];
    assert_eq!(item["error_class"], "Trouble::Deep");
    assert_eq!(item["error_message"], "kaputt: \"ü\"\n☃");
    assert_eq!(
        (&item["retry_count"], &item["queue"]),
        (&json!(0), &json!("default"))
    );
    assert_eq!(item["trace"], json!({"id": 18_014_398_509_481_985_u64}));
    let failed_at = item["failed_at"].as_f64().unwrap();
    assert!((begun - 0.001..=failed_by).contains(&failed_at) && item.get("retried_at").is_none());
    let delay = retry["at"].as_f64().unwrap() - failed_at;
    assert!((14.9..=26.0).contains(&delay), "first retry in {delay} s");
    let backtrace = retry["error_backtrace"].as_array().unwrap();
    assert_eq!(
        (backtrace.len(), &backtrace[4]),
        (5, &json!("src/job.rs:5: in `grüßen'"))
    );
    assert_eq!(
        border.read("retry", &three)["error_backtrace"],
        json!(backtrace[..3])
    );
    assert_eq!(
        border.read("retry", &unknown)["item"]["error_class"],
        "UnknownClass"
    );
    let dead = border.read("dead", &none);
    assert_eq!(
        (&dead["args"], &dead["item"]["retry_count"]),
        (&json!([9_007_199_254_740_993_u64]), &json!(0))
    );
    let raw = border
        .ruby
        .entries("dead")
        .into_iter()
        .find(|entry| entry["jid"].is_null());
    assert_eq!(raw.unwrap()["raw"], "not { JSON");
    assert!(
        !border
            .site
            .entries("retry")
            .iter()
            .any(|entry| entry.text().contains(&dropped))
    );

    border.site.make_due("retry", &border.entry("retry", &all));
    wait_until(SOON, "the second attempt", || runs.of(&all).len() == 2);
    border.site.settle();
    let again = &border.read("retry", &all)["item"];
    assert_eq!(
        (&again["retry_count"], &again["failed_at"]),
        (&json!(1), &json!(failed_at))
    );
    assert!((failed_by..=now()).contains(&again["retried_at"].as_f64().unwrap()));

    worker.stop().await.unwrap();
    let stats = border.ruby.stats();
    let numbers = [
        "processed",
        "failed",
        "retries",
        "dead",
        "enqueued",
        "processes",
    ];
    // What could not be parsed is not counted as a run, as in Ruby.
    assert_eq!(
        numbers.map(|name| stats[name].as_i64().unwrap()),
        [6, 6, 3, 2, 0, 0]
    );
    let today: i64 = stats["failed_by_day"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_i64)
        .sum();
    assert_eq!(today, 6, "Ruby's history of the last two days");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_rubys_buttons_work_on_our_entries_and_we_run_them() {
    let Some(border) = Border::open("ruby_interop_rubys_buttons_work_on_our_entries") else {
        return;
    };
    let (client, runs) = (border.client().await, Runs::default());
    let worker = border.worker(&runs);
    let mut once = Vec::new();
    for _ in 0..5 {
        once.push(send(&client, with_backtrace("OnceJob", Backtrace::All)).await);
    }
    let dead = [
        send(&client, Push::raw("FailJob", "[]").retry(0)).await,
        send(&client, Push::raw("FailJob", "[]").retry(0)).await,
    ];
    // Three entries with one score, which Ruby takes out together and puts back; one alone.
    let due = now() as i64 * 1000 + 3_600_500;
    let mut later = Vec::new();
    for n in 0..4 {
        let push = Push::raw("EchoJob", "[1.5]").at_millis(due + n / 3);
        later.push(send(&client, push).await);
    }
    border.site.settle();
    assert_eq!(border.site.count("retry"), 5);
    let before = border.site.entries("schedule");

    // A retry by hand spends no attempt: the job is in its first one again, and fails again.
    let failed_at = border.entry("retry", &once[0]).json()["failed_at"].clone();
    border.press("retry", &once[0], "retry");
    wait_until(SOON, "the retried job", || runs.of(&once[0]).len() == 2);
    border.site.settle();
    let again = border.entry("retry", &once[0]).json();
    assert_eq!(
        (&again["retry_count"], &again["failed_at"]),
        (&json!(0), &failed_at)
    );
    assert!(again["retried_at"].is_f64());
    border.press("retry", &once[0], "add_to_queue");
    border.press("retry", &once[1], "kill");
    border.press("dead", &once[1], "add_to_queue");
    border.press("retry", &once[2], "delete");
    reschedule(&border, "retry", &once[3]);
    border.press("schedule", &later[1], "add_to_queue");
    border.press("schedule", &later[2], "delete");
    reschedule(&border, "schedule", &later[3]);
    border.press("dead", &dead[0], "retry");
    border.press("dead", &dead[1], "delete");

    let counts = || {
        [&once[0], &once[1], &once[3], &later[1], &later[3], &dead[0]].map(|jid| runs.of(jid).len())
    };
    wait_eq(SOON, "what Ruby moved has run", &[3, 2, 2, 1, 1, 2], counts);
    border.site.settle();
    assert_eq!(
        border.site.entries("retry").len(),
        1,
        "the one that no button touched"
    );
    assert!(border.site.entry("retry", &once[4]).is_some());
    let untouched = before
        .into_iter()
        .find(|entry| entry.text().contains(&later[0]));
    assert_eq!(
        border.site.entries("schedule"),
        [untouched.unwrap()],
        "put back as it was"
    );
    let buried = border.site.entries("dead");
    assert_eq!(
        (buried.len(), buried[0].json()["jid"].as_str()),
        (1, Some(dead[0].as_str()))
    );
    let never_again = [&once[2], &once[4], &later[0], &later[2], &dead[1]];
    assert_eq!(never_again.map(|jid| runs.of(jid).len()), [1, 1, 0, 0, 1]);
    worker.stop().await.unwrap();
}

/// Ruby finds the entry by writing its JSON anew: bytes that it would write otherwise would be doubled.
#[track_caller]
fn reschedule(border: &Border, set: &str, jid: &str) {
    let input = json!({"set": set, "jid": jid, "action": "reschedule", "at": now() + 0.5});
    let size = border.site.count(set);
    assert_eq!(border.ruby.run("entry_action", &input), true);
    assert!(border.site.count(set) <= size, "{set} grew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_a_jobs_retries_cross_the_border_in_both_directions() {
    let Some(border) = Border::open("ruby_interop_a_jobs_retries_cross_the_border") else {
        return;
    };
    let (client, runs, history) = (border.client().await, Runs::default(), History::new());
    let settings = border.site.redis.dir().join("sidekiq.yml");
    std::fs::write(&settings, ":poll_interval_average: 0.2\n").unwrap();
    let ruby_worker = || {
        border
            .ruby
            .worker(&history, &["-C", settings.to_str().unwrap()])
    };
    let push = with_backtrace("FailJob", Backtrace::Lines(2))
        .field("trace", r#"{"id":18014398509481985}"#);

    let first = ruby_worker();
    let jid = send(&client, push.unwrap()).await;
    let in_ruby = failed(&border, &jid, 0);
    end(&first);
    let worker = border.worker(&runs);
    border.site.make_due("retry", &border.entry("retry", &jid));
    let with_us = failed(&border, &jid, 1);
    worker.stop().await.unwrap();
    let second = ruby_worker();
    border.site.make_due("retry", &border.entry("retry", &jid));
    let in_ruby_again = failed(&border, &jid, 2);
    end(&second);

    assert_eq!((runs.only(&jid).attempt(), history.events().len()), (2, 2));
    let class = |entry: &Value| entry["item"]["error_class"].clone();
    assert_eq!(
        [&in_ruby, &with_us, &in_ruby_again].map(class),
        ["ArgumentError", "Trouble::Deep", "ArgumentError"]
    );
    for entry in [&in_ruby, &with_us, &in_ruby_again] {
        assert_eq!(
            entry["item"]["trace"],
            json!({"id": 18_014_398_509_481_985_u64})
        );
        assert_eq!(entry["item"]["failed_at"], in_ruby["item"]["failed_at"]);
        assert_eq!(
            entry["error_backtrace"].as_array().unwrap().len(),
            2,
            "{entry}"
        );
    }
    let retried = |entry: &Value| entry["item"]["retried_at"].as_f64();
    assert!(retried(&in_ruby).is_none() && retried(&with_us) < retried(&in_ruby_again));
    assert_eq!(border.site.count("retry"), 1);
}

/// The entry of a job that has just failed for the `count`th time after the first, as Ruby reads it.
#[track_caller]
fn failed(border: &Border, jid: &str, count: u32) -> Value {
    let mark = format!(r#""retry_count":{count}"#);
    wait_until(Duration::from_secs(40), "the next failure", || {
        let entry = border.site.entry("retry", jid);
        entry.is_some_and(|entry| entry.text().contains(&mark))
    });
    border.read("retry", jid)
}

#[track_caller]
fn end(worker: &RubyWorker) {
    worker.process().signal(Signal::SIGTERM);
    assert!(
        worker
            .process()
            .wait_exit(Duration::from_secs(40))
            .success()
    );
}
