//! One direction of one connection: what arrives waits its time and leaves as the plan says.
//!
//! Here is how bytes move. What they mean is `connection`'s business.

use std::{
    io,
    net::Shutdown,
    time::{Duration, Instant},
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
};

use crate::{Leg, Plan, talk::Called};

/// What a pipe holds before it stops to read: enough for a far Redis that is busy.
const PIECES_MAX: usize = 1024;
/// How far a narrow line may be behind its time and make up for it: timers are late by a millisecond, and a thousand parts
/// would be late by a second.
const CATCH_UP: Duration = Duration::from_millis(20);
/// Read at once.
pub(crate) const READ: usize = 64 << 10;

/// Which of the plan's legs this is.
pub(crate) type Pick = fn(&Plan) -> Leg;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Both sockets are closed.
    Close,
    /// Both sides get a reset (RST).
    Reset,
}

/// What is on its way.
#[derive(Debug)]
pub(crate) enum Load {
    /// Bytes, and what they answer.
    Bytes(Bytes, Vec<Called>),
    /// The sender sends no more.
    Fin,
    /// The connection ends.
    Ending(Ending),
}

/// Something on its way, and when it arrives.
#[derive(Debug)]
pub(crate) struct Piece {
    due: Instant,
    load: Load,
}

/// A pipe for this leg; `seed` is for its jitter.
pub(crate) fn pipe(
    plans: &watch::Sender<Plan>,
    pick: Pick,
    seed: u64,
) -> (Inlet, mpsc::Receiver<Piece>) {
    let (queue, pieces) = mpsc::channel(PIECES_MAX);
    let inlet = Inlet {
        queue,
        plans: plans.subscribe(),
        pick,
        random: fastrand::Rng::with_seed(seed),
        last: Instant::now(),
    };
    (inlet, pieces)
}

/// Where a pipe begins.
#[derive(Debug)]
pub(crate) struct Inlet {
    queue: mpsc::Sender<Piece>,
    plans: watch::Receiver<Plan>,
    pick: Pick,
    random: fastrand::Rng,
    /// When the last piece arrives: nothing overtakes it.
    last: Instant,
}

impl Inlet {
    /// Sends something on its way; waits while the pipe is full.
    pub(crate) async fn send(&mut self, load: Load) {
        let leg = (self.pick)(&self.plans.borrow());
        let jitter = leg.jitter.mul_f64(self.random.f64());
        self.last = self.last.max(Instant::now() + leg.latency + jitter);
        let due = self.last;
        // Nobody takes it: the connection is over.
        let _ = self.queue.send(Piece { due, load }).await;
    }
}

/// Where a pipe ends.
#[derive(Debug)]
pub(crate) struct Outlet<'a> {
    stream: &'a TcpStream,
    plans: watch::Receiver<Plan>,
    pick: Pick,
    /// Until then what was written last fills the line.
    free: Instant,
}

impl<'a> Outlet<'a> {
    pub(crate) fn new(stream: &'a TcpStream, plans: &watch::Sender<Plan>, pick: Pick) -> Self {
        Self {
            stream,
            plans: plans.subscribe(),
            pick,
            free: Instant::now(),
        }
    }

    /// Waits until this piece arrives.
    pub(crate) async fn arrival(&mut self, piece: Piece) -> Load {
        until(piece.due).await;
        if !matches!(piece.load, Load::Bytes(..)) {
            self.passable().await;
        }
        piece.load
    }

    /// Waits while there is a hole; how the leg is.
    async fn passable(&mut self) -> Leg {
        passable(&mut self.plans, self.pick).await
    }

    /// Writes all of it, as fast and in as many parts as the plan says. `told` is called before the last part leaves, so
    /// that whoever has read it finds it counted.
    pub(crate) async fn write(&mut self, mut bytes: Bytes, told: impl FnOnce()) -> io::Result<()> {
        let mut told = Some(told);
        while !bytes.is_empty() {
            let leg = self.passable().await;
            let part = bytes.split_to(leg.share(bytes.len()));
            let time = leg.time_for(part.len());
            if !time.is_zero() {
                let now = Instant::now();
                self.free = self.free.max(now.checked_sub(CATCH_UP).unwrap_or(now)) + time;
                until(self.free).await;
            }
            if bytes.is_empty()
                && let Some(told) = told.take()
            {
                told();
            }
            write_all(self.stream, &part).await?;
            if leg.slice.is_some() {
                // Whoever reads on this thread gets its turn between two slices.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}

/// Waits while there is a hole; how the leg is.
pub(crate) async fn passable(plans: &mut watch::Receiver<Plan>, pick: Pick) -> Leg {
    let clear = plans.wait_for(|plan| !pick(plan).hole).await;
    let leg = clear.map(|plan| pick(&plan)).ok();
    match leg {
        Some(leg) => leg,
        // The proxy has ended.
        None => std::future::pending().await,
    }
}

async fn until(due: Instant) {
    if due > Instant::now() {
        tokio::time::sleep_until(due.into()).await;
    }
}

/// Reads what is there; 0: the other end sends no more.
pub(crate) async fn read(stream: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
    }
}

async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tells the other end that no more comes. It may be gone, which is as well.
pub(crate) fn fin(stream: &TcpStream) {
    let _ = SockRef::from(stream).shutdown(Shutdown::Write);
}

/// Makes the coming close of this socket a reset.
pub(crate) fn reset_at_close(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
