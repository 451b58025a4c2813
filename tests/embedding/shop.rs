//! An application's jobs and handlers, used by a worker and by the testing modes alike.

use std::sync::{Arc, Mutex};

use gandy::{Context, Handler, Job, JobError};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Job)]
pub(crate) struct Greet {
    pub(crate) name: String,
}

/// Waits until the diary is opened.
#[derive(Debug, PartialEq, Serialize, Deserialize, Job)]
pub(crate) struct Hold {}

/// What happened, in order. It is the handler of all classes, too.
#[derive(Clone)]
pub(crate) struct Diary {
    lines: Arc<Mutex<Vec<String>>>,
    gate: Arc<Semaphore>,
}

impl Default for Diary {
    fn default() -> Self {
        Self {
            lines: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        }
    }
}

impl Diary {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.lock().unwrap().len()
    }

    pub(crate) fn open(&self) {
        self.gate.add_permits(1000);
    }
}

impl Handler<Greet> for Diary {
    async fn perform(&self, job: Greet, ctx: &Context) -> Result<(), JobError> {
        if job.name.is_empty() {
            return Err(JobError::discard("Nameless", "nobody to greet"));
        }
        assert_ne!(job.name, "panic", "as asked in {}", ctx.jid());
        self.note(format!("hello {}", job.name));
        Ok(())
    }
}

impl Handler<Hold> for Diary {
    async fn perform(&self, _: Hold, ctx: &Context) -> Result<(), JobError> {
        self.note("held");
        tokio::select! {
            () = ctx.cancellation().cancelled() => Err(JobError::retry("Stopped", "told to stop")),
            pass = self.gate.acquire() => {
                pass?.forget();
                self.note("let go");
                Ok(())
            }
        }
    }
}
