//! One reply in a hundred is lost, of every kind of command, to workers and producers under load.

use std::collections::BTreeMap;
use std::time::Duration;

use gandy::{Client, Kind, Push, Server};
use gandy_faults::{Deed, Plan, Rule, When};
use gandy_tests::{Crew, EventKind, Holdings, Proc, wait_until};

use super::scene::{KINDS, LONG, Scene};
use crate::outcome::Outcome;
use crate::stage::Stage;

const END: Duration = Duration::from_secs(10);

/// One reply in a hundred of everything, and of each kind one for sure; and now and then a request arrives in part.
fn losses() -> Plan {
    let sure = KINDS.map(|(name, nth)| Rule::of(name, When::Nth(nth), Deed::Lose));
    Plan {
        rules: sure.into(),
        ..Plan::default()
    }
    .rule(Rule::of_all(When::Share(0.01), Deed::Lose))
    .rule(Rule::of_all(When::Share(0.002), Deed::Cut(25)))
}

pub(super) fn run(stage: &Stage) -> Outcome {
    let scale = stage.pick(1, 10);
    let scene = Scene::new(stage);
    scene.proxy.set(losses());
    let crew = scene.crew();
    let workers: Vec<Proc> = (0..3).map(|_| crew.start()).collect();
    for worker in &workers {
        worker.wait_for_log("crew: started", LONG);
    }
    scene.push("j", "Nap", "[8]", 6_000 * scale);
    let again = scene.push("again", "Fail", "[]", 400 * scale);
    let never = scene.push_mortal("never", 400 * scale);
    scene.schedule(800 * scale, 8.0);
    let sent = produce(&scene, 8, 150 * scale);
    let count = 6_000 * scale + 800 * scale + sent.len();
    scene.wait_for_ends(count);
    let unclean = leave_in_the_middle(&scene, &workers, count);
    judge(&scene, &sent, &again, &never, unclean)
}

fn judge(
    scene: &Scene,
    sent: &BTreeMap<String, usize>,
    again: &[String],
    never: &[String],
    unclean: usize,
) -> Outcome {
    let held = Holdings::of(&scene.server);
    let tally = scene.proxy.tally();
    let report = scene.history.report_with_held(&held.jids());
    let (starts, ends) = (scene.times(EventKind::Start), scene.times(EventKind::End));
    let too_often = ends
        .iter()
        .filter(|(jid, times)| **times > sent.get(*jid).copied().unwrap_or(1));
    let misplaced = again.iter().filter(|jid| held.places(jid).len() != 1);
    let not_once =
        |jid: &&String| held.places(jid) != ["dead"] || starts.get(*jid).copied() != Some(1);
    let spared: Vec<&str> = KINDS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| tally.of(name).unanswered() == 0)
        .collect();
    if !spared.is_empty() {
        eprintln!("reply-loss: no reply was lost of {spared:?}");
    }
    let repeated: usize = sent.values().map(|times| times - 1).sum();
    let dropped = tally.total.unanswered();
    let mut outcome = Outcome::default();
    outcome.sound(&report);
    outcome.none("ended oftener than sent", too_often.count());
    outcome.most(
        "ended twice (bound: dropped replies)",
        dropped as f64,
        report.extra_ends as f64,
    );
    outcome.none("failed jobs not in one place", misplaced.count());
    outcome.none(
        "jobs of no retry not buried after one run",
        never.iter().filter(not_once).count(),
    );
    outcome.none("kinds of which no reply was lost", spared.len());
    outcome.none("exits with an error", unclean);
    outcome.none(
        "requests the proxy did not understand",
        tally.garbled as usize,
    );
    outcome.note("jobs", report.acknowledged as f64);
    outcome.note("dropped replies", dropped as f64);
    outcome.note("pushes repeated for a lost reply", repeated as f64);
    outcome
}

/// Pushes through the proxy as a web application does that wants to be sure: what may or may not have happened is sent
/// again, the same. How often each job was sent.
fn produce(scene: &Scene, tasks: usize, each: usize) -> BTreeMap<String, usize> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let server = Server::new(&scene.proxy.url()).expect("the proxy gives a valid URL");
    let client = Client::builder().server(server).build();
    let client = client.expect("the settings are valid");
    runtime.block_on(async {
        let mut pushes = tokio::task::JoinSet::new();
        for task in 0..tasks {
            let client = client.clone();
            let jids = (0..each).map(|number| format!("web{task}-{number:05}"));
            let jids: Vec<String> = jids.inspect(|jid| scene.notes.attempted(jid)).collect();
            pushes.spawn(async move {
                let mut sent = Vec::new();
                for (number, jid) in jids.into_iter().enumerate() {
                    let mut push = Push::raw("Nap", "[2]").jid(&jid);
                    if number % 10 == 0 {
                        push = push.after(Duration::from_secs(2));
                    }
                    sent.push((jid, send(&client, push).await));
                    tokio::time::sleep(Duration::from_millis(5)).await; // Its pace.
                }
                sent
            });
        }
        let sent: BTreeMap<String, usize> = pushes.join_all().await.into_iter().flatten().collect();
        sent.keys().for_each(|jid| scene.notes.acknowledged(jid));
        sent
    })
}

/// Sends until it is acknowledged. How often it may have been enqueued.
async fn send(client: &Client, push: Push) -> usize {
    let mut times = 1;
    loop {
        match client.send(push.clone()).await {
            Ok(_) => return times,
            Err(error) => match error.kind() {
                Kind::Unknown => times += 1,
                Kind::Retry => tokio::time::sleep(Duration::from_millis(10)).await,
                _ => panic!("{error}"),
            },
        }
    }
}

/// Two of the three workers are told to stop while all of them run jobs: what they give back the third one runs. How many
/// did not end well.
fn leave_in_the_middle(scene: &Scene, workers: &[Proc], before: usize) -> usize {
    let late = scene.push("late", "Nap", "[1500]", 30);
    wait_until(LONG, "all workers are busy", || scene.in_flight() >= 30);
    let stop = |worker: &Proc| {
        Crew::end(worker, END);
        usize::from(!worker.exit_status().is_some_and(|status| status.success()))
    };
    let mut unclean = workers[..2].iter().map(stop).sum();
    scene.wait_for_ends(before + late.len());
    wait_until(LONG, "nothing is in flight", || scene.in_flight() == 0);
    unclean += stop(&workers[2]);
    unclean
}
