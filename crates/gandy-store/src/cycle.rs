//! The cycle: finish what ended and claim for the free slots, in one round trip.

use std::fmt::Write as _;

use gandy_protocol::{identity::Identity, keys::Keys};
use redis::Value;

use crate::{Line, StoreError, lua};

/// The mark under which a process holds a job: a number that only it draws, and the queue the job came from.
///
/// Written `<number>:<queue>`; whoever reads one can give the job back without reading its payload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Token {
    /// Drawn from one counter of the process; larger is younger.
    pub number: u64,
    /// The queue's bare name.
    pub queue: std::sync::Arc<str>,
}

impl Token {
    /// Reads what the in-flight hash holds; `None` when it is no token of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, queue) = text.split_once(':')?;
        Some(Self {
            number: number.parse().ok()?,
            queue: queue.into(),
        })
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.number, self.queue)
    }
}

/// The keys of one process and its queues, built once: the claim loop runs thousands of times a second.
#[derive(Debug, Clone)]
pub struct Grip {
    identity: Identity,
    fleet: String,
    inflight: String,
    paused: String,
    queues: Vec<GripQueue>,
}

#[derive(Debug, Clone)]
struct GripQueue {
    name: std::sync::Arc<str>,
    landing: String,
    list: String,
}

impl Grip {
    /// The grip of `identity` on `queues` (bare names).
    #[must_use]
    pub fn new<'a>(
        keys: &Keys,
        identity: &Identity,
        queues: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let queues = queues
            .into_iter()
            .map(|name| GripQueue {
                name: name.into(),
                landing: keys.landing(name),
                list: keys.queue(name),
            })
            .collect();
        Self {
            identity: identity.clone(),
            fleet: keys.fleet(),
            inflight: keys.inflight(identity),
            paused: keys.paused(),
            queues,
        }
    }

    /// The bare name of the queue at `index`.
    #[must_use]
    pub fn queue(&self, index: usize) -> &std::sync::Arc<str> {
        &self.queues[index].name
    }

    /// How many queues it covers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// Whether it covers none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }
}

/// What to ask for in one cycle.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Tokens of jobs that ended well; at most 1,000.
    pub ended: &'a [Token],
    /// How many jobs to claim; at most 1,000. 0 only finishes.
    pub wanted: usize,
    /// The first of `wanted` token numbers that were never used before.
    pub first: u64,
    /// The order in which to look at the queues, as indexes into the grip.
    pub order: &'a [usize],
    /// A payload above this many bytes is claimed but not read.
    pub payload_max: usize,
    /// Claiming stops once this many bytes of payload were gathered.
    pub reply_max: usize,
}

/// Whether the claim was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// Yes.
    Alive,
    /// No: this identity was declared dead or never registered (I3).
    Dead,
    /// In part: a token of this claim is in use already, so it stopped there (I4). Draw new numbers.
    Taken,
}

/// A claimed job.
#[derive(Debug)]
pub struct Claim {
    /// Under what it is held.
    pub token: Token,
    /// Its bytes; `None` when it is above [`Ask::payload_max`].
    pub payload: Option<Vec<u8>>,
}

/// What one cycle brought.
#[derive(Debug)]
pub struct Haul {
    /// Whether the claim was granted.
    pub grant: Grant,
    /// How many of [`Ask::ended`] were still held. Fewer than asked: the others were fenced, or finished by an
    /// earlier call whose reply was lost.
    pub finished: usize,
    /// The claimed jobs, oldest first within each queue.
    pub claims: Vec<Claim>,
    /// Queues (indexes into the grip) that are paused.
    pub paused: Vec<usize>,
    /// Queues one of whose keys is of another type.
    pub broken: Vec<usize>,
}

impl Line {
    /// Runs one cycle. It may be repeated for its finishes, never for its claim: draw new numbers (I4).
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] the finishes and the claim may have happened.
    pub async fn cycle(&self, grip: &Grip, ask: &Ask<'_>) -> Result<Haul, StoreError> {
        debug_assert!(
            ask.ended.len() <= 1000 && ask.wanted <= 1000,
            "I6: a script does bounded work"
        );
        let mut keys: Vec<&str> = Vec::with_capacity(3 + 2 * ask.order.len());
        keys.extend([grip.fleet.as_str(), &grip.inflight, &grip.paused]);
        for &index in ask.order {
            keys.push(&grip.queues[index].landing);
            keys.push(&grip.queues[index].list);
        }
        let mut call = lua::CYCLE.keys(&keys);
        call.arg(grip.identity.as_str()).arg(ask.ended.len());
        let mut text = String::with_capacity(32);
        for token in ask.ended {
            text.clear();
            let _ = write!(text, "{token}");
            call.arg(&text);
        }
        let wanted = if ask.order.is_empty() { 0 } else { ask.wanted };
        call.arg(wanted);
        if wanted > 0 {
            call.arg(ask.first).arg(ask.payload_max).arg(ask.reply_max);
            for &index in ask.order {
                call.arg(&*grip.queues[index].name);
            }
        }
        let reply: Value = self.call(&call).await?;
        read(reply, grip, ask).ok_or_else(|| StoreError::shape("cycle"))
    }
}

fn read(reply: Value, grip: &Grip, ask: &Ask<'_>) -> Option<Haul> {
    let Value::Array(parts) = reply else {
        return None;
    };
    let mut parts = parts.into_iter();
    let grant = match int(&parts.next()?)? {
        1 => Grant::Alive,
        0 => Grant::Dead,
        2 => Grant::Taken,
        _ => return None,
    };
    let finished = usize::try_from(int(&parts.next()?)?).ok()?;
    let mut haul = Haul {
        grant,
        finished,
        claims: Vec::with_capacity(ask.wanted),
        paused: Vec::new(),
        broken: Vec::new(),
    };
    let mut number = ask.first;
    while let Some(position) = parts.next() {
        let position = usize::try_from(int(&position)?).ok()?.checked_sub(1)?;
        let index = *ask.order.get(position)?;
        match int(&parts.next()?)? {
            -1 => haul.paused.push(index),
            -2 => haul.broken.push(index),
            count => {
                for _ in 0..count {
                    let payload = match parts.next()? {
                        Value::BulkString(bytes) => Some(bytes),
                        Value::Nil => None,
                        _ => return None,
                    };
                    let token = Token {
                        number,
                        queue: grip.queues[index].name.clone(),
                    };
                    number += 1;
                    haul.claims.push(Claim { token, payload });
                }
            }
        }
    }
    Some(haul)
}

pub(crate) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}
