//! Applications that push all the time, whatever becomes of the primary, and note what they were told.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use gandy::{Client, Error, Kind, Push, Server};
use gandy_tests::{History, HistoryWriter, Watched};
use tokio::{runtime::Runtime, task::JoinHandle};

/// How the ids of jobs begin that were pushed durably.
pub(super) const DURABLE: &str = "durable";

/// One that pushes, one that pushes durably, and one that floods when told to.
pub(super) struct Producers {
    pub(super) runtime: Runtime,
    client: Client,
    notes: Arc<HistoryWriter>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
    flooded: usize,
    /// Jobs of floods that were not acknowledged.
    pub(super) refused: usize,
}

impl Producers {
    pub(super) fn start(watched: &Watched, history: &History) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let notes = Arc::new(history.writer("producer"));
        let stop = Arc::new(AtomicBool::new(false));
        let client = || {
            let server = Server::new(&watched.url()).expect("the harness gives a valid URL");
            let client = Client::builder().server(server).build();
            client.expect("the settings are valid")
        };
        let tasks = [false, true].map(|durable| {
            let (client, notes, stop) = (client(), Arc::clone(&notes), Arc::clone(&stop));
            runtime.spawn(push_on(client, durable, notes, stop))
        });
        let client = client();
        Self {
            client,
            notes,
            stop,
            tasks: tasks.into(),
            flooded: 0,
            refused: 0,
            runtime,
        }
    }

    /// Pushes so many jobs that take a while, so that most of them wait in their queue.
    pub(super) fn flood(&mut self, jobs: usize) {
        let from = self.flooded;
        self.flooded += jobs;
        let jids: Vec<String> = (from..self.flooded)
            .map(|number| format!("flood{number:06}"))
            .collect();
        let pushes = jids.iter().map(|jid| {
            self.notes.attempted(jid);
            Push::raw("Nap", "[20]").jid(jid)
        });
        let results = self.runtime.block_on(self.client.send_all(pushes));
        for result in results {
            // Its connection may be one of before the last failover; that costs one try, not a job.
            match result {
                Ok(receipt) => self.notes.acknowledged(&receipt.jid),
                Err(_) => self.refused += 1,
            }
        }
    }

    /// Pushes so many jobs that take longer, each until a replica has it.
    pub(super) fn flood_durably(&mut self, jobs: usize) {
        for number in self.flooded..self.flooded + jobs {
            let jid = format!("{DURABLE}-flood{number:06}");
            self.notes.attempted(&jid);
            let push = Push::raw("Nap", "[100]").jid(&jid);
            let patience = Duration::from_secs(5);
            // The connections of the last round may be gone; the same push again, as its error says.
            let receipt = (0..10)
                .find_map(|_| {
                    let sent = self.client.send_durable(push.clone(), 1, patience);
                    match self.runtime.block_on(sent) {
                        Err(error) if error.kind() == Kind::Unknown => {
                            self.notes.unknown(&jid);
                            None
                        }
                        sent => Some(sent),
                    }
                })
                .unwrap_or_else(|| panic!("{jid} could not be pushed durably in ten tries"));
            let receipt = receipt.unwrap_or_else(|error| panic!("{jid}: {error}"));
            assert_eq!(receipt.replicas, 1);
            self.notes.acknowledged(&jid);
        }
        self.flooded += jobs;
    }

    /// Ends them; what they are about to push is pushed first.
    pub(super) fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for task in self.tasks.drain(..) {
            self.runtime
                .block_on(task)
                .expect("a producer does not panic");
        }
    }
}

async fn push_on(client: Client, durable: bool, notes: Arc<HistoryWriter>, stop: Arc<AtomicBool>) {
    let name = if durable { DURABLE } else { "plain" };
    let mut number = 0;
    while !stop.load(Ordering::Acquire) {
        number += 1;
        let jid = format!("{name}{number:06}");
        notes.attempted(&jid);
        let push = Push::raw("Note", "[]").jid(&jid);
        // The same push again until Redis answers: nobody's job is left out because of a failover.
        while !pushed(&client, &push, durable, &notes).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Pushes once; whether that is enough.
async fn pushed(client: &Client, push: &Push, durable: bool, notes: &HistoryWriter) -> bool {
    let jid = push.id();
    let sent = if durable {
        let patience = Duration::from_millis(300);
        client
            .send_durable(push.clone(), 1, patience)
            .await
            .map(drop)
    } else {
        client.send(push.clone()).await.map(drop)
    };
    match sent {
        Ok(()) => {
            notes.acknowledged(jid);
            true
        }
        // It is enqueued, and nobody promises more: pushing it again would only double it.
        Err(Error::NotReplicated { .. }) => {
            notes.unknown(jid);
            true
        }
        Err(error) => {
            if error.kind() == Kind::Unknown {
                notes.unknown(jid);
            } else {
                assert_eq!(error.kind(), Kind::Retry, "{error}");
            }
            false
        }
    }
}
