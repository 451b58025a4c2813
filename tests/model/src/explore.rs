//! Looks at every state that can be reached, the nearest first, so that what it finds broken is broken in as few steps as
//! possible.
//!
//! Not stateright: its checkers keep every state whole, and here symmetry, the pruning of requests without effect and
//! the fair ends of P1 are half of the work and all ours. What is left for a library is the queue below.

use std::time::{Duration, Instant};

use crate::{
    Action, Kind, Scene, State, drain::drain, hash::Mixer, invariant::Breach, trace::Trace,
};

/// How to search.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Stops after this many states.
    pub states_max: usize,
    /// Of this many states one, on average, is carried to a fair end (P1). 1: all, 0: none.
    pub drain_every: u64,
    /// Carries only states to an end in which nothing is under way that nobody waits for: more steps, but a whole story.
    pub quiet: bool,
    /// Looks for this promise broken and for no other.
    pub only: Option<Kind>,
    /// Takes states that differ in names alone for one.
    pub symmetric: bool,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            states_max: 50_000_000,
            drain_every: 200,
            quiet: false,
            only: None,
            symmetric: true,
        }
    }
}

/// What a search found.
#[derive(Debug)]
pub struct Report {
    /// Of which scene.
    pub name: &'static str,
    /// Different states.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// Steps from the beginning to the farthest state.
    pub depth: usize,
    /// States that were carried to a fair end.
    pub drained: usize,
    /// It stopped before everything was seen.
    pub cut: bool,
    /// How long it took.
    pub took: Duration,
    /// The first broken promise, with the shortest way to it.
    pub broken: Option<Trace>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = match (&self.broken, self.cut) {
            (Some(_), _) => "BROKEN",
            (None, true) => "cut off, none broken so far",
            (None, false) => "complete, none broken",
        };
        write!(
            f,
            "{:<44} {:>10} states {:>11} steps, depth {:>3}, {:>7} drained, {:>5.1} s: {end}",
            self.name,
            self.states,
            self.steps,
            self.depth,
            self.drained,
            self.took.as_secs_f64()
        )
    }
}

/// Explores a scene until every state was seen, a promise is broken, or there are too many.
#[must_use]
pub fn explore(scene: &Scene, search: &Search) -> Report {
    let mut report = Explorer::new(scene, *search).run();
    if let Some(found) = report.broken.as_ref().filter(|_| search.symmetric) {
        // Renamed states tell no story: the same once more under the names of the beginning.
        let told = Search {
            symmetric: false,
            drain_every: 1,
            quiet: true,
            only: Some(found.breach.kind),
            ..*search
        };
        let again = Explorer::new(scene, told).run();
        report.broken = again.broken.or(report.broken);
    }
    report
}

struct Explorer<'a> {
    scene: &'a Scene,
    search: Search,
    seen: Seen,
    /// For each state its hash, and the place of the state from which it was reached first.
    marks: Vec<u64>,
    parents: Vec<u32>,
    steps: usize,
    drained: usize,
}

impl<'a> Explorer<'a> {
    fn new(scene: &'a Scene, search: Search) -> Self {
        Self {
            scene,
            search,
            seen: Seen::default(),
            marks: Vec::new(),
            parents: Vec::new(),
            steps: 0,
            drained: 0,
        }
    }

    fn run(mut self) -> Report {
        let began = Instant::now();
        let first = settle(State::new(self.scene), self.scene, self.search.symmetric);
        let mut layer = Vec::new();
        let mut breach = self.meet(first, 0, &mut layer);
        let (mut depth, mut offers) = (0, Vec::new());
        while !layer.is_empty() && breach.is_none() && self.marks.len() < self.search.states_max {
            let mut next = Vec::with_capacity(layer.len());
            'layer: for (place, state) in std::mem::take(&mut layer) {
                state.offers(self.scene, &mut offers);
                for action in &offers {
                    self.steps += 1;
                    let child = follow(&state, self.scene, *action, self.search.symmetric);
                    breach = self.meet(child, place, &mut next);
                    if breach.is_some() {
                        break 'layer;
                    }
                }
            }
            depth += 1;
            layer = next;
        }
        let broken = breach.map(|breach| self.tell(breach));
        Report {
            name: self.scene.name,
            states: self.marks.len(),
            steps: self.steps,
            depth,
            drained: self.drained,
            cut: !layer.is_empty(),
            took: began.elapsed(),
            broken,
        }
    }

    /// Takes a state in, unless it is known.
    fn meet(&mut self, state: State, parent: u32, layer: &mut Vec<(u32, State)>) -> Option<Breach> {
        let mark = Mixer::of(&state);
        if !self.seen.insert(mark) {
            return None;
        }
        let place = self.marks.len() as u32;
        self.marks.push(mark);
        self.parents.push(parent);
        layer.push((place, state));
        let only = self.search.only;
        let breach = state.breach(self.scene, only);
        if breach.is_some()
            || self.search.drain_every == 0
            || only.is_some_and(|it| it != Kind::Stuck)
        {
            return breach;
        }
        let skipped = self.search.quiet && !state.network.is_empty();
        if skipped || !mark.is_multiple_of(self.search.drain_every) {
            return None;
        }
        self.drained += 1;
        let stuck = drain(&state, self.scene, mark).err()?;
        only.is_none_or(|only| only == stuck.kind).then_some(stuck)
    }

    /// The way to the state that was met last.
    fn tell(&self, breach: Breach) -> Trace {
        let mut way = Vec::new();
        let mut place = self.marks.len() - 1;
        while place > 0 {
            way.push(self.marks[place]);
            place = self.parents[place] as usize;
        }
        let symmetric = self.search.symmetric;
        let mut state = settle(State::new(self.scene), self.scene, symmetric);
        let mut trace = Trace::new(self.scene, &state, breach);
        let mut offers = Vec::new();
        for mark in way.into_iter().rev() {
            state.offers(self.scene, &mut offers);
            let step = offers.iter().find_map(|action| {
                let child = follow(&state, self.scene, *action, symmetric);
                (Mixer::of(&child) == mark).then_some((*action, child))
            });
            let Some((action, child)) = step else { break };
            trace.add(&state, action, &child);
            state = child;
        }
        trace
    }
}

fn follow(state: &State, scene: &Scene, action: Action, symmetric: bool) -> State {
    let mut child = *state;
    child.apply(scene, action);
    settle(child, scene, symmetric)
}

fn settle(mut state: State, scene: &Scene, symmetric: bool) -> State {
    state.tidy(scene);
    if symmetric && scene.rules.own_tokens {
        state.rename(scene);
    }
    state
}

/// The hashes of what was seen. A table of our own: the standard one would hash the hashes.
#[derive(Default)]
struct Seen {
    slots: Vec<u64>,
    count: usize,
}

impl Seen {
    /// Adds one; `false`: it was there.
    fn insert(&mut self, mark: u64) -> bool {
        if self.count * 4 >= self.slots.len() * 3 {
            let larger = vec![0; (self.slots.len() * 2).max(1024)];
            let old = std::mem::replace(&mut self.slots, larger);
            for mark in old.into_iter().filter(|mark| *mark != 0) {
                let at = self.find(mark);
                self.slots[at] = mark;
            }
        }
        let at = self.find(mark);
        let new = self.slots[at] == 0;
        if new {
            self.slots[at] = mark;
            self.count += 1;
        }
        new
    }

    /// Where it is or belongs.
    fn find(&self, mark: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = mark as usize & mask;
        while self.slots[at] != 0 && self.slots[at] != mark {
            at = (at + 1) & mask;
        }
        at
    }
}
