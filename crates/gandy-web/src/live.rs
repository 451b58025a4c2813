//! What open pages are sent: fragments of HTML, made once a tick for all who look at the same page, and sent to each where
//! they have changed. A page that nobody looks at any more is not made any more.
//!
//! Not here: what stands in a fragment (`page`).

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt, stream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::assets::takes_gzip;
use crate::frame::Visitor;
use crate::page::{Live as Page, Memory};
use crate::param::Query;
use crate::problem::{Outcome, Problem};
use crate::state::App;

/// Pages that are open at once; each holds a connection.
const LISTENERS: usize = 512;
/// Kinds of pages that are made at once.
const KINDS: usize = 256;
/// Of these of single jobs and queues, of which there is no end.
const SINGLE: usize = 128;
/// A stream ends after so long: the browser asks again, and who may not look any more is not answered.
const STREAM: Duration = Duration::from_secs(10 * 60);
/// What is always old, since others act all the time, is shown after so many ticks.
const PATIENCE: u32 = 2;
/// After nobody has looked for so long a page is not made any more. Who turns a page comes back sooner.
const IDLE: Duration = Duration::from_secs(10);
/// Proxies close what is silent; and a page that hears nothing says that it is old.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Name of the element, and what stands in it.
pub(crate) type Fragments = BTreeMap<&'static str, String>;

/// The same page differs by where links lead and by what is offered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    page: Page,
    base: String,
    may_act: bool,
    viewer: bool,
}

/// Fragments, when they were begun, and how many acts there had been by then.
#[derive(Debug, Default)]
struct Made {
    begun: Option<Instant>,
    acts: u64,
    fragments: Fragments,
}

/// Of one kind of page.
#[derive(Debug, Clone)]
struct Channel {
    made: watch::Sender<Arc<Made>>,
    /// Somebody came where nobody was.
    came: Arc<Notify>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Live {
    channels: Mutex<HashMap<Key, Channel>>,
    places: Arc<Semaphore>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            channels: Mutex::default(),
            places: Arc::new(Semaphore::new(LISTENERS)),
        }
    }
}

/// `GET /live?page=…`
pub(crate) async fn serve(
    State(app): State<App>,
    visitor: Visitor,
    headers: HeaderMap,
    Query(query): Query,
) -> Outcome<Response> {
    let page = Page::parse(query.need("page")?)?;
    if let Page::Act(id) = page
        && app.runs.find(id).is_none()
    {
        return Err(Problem::not_found("this act is not known any more"));
    }
    let Ok(place) = Arc::clone(&app.live.places).try_acquire_owned() else {
        return Err(Problem::busy("more live pages are open than are served"));
    };
    let receiver = subscribe(&app, page, &visitor)?;
    let listener = Listener::new(Arc::clone(&app), receiver, place);
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    let keep = KeepAlive::new()
        .interval(KEEP_ALIVE)
        .event(Event::default().event("beat").data("here"));
    let response = Sse::new(events).keep_alive(keep).into_response();
    Ok(match takes_gzip(&headers) {
        true => packed(response),
        false => response,
    })
}

/// Each event packed as it is sent: the rows of a table repeat themselves, and Busy with 300 processes has 390 kB of them.
fn packed(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let packer = GzEncoder::new(Vec::new(), Compression::fast());
    let chunks = stream::unfold(
        (body.into_data_stream(), packer),
        |(mut chunks, mut packer)| async move {
            let chunk = chunks.next().await?;
            let sent = chunk.map_err(io::Error::other).and_then(|chunk| {
                packer.write_all(&chunk)?;
                // Whole up to here, so that it is read at once.
                packer.flush()?;
                Ok(Bytes::from(std::mem::take(packer.get_mut())))
            });
            Some((sent, (chunks, packer)))
        },
    );
    let encoded = HeaderValue::from_static("gzip");
    parts.headers.insert(header::CONTENT_ENCODING, encoded);
    let varies = HeaderValue::from_static("accept-encoding");
    parts.headers.insert(header::VARY, varies);
    Response::from_parts(parts, Body::from_stream(chunks))
}

/// One open page.
struct Listener {
    app: App,
    receiver: watch::Receiver<Arc<Made>>,
    sent: Arc<Made>,
    came: Instant,
    /// Since when there was nothing to be sent.
    since: Instant,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn new(app: App, receiver: watch::Receiver<Arc<Made>>, place: OwnedSemaphorePermit) -> Self {
        Self {
            app,
            receiver,
            sent: Arc::default(),
            came: Instant::now(),
            since: Instant::now(),
            _place: place,
        }
    }

    /// The next news; `None`: there will be none.
    async fn next(&mut self) -> Option<Event> {
        let end = self.came + STREAM;
        loop {
            let now = Arc::clone(&self.receiver.borrow_and_update());
            let sent = &self.sent.fragments;
            let news: BTreeMap<&str, &str> = now
                .fragments
                .iter()
                .filter(|(name, html)| sent.get(*name) != Some(*html))
                .map(|(name, html)| (*name, html.as_str()))
                .collect();
            if !news.is_empty() && !self.is_old(&now) {
                let event = Event::default().event("news").json_data(&news).ok();
                self.sent = now;
                self.since = Instant::now();
                return event;
            }
            tokio::time::timeout_at(end, self.receiver.changed())
                .await
                .ok()?
                .ok()?;
        }
    }
}

impl Listener {
    /// Whether a page that was loaded just now is younger. It is than what nobody looked at for a while, and than what was
    /// made before an act: a queue that was just paused went on for a moment.
    fn is_old(&self, made: &Made) -> bool {
        let tick = self.app.every;
        let before_it_came = made.begun.is_none_or(|begun| begun + tick < self.came);
        let before_an_act = made.acts < self.app.watch.acts();
        before_it_came || (before_an_act && self.since.elapsed() < tick * PATIENCE)
    }
}

/// The channel of a page; who is first starts what fills it.
fn subscribe(app: &App, page: Page, visitor: &Visitor) -> Outcome<watch::Receiver<Arc<Made>>> {
    let key = Key {
        page,
        base: visitor.base.clone(),
        may_act: visitor.may_act,
        viewer: visitor.role == crate::access::Role::Viewer,
    };
    let mut channels = app
        .live
        .channels
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(channel) = channels.get(&key) {
        let nobody = channel.made.receiver_count() == 0;
        let receiver = channel.made.subscribe();
        if nobody {
            channel.came.notify_one();
        }
        return Ok(receiver);
    }
    let single = channels.keys().filter(|key| key.page.is_single()).count();
    if channels.len() >= KINDS || (key.page.is_single() && single >= SINGLE) {
        return Err(Problem::busy(
            "more kinds of live pages are open than are made",
        ));
    }
    let (made, receiver) = watch::channel(Arc::default());
    let channel = Channel {
        made,
        came: Arc::default(),
    };
    channels.insert(key.clone(), channel.clone());
    let filler = Filler {
        app: Arc::clone(app),
        visitor: visitor.clone(),
        key,
        channel,
    };
    tokio::spawn(filler.run());
    Ok(receiver)
}

/// Makes one kind of page each tick.
struct Filler {
    app: App,
    visitor: Visitor,
    key: Key,
    channel: Channel,
}

impl Drop for Filler {
    /// Also where making a page panics: its channel would stay, and say nothing to whoever comes later.
    fn drop(&mut self) {
        let channels = &self.app.live.channels;
        let mut channels = channels.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = channels.get(&self.key);
        if mine.is_some_and(|channel| channel.made.same_channel(&self.channel.made)) {
            channels.remove(&self.key);
        }
    }
}

impl Filler {
    async fn run(self) {
        let mut idle_since = None;
        let mut memory = Memory::default();
        loop {
            if self.channel.made.receiver_count() == 0 {
                let since = *idle_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= IDLE && self.leave() {
                    return;
                }
            } else {
                idle_since = None;
                let (begun, acts) = (Some(Instant::now()), self.app.watch.acts());
                let page = &self.key.page;
                let fragments = page.fragments(&self.app, &self.visitor, &mut memory).await;
                let made = Made {
                    begun,
                    acts,
                    fragments,
                };
                self.channel.made.send_replace(Arc::new(made));
            }
            tokio::select! {
                () = tokio::time::sleep(self.app.every) => {}
                () = self.channel.came.notified() => {}
            }
        }
    }

    /// Takes the channel away unless somebody came in this moment.
    fn leave(&self) -> bool {
        let mut channels = self
            .app
            .live
            .channels
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.channel.made.receiver_count() > 0 {
            return false;
        }
        channels.remove(&self.key);
        true
    }
}
