//! Pushes behind a caller's key: the job and the note of its id in one transaction, so that there is never one without the
//! other, and a second push with the key finds the note.
//!
//! `WATCH`, `GET`, `MULTI`, `EXEC`, and no script: a producer may run none. What is watched belongs to a connection, so
//! these have `lanes` of their own; on the shared one any other push would end the watch.

use std::time::Duration;

use gandy_protocol::push_id;
use redis::Value;

use crate::{Goal, Parcel, Producer, StoreError, line::Session};

/// How often the key may change between the look and the push. Each time somebody else has pushed, so that the next look
/// finds a note, unless it expired at once.
const LOOKS: usize = 8;

/// Under which key a job is pushed at most once.
#[derive(Debug, Clone, Copy)]
pub struct Once<'a> {
    /// The caller's key.
    pub key: &'a str,
    /// The job's id, which is what is noted.
    pub jid: &'a str,
    /// For how long.
    pub kept: Duration,
}

/// What became of one try.
enum Look {
    Pushed,
    /// The key belongs to the job with this id.
    Taken(String),
    /// It changed between the look and the push: nothing was pushed.
    Changed,
}

impl Producer {
    /// Pushes one job unless one was pushed under the key before: then that one's id.
    ///
    /// # Errors
    /// As [`Producer::push`]. After [`StoreError::Unknown`] the same call again is safe, as long as the key is kept.
    pub async fn push_once(
        &self,
        goal: Goal<'_>,
        payload: &str,
        once: Once<'_>,
    ) -> Result<Option<String>, StoreError> {
        let lane = self.watching().take(self.line()).await;
        let line = lane.line().clone();
        let mut parcel = self.parcel(goal);
        parcel.add(goal.at_ms(), &[payload]);
        let transaction = transaction(
            &line.keys().pushed(&push_id(once.key)),
            &parcel,
            once,
            || line.keys().queues(),
        );
        let mut outcome = Ok(Look::Changed);
        for _ in 0..LOOKS {
            outcome = match line.session().await {
                Ok(session) => look(&session, &transaction, once).await,
                Err(error) => Err(error),
            };
            if !matches!(outcome, Ok(Look::Changed)) {
                break;
            }
        }
        lane.put_back();
        match outcome? {
            Look::Pushed => Ok(None),
            Look::Taken(first) => Ok(Some(first)),
            Look::Changed => Err(StoreError::Unavailable {
                server: line.server().address().to_owned(),
                cause: format!("the idempotency key changed {LOOKS} times while it was looked at"),
            }),
        }
    }
}

/// The block that pushes.
struct Transaction {
    key: String,
    commands: redis::Pipeline,
    /// Whether a queue's name is written, too.
    named: bool,
}

fn transaction(
    key: &str,
    parcel: &Parcel,
    once: Once<'_>,
    queues: impl Fn() -> String,
) -> Transaction {
    let mut commands = redis::pipe();
    commands.cmd("MULTI");
    commands.add_command(parcel.command().clone());
    let kept = u64::try_from(once.kept.as_millis()).unwrap_or(u64::MAX);
    let note = commands.cmd("SET").arg(key).arg(once.jid);
    note.arg("PX").arg(kept.max(1));
    if let Some(queue) = parcel.queue() {
        commands.cmd("SADD").arg(queues()).arg(queue);
    }
    commands.cmd("EXEC");
    Transaction {
        key: key.to_owned(),
        commands,
        named: parcel.queue().is_some(),
    }
}

async fn look(
    session: &Session<'_>,
    transaction: &Transaction,
    once: Once<'_>,
) -> Result<Look, StoreError> {
    if let Some(first) = watch(session, &transaction.key).await? {
        return Ok(Look::Taken(first));
    }
    let mut replies = session.each(&transaction.commands).await?;
    let done = replies.pop();
    // What Redis will not even queue stops the whole block; EXEC then says only that it did.
    if let Some(error) = replies.into_iter().find_map(Result::err) {
        return Err(explained(error));
    }
    let done = match done.ok_or_else(|| StoreError::shape("EXEC"))?? {
        Value::Nil => return Ok(Look::Changed),
        Value::Array(done) => done,
        _ => return Err(StoreError::shape("EXEC")),
    };
    let mut done = done.into_iter().map(|value| session.raise(value));
    let pushed = done
        .next()
        .unwrap_or_else(|| Err(StoreError::shape("EXEC")));
    if let Err(error) = pushed {
        // A command that fails while a block runs does not stop the rest: the key says that the job is pushed.
        free(session, &transaction.key, once).await;
        return Err(error);
    }
    if transaction.named
        && let Some(Err(error)) = done.nth(1)
    {
        tracing::warn!(%error, "the queue's name could not be written to `queues`");
    }
    Ok(Look::Pushed)
}

/// Watches the key, and says whose it is. Nothing is written.
async fn watch(session: &Session<'_>, key: &str) -> Result<Option<String>, StoreError> {
    let mut pipe = redis::pipe();
    // Whoever found a note before on this connection left it watched.
    pipe.cmd("UNWATCH");
    pipe.cmd("WATCH").arg(key);
    pipe.cmd("GET").arg(key);
    let replies = match session.each(&pipe).await {
        Ok(replies) => replies,
        Err(StoreError::Unknown { server, cause }) => {
            return Err(StoreError::Unavailable { server, cause });
        }
        Err(error) => return Err(error),
    };
    let replies: Result<Vec<Value>, StoreError> = replies.into_iter().collect();
    match replies.map_err(explained)?.pop() {
        Some(Value::Nil) => Ok(None),
        Some(value) => {
            let jid: Vec<u8> = session.read(value)?;
            Ok(Some(String::from_utf8_lossy(&jid).into_owned()))
        }
        None => Err(StoreError::shape("GET")),
    }
}

/// Takes the note back of a job that was not pushed. With SET, since a producer may delete nothing.
async fn free(session: &Session<'_>, key: &str, once: Once<'_>) {
    let mut pipe = redis::pipe();
    pipe.cmd("SET").arg(key).arg(once.jid).arg("PX").arg(1);
    let outcome = session.each(&pipe).await;
    let outcome = outcome.and_then(|replies| replies.into_iter().collect::<Result<Vec<_>, _>>());
    if let Err(error) = outcome {
        tracing::warn!(jid = once.jid, %error, "the idempotency key of a job that was refused could not be freed");
    }
}

fn explained(error: StoreError) -> StoreError {
    match error {
        StoreError::Refused { server, cause } if cause.starts_with("NOPERM") => {
            let cause = format!(
                "{cause}; a push with an idempotency key needs +watch +unwatch +get +set +multi +exec and ~gandy:pushed:*"
            );
            StoreError::Refused { server, cause }
        }
        error => error,
    }
}
