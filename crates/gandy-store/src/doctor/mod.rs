//! What the doctor looks at, and the steps by which it repairs. Bounded reads only: pages of `SCAN`, `SSCAN`, `ZSCAN` and
//! `LRANGE`, never `KEYS` and never a whole list; and only commands that the roles who look may run, so that no `TYPE`,
//! `EXISTS` or script is needed to find something.
//!
//! * `vitals`: the server; `rights`, `role`: what its user may do; `keyspace`: which keys there are
//! * `lives`: who works here; `shelf`: the jobs that wait; `shapes`: keys of another type than ours
//! * `step`: the repairs that no worker's arrow makes
//!
//! Not here: what any of it means (the crate `gandy` judges), and the arrows that workers have too (`life`, `reap`,
//! `landing`, `operator`).

mod keyspace;
mod lives;
mod rights;
mod role;
mod shapes;
mod shelf;
mod step;
mod vitals;

pub use keyspace::{Family, Names};
pub use lives::{Member, Shown};
pub use rights::{Basis, Rights};
pub use role::Role;
pub use shelf::{Browsed, Shelf};
pub use vitals::{Replica, Tick, Vitals};

/// Commands in one pipeline at most.
const PIPELINE: usize = 500;
