//! What open pages are sent: fragments of HTML, made once a tick for all who look at the same page, and sent to each where
//! they have changed. A page that nobody looks at any more is not made any more.
//!
//! Not here: what stands in a fragment (`page`).

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::frame::Visitor;
use crate::page::Live as Page;
use crate::param::Query;
use crate::problem::{Outcome, Problem};
use crate::state::App;

/// Pages that are open at once; each holds a connection.
const LISTENERS: usize = 512;
/// Kinds of pages that are made at once.
const KINDS: usize = 256;
/// After nobody has looked for so long a page is not made any more. Who turns a page comes back sooner.
const IDLE: Duration = Duration::from_secs(10);
/// Proxies close what is silent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

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

type Channel = watch::Sender<Arc<Fragments>>;

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
    Query(query): Query,
) -> Outcome<Response> {
    let page = Page::parse(query.need("page")?)?;
    let Ok(place) = Arc::clone(&app.live.places).try_acquire_owned() else {
        return Err(Problem::busy("more live pages are open than are served"));
    };
    let receiver = subscribe(&app, page, &visitor)?;
    let events = stream::unfold(Listener::new(receiver, place), |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    let keep = KeepAlive::new().interval(KEEP_ALIVE).text("here");
    Ok(Sse::new(events).keep_alive(keep).into_response())
}

/// One open page.
struct Listener {
    receiver: watch::Receiver<Arc<Fragments>>,
    sent: Arc<Fragments>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn new(receiver: watch::Receiver<Arc<Fragments>>, place: OwnedSemaphorePermit) -> Self {
        Self {
            receiver,
            sent: Arc::default(),
            _place: place,
        }
    }

    /// The next news; `None`: there will be none.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let now = Arc::clone(&self.receiver.borrow_and_update());
            let news: BTreeMap<&str, &str> = now
                .iter()
                .filter(|(name, html)| self.sent.get(*name) != Some(*html))
                .map(|(name, html)| (*name, html.as_str()))
                .collect();
            if !news.is_empty() {
                let event = Event::default().event("news").json_data(&news).ok();
                self.sent = now;
                return event;
            }
            self.receiver.changed().await.ok()?;
        }
    }
}

/// The channel of a page; who is first starts what fills it.
fn subscribe(app: &App, page: Page, visitor: &Visitor) -> Outcome<watch::Receiver<Arc<Fragments>>> {
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
        return Ok(channel.subscribe());
    }
    if channels.len() >= KINDS {
        return Err(Problem::busy(
            "more kinds of live pages are open than are made",
        ));
    }
    let (sender, receiver) = watch::channel(Arc::default());
    channels.insert(key.clone(), sender.clone());
    let filler = Filler {
        app: Arc::clone(app),
        visitor: visitor.clone(),
        key,
        sender,
    };
    tokio::spawn(filler.run());
    Ok(receiver)
}

/// Makes one kind of page each tick.
struct Filler {
    app: App,
    visitor: Visitor,
    key: Key,
    sender: Channel,
}

impl Filler {
    async fn run(self) {
        let mut idle_since = None;
        loop {
            if self.sender.receiver_count() == 0 {
                let since = *idle_since.get_or_insert_with(tokio::time::Instant::now);
                if since.elapsed() >= IDLE && self.leave() {
                    return;
                }
            } else {
                idle_since = None;
                let fragments = self.key.page.fragments(&self.app, &self.visitor).await;
                self.sender.send_replace(Arc::new(fragments));
            }
            tokio::time::sleep(self.app.every).await;
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
        if self.sender.receiver_count() > 0 {
            return false;
        }
        channels.remove(&self.key);
        true
    }
}
