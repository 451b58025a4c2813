//! What becomes of a push that does not simply get through: one that failed, one behind an idempotency key, one that has to
//! queue behind others, and every push of a test's client.

use std::{mem::take, pin::Pin, time::Duration};

use gandy_store::StoreError;

use super::{Held, Inner, Receipt, Repeats, Target, failed, is_far, is_kept};
use crate::{Error, Push};

/// In a box, so that a push that simply gets through is as small as if there were no other.
type Otherwise<'a> = Pin<Box<dyn Future<Output = Result<Receipt, Error>> + Send + 'a>>;

impl Inner {
    /// A push without a key has failed once.
    pub(super) fn rescue<'a>(
        &'a self,
        push: &'a mut Push,
        at_ms: Option<i64>,
        payload: &'a mut String,
        error: StoreError,
    ) -> Otherwise<'a> {
        Box::pin(self.rescue_now(push, at_ms, payload, error))
    }

    /// A push that was admitted and cannot take the straight way. `spare` is the time that is left for repeats.
    pub(crate) fn send_otherwise<'a>(
        &'a self,
        push: &'a mut Push,
        at_ms: Option<i64>,
        payload: &'a mut String,
        spare: Option<&'a mut Duration>,
    ) -> Otherwise<'a> {
        Box::pin(async move {
            let mut own = self.retry.total();
            let spare = spare.unwrap_or(&mut own);
            self.send_slowly(push, at_ms, payload, spare).await
        })
    }

    async fn rescue_now(
        &self,
        push: &mut Push,
        at_ms: Option<i64>,
        payload: &mut String,
        error: StoreError,
    ) -> Result<Receipt, Error> {
        let producer = match &self.target {
            Target::Buffered(buffered) if is_kept(&error) => {
                return buffered.keep(Held::of(push, at_ms, take(payload)), Some(error));
            }
            Target::Redis(producer) => producer,
            Target::Buffered(_) | Target::Test(_) => {
                return Err(failed(take(&mut push.record.jid), error));
            }
        };
        let mut repeats = Repeats::new(self.retry, self.retry.total());
        let mut error = error;
        while repeats.again(&error, || is_far(at_ms)).await {
            match producer.push(push.goal(at_ms), payload).await {
                Ok(()) => return Ok(push.receipt(at_ms)),
                Err(next) => error = next,
            }
        }
        let jid = take(&mut push.record.jid);
        Err(failed(jid, repeats.verdict(error)))
    }

    async fn send_slowly(
        &self,
        push: &mut Push,
        at_ms: Option<i64>,
        payload: &mut String,
        spare: &mut Duration,
    ) -> Result<Receipt, Error> {
        if let Some(once) = &push.once {
            once.check()?;
        }
        let jid = push.record.jid.clone();
        let outcome = match (&self.target, &push.once) {
            (Target::Test(recorder), once) => {
                let first = once.as_ref().and_then(|once| recorder.first(once, &jid));
                if first.is_none() {
                    recorder.record(take(payload), at_ms).await;
                }
                return Ok(push.receipt_or(at_ms, first));
            }
            (Target::Redis(producer), Some(once)) => {
                let goal = push.goal(at_ms);
                once.push_again(producer, goal, payload, &jid, self.retry, spare)
                    .await
            }
            (Target::Redis(producer), None) => {
                let sent = producer.push(push.goal(at_ms), payload).await;
                sent.map(|()| None)
            }
            (Target::Buffered(buffered), once) => {
                if !buffered.is_empty() {
                    return buffered.keep(Held::of(push, at_ms, take(payload)), None);
                }
                let (producer, goal) = (buffered.producer(), push.goal(at_ms));
                let sent = match once {
                    Some(once) => once.push(producer, goal, payload, &jid).await,
                    None => producer.push(goal, payload).await.map(|()| None),
                };
                match sent {
                    Err(error) if is_kept(&error) => {
                        return buffered.keep(Held::of(push, at_ms, take(payload)), Some(error));
                    }
                    sent => sent,
                }
            }
        };
        match outcome {
            Ok(first) => Ok(push.receipt_or(at_ms, first)),
            Err(error) => Err(failed(jid, error)),
        }
    }
}
