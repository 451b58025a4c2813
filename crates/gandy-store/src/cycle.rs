//! The cycle: finish what ended and claim for the free slots, in one round trip. A [`crate::Wire`] carries it.

use std::sync::Arc;

use gandy_protocol::{identity::Identity, keys::Keys};

use crate::{
    lua,
    resp::{Replies, Request, Unread},
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
    functions: bool,
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
            functions: false,
        }
    }

    /// The same by functions ([`crate::Server::with_functions`]) instead of scripts.
    #[must_use]
    pub fn with_functions(mut self, functions: bool) -> Self {
        self.functions = functions;
        self
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
    /// No: the server did not know the script (a restart, a failover, `SCRIPT FLUSH`). It is taught with the next cycle.
    Untaught,
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

/// One cycle as it goes over the wire, and what it takes to read the replies.
#[derive(Debug)]
pub struct Cycle {
    pub(crate) request: Request,
    pub(crate) reading: Reading,
}

/// What it takes to read the replies to a cycle.
#[derive(Debug)]
pub(crate) struct Reading {
    /// What claims.
    pub(crate) script: &'static lua::Lua,
    finishes: bool,
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
        let mut request = Request::default();
        if !ask.ended.is_empty() {
            #[cfg(feature = "mutants")]
            let counted = crate::mutant::is("counted-ack");
            #[cfg(not(feature = "mutants"))]
            let counted = false;
            if counted {
                // In one transaction with what may be refused, as MULTI would have it.
                let code = "redis.call('INCRBY', KEYS[2], #ARGV) return redis.call('HDEL', KEYS[1], unpack(ARGV))";
                request.command(5 + ask.ended.len());
                request.text("EVAL").text(code).number(2);
                request.text(&self.inflight).text("stat:counted");
            } else {
                request.command(2 + ask.ended.len());
                request.text("HDEL").text(&self.inflight);
            }
            for token in ask.ended {
                request.numbered(token.number, &token.queue);
            }
        }
        let wanted = if ask.lists.is_empty() { 0 } else { ask.wanted };
        let lists = if wanted == 0 { &[] } else { ask.lists };
        if wanted > 0 {
            request.command(3 + 3 + lists.len() + 6 + lists.len());
            let (verb, script) = lua::CLAIM.called(self.functions);
            request.text(verb).text(script);
            request.number((3 + lists.len()) as u64);
            request.text(&self.fleet);
            request.text(&self.inflight).text(&self.paused);
            for list in lists {
                request.text(match *list {
                    List::Queue(index) => &self.queues[index].list,
                    List::Landing(index) => &self.queues[index].landing,
                });
            }
            request.text(self.identity.as_str());
            request.number(wanted as u64).number(ask.first);
            request.number(ask.payload_max as u64);
            request.number(ask.reply_max as u64).number(ask.look as u64);
            for list in lists {
                request.text(&self.queues[list.queue()].name);
            }
        }
        let name = |list: &List| (*list, Arc::clone(&self.queues[list.queue()].name));
        let reading = Reading {
            script: &lua::CLAIM,
            finishes: !ask.ended.is_empty(),
            first: ask.first,
            wanted,
            lists: lists.iter().map(name).collect(),
        };
        Cycle { request, reading }
    }

    /// Prepares the claim of one job that has landed for the queue at `index`, under the token number `number`, which was
    /// never used before. A payload above `payload_max` bytes is claimed but not read.
    #[must_use]
    pub fn landing(&self, index: usize, number: u64, payload_max: usize) -> Cycle {
        let queue = &self.queues[index];
        let mut request = Request::default();
        request.command(3 + 4 + 4);
        let (verb, script) = lua::LAND.called(self.functions);
        request.text(verb).text(script).number(4);
        request.text(&self.fleet);
        request.text(&self.inflight).text(&self.paused);
        request.text(&queue.landing);
        request.text(self.identity.as_str());
        request.numbered(number, &queue.name);
        request.number(payload_max as u64).text(&queue.name);
        let reading = Reading {
            script: &lua::LAND,
            finishes: false,
            first: number,
            wanted: 1,
            lists: vec![(List::Landing(index), Arc::clone(&queue.name))],
        };
        Cycle { request, reading }
    }

    /// The keys behind the queue at `index`: the queue and its landing list.
    pub(crate) fn keys_of(&self, index: usize) -> (&str, &str) {
        let queue = &self.queues[index];
        (&queue.list, &queue.landing)
    }
}

impl Reading {
    /// How many replies there will be.
    pub(crate) fn replies(&self) -> usize {
        usize::from(self.finishes) + usize::from(self.wanted > 0)
    }

    /// Reads them. An error of Redis comes as its words.
    pub(crate) fn read(&self, replies: &mut Replies<'_>) -> Result<Haul, Unread> {
        let mut haul = Haul {
            grant: Grant::Alive,
            finished: 0,
            claims: Vec::new(),
            empty: Vec::new(),
            paused: Vec::new(),
            broken: Vec::new(),
        };
        // Both replies are read before either's error counts.
        let finished = if self.finishes { replies.int() } else { Ok(0) };
        let claimed = if self.wanted > 0 {
            self.read_claims(replies, &mut haul)
        } else {
            Ok(())
        };
        haul.finished = usize::try_from(finished?).map_err(|_| Unread::Shape)?;
        match claimed {
            Err(Unread::Error(words)) if words.starts_with("NOSCRIPT") => {
                haul.grant = Grant::Untaught;
                Ok(haul)
            }
            claimed => claimed.map(|()| haul),
        }
    }

    fn read_claims(&self, replies: &mut Replies<'_>, haul: &mut Haul) -> Result<(), Unread> {
        let count = replies.array()?;
        haul.grant = match replies.int()? {
            1 => Grant::Alive,
            0 => Grant::Dead,
            2 => Grant::Taken,
            _ => return Err(Unread::Shape),
        };
        haul.claims.reserve(count.min(self.wanted));
        let mut read = 1;
        let mut number = self.first;
        while read < count {
            let position = usize::try_from(replies.int()?).map_err(|_| Unread::Shape)?;
            let list = position.checked_sub(1).and_then(|at| self.lists.get(at));
            let (list, queue) = list.ok_or(Unread::Shape)?;
            let found = replies.int()?;
            read += 2;
            match found {
                -1 => haul.paused.push(list.queue()),
                -2 => haul.broken.push(list.queue()),
                0 => haul.empty.push(*list),
                found => {
                    for _ in 0..found {
                        let payload = replies.bulk()?.map(<[u8]>::to_vec);
                        let token = Token {
                            number,
                            queue: Arc::clone(queue),
                        };
                        number += 1;
                        read += 1;
                        haul.claims.push(Claim { token, payload });
                    }
                }
            }
        }
        Ok(())
    }
}
