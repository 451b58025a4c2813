//! The model of Gandy's protocol: what can happen between workers and Redis, one step at a time, in every order.
//!
//! Tests on real processes show that the code does what it should in the orders that happened. This shows that the
//! protocol holds in all orders, within bounds that are small enough to see every one of them.
//!
//! # What is modelled
//! * Redis: the queue, its landing list, `retry` and `schedule`, `dead`, the in-flight hashes, fleet, dying, leases, the
//!   deaths counted for each job. Each script and command of `gandy-store` is one function in `arrow`, with the same
//!   tests in the same order.
//! * Workers: what each remembers of its jobs, the replies it awaits, its present identity and whether it believes in it;
//!   claims, blocking moves, runs that end well or badly, strays taken in or given back, renewal, a new life after a
//!   death, shutdown. And the fleet's chores: condemn, reap, forget, unland, promote.
//! * The network: a request is sent, and run at any later time, in any order, once or never, also when its sender is
//!   dead or no longer waits. No connection lives through a failover.
//! * Faults, each with a budget: [`Budget`].
//!
//! # What is checked
//! After every single step I1 to I4 and P3 (`invariant`): nothing is lost, everything is where somebody looks, nothing is
//! in two places, a token means one job, and no job begins more often than its pushes, its retries and the deaths, lost
//! leases and failovers during its flight explain. Of a share of all states also P1: from there, without further faults,
//! a fair schedule ends with every job done or dead (`drain`).
//!
//! # What is not
//! * Time. A lease may run out, a due entry may be promoted, a process may be slow whenever it likes: more than can
//!   happen. So the bounds in seconds (P2, P6) are not shown, and the vigil of the reapers (I8) is not used. That a worker
//!   without a lease claims nothing (I9) is used only where Redis may fail over: everything else holds without it.
//! * Payloads (I5, I12), pauses, several queues, bounds of work (I6), the slow sweep: the model must hold without that net.
//! * Steps that are merged because nothing can come between that matters. Reading what a script then looks at again is
//!   one step with sending it. A renewal and a registration are made in one step: run late, they make a lease longer or
//!   let a dead identity join, and both are possible as faults. Jobs that one script ends or gives back go one by one.
//!
//! # How
//! [`explore`] sees every state of a [`Scene`], breadth first; states that differ in nothing but names are one. [`walk`]
//! goes long ways at random where there are too many. [`Rules`] leave one rule out, and the shortest way to what breaks
//! then is printed: the rules are necessary, and the checks can fail.
//!
//! `cargo test -p gandy-model -- --nocapture` prints the counts; with `GANDY_MODEL=full` the bounds are larger.

mod action;
mod arrow;
mod canon;
mod drain;
mod explore;
mod fault;
mod hash;
mod invariant;
mod list;
mod offer;
mod request;
mod rules;
mod scene;
mod state;
mod step;
mod trace;
mod walk;

pub use action::Action;
pub use drain::drain;
pub use explore::{Report, Search, explore};
pub use fault::Budget;
pub use invariant::{Breach, Kind};
pub use list::List;
pub use request::{Request, Way};
pub use rules::Rules;
pub use scene::Scene;
pub use state::{
    Call, Entry, Held, JOBS, Job, LIVES, Landed, Life, Lives, NOBODY, PROCESSES, Process, Redis,
    Reply, Run, State, Status, Tally, Token, Waiting,
};
pub use trace::Trace;
pub use walk::{Walked, walk};
