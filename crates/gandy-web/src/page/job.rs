//! One job: where it stands, what happened to it, why it waits, what it carries; and every act that its state allows.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use gandy::views::{
    Cancelled, ClassMetrics, Explanation, Sighting, Whereabouts, Window, words as said,
};
use gandy::{Act, JobInfo, Payload, Place, decode_backtrace};

use super::acts::named;
use super::entries::{failures, tags, text};
use super::{html, see};
use crate::fate::{self, Fate};
use crate::frame::{Frame, Tab, Visitor};
use crate::json::{self, Shown, What};
use crate::param::{Form, Query, encoded};
use crate::plot::Spark;
use crate::problem::{Outcome, Problem};
use crate::spot::{Spot, place, place_path, place_word};
use crate::state::{App, Shared};
use crate::words::{self, When};

/// The search for a job that nobody showed; more when somebody asks for it.
pub(crate) const SEARCH_S: u64 = 2;
/// Of arguments and of the payload.
const SHOWN: usize = 128 << 10;

#[derive(Template)]
#[template(path = "job.html")]
struct Page {
    frame: Frame,
    jid: String,
    jid_link: String,
    /// Fit for a shell as it is.
    plain: bool,
    job: Option<Job>,
    /// Over the reasons.
    about: &'static str,
    reasons: Vec<String>,
    outcome: String,
    died_aboard: Vec<String>,
    looked_at: String,
    gave_up: bool,
    longer: String,
    others: usize,
}

/// As it stands.
struct Job {
    class: String,
    class_link: String,
    wrapper: String,
    state: &'static str,
    tone: &'static str,
    place: String,
    place_path: String,
    place_word: String,
    spot: String,
    queue: String,
    queue_link: String,
    steps: Vec<Step>,
    progress: String,
    args: Shown,
    payload: Shown,
    error_class: String,
    error_message: String,
    backtrace: Vec<String>,
    tags: Vec<String>,
    facts: Vec<(&'static str, String)>,
    reason: String,
    offers: Vec<Offer>,
    copy: String,
    history: Option<History>,
}

/// A moment of its life.
struct Step {
    name: &'static str,
    /// `past`, `bad`, `now` or `next`.
    tone: &'static str,
    when: Option<When>,
    note: String,
}

struct Offer {
    act: &'static str,
    label: &'static str,
    danger: bool,
    confirm: &'static str,
    command: String,
}

/// The class in the last hour.
struct History {
    runs: String,
    failures: String,
    mean: String,
    p95: String,
    spark: Spark,
}

/// The entry that `PLACE:SPOT` names, if it is still there.
pub(crate) async fn seen_at(app: &Shared, at: &str) -> Outcome<Option<JobInfo>> {
    let (place, spot) = address(at)?;
    spot.find(app, &place).await
}

pub(crate) fn address(at: &str) -> Outcome<(Place, Spot)> {
    let wrong = || Problem::param("at", "is no place of an entry");
    let (word, spot) = at.rsplit_once(':').ok_or_else(wrong)?;
    Ok((place(word)?, spot.parse()?))
}

pub(crate) async fn show(
    State(app): State<App>,
    visitor: Visitor,
    Path(jid): Path<String>,
    Query(query): Query,
) -> Outcome {
    fate::bounded(&jid)?;
    let within = query.number("within", 1, 60, SEARCH_S)?;
    let seen = match query.text("at", 400)? {
        Some(at) => {
            let (place, spot) = address(at)?;
            spot.find(&app, &place).await?.map(|job| (job, spot))
        }
        None => None,
    };
    if let Some((job, spot)) = &seen
        && let Err(problem) = &job.payload
    {
        return raw(&app, &visitor, job, spot, problem).await;
    }
    let explanation = match &seen {
        Some((job, spot)) => {
            let ahead = match job.place {
                Place::Queue(_) => spot.index(),
                _ => 0,
            };
            app.inspect.why_of(job, ahead).await?
        }
        None => {
            let within = Duration::from_secs(within);
            // Who holds it is quickly told; sets of millions take their time.
            match app.inspect.why_at_work(&jid, within).await? {
                Some(explanation) => explanation,
                None => app.inspect.why(&jid, within, &[]).await?,
            }
        }
    };
    let glance = app.watch.glance().await;
    let report = &explanation.report;
    let sighting = report.sightings.first();
    let tab = sighting.map_or(Tab::Other, |sighting| tab(&sighting.whereabouts));
    let title = sighting.map_or_else(
        || format!("Job {jid}"),
        |it| it.payload.display_class().to_owned(),
    );
    let frame = Frame::new(&app, &visitor, tab, title, glance.as_deref())
        .live("nav")
        .noticing(app.notices.take(&query));
    let now_ms = frame.now_ms;
    let job = match sighting {
        Some(sighting) => Some(
            job(
                &app,
                sighting,
                seen.as_ref().map(|(_, spot)| spot),
                &explanation,
                now_ms,
            )
            .await,
        ),
        None => None,
    };
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    html(&Page {
        plain: jid.chars().all(plain) && !jid.starts_with('-'),
        jid_link: encoded(&jid),
        about: match &job {
            None => "Where it is",
            Some(job) if job.state == "running" => "What it does",
            Some(_) => "Why it does not run",
        },
        reasons: explanation
            .reasons
            .iter()
            .map(|reason| reason.text(explanation.now_ms))
            .collect(),
        outcome: report
            .outcome
            .as_ref()
            .map(|ended| {
                format!(
                    "{} {}",
                    said::ended(ended),
                    words::relative(ended.at, now_ms)
                )
            })
            .unwrap_or_default(),
        died_aboard: report.died_aboard.clone(),
        looked_at: words::grouped(report.looked_at),
        gave_up: report.gave_up,
        longer: format!("/jobs/{}?within=30", encoded(&jid)),
        others: report.sightings.len().saturating_sub(1),
        job,
        jid,
        frame,
    })
}

fn tab(whereabouts: &Whereabouts) -> Tab {
    match whereabouts {
        Whereabouts::Queue { .. } => Tab::Queues,
        Whereabouts::Set {
            place: Place::Retry,
            ..
        } => Tab::Retries,
        Whereabouts::Set {
            place: Place::Dead, ..
        } => Tab::Dead,
        Whereabouts::Set { .. } => Tab::Scheduled,
        Whereabouts::InFlight { .. } | Whereabouts::Ruby { .. } => Tab::Busy,
    }
}

/// Where it stands, in words and as a place.
fn standing(whereabouts: &Whereabouts) -> (&'static str, &'static str, Option<Place>) {
    match whereabouts {
        Whereabouts::Queue { name, .. } => ("waiting", "accent", Some(Place::Queue(name.clone()))),
        Whereabouts::Set {
            place: Place::Retry,
            ..
        } => ("will be retried", "warn", Some(Place::Retry)),
        Whereabouts::Set {
            place: Place::Dead, ..
        } => ("dead", "bad", Some(Place::Dead)),
        Whereabouts::Set { place, .. } => ("scheduled", "accent", Some(place.clone())),
        Whereabouts::InFlight { alive: false, .. } => ("its worker died", "bad", None),
        Whereabouts::InFlight { since_ms: None, .. } => ("claimed", "good", None),
        Whereabouts::InFlight { .. } | Whereabouts::Ruby { .. } => ("running", "good", None),
    }
}

async fn job(
    app: &Shared,
    sighting: &Sighting,
    seen: Option<&Spot>,
    explanation: &Explanation,
    now_ms: i64,
) -> Job {
    let payload = &sighting.payload;
    let (state, tone, place) = standing(&sighting.whereabouts);
    let hides = app.redaction.of(payload.class(), payload.display_class());
    let spot = match (seen, &sighting.whereabouts) {
        (Some(spot), _) => spot.to_string(),
        (None, Whereabouts::Queue { ahead, .. }) => {
            format!("{}@{ahead}", gandy::digest(payload.as_bytes()))
        }
        (None, Whereabouts::Set { at_ms, .. }) => {
            format!(
                "{}@{}",
                gandy::digest(payload.as_bytes()),
                *at_ms as f64 / 1000.0
            )
        }
        _ => String::new(),
    };
    let place_word = place.as_ref().map(place_word).unwrap_or_default();
    let queue = payload.queue().unwrap_or("default");
    let class = payload.display_class();
    let backtrace = payload
        .field("error_backtrace")
        .and_then(decode_backtrace)
        .unwrap_or_default();
    Job {
        class_link: encoded(class),
        class: words::clipped(class, 200),
        wrapper: match payload.class() == class {
            true => String::new(),
            false => words::clipped(payload.class(), 120),
        },
        state,
        tone,
        place: match &sighting.whereabouts {
            Whereabouts::InFlight { identity, .. } | Whereabouts::Ruby { identity, .. } => {
                identity.clone()
            }
            Whereabouts::Queue { name, .. } => format!("Queue {name}"),
            Whereabouts::Set {
                place: Place::Retry,
                ..
            } => "Retries".to_owned(),
            Whereabouts::Set {
                place: Place::Dead, ..
            } => "Dead".to_owned(),
            Whereabouts::Set { .. } => "Scheduled".to_owned(),
        },
        place_path: place
            .as_ref()
            .map_or_else(|| "/busy".to_owned(), place_path),
        copy: match spot.is_empty() {
            true => String::new(),
            false => format!("/push?copy={}", encoded(&format!("{place_word}:{spot}"))),
        },
        offers: offers(&sighting.whereabouts, payload.jid()),
        place_word,
        spot,
        queue_link: encoded(queue),
        queue: words::clipped(queue, 80),
        steps: steps(sighting, explanation, now_ms),
        progress: progress(&sighting.whereabouts),
        args: json::pretty(payload.args(), &hides, What::Args, SHOWN),
        payload: json::pretty(payload.raw(), &hides, What::Payload, SHOWN),
        error_class: text(payload, "error_class").unwrap_or_default(),
        error_message: words::clipped(&text(payload, "error_message").unwrap_or_default(), 4_000),
        backtrace: backtrace
            .into_iter()
            .take(200)
            .map(|line| words::clipped(&line, 400))
            .collect(),
        tags: tags(payload),
        facts: facts(payload),
        reason: sighting.reason.clone().unwrap_or_default(),
        history: history(app, class).await,
    }
}

fn progress(whereabouts: &Whereabouts) -> String {
    match whereabouts {
        Whereabouts::InFlight {
            steps: Some(steps), ..
        } => steps.to_string(),
        _ => String::new(),
    }
}

fn facts(payload: &Payload) -> Vec<(&'static str, String)> {
    let raw = |name: &str| payload.field(name).map(|raw| words::clipped(raw, 60));
    let mut facts = vec![(
        "Retry",
        raw("retry").unwrap_or_else(|| "as its worker has it".to_owned()),
    )];
    let more = [
        (
            "Retry for",
            raw("retry_for").map(|seconds| format!("{seconds} s")),
        ),
        ("Retry queue", text(payload, "retry_queue")),
        ("Batch", text(payload, "bid")),
        ("Expires in", raw("expires_in")),
    ];
    facts.extend(
        more.into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    facts.push(("Failed runs", failures(payload).to_string()));
    facts.push(("Size", words::bytes(payload.raw().len() as u64)));
    facts
}

/// Its life, as far as the payload tells: of failures Sidekiq keeps the first and the last.
fn steps(sighting: &Sighting, explanation: &Explanation, now_ms: i64) -> Vec<Step> {
    let payload = &sighting.payload;
    let stamp = |name: &str| {
        payload
            .stamp(name)
            .map(|stamp| When::new(stamp.millis(), now_ms))
    };
    let mut steps = Vec::new();
    let mut add = |name, tone, when: Option<When>, note: String| {
        steps.push(Step {
            name,
            tone,
            when,
            note,
        });
    };
    if let Some(when) = stamp("created_at") {
        add("Created", "past", Some(when), String::new());
    }
    // A scheduled job that never was in a queue has none; of one that failed it is of the last time.
    if let Some(when) = stamp("enqueued_at") {
        add(
            "Enqueued",
            "past",
            Some(when),
            words::clipped(payload.queue().unwrap_or("default"), 40),
        );
    }
    let last = stamp("retried_at");
    if let Some(when) = stamp("failed_at") {
        let note = match last {
            Some(_) => String::new(),
            None => words::clipped(&text(payload, "error_class").unwrap_or_default(), 50),
        };
        add("First failure", "bad", Some(when), note);
    }
    if let Some(when) = last {
        let error = words::clipped(&text(payload, "error_class").unwrap_or_default(), 50);
        add(
            "Last failure",
            "bad",
            Some(when),
            format!("run {}: {error}", failures(payload)),
        );
    }
    // Its own stamps are not always in the order in which states follow each other.
    steps.sort_by_key(|step| step.when.as_ref().map_or(0, |when| when.at_ms));
    let now = |name, tone, at: Option<i64>, note: String| Step {
        name,
        tone,
        when: at.map(|at| When::new(at, now_ms)),
        note,
    };
    match &sighting.whereabouts {
        Whereabouts::Queue { name, ahead } => {
            steps.push(now(
                "Waiting",
                "now",
                None,
                match ahead {
                    0 => format!("in {name}"),
                    ahead => format!("in {name}, behind {}", words::grouped(*ahead)),
                },
            ));
            steps.push(now("Runs", "next", None, String::new()));
        }
        Whereabouts::Set {
            place: Place::Dead,
            at_ms,
        } => {
            steps.push(now("Died", "now bad", Some(*at_ms), String::new()));
        }
        Whereabouts::Set { place, at_ms } => {
            let waits = if *place == Place::Retry {
                "Waits to be retried"
            } else {
                "Waits for its time"
            };
            steps.push(now(waits, "now", None, String::new()));
            steps.push(now("Due", "next", Some(*at_ms), String::new()));
        }
        Whereabouts::InFlight {
            identity, since_ms, ..
        }
        | Whereabouts::Ruby {
            identity, since_ms, ..
        } => {
            steps.push(now(
                "Running",
                "now",
                *since_ms,
                words::clipped(identity, 60),
            ));
        }
    }
    if let Some(ended) = &explanation.report.outcome {
        steps.push(now(
            "Last run ended",
            "past",
            Some(ended.at),
            ended.outcome.as_str().to_owned(),
        ));
    }
    steps
}

fn offers(whereabouts: &Whereabouts, jid: &str) -> Vec<Offer> {
    let offer = |act, label, danger, confirm| Offer {
        act,
        label,
        danger,
        confirm,
        command: format!("gandy {act} {jid}"),
    };
    let delete = offer("delete", "Delete", true, "Delete this job for good?");
    match whereabouts {
        Whereabouts::Queue { .. } => vec![offer("bury", "Bury", false, ""), delete],
        Whereabouts::Set {
            place: Place::Dead, ..
        } => vec![offer("retry", "Retry now", false, ""), delete],
        Whereabouts::Set {
            place: Place::Retry,
            ..
        } => {
            vec![
                offer("retry", "Retry now", false, ""),
                offer("bury", "Bury", false, ""),
                delete,
            ]
        }
        Whereabouts::Set { .. } => {
            vec![
                offer("retry", "Run now", false, ""),
                offer("bury", "Bury", false, ""),
                delete,
            ]
        }
        Whereabouts::InFlight { alive: true, .. } => {
            vec![offer(
                "cancel",
                "Cancel this run",
                true,
                "Tell this run to stop? A run that fails then is not retried.",
            )]
        }
        Whereabouts::InFlight { .. } | Whereabouts::Ruby { .. } => Vec::new(),
    }
}

async fn history(app: &Shared, class: &str) -> Option<History> {
    let metrics = app
        .inspect
        .metrics(Window::Minutes(60), Some(class), 1)
        .await
        .ok()?;
    let ClassMetrics {
        runs,
        failures,
        mean_ms,
        p95_ms,
        series,
        ..
    } = metrics.classes.into_iter().next()?;
    let took = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), words::took);
    Some(History {
        runs: words::grouped(runs),
        failures: words::grouped(failures),
        mean: took(mean_ms),
        p95: took(p95_ms),
        spark: Spark::of(&series),
    })
}

#[derive(Template)]
#[template(path = "raw.html")]
struct Raw {
    frame: Frame,
    problem: String,
    reason: String,
    bytes: String,
    size: String,
    place_word: String,
    place_path: String,
    spot: String,
}

/// Bytes that are no job.
async fn raw(
    app: &Shared,
    visitor: &Visitor,
    job: &JobInfo,
    spot: &Spot,
    problem: &str,
) -> Outcome {
    let reason = app.inspect.reason(job).await.unwrap_or_default();
    let glance = app.watch.glance().await;
    let frame = Frame::new(app, visitor, Tab::Other, "No job", glance.as_deref());
    let head = &job.bytes[..job.bytes.len().min(16 << 10)];
    html(&Raw {
        problem: problem.to_owned(),
        reason: reason.unwrap_or_default(),
        bytes: String::from_utf8_lossy(head).into_owned(),
        size: words::bytes(job.bytes.len() as u64),
        place_word: place_word(&job.place),
        place_path: place_path(&job.place),
        spot: spot.to_string(),
        frame,
    })
}

/// `POST /jobs/JID/ACT`
pub(crate) async fn act(
    State(app): State<App>,
    visitor: Visitor,
    Path((jid, act)): Path<(String, String)>,
    Form(form): Form,
) -> Outcome {
    if act == "cancel" {
        return cancel(&app, &visitor, &jid).await;
    }
    let act = named(&act, &form)?;
    let place = place(form.need("place")?)?;
    let (good, text) = match fate::carry_out(&app, &visitor, &jid, &place, &act, &form).await? {
        Fate::Gone => {
            let notice = app
                .notices
                .keep(false, "The job is not there any more; nothing was done.");
            return Ok(see(&visitor, &format!("/jobs/{}?{notice}", encoded(&jid))));
        }
        Fate::Impossible(why) => (false, why),
        Fate::Done => {
            let text = match act {
                Act::Retry => "The job is in its queue to run now.",
                Act::Delete => "The job is deleted.",
                Act::Bury => "The job is in the dead set.",
                Act::Move(_) => "The job is moved.",
            };
            (true, text.to_owned())
        }
    };
    let notice = app.notices.keep(good, text);
    Ok(see(&visitor, &format!("{}?{notice}", place_path(&place))))
}

async fn cancel(app: &Shared, visitor: &Visitor, jid: &str) -> Outcome {
    let (good, text) = match fate::wish(app, visitor, jid).await? {
        Cancelled::Told {
            identity,
            ended: Some(ended),
        } => (
            true,
            format!("{identity} stopped it: {}.", said::ended(&ended)),
        ),
        Cancelled::Told {
            identity,
            ended: None,
        } => (
            true,
            format!(
                "{identity} has told it to stop; it still runs. A handler that does not look at its cancellation runs on."
            ),
        ),
        Cancelled::NotBegun { .. } => (
            false,
            "Its worker has claimed it and not begun it: there is no run to cancel.".to_owned(),
        ),
        Cancelled::Ruby { .. } => (
            false,
            "A Ruby process runs it, and Ruby cannot cancel plain jobs.".to_owned(),
        ),
        Cancelled::NoAnswer { identity } => (
            false,
            format!("{identity} did not answer in time; it may still do as it was told."),
        ),
        Cancelled::NotRunning(_) => (false, "It does not run any more.".to_owned()),
    };
    let notice = app.notices.keep(good, text);
    Ok(see(visitor, &format!("/jobs/{}?{notice}", encoded(jid))))
}
