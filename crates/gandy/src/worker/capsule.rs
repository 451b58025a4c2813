//! A group of queues with slots of its own, and its station in the present life.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use gandy_protocol::{Keys, QueueOrder};
use gandy_store::{Exit, Grip, Token};
use tokio::sync::{Notify, watch};

use super::{
    config::CapsuleConfig,
    life::{Held, Life},
    slots::Slots,
};
use crate::Error;

/// Above this many queues a capsule polls: a blocking connection for each would be too many (design, section 6).
const BELLS_MAX: usize = 16;

/// A group of queues with slots of its own. It outlives lives: a run of an old life still holds its slot.
#[derive(Debug)]
pub(crate) struct Capsule {
    pub(crate) name: String,
    pub(crate) order: QueueOrder,
    pub(crate) slots: Arc<Slots>,
}

impl Capsule {
    pub(crate) fn new(config: &CapsuleConfig) -> Result<Arc<Self>, Error> {
        let order = config.order()?;
        Ok(Arc::new(Self {
            name: config.name.clone(),
            order,
            slots: Slots::new(config.concurrency),
        }))
    }

    /// Whether it waits for bells or polls.
    pub(crate) fn has_bells(&self) -> bool {
        self.order.names().len() <= BELLS_MAX
    }
}

/// How a run ended and what is to be written for it.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It succeeded.
    Done(Token),
    /// It goes elsewhere.
    Exit(Token, Exit),
    /// It goes back to its queue as it is: it was interrupted.
    Return(Token),
}

/// A capsule in one life: where its pumps, bells and runs meet.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) capsule: Arc<Capsule>,
    pub(crate) life: Arc<Life>,
    pub(crate) grip: Grip,
    /// Rings when an ending was handed in, a bell rang, or a stray was found.
    pub(crate) wake: Notify,
    /// True while the queues were empty at the last look: bells wait for jobs.
    pub(crate) idle: watch::Sender<bool>,
    /// Tells bells that their ring was answered.
    pub(crate) answered: Notify,
    bells: Vec<Bell>,
    desk: Mutex<Desk>,
}

/// The state of one queue's bell.
#[derive(Debug, Default)]
struct Bell {
    rings: AtomicU64,
    answered: AtomicU64,
    /// Paused, or a key of another type: not to be blocked on.
    mute: AtomicBool,
    /// Redis refuses to block: no right to, or a proxy in between.
    refused: AtomicBool,
}

/// A ring that was not answered when somebody looked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ring {
    /// The queue's place in the grip.
    pub(crate) queue: usize,
    /// How many rings there had been: an answer to these does not answer the next.
    seen: u64,
}

#[derive(Debug, Default)]
struct Desk {
    endings: Vec<Ending>,
    strays: VecDeque<Arc<Held>>,
}

impl Station {
    pub(crate) fn new(capsule: &Arc<Capsule>, life: &Arc<Life>, keys: &Keys) -> Arc<Self> {
        let names = capsule.order.names();
        Arc::new(Self {
            capsule: Arc::clone(capsule),
            life: Arc::clone(life),
            grip: Grip::new(keys, &life.identity, names.iter().map(String::as_str)),
            wake: Notify::new(),
            idle: watch::Sender::new(false),
            answered: Notify::new(),
            bells: names.iter().map(|_| Bell::default()).collect(),
            desk: Mutex::default(),
        })
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in how a run ended.
    pub(crate) fn hand_in(&self, ending: Ending) {
        self.desk().endings.push(ending);
    }

    /// Takes up to `most` endings.
    pub(crate) fn collect(&self, most: usize, into: &mut Vec<Ending>) {
        let mut desk = self.desk();
        let count = desk.endings.len().min(most);
        into.extend(desk.endings.drain(..count));
    }

    /// Lays a stray aside until a slot is free.
    pub(crate) fn lay_aside(&self, stray: Arc<Held>) {
        self.desk().strays.push_back(stray);
        self.wake.notify_one();
    }

    pub(crate) fn next_stray(&self) -> Option<Arc<Held>> {
        self.desk().strays.pop_front()
    }

    pub(crate) fn set_idle(&self, idle: bool) {
        self.idle
            .send_if_modified(|now| std::mem::replace(now, idle) != idle);
    }

    pub(crate) fn is_idle(&self) -> bool {
        *self.idle.borrow()
    }

    /// A job landed for the queue at `index`.
    pub(crate) fn ring(&self, index: usize) {
        self.bells[index].rings.fetch_add(1, Ordering::AcqRel);
        self.wake.notify_one();
    }

    pub(crate) fn is_rung(&self, index: usize) -> bool {
        let bell = &self.bells[index];
        bell.rings.load(Ordering::Acquire) > bell.answered.load(Ordering::Acquire)
    }

    /// The rings that nobody has answered.
    pub(crate) fn rung(&self) -> Vec<Ring> {
        (0..self.bells.len())
            .filter(|&queue| self.is_rung(queue))
            .map(|queue| Ring {
                queue,
                seen: self.bells[queue].rings.load(Ordering::Acquire),
            })
            .collect()
    }

    /// Ends these rings: what landed was claimed or put back.
    pub(crate) fn answer(&self, rings: &[Ring]) {
        for ring in rings {
            let bell = &self.bells[ring.queue];
            bell.answered.fetch_max(ring.seen, Ordering::AcqRel);
        }
        if !rings.is_empty() {
            self.answered.notify_waiters();
        }
    }

    /// Notes which queues must not be blocked on.
    pub(crate) fn mute(&self, paused: &[usize], broken: &[usize], seen: &[usize]) {
        for &index in seen {
            let mute = paused.contains(&index) || broken.contains(&index);
            self.bells[index].mute.store(mute, Ordering::Release);
        }
    }

    /// Notes whether Redis refuses to block on this queue; it is polled meanwhile.
    pub(crate) fn refuse(&self, index: usize, refused: bool) {
        self.bells[index].refused.store(refused, Ordering::Release);
        self.wake.notify_one();
    }

    pub(crate) fn is_mute(&self, index: usize) -> bool {
        self.bells[index].is_mute()
    }

    pub(crate) fn any_mute(&self) -> bool {
        self.bells.iter().any(Bell::is_mute)
    }
}

impl Bell {
    fn is_mute(&self) -> bool {
        self.mute.load(Ordering::Acquire) || self.refused.load(Ordering::Acquire)
    }
}
