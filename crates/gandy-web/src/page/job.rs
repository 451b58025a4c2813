//! One job: where it stands, what happened to it, why it waits, what it carries; and every act that its state allows.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use gandy::views::{
    Cancelled, ClassMetrics, Explanation, Reason, RunningJob, Sighting, Whereabouts, Window,
    words as said,
};
use gandy::{Act, JobInfo, Payload, Place, decode_backtrace};

use super::acts::named;
use super::busy::Progress;
use super::entries::{failures, tags, text};
use super::life::{Step, steps};
use super::offers::{Offer, Shell, offers};
use super::standing::{Located, locate};
use super::{Put, html, raw, see};
use crate::fate::{self, Fate};
use crate::frame::{Frame, Tab, Visitor};
use crate::json::{self, Shown, What};
use crate::param::{Form, Query, encoded, jid_path};
use crate::plot::Spark;
use crate::problem::Outcome;
use crate::spot::{Spot, place, place_path, place_word};
use crate::state::{App, Shared};
use crate::words;

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
    shell: Shell,
    /// It runs, and what the page says of that changes.
    runs: bool,
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
    /// While it runs.
    progress: Option<Progress>,
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

/// The class in the last hour.
struct History {
    runs: String,
    failures: String,
    mean: String,
    p95: String,
    spark: Spark,
}

pub(crate) async fn show(
    State(app): State<App>,
    visitor: Visitor,
    Path(jid): Path<String>,
    Query(query): Query,
) -> Outcome {
    fate::bounded(&jid)?;
    let within = query.number("within", 1, 60, SEARCH_S)?;
    let at = query.text("at", 400)?;
    let seen = match locate(&app, &jid, at).await? {
        Located::Here(job, spot, ahead) => Some((job, spot, ahead)),
        Located::Bytes(job, spot, problem) => {
            return raw::show(&app, &visitor, &job, &spot, &problem).await;
        }
        // Under its own id, so that what is copied from the page is about the job that stands there.
        Located::Named(jid) => {
            let at = encoded(at.unwrap_or_default());
            return Ok(see(&visitor, &format!("/jobs/{}?at={at}", jid_path(&jid))));
        }
        Located::Anywhere => None,
    };
    let class = seen
        .as_ref()
        .and_then(|(job, ..)| job.payload.as_ref().ok());
    let class = class.map(Payload::display_class);
    // What is asked of Redis is asked at once where it can be.
    let (explanation, glance, known) = tokio::join!(
        explained(
            &app,
            &jid,
            seen.as_ref().map(|(job, _, ahead)| (job, *ahead)),
            within
        ),
        app.watch.glance(),
        async { Some(history(&app, class?).await) },
    );
    let mut explanation = explanation?;
    fate::without_messages(&app, &mut explanation);
    let report = &explanation.report;
    let sighting = report.sightings.first();
    let tab = sighting.map_or(Tab::Other, |sighting| tab(&sighting.whereabouts));
    let title = sighting.map_or_else(
        || format!("Job {jid}"),
        |it| it.payload.display_class().to_owned(),
    );
    let frame = Frame::new(&app, &visitor, tab, title, glance.as_deref())
        .noticing(app.notices.take(&query));
    let now_ms = frame.now_ms;
    let job = match sighting {
        Some(sighting) => Some(job(
            &app,
            sighting,
            seen.as_ref().map(|(_, spot, _)| spot),
            &explanation,
            now_ms,
            match known {
                Some(known) => known,
                None => history(&app, sighting.payload.display_class()).await,
            },
        )),
        None => None,
    };
    let frame = frame.live(match &job {
        Some(job) if job.state == "running" => format!("job:{jid}"),
        Some(job) if !job.spot.is_empty() => format!("entry:{}:{}", job.place_word, job.spot),
        _ => "nav".to_owned(),
    });
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    html(&Page {
        plain: jid.chars().all(plain) && !jid.starts_with('-'),
        shell: Shell::of(&app),
        jid_link: encoded(&jid),
        runs: job.as_ref().is_some_and(|job| job.state == "running"),
        about: match &job {
            None => "Where it is",
            Some(job) if job.state == "running" => "What it does",
            Some(_) => "Why it does not run",
        },
        reasons: explanation
            .reasons
            .iter()
            .map(|reason| match reason {
                // It stands below, and changes there.
                Reason::Running {
                    identity, since_ms, ..
                } => Reason::Running {
                    identity: identity.clone(),
                    since_ms: *since_ms,
                    steps: None,
                }
                .text(explanation.now_ms),
                reason => reason.text(explanation.now_ms),
            })
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

/// Why it does not run: of the job that was shown, with how many are ahead of it, or of one that has to be looked for.
async fn explained(
    app: &Shared,
    jid: &str,
    seen: Option<(&JobInfo, u64)>,
    within: u64,
) -> Outcome<Explanation> {
    if let Some((job, ahead)) = seen {
        return Ok(app.inspect.why_of(job, ahead).await?);
    }
    let within = Duration::from_secs(within);
    // Who holds it is quickly told; sets of millions take their time.
    if let Some(explanation) = app.inspect.why_at_work(jid, within).await? {
        return Ok(explanation);
    }
    let _hunt = app.hunt()?;
    Ok(app.inspect.why(jid, within, &[]).await?)
}

fn tab(whereabouts: &Whereabouts) -> Tab {
    match whereabouts {
        Whereabouts::Queue { name, .. } => tab_of(&Place::Queue(name.clone())),
        Whereabouts::Set { place, .. } => tab_of(place),
        Whereabouts::InFlight { .. } | Whereabouts::Ruby { .. } => Tab::Busy,
    }
}

pub(crate) fn tab_of(place: &Place) -> Tab {
    match place {
        Place::Queue(_) => Tab::Queues,
        Place::Retry => Tab::Retries,
        Place::Dead => Tab::Dead,
        Place::Schedule => Tab::Scheduled,
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

fn job(
    app: &Shared,
    sighting: &Sighting,
    seen: Option<&Spot>,
    explanation: &Explanation,
    now_ms: i64,
    history: Option<History>,
) -> Job {
    let payload = &sighting.payload;
    let (state, tone, place) = standing(&sighting.whereabouts);
    let hides = app.redaction.of(payload.class(), payload.display_class());
    let spot = match (seen, &sighting.whereabouts) {
        (Some(spot), _) => spot.to_string(),
        (None, Whereabouts::Queue { ahead, .. }) => Spot::at(payload, *ahead as f64).to_string(),
        (None, Whereabouts::Set { score, .. }) => Spot::at(payload, *score).to_string(),
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
            Whereabouts::Queue { name, .. } => format!("Queue {}", words::clipped(name, 120)),
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
        offers: offers(&Shell::of(app).gandy, &sighting.whereabouts, payload.jid()),
        place_word,
        spot,
        queue_link: encoded(queue),
        queue: words::clipped(queue, 80),
        steps: steps(sighting, explanation, now_ms),
        progress: progress(&sighting.whereabouts),
        args: json::pretty(payload.args(), &hides, What::Args, SHOWN),
        payload: json::pretty(payload.raw(), &hides, What::Payload, SHOWN),
        error_class: words::clipped(&text(payload, "error_class").unwrap_or_default(), 400),
        error_message: words::clipped(
            &hides.message(text(payload, "error_message").unwrap_or_default()),
            4_000,
        ),
        backtrace: backtrace
            .into_iter()
            .take(200)
            .map(|line| words::clipped(&line, 400))
            .collect(),
        tags: tags(payload),
        facts: facts(payload),
        reason: sighting.reason.clone().unwrap_or_default(),
        history,
    }
}

fn progress(whereabouts: &Whereabouts) -> Option<Progress> {
    match whereabouts {
        Whereabouts::InFlight { steps, .. } => steps.as_ref().map(Progress::from),
        _ => None,
    }
}

/// What changes on the page of a running job.
#[derive(Template)]
#[template(path = "job/progress.html")]
struct Running<'a> {
    frame: &'a Frame,
    jid_link: String,
    progress: Option<Progress>,
    /// Whether a process showed it with its last heartbeat.
    shown: bool,
}

pub(crate) async fn fragments(app: &Shared, frame: &Frame, jid: &str, put: Put<'_>) {
    let Ok(processes) = app.watch.processes().await else {
        return;
    };
    let running = RunningJob::all_of(&processes);
    let run = running.iter().find(|run| run.jid() == Some(jid));
    let part = Running {
        frame,
        jid_link: encoded(jid),
        progress: run.and_then(|run| run.steps.as_ref()).map(Progress::from),
        shown: run.is_some(),
    };
    put("progress", part.render());
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

async fn history(app: &Shared, class: &str) -> Option<History> {
    let metrics = app
        .inspect
        .metrics(Window::Minutes(60), gandy::views::Pick::one(class))
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
