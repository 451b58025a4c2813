//! What can happen next, one thing at a time.

use crate::{
    Request,
    state::{Life, Run, Token},
};

/// One thing that happens. Processes and calls are named by their places in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A producer pushes the next job and is told so.
    Push,
    /// A producer's push is sent, and no reply comes. It will push the same job again.
    LosePush,
    /// A worker asks for as many jobs as it has free slots.
    Claim(usize),
    /// An idle worker blocks for a job.
    Wait(usize),
    /// A run begins.
    Start(usize, Token),
    /// A job's time in memory ends this way, and Redis is told.
    End(usize, Token, Run),
    /// An ending is sent again after its reply was lost.
    Repeat(usize, Token),
    /// A stray is read, to be taken in.
    Adopt(usize, Token),
    /// A stray is given back.
    Reject(usize, Token),
    /// The one look at what Redis holds, where one is all there is, is over.
    Look(usize),
    /// A process renews its lease, or learns that it was declared dead.
    Renew(usize),
    /// A process that was declared dead begins a new life.
    Begin(usize),
    /// A new life is registered, but the reply does not come: the process will draw another identity.
    LoseRegistration(usize),
    /// A process leaves the fleet at shutdown.
    Leave(usize),
    /// A process that has left ends.
    Exit(usize),
    /// Redis runs the request of this call and answers.
    Run(usize, usize),
    /// The same, but the script stops half-way and answers with an error.
    Half(usize, usize),
    /// Redis runs a request for which nobody waits.
    RunLate(usize),
    /// The same, stopped half-way.
    HalfLate(usize),
    /// The fleet's reaper or promoter sends this.
    Send(Request),
    /// A process dies.
    Crash(usize),
    /// A process stops in the middle of everything.
    Freeze(usize),
    /// It goes on.
    Thaw(usize),
    /// A lease runs out.
    Lapse(Life),
    /// A process gives up waiting for the reply to this call.
    Lose(usize, usize),
    /// A new process starts.
    Boot(usize),
    /// The replica is as the primary is now, and falls behind from here on.
    Snapshot,
    /// The primary is lost, the replica takes over.
    Failover,
}

impl Action {
    /// Whether something goes wrong here.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::LosePush
                | Self::LoseRegistration(_)
                | Self::Half(..)
                | Self::HalfLate(_)
                | Self::Crash(_)
                | Self::Freeze(_)
                | Self::Lapse(_)
                | Self::Lose(..)
                | Self::Failover
        )
    }
}
