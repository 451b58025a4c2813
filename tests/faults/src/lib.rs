//! A proxy between clients and a Redis on this machine that breaks what it is told to break.
//!
//! A proxy that knows only bytes cannot lose *the reply* of a command that ran, which is the fault that job queues get
//! wrong: the job moved, and nobody was told. So this one reads requests and replies and knows which reply answers which
//! command, also inside `MULTI`, and which script an `EVALSHA` runs.
//!
//! * [`Proxy`]: stands before a Redis; its plan is changed while it runs
//! * [`Plan`], [`Leg`]: how the way there and the way back are: far, slow, in slices, a hole; or nobody listens
//! * [`Rule`], [`When`], [`Deed`]: of which command which reply is lost
//! * [`Tally`]: what was asked, answered and lost, for each command
//! * [`frame`]: where requests and replies begin and end
//!
//! Chance is drawn from the proxy's seed. Which requests of a command a share hits depends on the seed and on their
//! number alone, not on what other connections do meanwhile: a run can be repeated as far as the scheduler allows.
//!
//! Not for measuring: its timer knows milliseconds and it shares its process with the test. `gandy-bench` has a proxy that only
//! delays, in a process of its own.
//!
//! Nothing is ever sent twice and nothing is changed: TCP does not do that either. Only loopback is spoken to.

mod connection;
mod fault;
pub mod frame;
mod name;
mod pipe;
mod plan;
mod proxy;
mod talk;
mod tally;

pub use fault::{Deed, Rule, When};
pub use name::Names;
pub use plan::{Leg, Plan};
pub use proxy::{Proxy, Side};
pub use tally::{Count, Tally};
