//! What all requests of one dashboard share.

use std::sync::Arc;
use std::time::Duration;

use gandy::doctor::Doctor;
use gandy::{Client, Inspect, Server, StampFormat};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::access::Access;
use crate::assets::Assets;
use crate::gate::Gate;
use crate::live::Live;
use crate::notice::Notices;
use crate::problem::{Outcome, Problem};
use crate::redact::Redaction;
use crate::runs::Runs;
use crate::watch::Watch;

/// Handed to every handler.
pub(crate) type App = Arc<Shared>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) inspect: Inspect,
    pub(crate) doctor: Doctor,
    pub(crate) server: Server,
    pub(crate) namespace: String,
    pub(crate) stamps: StampFormat,
    pub(crate) access: Access,
    pub(crate) read_only: bool,
    pub(crate) redaction: Redaction,
    /// Between two looks of an open page.
    pub(crate) every: Duration,
    /// Where a proxy takes a prefix away before requests come here.
    pub(crate) prefix: String,
    /// For browsers that do not say where a request comes from; drawn at start.
    pub(crate) token: String,
    pub(crate) gate: Gate,
    /// Searches for a job by its id alone: each walks through everything there is, so few do at a time.
    pub(crate) hunts: Semaphore,
    pub(crate) assets: Assets,
    pub(crate) watch: Watch,
    pub(crate) live: Live,
    pub(crate) notices: Notices,
    pub(crate) runs: Runs,
    pub(crate) client: OnceCell<Client>,
}

/// Searches at once.
pub(crate) const HUNTS: usize = 2;

impl Shared {
    /// Leave to search for a job that nobody showed.
    pub(crate) fn hunt(&self) -> Outcome<SemaphorePermit<'_>> {
        self.hunts
            .try_acquire()
            .map_err(|_| Problem::busy(&format!("{HUNTS} searches run already")))
    }

    /// Where jobs are pushed from forms; connects when it is first used.
    pub(crate) async fn client(&self) -> Outcome<&Client> {
        let connect = || async {
            Client::builder()
                .server(self.server.clone())
                .namespace(&self.namespace)
                .stamps(self.stamps)
                .connect()
                .await
        };
        Ok(self.client.get_or_try_init(connect).await?)
    }
}
