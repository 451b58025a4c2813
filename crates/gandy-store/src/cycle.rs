//! The cycle: finish what ended and claim for the free slots, in one round trip.

use std::sync::Arc;

use gandy_protocol::{identity::Identity, keys::Keys};
use redis::Value;

use crate::{
    Line, StoreError,
    lua::{self, Call},
};

/// The mark under which a process holds a job: a number that only it draws, and the queue the job came from.
///
/// Written `<number>:<queue>`; whoever reads one can give the job back without reading its payload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Token {
    /// Drawn from one counter of the process; larger is younger.
    pub number: u64,
    /// The queue's bare name.
    pub queue: Arc<str>,
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

    /// Appends it as Redis holds it. Not through `Display`, whose machinery costs more than the digits.
    fn write(&self, into: &mut String) {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        let mut rest = self.number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        into.extend(digits[at..].iter().map(|&digit| char::from(digit)));
        into.push(':');
        into.push_str(&self.queue);
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
    name: Arc<str>,
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
    pub fn queue(&self, index: usize) -> &Arc<str> {
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

/// A list to claim from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// The queue at this index of the grip.
    Queue(usize),
    /// Where idle workers' blocking moves land what they take from the queue at this index.
    Landing(usize),
}

impl List {
    /// The queue's index in the grip.
    #[must_use]
    pub fn queue(self) -> usize {
        match self {
            Self::Queue(index) | Self::Landing(index) => index,
        }
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
    /// Where to claim from, in this order.
    pub lists: &'a [List],
    /// A payload above this many bytes is claimed but not read.
    pub payload_max: usize,
    /// Claiming stops once this many bytes of payload were gathered.
    pub reply_max: usize,
    /// How many jobs the server may look at before it knows their size, 1 to 256: few where payloads may be huge.
    pub look: usize,
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
    /// Lists that were looked at and held nothing.
    pub empty: Vec<List>,
    /// Queues (indexes into the grip) that are paused.
    pub paused: Vec<usize>,
    /// Queues one of whose keys is of another type.
    pub broken: Vec<usize>,
}

/// One cycle, ready to be sent.
#[derive(Debug)]
pub struct Cycle {
    pub(crate) call: Call,
    pub(crate) reading: Reading,
}

/// What it takes to read the reply to a cycle.
#[derive(Debug)]
pub(crate) struct Reading {
    first: u64,
    wanted: usize,
    lists: Vec<(List, Arc<str>)>,
}

impl Grip {
    /// Prepares one cycle.
    #[must_use]
    pub fn cycle(&self, ask: &Ask<'_>) -> Cycle {
        debug_assert!(
            ask.ended.len() <= 1000 && ask.wanted <= 1000 && (1..=256).contains(&ask.look),
            "I6: a script does bounded work"
        );
        let wanted = if ask.lists.is_empty() { 0 } else { ask.wanted };
        let lists = if wanted == 0 { &[] } else { ask.lists };
        let mut keys: Vec<&str> = Vec::with_capacity(3 + lists.len());
        keys.extend([self.fleet.as_str(), &self.inflight, &self.paused]);
        keys.extend(lists.iter().map(|list| match *list {
            List::Queue(index) => self.queues[index].list.as_str(),
            List::Landing(index) => self.queues[index].landing.as_str(),
        }));
        let mut call = lua::CYCLE.keys(&keys);
        call.arg(self.identity.as_str()).arg(ask.ended.len());
        let mut text = String::with_capacity(32);
        for token in ask.ended {
            text.clear();
            token.write(&mut text);
            call.arg(&text);
        }
        call.arg(wanted);
        if wanted > 0 {
            call.arg(ask.first)
                .arg(ask.payload_max)
                .arg(ask.reply_max)
                .arg(ask.look);
            for list in lists {
                call.arg(&*self.queues[list.queue()].name);
            }
        }
        let name = |list: &List| (*list, Arc::clone(&self.queues[list.queue()].name));
        let reading = Reading {
            first: ask.first,
            wanted,
            lists: lists.iter().map(name).collect(),
        };
        Cycle { call, reading }
    }
}

impl Line {
    /// Runs one cycle. It may be repeated for its finishes, never for its claim: draw new numbers (I4).
    ///
    /// The line is taken, so that the future owns what it needs: several cycles may be under way on clones of one line.
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] the finishes and the claim may have happened.
    pub async fn cycle(self, cycle: Cycle) -> Result<Haul, StoreError> {
        let reply: Value = self.call(&cycle.call).await?;
        cycle
            .reading
            .read(reply)
            .ok_or_else(|| StoreError::shape("cycle"))
    }
}

impl Reading {
    pub(crate) fn read(&self, reply: Value) -> Option<Haul> {
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
            claims: Vec::with_capacity(self.wanted.min(parts.len())),
            empty: Vec::new(),
            paused: Vec::new(),
            broken: Vec::new(),
        };
        let mut number = self.first;
        while let Some(position) = parts.next() {
            let position = usize::try_from(int(&position)?).ok()?.checked_sub(1)?;
            let (list, queue) = self.lists.get(position)?;
            match int(&parts.next()?)? {
                -1 => haul.paused.push(list.queue()),
                -2 => haul.broken.push(list.queue()),
                0 => haul.empty.push(*list),
                count => {
                    for _ in 0..count {
                        let payload = match parts.next()? {
                            Value::BulkString(bytes) => Some(bytes),
                            Value::Nil => None,
                            _ => return None,
                        };
                        let token = Token {
                            number,
                            queue: Arc::clone(queue),
                        };
                        number += 1;
                        haul.claims.push(Claim { token, payload });
                    }
                }
            }
        }
        Some(haul)
    }
}

pub(crate) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}
