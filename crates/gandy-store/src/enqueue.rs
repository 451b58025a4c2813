//! Pushing jobs: plain commands, never a script, so that a producer needs no right to run one.

use redis::Value;

use crate::{
    Kind, Line, Parcel, StoreError, Undelivered,
    coalesce::Coalescer,
    lanes::Lanes,
    names::{Names, Naming},
};

/// Where a job is pushed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal<'a> {
    /// The left end of this queue.
    Queue(&'a str),
    /// `schedule`, for this time in milliseconds since the epoch.
    Schedule(i64),
}

impl<'a> Goal<'a> {
    pub(crate) fn queue(self) -> Option<&'a str> {
        match self {
            Self::Queue(queue) => Some(queue),
            Self::Schedule(_) => None,
        }
    }

    pub(crate) fn at_ms(self) -> Option<i64> {
        match self {
            Self::Queue(_) => None,
            Self::Schedule(at_ms) => Some(at_ms),
        }
    }
}

/// Pushes jobs on one line that all callers share. Pushes that come while others are on their way go together.
#[derive(Debug)]
pub struct Producer {
    coalescer: Coalescer,
    /// For pushes that wait for replicas, up to a minute: those behind an idempotency key do not queue behind them.
    durable: Lanes,
    watching: Lanes,
}

impl Producer {
    /// A producer on a line of its own.
    #[must_use]
    pub fn new(line: Line) -> Self {
        Self {
            coalescer: Coalescer::new(Sender::new(line)),
            durable: Lanes::default(),
            watching: Lanes::default(),
        }
    }

    /// The line it pushes on.
    #[must_use]
    pub fn line(&self) -> &Line {
        &self.coalescer.sender().line
    }

    pub(crate) fn durable(&self) -> &Lanes {
        &self.durable
    }

    pub(crate) fn watching(&self) -> &Lanes {
        &self.watching
    }

    /// An empty parcel.
    #[must_use]
    pub fn parcel(&self, goal: Goal<'_>) -> Parcel {
        self.coalescer.sender().parcel(goal)
    }

    /// Pushes one job.
    ///
    /// # Errors
    /// [`StoreError::Unknown`]: it may have been pushed. Any other error: it was not. Repeating what is scheduled is safe:
    /// the same bytes are the same member.
    pub async fn push(&self, goal: Goal<'_>, payload: &str) -> Result<(), StoreError> {
        self.coalescer.push(goal, payload).await
    }

    /// Pushes many jobs in one command: all of them or none.
    ///
    /// # Errors
    /// As [`Producer::push`], for all of them; the parcel comes back.
    pub async fn deliver(&self, parcel: Parcel) -> Result<(), Box<Undelivered>> {
        if parcel.jobs() == 0 {
            return Ok(());
        }
        self.coalescer.sender().deliver_or_return(parcel).await
    }

    /// Pushes parcels, none of them empty, in one write and in their order. Each has its own result.
    pub async fn deliver_all(&self, parcels: Vec<Parcel>) -> Vec<Result<(), StoreError>> {
        self.coalescer.sender().deliver_all(parcels).await
    }
}

/// Sends parcels, and with them the names of their queues where `queues` may lack them.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) line: Line,
    names: Names,
}

impl Sender {
    pub(crate) fn new(line: Line) -> Self {
        let names = Names::default();
        Self { line, names }
    }

    pub(crate) fn parcel(&self, goal: Goal<'_>) -> Parcel {
        let keys = self.line.keys();
        match goal {
            Goal::Queue(queue) => Parcel::to_queue(keys, queue),
            Goal::Schedule(_) => Parcel::to_schedule(keys),
        }
    }

    /// Sends one parcel.
    pub(crate) async fn deliver(&self, parcel: Parcel) -> Result<(), StoreError> {
        if self.lacks_name(&parcel) {
            return self.deliver_all(vec![parcel]).await.swap_remove(0);
        }
        self.deliver_known(&parcel).await
    }

    /// As [`Sender::deliver`], for whoever wants to send it again. Not for single pushes, whose callers still have theirs: what
    /// this has to remember made each of them 360 bytes larger.
    pub(crate) async fn deliver_or_return(&self, parcel: Parcel) -> Result<(), Box<Undelivered>> {
        if !self.lacks_name(&parcel) {
            let sent = self.deliver_known(&parcel).await;
            return sent.map_err(|error| Box::new(Undelivered { error, parcel }));
        }
        let queue = parcel.queue().map(str::to_owned);
        let (jobs, bytes) = (parcel.jobs(), parcel.bytes());
        let (pipe, sent) = self.write(vec![parcel]);
        let result = self.exchange(&pipe, &sent).await.swap_remove(0);
        result.map_err(|error| {
            // Its command is the last one.
            let command = pipe.cmd_iter().last().cloned().unwrap_or_default();
            let parcel = Parcel::of_command(queue, command, jobs, bytes);
            Box::new(Undelivered { error, parcel })
        })
    }

    fn lacks_name(&self, parcel: &Parcel) -> bool {
        let naming = parcel.queue().map(|queue| self.naming(queue));
        !matches!(naming, None | Some(Naming::Known))
    }

    async fn deliver_known(&self, parcel: &Parcel) -> Result<(), StoreError> {
        let reply = self.line.query::<usize>(parcel.command()).await;
        if let Err(error) = &reply {
            self.forget_names(parcel.queue(), error);
        }
        let length = reply?;
        if let Some(queue) = parcel.queue()
            && self.may_lack(queue, length == parcel.jobs())
        {
            self.name(&[queue]).await;
        }
        Ok(())
    }

    /// Sends parcels in one write, in their order. Each has its own result: an error of one is none of the others'.
    pub(crate) async fn deliver_all(&self, parcels: Vec<Parcel>) -> Vec<Result<(), StoreError>> {
        let (pipe, sent) = self.write(parcels);
        self.exchange(&pipe, &sent).await
    }

    fn write(&self, parcels: Vec<Parcel>) -> (redis::Pipeline, Vec<Sent>) {
        let mut pipe = redis::pipe();
        let mut sent = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            let queue = parcel.queue().map(str::to_owned);
            let naming = queue.as_deref().map(|queue| self.naming(queue));
            let jobs = parcel.jobs();
            if let (Some(queue), Some(Naming::Missing | Naming::Drained)) = (&queue, naming) {
                pipe.cmd("SADD").arg(self.line.keys().queues()).arg(queue);
            }
            pipe.add_command(parcel.into_command());
            sent.push(Sent {
                queue,
                naming,
                jobs,
            });
        }
        (pipe, sent)
    }

    async fn exchange(&self, pipe: &redis::Pipeline, sent: &[Sent]) -> Vec<Result<(), StoreError>> {
        let replies = match self.line.each(pipe).await {
            Ok(replies) => replies,
            Err(error) => {
                self.names.forget_all();
                return sent.iter().map(|_| Err(error.clone())).collect();
            }
        };
        let mut replies = replies.into_iter();
        let mut unnamed: Vec<&str> = Vec::new();
        let results = sent
            .iter()
            .map(|sent| {
                let (result, lacks_name) = self.read(sent, &mut replies);
                if lacks_name && let Some(queue) = sent.queue.as_deref() {
                    unnamed.push(queue);
                }
                result
            })
            .collect();
        if !unnamed.is_empty() {
            self.name(&unnamed).await;
        }
        results
    }

    /// Takes the replies to one parcel, and says whether its queue's name has still to be written.
    fn read(
        &self,
        sent: &Sent,
        replies: &mut impl Iterator<Item = Result<Value, StoreError>>,
    ) -> (Result<(), StoreError>, bool) {
        let mut next = || {
            let reply = replies.next();
            reply.unwrap_or_else(|| Err(StoreError::shape("a push")))
        };
        let Some(queue) = sent.queue.as_deref() else {
            return (next().map(drop), false);
        };
        let named = (sent.naming != Some(Naming::Known)).then(&mut next);
        let length = next().and_then(|value| self.line.read::<usize>(value));
        let was_empty = matches!(&length, Ok(length) if *length == sent.jobs);
        let mut lacks_name = false;
        match named {
            Some(Ok(_)) => {
                let drained = was_empty && sent.naming == Some(Naming::Drained);
                self.names.note(queue, self.line.openings(), drained);
            }
            Some(Err(error)) => {
                tracing::warn!(queue, %error, "the queue's name could not be written to `queues`");
            }
            None if length.is_ok() => lacks_name = self.may_lack(queue, was_empty),
            None => {}
        }
        if let Err(error) = &length {
            self.forget_names(Some(queue), error);
        }
        (length.map(drop), lacks_name)
    }

    fn naming(&self, queue: &str) -> Naming {
        self.names.of(queue, self.line.openings())
    }

    /// Whether a known name may be gone: the list was empty, so that a "clear queue" may have removed it, or the
    /// connection is another one now.
    fn may_lack(&self, queue: &str, was_empty: bool) -> bool {
        was_empty || self.naming(queue) == Naming::Missing
    }

    async fn name(&self, queues: &[&str]) {
        let mut command = redis::cmd("SADD");
        command.arg(self.line.keys().queues()).arg(queues);
        match self.line.query::<i64>(&command).await {
            Ok(_) => {
                for queue in queues {
                    self.names.note(queue, self.line.openings(), true);
                }
            }
            // The jobs are pushed; workers that listen to the queues by name will run them. The next push tries again.
            Err(error) => {
                for queue in queues {
                    self.names.forget(queue);
                }
                tracing::warn!(?queues, %error, "the queues' names could not be written to `queues`");
            }
        }
    }

    /// After a lost connection the server may be another one, or have restarted empty. What a server refuses says
    /// something of one queue alone.
    fn forget_names(&self, queue: Option<&str>, error: &StoreError) {
        match queue {
            Some(queue) if error.kind() == Kind::Input || error.is_full() => {
                self.names.forget(queue);
            }
            _ => self.names.forget_all(),
        }
    }
}

/// What is remembered of a parcel that was sent.
struct Sent {
    queue: Option<String>,
    naming: Option<Naming>,
    jobs: usize,
}
