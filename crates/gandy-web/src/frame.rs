//! What is around every page: navigation with counts, where Redis is, what is wrong with it, and the visitor's choices.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;

use crate::access::Role;
use crate::problem::Problem;
use crate::state::Shared;
use crate::watch::Glance;
use crate::words;

/// Who asks, and from where it looks. `guard` puts it into each request.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// For the log of acts.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Whether acts are offered and taken.
    pub(crate) may_act: bool,
    /// In front of each link: where the router is mounted; empty at the top.
    pub(crate) base: String,
    /// `light`, `dark`, or empty: as the system has it.
    pub(crate) theme: &'static str,
}

impl Visitor {
    /// The overview's path. An application that nests the router at `/jobs` does not answer `/jobs/`: axum hands on `/jobs`
    /// alone.
    pub(crate) fn home(&self) -> String {
        match self.base.as_str() {
            "" => "/".to_owned(),
            base => base.to_owned(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let found = parts.extensions.get::<Visitor>().cloned();
        // Nobody comes past the guard; whoever did would be a stranger.
        Ok(found.unwrap_or(Visitor {
            name: String::new(),
            role: Role::Viewer,
            may_act: false,
            base: String::new(),
            theme: "",
        }))
    }
}

/// Which entry of the navigation a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Tab {
    Overview,
    Queues,
    Busy,
    Retries,
    Scheduled,
    Dead,
    Metrics,
    Doctor,
    /// None of them.
    Other,
}

/// One line of the navigation.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) icon: &'static str,
    /// What `g` and this key go to.
    pub(crate) key: &'static str,
    pub(crate) here: bool,
    /// What the number is of.
    pub(crate) counts: &'static str,
    /// Short, and whole for who points at it.
    pub(crate) count: Option<(String, String)>,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) base: String,
    /// The overview's path.
    pub(crate) home: String,
    pub(crate) theme: &'static str,
    pub(crate) may_act: bool,
    /// Why nothing is offered, where that is so.
    pub(crate) no_acts: &'static str,
    pub(crate) style: String,
    pub(crate) script: String,
    pub(crate) plot: String,
    pub(crate) icon: String,
    pub(crate) token: String,
    pub(crate) items: Vec<Item>,
    pub(crate) server: String,
    pub(crate) namespace: String,
    /// What to tell about Redis.
    pub(crate) away: Option<Away>,
    /// Where the server is a replica: how old what stands here may be.
    pub(crate) replica: String,
    /// What `live` sends for this page; empty: nothing.
    pub(crate) live: String,
    /// What an act before this page came to.
    pub(crate) notice: Option<Notice>,
    /// By Redis' clock, by which jobs are due.
    pub(crate) now_ms: i64,
    pub(crate) now_iso: String,
    pub(crate) now_clock: String,
}

/// Redis does not answer.
#[derive(Debug, Clone)]
pub(crate) struct Away {
    pub(crate) title: String,
    pub(crate) detail: String,
    pub(crate) since: Option<words::When>,
}

/// What an act came to, shown once above the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) good: bool,
    pub(crate) text: String,
}

impl Frame {
    /// Around a page of this title. `glance` is what the counts are from; without one there are none, and it says why.
    pub(crate) fn new(
        app: &Shared,
        visitor: &Visitor,
        tab: Tab,
        title: impl Into<String>,
        glance: Result<&Glance, &Problem>,
    ) -> Self {
        let base = &visitor.base;
        let asset = |name: &str| format!("{base}/assets/{name}");
        let ahead_ms = glance.map_or(0, |glance| glance.survey.clock_ahead_ms);
        let now = words::When::new(words::now_ms() - ahead_ms, 0);
        let now_ms = now.at_ms;
        let away = glance.err().map(|problem| Away {
            title: problem.title.clone(),
            detail: problem.detail.clone(),
            since: app
                .watch
                .away_since_ms()
                .map(|since| words::When::new(since, now_ms)),
        });
        Self {
            title: words::clipped(&title.into(), 200),
            base: base.clone(),
            home: visitor.home(),
            theme: visitor.theme,
            may_act: visitor.may_act,
            no_acts: match (app.read_only, visitor.role) {
                (true, _) => "read-only",
                (false, Role::Viewer) => "viewer",
                (false, Role::Operator) => "",
            },
            style: asset(&app.assets.style.name),
            script: asset(&app.assets.script.name),
            plot: asset(&app.assets.plot.name),
            icon: asset(&app.assets.icon.name),
            token: app.token.clone(),
            items: items(tab, glance.ok()),
            server: app.inspect.address().to_owned(),
            namespace: app.namespace.clone(),
            away,
            replica: replica(glance.ok()),
            live: String::new(),
            notice: None,
            now_ms,
            now_iso: now.iso,
            now_clock: now.clock,
        }
    }

    /// The same for a page that is sent news.
    pub(crate) fn live(mut self, page: impl Into<String>) -> Self {
        self.live = page.into();
        self
    }

    /// With what an act came to.
    pub(crate) fn noticing(mut self, notice: Option<Notice>) -> Self {
        self.notice = notice;
        self
    }
}

fn replica(glance: Option<&Glance>) -> String {
    let server = glance.and_then(|glance| glance.survey.server.as_ref());
    match server.and_then(|server| server.replica.as_ref()) {
        None => String::new(),
        Some(replica) if replica.linked => {
            "This Redis is a replica: acts are refused, and numbers are as old as its copy."
                .to_owned()
        }
        Some(replica) => format!(
            "This Redis is a replica that has lost its primary{}: what stands here is of then.",
            match replica.cut_off {
                Some(span) => format!(" {} ago", words::span_of(span)),
                None => String::new(),
            }
        ),
    }
}

fn items(tab: Tab, glance: Option<&Glance>) -> Vec<Item> {
    let survey = glance.map(|glance| &glance.survey);
    let count = |number: Option<u64>| number.map(|it| (words::short(it), words::grouped(it)));
    let item = |here, path, name, icon, key, number: Option<u64>| Item {
        path,
        name,
        icon,
        key,
        here: here == tab,
        counts: match here {
            Tab::Queues => "waiting",
            Tab::Busy => "running",
            _ => "jobs",
        },
        count: count(number),
    };
    let more = glance.map_or("", Glance::more);
    let waiting = glance.map(Glance::waiting);
    vec![
        item(Tab::Overview, "/", "Overview", "overview", "o", None),
        {
            let mut queues = item(Tab::Queues, "/queues", "Queues", "queues", "q", waiting);
            if let Some((short, whole)) = &mut queues.count {
                short.push_str(more);
                whole.push_str(more);
            }
            queues
        },
        item(
            Tab::Busy,
            "/busy",
            "Busy",
            "busy",
            "b",
            survey.map(|it| it.busy),
        ),
        item(
            Tab::Retries,
            "/retries",
            "Retries",
            "retries",
            "r",
            survey.map(|it| it.retry.size),
        ),
        item(
            Tab::Scheduled,
            "/scheduled",
            "Scheduled",
            "scheduled",
            "s",
            survey.map(|it| it.schedule.size),
        ),
        item(
            Tab::Dead,
            "/dead",
            "Dead",
            "dead",
            "d",
            survey.map(|it| it.dead),
        ),
        item(Tab::Metrics, "/metrics", "Metrics", "metrics", "m", None),
        item(Tab::Doctor, "/doctor", "Doctor", "doctor", "h", None),
    ]
}
