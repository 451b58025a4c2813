//! Ruby shows our fleet and steers it; both sides clean up after dead processes and nobody else; a pause is ours alone.

use std::time::Duration;

use gandy::{Inspect, Push};
use gandy_tests::{Crew, EventKind, History, Proc, push_jobs, wait_until};
use serde_json::{Value, json};

use crate::support::SOON;
use crate::{Border, now};

/// Within this many seconds a signal through Redis is obeyed.
const OBEYED: f64 = 5.0;

impl Border {
    fn hash_len(&self, key: &str) -> usize {
        self.site.ask(redis::cmd("HLEN").arg(key))
    }

    fn is_process(&self, identity: &str) -> bool {
        self.site
            .ask(redis::cmd("SISMEMBER").arg("processes").arg(identity))
    }

    /// Jobs in flight at our processes.
    fn held(&self, crews: &[(Proc, String)]) -> usize {
        let held =
            |(_, identity): &(Proc, String)| self.hash_len(&format!("gandy:inflight:{identity}"));
        crews.iter().map(held).sum()
    }

    /// Presses a button of Ruby's API for each process. Returns the seconds from there until each was `seen` to obey.
    #[track_caller]
    fn press_for(
        &self,
        button: &str,
        crews: &[(Proc, String)],
        seen: impl Fn(&Proc, &str) -> bool,
    ) -> Vec<f64> {
        let pressed = self.ruby.eval(&format!(
            "Sidekiq::ProcessSet.new.to_h {{ |process| process.{button}; [process.identity, Time.now.to_f] }}"
        ));
        let mut waiting: Vec<&(Proc, String)> = crews.iter().collect();
        let mut took = Vec::new();
        wait_until(SOON, button, || {
            waiting.retain(|(process, identity)| {
                let obeyed = seen(process, identity);
                if obeyed {
                    took.push(now() - pressed[identity].as_f64().unwrap());
                }
                !obeyed
            });
            waiting.is_empty()
        });
        took
    }
}

#[track_caller]
fn start(crew: &Crew, count: usize) -> Vec<(Proc, String)> {
    let processes: Vec<Proc> = (0..count).map(|_| crew.start_and_wait()).collect();
    let with_identity = |process: Proc| {
        let identity = Crew::identity(&process);
        (process, identity)
    };
    processes.into_iter().map(with_identity).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_ruby_shows_quiets_dumps_and_stops_our_processes_within_5_s() {
    let Some(border) = Border::open("ruby_interop_ruby_shows_quiets_dumps_and_stops") else {
        return;
    };
    let begun = now();
    let crew = border
        .crew()
        .concurrency(2)
        .set("CREW_QUEUES", "critical,3 default,1")
        .set("CREW_TAG", "shop ü")
        .set("CREW_LABELS", "blue eu-1")
        .set("CREW_TIMEOUT_MS", 300);
    let crews = start(&crew, 3);
    let client = border.client().await;
    let long = |_| {
        let push = Push::raw("Nap", "[600000]").queue("critical");
        push.field("trace", r#"{"id":18014398509481985}"#).unwrap()
    };
    for result in client.send_all((0..6).map(long)).await {
        result.unwrap();
    }
    wait_until(SOON, "all slots are taken", || border.held(&crews) == 6);
    let before = payloads(&border, &crews);
    wait_until(SOON, "each has shown its running jobs", || {
        let shown =
            |(_, identity): &(Proc, String)| border.hash_len(&format!("{identity}:workers"));
        crews.iter().map(shown).sum::<usize>() == 6
    });

    let processes = border.ruby.processes();
    assert_eq!(processes.len(), 3);
    for (process, identity) in &crews {
        let shown = processes
            .iter()
            .find(|shown| shown["identity"] == json!(identity));
        is_shown(shown.unwrap(), process, begun);
    }
    let work = border.ruby.work();
    assert_eq!(work.len(), 6);
    for job in &work {
        assert!(
            crews
                .iter()
                .any(|(_, identity)| job["process"] == json!(identity))
        );
        assert_eq!(
            (&job["queue"], &job["payload"]["class"]),
            (&json!("critical"), &json!("Nap"))
        );
        assert_eq!(
            job["payload"]["trace"],
            json!({"id": 18_014_398_509_481_985_u64})
        );
        assert!((begun.floor()..=now()).contains(&job["run_at"].as_f64().unwrap()));
    }
    let stats = border.ruby.stats();
    assert_eq!(
        (&stats["processes"], &stats["busy"]),
        (&json!(3), &json!(6))
    );

    let quiet = border.press_for("quiet!", &crews, |process, identity| {
        let shown: Option<String> = border
            .site
            .ask(redis::cmd("HGET").arg(identity).arg("quiet"));
        shown.as_deref() == Some("true") && process.log().contains("quiet: no more jobs")
    });
    assert!(
        border
            .ruby
            .processes()
            .iter()
            .all(|process| process["stopping"] == true)
    );
    client.send(long(7)).await.unwrap();
    let dumped = border.press_for("dump_threads", &crews, |process, _| {
        process.log().contains("running_secs")
    });
    let stopped = border.press_for("stop!", &crews, |process, _| !process.is_running());
    println!(
        "seconds until obeyed: quiet {quiet:.2?}, dump {dumped:.2?}, stop and gone {stopped:.2?}"
    );
    assert!(
        quiet
            .iter()
            .chain(&dumped)
            .chain(&stopped)
            .all(|took| *took < OBEYED)
    );

    assert!(
        crews
            .iter()
            .all(|(process, _)| process.wait_exit(SOON).success())
    );
    assert_eq!(
        (border.ruby.processes(), border.ruby.work()),
        (vec![], vec![])
    );
    let mut back: Vec<String> = border
        .site
        .ask(redis::cmd("LRANGE").arg("queue:critical").arg(0).arg(-1));
    assert_eq!(back.len(), 7, "a quiet process took a job");
    back.remove(0);
    back.sort_unstable();
    assert_eq!(back, before, "byte for byte");
}

/// What our processes hold, sorted.
fn payloads(border: &Border, crews: &[(Proc, String)]) -> Vec<String> {
    let held = |(_, identity): &(Proc, String)| -> Vec<String> {
        border
            .site
            .ask(redis::cmd("HVALS").arg(format!("gandy:inflight:{identity}")))
    };
    let mut payloads: Vec<String> = crews.iter().flat_map(held).collect();
    payloads.sort_unstable();
    payloads
}

/// Every field of Ruby's ProcessSet.
#[track_caller]
fn is_shown(shown: &Value, process: &Proc, begun: f64) {
    let same = json!({"tag": "shop ü", "labels": ["blue", "eu-1"], "queues": ["critical", "default"], "concurrency": 2,
                      "busy": 2, "quiet": "false", "stopping": false, "pid": process.pid(), "embedded": false,
                      "weights": [{"critical": 3, "default": 1}]});
    for (name, value) in same.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name} in {shown}");
    }
    for (name, from) in [("started_at", begun - 0.1), ("beat", begun)] {
        assert!(
            (from..=now()).contains(&shown[name].as_f64().unwrap()),
            "{name} in {shown}"
        );
    }
    assert!(
        (1_000..1_000_000).contains(&shown["rss"].as_u64().unwrap()),
        "KB: {shown}"
    );
    assert!(
        (1..10_000_000).contains(&shown["rtt_us"].as_u64().unwrap()),
        "µs: {shown}"
    );
    assert!(!shown["hostname"].as_str().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_each_side_removes_the_dead_and_only_the_dead() {
    let Some(border) = Border::open("ruby_interop_each_side_removes_the_dead") else {
        return;
    };
    let history = History::new();
    let (dead, alive) = (
        border.ruby.worker(&history, &[]),
        border.ruby.worker(&history, &[]),
    );
    assert!(dead.process().kill9());
    // As after 60 s: its hash has expired, its name is still in `processes`.
    border
        .site
        .ask::<i64>(redis::cmd("DEL").arg(dead.identity()));
    assert!(border.is_process(dead.identity()));
    let ours = start(&border.crew(), 1);
    wait_until(SOON, "we remove Ruby's dead process", || {
        !border.is_process(dead.identity())
    });

    // A process of ours that dies is shown until its hash expires, then Ruby removes it; the living stay.
    let mortal = start(&border.crew(), 1);
    wait_until(SOON, "it is shown", || border.is_process(&mortal[0].1));
    assert!(mortal[0].0.kill9());
    border.site.ask::<i64>(redis::cmd("DEL").arg(&mortal[0].1));
    let cleaned = border.ruby.eval("Sidekiq::ProcessSet.new(false).cleanup");
    assert_eq!(cleaned, 1);
    assert!(!border.is_process(&mortal[0].1));
    for living in [&ours[0].1, alive.identity()] {
        assert!(border.is_process(living), "{living} was removed");
    }
    let fleet = "the fleet as both sides see it";
    let inspect = Inspect::new(border.site.server(), "").unwrap();
    let seen = inspect.processes().await.unwrap();
    let mut seen: Vec<&str> = seen
        .iter()
        .map(|process| process.identity.as_str())
        .collect();
    seen.sort_unstable();
    let mut living = [ours[0].1.as_str(), alive.identity()];
    living.sort_unstable();
    assert_eq!(seen, living, "{fleet}");
    assert_eq!(border.ruby.processes().len(), 2, "{fleet}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_we_see_rubys_running_jobs_and_steer_its_processes() {
    let Some(border) = Border::open("ruby_interop_we_see_rubys_running_jobs") else {
        return;
    };
    let history = History::new();
    let worker = border.ruby.worker(&history, &["-t", "1", "-c", "3"]);
    let jid = border
        .ruby
        .push(&[json!({"class": "SleepJob", "args": [600]})])
        .remove(0);
    let inspect = Inspect::new(border.site.server(), "").unwrap();
    let process = async || inspect.processes().await.unwrap().remove(0);
    gandy_tests::wait_until_async(SOON, "Ruby's running job", async || {
        process().await.work.len() == 1
    })
    .await;
    let shown = process().await;
    assert!(shown.work[0].json.contains(&jid));
    assert_eq!(
        (
            shown.identity.as_str(),
            shown.concurrency,
            shown.busy,
            shown.quiet
        ),
        (worker.identity(), 3, 1, false)
    );
    inspect.quiet(worker.identity()).await.unwrap();
    gandy_tests::wait_until_async(SOON, "Ruby is quiet", async || process().await.quiet).await;
    inspect.stop(worker.identity()).await.unwrap();
    assert!(worker.process().wait_exit(SOON).success());
    assert_eq!(inspect.processes().await.unwrap(), vec![]);
    let back = inspect.find(&jid).await.unwrap();
    assert!(back.is_some(), "Ruby gave its job back");
}

/// Ruby's free workers know no pause, and nothing of theirs makes one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_a_pause_holds_us_and_not_ruby() {
    let Some(border) = Border::open("ruby_interop_a_pause_holds_us_and_not_ruby") else {
        return;
    };
    let history = History::new();
    let notes = history.writer("test");
    let inspect = Inspect::new(border.site.server(), "").unwrap();
    let _ours = start(&border.crew().history(&history), 1);
    inspect.pause("default").await.unwrap();
    let paused = push_jobs(&border.site.redis, &notes, "paused", "Note", "[]", 20);
    assert_eq!(
        border.ruby.queues()["default"]["paused"],
        false,
        "Ruby 6.4.1 does not even show it"
    );
    let ruby = border.ruby.worker(&history, &["-c", "2"]);
    wait_until(SOON, "Ruby runs what is paused", || {
        history.ended() == paused.len()
    });
    let by_ruby =
        |event: &gandy_tests::Event| event.kind != EventKind::End || event.worker == ruby.name();
    assert!(
        history.events().iter().all(by_ruby),
        "a paused queue was taken from"
    );
    ruby.process().kill9();
    push_jobs(&border.site.redis, &notes, "resumed", "Note", "[]", 20);
    inspect.unpause("default").await.unwrap();
    wait_until(Duration::from_secs(5), "we run after the pause", || {
        history.ended() == 40
    });
    history.report().assert_sound();
}

/// Not only the API: the pages that people look at, and the buttons that they press.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_the_web_ui_shows_our_fleet_and_jobs_and_its_buttons_work() {
    let Some(border) = Border::open("ruby_interop_the_web_ui_shows_our_fleet") else {
        return;
    };
    let client = border.client().await;
    let crews = start(&border.crew().concurrency(3).set("CREW_TAG", "shop"), 1);
    let (process, identity) = &crews[0];
    let send = async |push: Push| client.send(push).await.unwrap().jid;
    let running = send(Push::raw("Nap", "[600000]")).await;
    let retried = send(Push::raw("Fail", r#"["of-the-failed"]"#)).await;
    let dead = send(Push::raw("Fail", r#"["of-the-dead"]"#).retry(0)).await;
    send(Push::raw("Fail", r#"["of-the-later"]"#).after(Duration::from_secs(3600))).await;
    send(Push::raw("Elsewhere", r#"["of-the-queued"]"#).queue("other")).await;
    wait_until(SOON, "all is in its place", || {
        border.site.count("retry") == 1
            && border.site.count("dead") == 1
            && border.hash_len(&format!("{identity}:workers")) == 1
    });
    let key =
        |set: &str, jid: &str| format!("{:.6}-{jid}", border.site.entry(set, jid).unwrap().score);
    let pages = [
        (
            "/busy".to_owned(),
            vec![identity.as_str(), "shop", &running, "600000"],
        ),
        ("/queues".to_owned(), vec!["other"]),
        ("/queues/other".to_owned(), vec!["of-the-queued"]),
        (
            "/retries".to_owned(),
            vec!["of-the-failed", "Boom: as asked"],
        ),
        (
            format!("/retries/{}", key("retry", &retried)),
            vec!["of-the-failed", "Boom"],
        ),
        ("/scheduled".to_owned(), vec!["of-the-later"]),
        ("/morgue".to_owned(), vec!["of-the-dead", "Boom: as asked"]),
        (
            format!("/morgue/{}", key("dead", &dead)),
            vec!["of-the-dead"],
        ),
        ("/".to_owned(), vec!["Dashboard"]),
    ];
    let requests: Vec<Value> = pages
        .iter()
        .map(|(path, _)| json!({"path": path}))
        .collect();
    let answers = border.ruby.run("web", &json!({"requests": requests}));
    for ((path, words), answer) in pages.iter().zip(answers.as_array().unwrap()) {
        assert_eq!(answer[0], 200, "{path}");
        for word in words {
            assert!(
                answer[1].as_str().unwrap().contains(word),
                "{word} on {path}"
            );
        }
    }

    let clicks = json!({"requests": [
        {"path": format!("/morgue/{}", key("dead", &dead)), "form": {"delete": "1"}},
        {"path": format!("/retries/{}", key("retry", &retried)), "form": {"kill": "1"}},
        {"path": "/busy", "form": {"identity": identity, "quiet": "1"}},
    ]});
    for answer in border.ruby.run("web", &clicks).as_array().unwrap() {
        assert_eq!(answer[0], 302, "{answer}");
    }
    assert_eq!(border.site.count("retry"), 0);
    assert_eq!(border.site.entries("dead").len(), 1);
    assert!(border.site.entry("dead", &retried).is_some());
    process.wait_for_log("quiet: no more jobs", SOON);
}
