//! Which lists a cycle looks at, and in which order.

use std::time::{Duration, Instant};

use gandy_store::List;

use super::capsule::{Ring, Station};

/// A queue that was empty a moment ago is not looked at again for this long while others have work: 64 queues of which
/// one has jobs would cost Redis 63 looks a cycle.
const EMPTY_FOR: Duration = Duration::from_millis(2);
/// Queues named in one claim while the last one brought all that it asked for: naming 64 cost Redis a third of a job.
const NAMED_MAX: usize = 8;
/// Landing lists that nobody rang for are looked at this often by claims that are made anyway: for jobs that a dead peer
/// left there, and to see which are broken. (An idle worker leaves that to the reaper: asked by a hundred of them, it was a
/// tenth of what they cost Redis.)
const GLANCE: Duration = Duration::from_secs(5);

/// The memory behind the choice.
#[derive(Debug)]
pub(crate) struct Route {
    order: Vec<usize>,
    /// When each queue was last seen empty.
    empty: Vec<Option<Instant>>,
    glanced: Option<Instant>,
}

/// A choice.
#[derive(Debug, Default)]
pub(crate) struct Way {
    pub(crate) lists: Vec<List>,
    /// No queue was left out.
    pub(crate) whole: bool,
}

impl Route {
    pub(crate) fn new(queues: usize) -> Self {
        Self {
            order: Vec::new(),
            empty: vec![None; queues],
            glanced: None,
        }
    }

    /// Chooses anew. `plenty`: the first few queues will do.
    pub(crate) fn choose(
        &mut self,
        station: &Station,
        rung: &[Ring],
        plenty: bool,
        now: Instant,
    ) -> Way {
        let order = &station.capsule.order;
        order.order(&mut |bound| fastrand::u32(..bound), &mut self.order);
        let glance = self.glanced.is_none_or(|at| now - at >= GLANCE);
        if glance {
            self.glanced = Some(now);
        }
        let mut lists = Vec::with_capacity(self.order.len());
        let (mut named, mut whole) = (0, true);
        for &queue in &self.order {
            if glance || rung.iter().any(|ring| ring.queue == queue) {
                lists.push(List::Landing(queue));
            }
            let skips = self.empty[queue].is_some_and(|at| now - at < EMPTY_FOR)
                || (plenty && named == NAMED_MAX);
            if skips {
                whole = false;
            } else {
                lists.push(List::Queue(queue));
                named += 1;
            }
        }
        Way { lists, whole }
    }

    /// Notes which lists were empty; with one queue there is nothing to choose.
    pub(crate) fn note_empty(&mut self, lists: &[List], now: Instant) {
        if self.empty.len() > 1 {
            for list in lists {
                if let List::Queue(index) = *list {
                    self.empty[index] = Some(now);
                }
            }
        }
    }

    /// The next choice leaves nothing out.
    pub(crate) fn look_everywhere(&mut self) {
        self.empty.fill(None);
    }
}
