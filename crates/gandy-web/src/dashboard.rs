//! The public face: what a dashboard looks at, whom it answers, and its router.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use gandy::doctor::Doctor;
use gandy::{Error, Grave, Inspect, Server, StampFormat, Surveyor};
use tokio::sync::{OnceCell, Semaphore};

use crate::access::Access;
use crate::assets::Assets;
use crate::gate::Gate;
use crate::live::Live;
use crate::notice::Notices;
use crate::redact::Redaction;
use crate::router;
use crate::runs::Runs;
use crate::state::{App, HUNTS, Shared};
use crate::watch::Watch;

/// Sooner than this nothing new is to be seen.
const POLL_MIN: Duration = Duration::from_millis(200);
const POLL_MAX: Duration = Duration::from_secs(60);

/// A dashboard over one Redis. Cheap to clone; clones share what was read. Two of them may live in one process.
#[derive(Debug, Clone)]
pub struct Dashboard {
    app: App,
}

/// Begins as [`Dashboard::builder`] says.
#[derive(Debug)]
pub struct DashboardBuilder {
    server: Server,
    namespace: String,
    access: Access,
    read_only: bool,
    redaction: Redaction,
    poll: Duration,
    prefix: String,
    grave: Grave,
    stamps: StampFormat,
}

impl Dashboard {
    /// Of the Redis at `server`, without a namespace, for this machine alone ([`Access::loopback`]), with the usual
    /// redaction, live pages looking every 2 s. It connects when it is first used, with at most nine connections of its own,
    /// named `gandy-web`.
    #[must_use]
    pub fn builder(server: Server) -> DashboardBuilder {
        DashboardBuilder {
            server,
            namespace: String::new(),
            access: Access::default(),
            read_only: false,
            redaction: Redaction::default(),
            poll: Duration::from_secs(2),
            prefix: String::new(),
            grave: Grave::default(),
            stamps: StampFormat::default(),
        }
    }

    /// Its pages, to be served or nested under any prefix: links follow.
    pub fn router(&self) -> Router {
        router::router(Arc::clone(&self.app))
    }
}

impl DashboardBuilder {
    /// With a namespace before every key.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// Whom it answers, and who may act.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// With `true` nobody may act, whatever their role.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// What of jobs' arguments is not shown.
    #[must_use]
    pub fn redact(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// How often live pages look, 200 ms to a minute.
    #[must_use]
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll.clamp(POLL_MIN, POLL_MAX);
        self
    }

    /// What a proxy takes away in front of a request's path, such as `/gandy`: links have it again. What axum takes away
    /// when the router is nested is seen without this.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        let inner = prefix.trim_matches('/');
        self.prefix = match inner.is_empty() {
            true => String::new(),
            false => format!("/{inner}"),
        };
        self
    }

    /// With other limits of the dead set than Sidekiq's, as the workers have them.
    #[must_use]
    pub fn grave(mut self, grave: Grave) -> Self {
        self.grave = grave;
        self
    }

    /// With times written as seconds into what is moved and pushed, while any Ruby below Sidekiq 8 reads it.
    #[must_use]
    pub fn stamps(mut self, stamps: StampFormat) -> Self {
        self.stamps = stamps;
        self
    }

    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// A wrong namespace.
    pub fn build(self) -> Result<Dashboard, Error> {
        // As `CLIENT LIST` shows them to whoever asks where requests come from.
        let server = self.server.with_name("gandy-web");
        let namespace = self.namespace;
        let inspect = Inspect::new(server.clone(), &namespace)?
            .with_grave(self.grave)
            .with_stamps(self.stamps);
        let surveyor = Surveyor::new(server.clone(), &namespace)?;
        let app = Shared {
            doctor: Doctor::new(server.clone(), &namespace)?.with_grave(self.grave),
            watch: Watch::new(inspect.clone(), surveyor, self.poll),
            inspect,
            server,
            namespace,
            stamps: self.stamps,
            access: self.access,
            read_only: self.read_only,
            redaction: self.redaction,
            every: self.poll,
            prefix: self.prefix,
            token: drawn::<16>()?
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            gate: Gate::new(drawn()?),
            hunts: Semaphore::new(HUNTS),
            assets: Assets::new(),
            live: Live::default(),
            notices: Notices::new(number()?),
            runs: Runs::new(number()?),
            client: OnceCell::new(),
        };
        Ok(Dashboard { app: Arc::new(app) })
    }
}

/// So many random bytes.
fn drawn<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Config(format!("no random numbers: {error}")))?;
    Ok(bytes)
}

/// One that a program in a browser takes exactly, with room to count on from there.
fn number() -> Result<u64, Error> {
    Ok(u64::from_le_bytes(drawn()?) >> 12)
}
