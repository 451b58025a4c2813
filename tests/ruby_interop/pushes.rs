//! Ruby pushes and we run; we push, in Ruby's own bytes, and Ruby runs.

use std::collections::BTreeMap;
use std::time::Duration;

use gandy::{Client, Job, Outcome, Push};
use gandy_tests::{History, wait_eq, wait_until};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use crate::support::SOON;
use crate::{Border, Runs, now, start};

/// Arguments on which a careless codec breaks: integers beyond 2^53 and 2^64, empty containers, text that needs quoting.
const HARD: &str = r#"[9007199254740993,-9223372036854775808,123456789012345678901234567890,1.5,"ü\u0001\"\\/",null,{},[],{"k":[{"n":18014398509481985}]}]"#;

/// The payloads of a queue, oldest first.
fn queued(border: &Border, queue: &str) -> Vec<String> {
    let key = format!("queue:{queue}");
    let mut jobs: Vec<String> = border
        .site
        .ask(redis::cmd("LRANGE").arg(key).arg(0).arg(-1));
    jobs.reverse();
    jobs
}

fn fields(raw: &str) -> BTreeMap<String, Box<RawValue>> {
    serde_json::from_str(raw).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_ruby_pushes_now_later_in_bulk_and_we_run_every_byte() {
    let Some(border) = Border::open("ruby_interop_ruby_pushes_now_later_in_bulk") else {
        return;
    };
    let due = now() + 3.0;
    // As text, because a `Value` holds no integer beyond 2^64.
    let fields_too = r#""trace":{"id":18014398509481985,"e":[]},"tags":["a","ü"],"bid":null,"retry":3,"cattr":{"f":1.5,"s":"☃"}"#;
    let pushed = border.ruby.eval(&format!(
        "Sidekiq::Client.push(JSON.parse(<<'JOB'))\n{{\"class\":\"EchoJob\",\"args\":{HARD},\"queue\":\"urgent\",{fields_too}}}\nJOB\n"
    ));
    let jids = [
        pushed.as_str().unwrap().to_owned(),
        border.ruby.push(&[
            json!({"class": "EchoJob", "args": ["later"], "at": due, "trace": {"id": 18_014_398_509_481_985_u64}}),
        ]).remove(0),
    ];
    let many: Vec<Value> = (0..1000)
        .map(|n| json!([n, 9_007_199_254_740_993_u64 + n]))
        .collect();
    let bulk = border
        .ruby
        .push_bulk(&json!({"class": "EchoJob", "args": many, "trace": [1]}));
    let urgent = queued(&border, "urgent");
    let later = border.site.entry("schedule", &jids[1]).unwrap();

    let runs = Runs::default();
    let mut config = border.site.config();
    config.queues = vec!["urgent".into(), "default".into()];
    let worker = start(config, &runs);
    wait_eq(SOON, "everything ran", &(bulk.len() + 2), || runs.len());
    border.site.settle();
    worker.stop().await.unwrap();

    assert_eq!(urgent.len(), 1);
    let now_job = runs.only(&jids[0]);
    assert_eq!((now_job.args(), now_job.queue()), (HARD, "urgent"));
    for (name, raw) in fields(&urgent[0]) {
        assert_eq!(now_job.field(&name), Some(raw.get()), "field {name}");
    }
    let later_job = runs.only(&jids[1]);
    for (name, raw) in fields(&later.text()) {
        assert_eq!(later_job.field(&name), Some(raw.get()), "field {name}");
    }
    assert!(now() >= due && later.score == due);
    let enqueued: i64 = later_job.field("enqueued_at").unwrap().parse().unwrap();
    let lag = enqueued as f64 / 1000.0 - due;
    assert!(
        (-0.001..5.0).contains(&lag),
        "promoted {lag} s after its time"
    );
    for (n, jid) in (0_u64..).zip(&bulk) {
        let args = format!("[{n},{}]", 9_007_199_254_740_993 + n);
        assert_eq!(runs.only(jid).args(), args);
    }
    let stats = border.ruby.stats();
    assert_eq!(
        [
            &stats["processed"],
            &stats["failed"],
            &stats["enqueued"],
            &stats["scheduled"]
        ],
        [&json!(1002), &json!(0), &json!(0), &json!(0)]
    );
}

#[derive(Clone, Serialize, Deserialize, Job)]
#[job(class = "EchoJob")]
struct Echo {
    number: u64,
    ratio: f64,
    text: String,
    nothing: Option<u32>,
    nested: BTreeMap<String, Vec<i64>>,
}

#[derive(Serialize, Deserialize, Job)]
#[job(
    class = "Shop::Order",
    queue = "low",
    retry = 5,
    tags("a", "ü"),
    dead = false,
    backtrace = 3,
    retry_queue = "slow"
)]
struct Order {
    id: u64,
}

fn echo(number: u64) -> Echo {
    Echo {
        number,
        ratio: -0.25,
        // What JSON writers disagree about: slashes, controls, DEL, line separators, beyond the basic plane.
        text: "a/b <&> \"q\" \\ \u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f}\u{7f}\u{2028}\u{2029} é ☃ 😀"
            .into(),
        nothing: None,
        nested: BTreeMap::from([("k".into(), vec![]), ("l".into(), vec![i64::MIN, 0])]),
    }
}

/// A payload with its id and its times replaced, and the times.
fn skeleton(raw: &str) -> (String, Vec<f64>) {
    let (mut text, mut times) = (raw.to_owned(), Vec::new());
    for field in ["jid", "created_at", "enqueued_at"] {
        let mark = format!(r#""{field}":"#);
        let Some(start) = text.find(&mark).map(|at| at + mark.len()) else {
            continue;
        };
        let end = start + text[start..].find([',', '}']).unwrap();
        if field != "jid" {
            // A point makes it seconds for Sidekiq 8 as well.
            assert!(text[start..end].contains('.'), "{field} of {raw}");
            times.push(text[start..end].parse().unwrap());
        }
        text.replace_range(start..end, "_");
    }
    (text, times)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_our_push_is_byte_for_byte_that_of_rubys_own_client() {
    let Some(border) = Border::open("ruby_interop_our_push_is_byte_for_byte") else {
        return;
    };
    let begun = now();
    let client = border.client().await;
    let due = (begun.floor() as i64 + 3600) * 1000 + 70;
    client.push(echo(1)).await.unwrap();
    client.push(Order { id: u64::MAX }).await.unwrap();
    client
        .send(Push::new(&Order { id: 2 }).unwrap().at_millis(due))
        .await
        .unwrap();
    let extra = Push::raw("EchoJob", HARD)
        .retry(false)
        .field("trace", r#"{"id":18014398509481985}"#);
    client.send(extra.unwrap()).await.unwrap();
    let ours = ["default", "low"].map(|queue| queued(&border, queue));
    let our_later = border.site.entries("schedule");
    for key in ["queue:default", "queue:low", "schedule"] {
        border.site.ask::<i64>(redis::cmd("DEL").arg(key));
    }

    let echo_args = serde_json::to_string(&(1, -0.25, echo(1).text, Value::Null, &echo(1).nested));
    border.ruby.eval(&format!(
        r##"
        class EchoJob
          include Sidekiq::Worker
        end
        module Shop
          class Order
            include Sidekiq::Worker
            sidekiq_options queue: "low", retry: 5, tags: ["a", "ü"], dead: false, backtrace: 3, retry_queue: "slow"
          end
        end
        EchoJob.perform_async(*JSON.parse(<<'ARGS'))
{}
ARGS
        Shop::Order.perform_async({})
        Shop::Order.perform_at({due} / 1000.0, 2)
        Sidekiq::Client.push("retry" => false, "trace" => {{"id" => 18014398509481985}}, "args" => JSON.parse(<<'ARGS'), "class" => "EchoJob")
{HARD}
ARGS
        "##,
        echo_args.unwrap(),
        u64::MAX
    ));
    let theirs = ["default", "low"].map(|queue| queued(&border, queue));
    let mut their_later = border.site.entries("schedule");

    for (our, their) in ours.iter().flatten().zip(theirs.iter().flatten()) {
        let ((our, times), (their, their_times)) = (skeleton(our), skeleton(their));
        assert_eq!(our, their);
        assert_eq!((times.len(), their_times.len()), (2, 2));
        assert!(times.iter().all(|at| (begun - 0.001..=now()).contains(at)));
    }
    assert_eq!(
        ours.each_ref().map(Vec::len),
        theirs.each_ref().map(Vec::len)
    );
    // Class before args: Ruby's perform_at orders its own two fields differently from its perform_async.
    let (our, their) = (our_later[0].text(), their_later.remove(0));
    let swap = |raw: &str| {
        raw.replace(
            r#""class":"Shop::Order","args":[2]"#,
            r#""args":[2],"class":"Shop::Order""#,
        )
    };
    assert_eq!(skeleton(&our).0, skeleton(&swap(&their.text())).0);
    assert_eq!(our_later[0].score, their.score);
    assert!(!our.contains("enqueued_at"), "{our}");
}

/// Ruby below 8 with our default stamps reads the year 58,000: what `StampFormat::Seconds` is for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_times_are_sane_to_ruby_with_seconds_and_jobs_run_in_ruby() {
    let Some(border) = Border::open("ruby_interop_times_are_sane_to_ruby") else {
        return;
    };
    let begun = now();
    let client = border.client().await;
    let later = Duration::from_millis(2500);
    let pushed = client.push(echo(7)).await.unwrap();
    let scheduled = client.push_in(later, echo(8)).await.unwrap();
    assert_eq!(scheduled.outcome, Outcome::Scheduled);
    let bulk = client.push_all((0..1500).map(|n| echo(1000 + n))).await;
    let mut jids: Vec<String> = bulk
        .into_iter()
        .map(|receipt| receipt.unwrap().jid)
        .collect();
    let hard = client.push_raw("EchoJob", HARD).await.unwrap();

    let queue = &border.ruby.queues()["default"];
    let sane = |value: &Value| (begun - 0.001..=now()).contains(&value.as_f64().unwrap());
    assert_eq!(queue["size"], 1502);
    let latency = queue["latency"].as_f64().unwrap();
    assert!(
        (0.0..=now() - begun + 0.001).contains(&latency),
        "latency {latency}"
    );
    for job in queue["jobs"].as_array().unwrap() {
        assert!(
            sane(&job["created_at"]) && sane(&job["enqueued_at"]),
            "{job}"
        );
    }
    let waiting = &border.ruby.entries("schedule")[0];
    assert!(sane(&waiting["created_at"]) && waiting["enqueued_at"].is_null());
    let at = waiting["at"].as_f64().unwrap() - begun;
    assert!((2.499..=now() - begun + 2.5).contains(&at), "due in {at} s");
    default_stamps_are_wrong_for_ruby_below_8(&border).await;

    let history = History::new();
    let settings = border.site.redis.dir().join("sidekiq.yml");
    std::fs::write(&settings, ":poll_interval_average: 0.2\n").unwrap();
    let _worker = border.ruby.worker(
        &history,
        &["-q", "default", "-c", "5", "-C", settings.to_str().unwrap()],
    );
    jids.extend([pushed.jid.clone(), scheduled.jid, hard.jid.clone()]);
    wait_eq(SOON, "Ruby ran everything", &jids.len(), || history.ended());
    assert_eq!(history.report().extra_starts, 0);
    assert_eq!(border.echoed(&hard.jid).unwrap(), HARD);
    let read: Value = serde_json::from_str(&border.echoed(&pushed.jid).unwrap()).unwrap();
    assert_eq!(read[2], json!(echo(7).text));
    wait_until(SOON, "Ruby's counters", || {
        border
            .site
            .ask::<Option<usize>>(redis::cmd("GET").arg("stat:processed"))
            == Some(jids.len())
    });
}

/// The switch is needed: without it this Ruby sees a negative latency of 50,000 years.
async fn default_stamps_are_wrong_for_ruby_below_8(border: &Border) {
    let client = Client::builder().server(border.site.server());
    let client = client.build().unwrap();
    let wrong = Push::new(&echo(9)).unwrap().queue("other");
    client.send(wrong).await.unwrap();
    let latency = border.ruby.eval("Sidekiq::Queue.new('other').latency");
    assert!(latency.as_f64().unwrap() < -1e9, "{latency}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruby_interop_ruby_deletes_one_of_our_jobs_and_clears_a_queue_that_our_next_push_names_again()
 {
    let Some(border) = Border::open("ruby_interop_ruby_deletes_one_of_our_jobs") else {
        return;
    };
    let client = border.client().await;
    let push = async || client.push_raw("EchoJob", HARD).await.unwrap().jid;
    let (first, second) = (push().await, push().await);
    let deleted = border.ruby.eval(&format!(
        "Sidekiq::Queue.new('default').find_job('{first}').delete"
    ));
    assert_eq!(deleted, true);
    assert!(queued(&border, "default").concat().contains(&second));
    assert_eq!(queued(&border, "default").len(), 1);
    border.ruby.eval("Sidekiq::Queue.new('default').clear; nil");
    assert_eq!(border.ruby.queues(), json!({}));
    let third = push().await;
    assert_eq!(
        border.ruby.queues()["default"]["jobs"][0]["jid"],
        json!(third)
    );
}
