//! A wire to Redis: the claim loop's own connection. Several cycles may be under way on it; replies come in their order.
//!
//! Why not the redis crate's connection: that one lives in a task of its own, so each request and each reply is handed to
//! another task and each payload becomes a value on the way. Here the claim loop reads and writes itself.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    BLOCK, Cycle, Grip, Haul, Server, StoreError,
    cycle::{Grant, Reading},
    link::Link,
    lua::Lua,
    resp::{Frame, Replies, Request, Unread},
};

/// A connection that carries cycles, opened when first used and again after each loss, closed as soon as a reply on it
/// is in doubt (I7).
#[derive(Debug)]
pub struct Wire {
    server: Server,
    reply: Duration,
    link: Option<Link>,
    under_way: VecDeque<Sent>,
    /// How far the reply to the first of them has come.
    frame: Option<Frame>,
    /// A script that the server does not know.
    untaught: Option<&'static Lua>,
}

/// A cycle whose replies have not come.
#[derive(Debug)]
struct Sent {
    reading: Reading,
    at: Instant,
    /// A script was loaded in front of it.
    lesson: bool,
    /// A blocking move stands in front of it.
    waits: bool,
    /// Its connection is gone.
    lost: bool,
}

impl Sent {
    fn replies(&self) -> usize {
        usize::from(self.lesson) + usize::from(self.waits) + self.reading.replies()
    }
}

impl Wire {
    /// A wire to this server. `reply` is the deadline of each cycle.
    #[must_use]
    pub fn new(server: Server, reply: Duration) -> Self {
        #[cfg(feature = "mutants")]
        let reply = if reply == crate::BLOCK_DEADLINE && crate::mutant::is("long-block") {
            Duration::from_secs(65)
        } else {
            reply
        };
        Self {
            server,
            reply,
            link: None,
            under_way: VecDeque::new(),
            frame: None,
            untaught: None,
        }
    }

    /// How many cycles are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Sends a cycle. Its finishes may be repeated, its claim never: draw new numbers (I4).
    ///
    /// # Errors
    /// No connection could be opened: nothing was sent, and the cycle is not under way. What goes wrong later is the
    /// outcome of [`Wire::receive`].
    pub async fn send(&mut self, cycle: Cycle) -> Result<(), StoreError> {
        self.dispatch(cycle, None).await
    }

    /// The outcome of the cycle that has been under way for longest. It may be dropped and called again: nothing is lost.
    /// Waits for ever when none is under way.
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] the finishes and the claim may have happened.
    pub async fn receive(&mut self) -> Result<Haul, StoreError> {
        let (sent, end) = self.complete().await?;
        self.read(&sent, end, |_| Ok(())).1
    }

    /// Waits up to [`BLOCK`] for a job to arrive in the queue at `index`, moves it into that queue's landing list, and
    /// runs `cycle` right behind that, in the same turn of the server: a lone job is claimed without a second round trip.
    /// `true`: one landed. The second outcome is the cycle's alone.
    ///
    /// Needs a wire of its own ([`crate::BLOCK_DEADLINE`]); dropping the future leaves it unfit for anything else (I7).
    ///
    /// # Errors
    /// After [`StoreError::Unknown`] a job may have landed; that is harmless, since landing lists have no owner. The
    /// cycle may have run as well.
    pub async fn wait(
        &mut self,
        grip: &Grip,
        index: usize,
        cycle: Cycle,
    ) -> (Result<bool, StoreError>, Result<Haul, StoreError>) {
        let (queue, landing) = grip.keys_of(index);
        let block = BLOCK.as_secs();
        #[cfg(feature = "mutants")]
        let block = if crate::mutant::is("long-block") {
            60
        } else {
            block
        };
        let mut request = Request::default();
        request.command(6).text("BLMOVE").text(queue).text(landing);
        request.text("RIGHT").text("LEFT").number(block);
        if let Err(error) = self.dispatch(cycle, Some(request)).await {
            return (Err(error.clone()), Err(error));
        }
        match self.complete().await {
            // What landed is not looked at here: it is claimed, within the claim's limits (I12).
            Ok((sent, end)) => self.read(&sent, end, |replies| Ok(replies.moved()?.is_some())),
            Err(error) => (Err(error.clone()), Err(error)),
        }
    }

    async fn dispatch(&mut self, cycle: Cycle, wait: Option<Request>) -> Result<(), StoreError> {
        if self.is_behind() {
            self.close();
        }
        let server = &self.server;
        let link = match &mut self.link {
            Some(link) => link,
            None => self.link.insert(Link::open(server).await?),
        };
        let untaught = self.untaught.take();
        let mut sent = Sent {
            at: Instant::now(),
            lesson: untaught.is_some(),
            waits: wait.is_some(),
            lost: false,
            reading: cycle.reading,
        };
        let mut lesson = Request::default();
        if let Some(script) = untaught {
            lesson.command(3).text("SCRIPT").text("LOAD");
            lesson.text(script.code());
        }
        let writing = async {
            if sent.lesson {
                link.write(&lesson).await?;
            }
            if let Some(wait) = &wait {
                link.write(wait).await?;
            }
            link.write(&cycle.request).await
        };
        // A write that fails half-way may have been read by Redis: the loss is the outcome of each cycle under way.
        let written = tokio::time::timeout(self.reply, writing).await;
        if !matches!(written, Ok(Ok(()))) {
            sent.lost = true;
            self.close();
        }
        self.under_way.push_back(sent);
        Ok(())
    }

    /// Waits for all replies to the first cycle under way; where they end in the link's buffer.
    async fn complete(&mut self) -> Result<(Sent, usize), StoreError> {
        let Some(first) = self.under_way.front() else {
            return std::future::pending().await;
        };
        let deadline = first.at + self.reply;
        let Some(link) = self.link.as_mut().filter(|_| !first.lost) else {
            self.under_way.pop_front();
            return Err(self.unknown("the connection was lost".to_owned()));
        };
        let frame = self
            .frame
            .get_or_insert_with(|| Frame::new(first.replies()));
        let read = tokio::time::timeout_at(deadline.into(), link.read(frame)).await;
        let error = match read {
            Ok(Ok(_)) if self.is_behind() => StoreError::former(self.server.address()),
            Ok(Ok(end)) => {
                self.frame = None;
                // It was there a moment ago.
                let sent = self.under_way.pop_front();
                return sent
                    .map(|sent| (sent, end))
                    .ok_or_else(|| StoreError::shape("cycle"));
            }
            Ok(Err(error)) => self.unknown(error.to_string()),
            Err(_) => StoreError::deadline(self.server.address(), self.reply),
        };
        self.under_way.pop_front();
        self.close();
        Err(error)
    }

    /// Reads the replies to a cycle, and in front of them what `first` reads.
    fn read<T>(
        &mut self,
        sent: &Sent,
        end: usize,
        first: impl FnOnce(&mut Replies<'_>) -> Result<T, Unread>,
    ) -> (Result<T, StoreError>, Result<Haul, StoreError>) {
        let Some(link) = &mut self.link else {
            let lost = || self.unknown("the connection was lost".to_owned());
            return (Err(lost()), Err(lost()));
        };
        let mut replies = Replies::new(link.replies(end));
        let taught = if sent.lesson { replies.done() } else { Ok(()) };
        let before = first(&mut replies);
        let haul = match (taught, sent.reading.read(&mut replies)) {
            // Why it is still unknown matters more than that it is.
            (Err(refused), Ok(haul)) if haul.grant == Grant::Untaught => Err(refused),
            (_, haul) => haul,
        };
        link.forget(end);
        let haul = haul.map_err(|unread| self.judge(unread));
        if matches!(&haul, Ok(haul) if haul.grant == Grant::Untaught) {
            self.untaught = Some(sent.reading.script);
        }
        (before.map_err(|unread| self.judge(unread)), haul)
    }

    /// Makes an error of what could not be read; closes the connection when it must not be used again.
    fn judge(&mut self, unread: Unread) -> StoreError {
        let error = match unread {
            Unread::Error(words) => StoreError::replied(self.server.address(), &words),
            Unread::Shape => {
                self.close();
                StoreError::shape("cycle")
            }
        };
        if error.spoils_connection() {
            self.close();
        }
        error
    }

    /// Whether the connection leads to a former primary.
    fn is_behind(&self) -> bool {
        let link = self.link.as_ref();
        link.is_some_and(|link| link.term() != self.server.term())
    }

    /// Drops the connection: the replies to what is under way will not come.
    fn close(&mut self) {
        self.link = None;
        self.frame = None;
        self.under_way.iter_mut().for_each(|sent| sent.lost = true);
    }

    fn unknown(&self, cause: String) -> StoreError {
        StoreError::Unknown {
            server: self.server.address().to_owned(),
            cause,
        }
    }
}
