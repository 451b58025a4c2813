#![allow(clippy::unwrap_used)]

use gandy_protocol::End;

use super::*;

const NOW: i64 = 1_795_398_104_000;

fn payload(more: &str) -> Payload {
    let raw = format!(r#"{{"class":"Mailer","args":[],"jid":"j1","queue":"default"{more}}}"#);
    Payload::parse(raw.into_bytes()).unwrap()
}

fn at(whereabouts: Whereabouts, more: &str) -> Facts {
    let sighting = Sighting {
        whereabouts,
        payload: payload(more),
        reason: None,
    };
    Facts {
        now_ms: NOW,
        sightings: vec![sighting],
        listeners: vec![listener("w1", 2, &["default"])],
        ..Facts::default()
    }
}

fn queued(ahead: u64) -> Facts {
    let name = "default".to_owned();
    at(Whereabouts::Queue { name, ahead }, "")
}

fn listener(identity: &str, slots: u64, queues: &[&str]) -> Listener {
    Listener {
        identity: identity.to_owned(),
        classes: Some(vec!["Mailer".to_owned()]),
        capsules: vec![Capsule {
            slots,
            queues: queues.iter().map(|&queue| queue.to_owned()).collect(),
        }],
        quiet: false,
        running: Vec::new(),
    }
}

fn running(queue: &str, started_ms: i64) -> RunningJob {
    RunningJob {
        identity: "w1".into(),
        id: "1".into(),
        queue: Some(queue.into()),
        payload: Some(payload("")),
        started_ms: Some(started_ms),
        steps: None,
    }
}

fn codes(facts: &Facts) -> Vec<&'static str> {
    explain(facts).iter().map(Reason::code).collect()
}

#[test]
fn what_nothing_hinders_is_next() {
    assert_eq!(codes(&queued(0)), ["next"]);
    // A process that does not say its classes, as Ruby's, may know any.
    let mut facts = queued(0);
    facts.listeners[0].classes = None;
    assert_eq!(codes(&facts), ["next"]);
}

#[test]
fn a_pause_is_said_beside_what_else_would_hold_it() {
    let mut facts = queued(3);
    facts.paused = vec!["default".into(), "low".into()];
    assert_eq!(codes(&facts), ["paused", "behind"]);
    facts.listeners.clear();
    assert_eq!(codes(&facts), ["paused", "no-worker-for-queue", "behind"]);
}

#[test]
fn no_live_worker_is_told_by_queue_and_by_class_and_by_quiet() {
    let mut facts = queued(0);
    facts.listeners = vec![listener("w1", 2, &["low"])];
    let reasons = explain(&facts);
    assert!(matches!(
        &reasons[..],
        [Reason::NoWorkerForQueue { living: 1, .. }]
    ));
    facts.listeners = vec![listener("w1", 2, &["default"])];
    facts.listeners[0].classes = Some(vec!["Other".into()]);
    let reasons = explain(&facts);
    assert!(
        matches!(&reasons[..], [Reason::NoWorkerForClass { class, listening: 1, .. }] if class == "Mailer")
    );
    facts.listeners = vec![listener("w1", 2, &["default"])];
    facts.listeners[0].quiet = true;
    assert_eq!(codes(&facts), ["all-quiet"]);
    facts.listeners.push(listener("w2", 2, &["default"]));
    assert_eq!(codes(&facts), ["next"]);
}

#[test]
fn busy_slots_are_those_that_serve_the_queue_and_say_with_what() {
    let mut facts = queued(0);
    facts.listeners[0].capsules.push(Capsule {
        slots: 1,
        queues: vec!["low".into()],
    });
    facts.listeners[0].running = vec![running("low", NOW), running("default", NOW)];
    assert_eq!(codes(&facts), ["next"], "one of two slots is free");
    facts.listeners[0]
        .running
        .push(running("default", NOW - 5_000));
    let reasons = explain(&facts);
    let [Reason::SlotsBusy { slots: 2, with, .. }] = &reasons[..] else {
        panic!("{reasons:?}");
    };
    assert_eq!(with.len(), 2);
    assert_eq!(with[0].started_ms, Some(NOW - 5_000), "the longest first");
}

#[test]
fn a_wait_is_estimated_from_mean_runs_and_slots_and_not_where_nothing_moves() {
    let mut facts = queued(10);
    let wait = |facts: &Facts| match explain(facts).pop().unwrap() {
        Reason::Behind {
            ahead: 10, wait, ..
        } => wait,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(&facts), None);
    facts.mean_run = Some(Duration::from_secs(3));
    assert_eq!(wait(&facts), Some(Duration::from_secs(15)));
    facts.listeners[0].running = vec![running("default", NOW); 2];
    assert_eq!(wait(&facts), Some(Duration::from_secs(15)));
    facts.listeners[0].quiet = true;
    assert_eq!(wait(&facts), None);
    facts.mean_run = Some(Duration::MAX);
    facts.listeners[0].quiet = false;
    assert_eq!(wait(&facts), None, "no panic on nonsense");
}

#[test]
fn what_waits_for_its_time_says_when_and_after_which_error() {
    let set = |place: Place, at_ms| Whereabouts::Set {
        place,
        at_ms,
        score: at_ms as f64 / 1000.0,
    };
    let later = NOW + 60_000;
    assert_eq!(codes(&at(set(Place::Schedule, later), "")), ["scheduled"]);
    let failed = r#","retry_count":1,"error_class":"Boom","error_message":"no"#;
    let facts = at(set(Place::Retry, later), &format!("{failed}\""));
    let reasons = explain(&facts);
    let [
        Reason::Retrying {
            at_ms,
            failures,
            error,
        },
    ] = &reasons[..]
    else {
        panic!("{reasons:?}");
    };
    assert_eq!(
        (*at_ms, *failures, error.as_deref()),
        (later, Some(2), Some("Boom: no"))
    );
    // What will hold it then is said now.
    let mut alone = facts.clone();
    alone.listeners.clear();
    assert_eq!(codes(&alone), ["retrying", "no-worker-for-queue"]);
    assert_eq!(codes(&at(set(Place::Retry, NOW), "")), ["overdue"]);
    let dead = explain(&at(set(Place::Dead, NOW), &format!("{failed}\"")));
    assert!(matches!(&dead[..], [Reason::Dead { error: Some(error), .. }] if error == "Boom: no"));
}

#[test]
fn in_flight_is_running_claimed_or_lost_with_its_process() {
    let held = |alive, since_ms| Whereabouts::InFlight {
        identity: "w1".into(),
        queue: "default".into(),
        alive,
        since_ms,
        steps: None,
    };
    assert_eq!(codes(&at(held(true, Some(NOW)), "")), ["running"]);
    assert_eq!(codes(&at(held(true, None), "")), ["claimed"]);
    assert_eq!(codes(&at(held(false, Some(NOW)), "")), ["holder-dead"]);
}

#[test]
fn what_is_nowhere_has_ended_or_is_unknown() {
    let mut facts = Facts {
        looked_at: 7,
        ..Facts::default()
    };
    let reasons = explain(&facts);
    assert!(matches!(
        &reasons[..],
        [Reason::Unknown {
            looked_at: 7,
            gave_up: false
        }]
    ));
    facts.outcome = Some(Ended {
        at: NOW,
        outcome: End::Done,
        will_retry: false,
        error_class: None,
        error_message: None,
    });
    assert_eq!(codes(&facts), ["ended"]);
}
