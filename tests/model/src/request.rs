//! What is sent to Redis: one variant for each operation of the store. Redis runs it at any later moment, once or never.

use crate::state::{BATCH, Job, Life, Run, Token, Waiting};

/// A request on its way.
///
/// Where it names a job beside a token, that is what its sender believes to be in flight under it. Redis sees only what
/// the real script is given; the rest is for the checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    /// `claim.lua`.
    Claim {
        /// In whose name.
        life: Life,
        /// The first number; 0 where Redis draws it.
        first: u8,
        /// Jobs at most.
        wanted: u8,
    },
    /// `BLMOVE` into the landing list, and right behind it `land.lua`.
    Wait {
        /// For the claim.
        token: Token,
        /// The blocking move has moved a job, or what is under way is only the claim.
        moved: bool,
    },
    /// `HDEL` in front of a claim.
    Finish {
        /// What ended.
        token: Token,
        /// What ran.
        job: Job,
    },
    /// `settle.lua`.
    Settle {
        /// What ended.
        token: Token,
        /// What ran.
        job: Job,
        /// To `dead`; else to `retry`.
        buries: bool,
    },
    /// `return.lua` in the name of a living process.
    GiveBack {
        /// What goes back.
        token: Token,
        /// What it is.
        job: Job,
    },
    /// `HGET` of a token that memory does not know.
    Read {
        /// Which.
        token: Token,
    },
    /// `LPUSH` whose reply nobody got.
    Push {
        /// What.
        job: Job,
    },
    /// `retire.lua` by a reaper.
    Condemn {
        /// Whom.
        life: Life,
    },
    /// `return.lua` in the name of a dead process.
    Reap {
        /// What.
        token: Token,
        /// What it is.
        job: Job,
        /// Where to.
        way: Way,
        /// This death counts for the job.
        charged: bool,
    },
    /// `forget.lua`.
    Forget {
        /// Whom.
        life: Life,
    },
    /// `unland.lua`.
    Unland {
        /// Whose list.
        owner: Life,
    },
    /// `promote.lua`.
    Promote {
        /// The entry as it was read.
        entry: Waiting,
    },
    /// None: the default value of a free place in a list.
    #[default]
    Nothing,
}

/// Where the job of a dead process goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// To its queue.
    Queue,
    /// Through `schedule`.
    Schedule,
    /// Into `dead`.
    Dead,
}

impl Request {
    /// The identity that it names.
    #[must_use]
    pub fn life(&self) -> Option<Life> {
        match *self {
            Self::Claim { life, .. } | Self::Condemn { life } | Self::Forget { life } => Some(life),
            Self::Unland { owner } => (owner != crate::state::NOBODY).then_some(owner),
            Self::Push { .. } | Self::Nothing => None,
            Self::Promote { entry } => (entry.mark.number > 0).then_some(entry.mark.life),
            _ => self.token().map(|token| token.life),
        }
    }

    /// The one token that it is about.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        match *self {
            Self::Wait { token, .. }
            | Self::Finish { token, .. }
            | Self::Settle { token, .. }
            | Self::GiveBack { token, .. }
            | Self::Read { token }
            | Self::Reap { token, .. } => Some(token),
            _ => None,
        }
    }

    /// The token with the largest number among those it names; no token where there is none.
    #[must_use]
    pub fn last_token(&self) -> Token {
        match *self {
            Self::Claim {
                life,
                first,
                wanted,
            } if first > 0 => Token {
                life,
                number: first + wanted - 1,
            },
            Self::Promote { entry } => entry.mark,
            _ => self.token().unwrap_or_default(),
        }
    }

    /// The job that it names.
    #[must_use]
    pub fn job(&self) -> Option<Job> {
        match *self {
            Self::Finish { job, .. }
            | Self::Settle { job, .. }
            | Self::GiveBack { job, .. }
            | Self::Push { job }
            | Self::Reap { job, .. } => Some(job),
            Self::Promote { entry } => Some(entry.job),
            _ => None,
        }
    }

    /// Jobs that its reply may bring.
    #[must_use]
    pub fn wanted(&self) -> usize {
        match *self {
            Self::Claim { wanted, .. } => usize::from(wanted).min(BATCH),
            Self::Wait { .. } => 1,
            _ => 0,
        }
    }

    /// Whether its reply may bring a job under this token.
    #[must_use]
    pub fn brings(&self, other: Token) -> bool {
        match *self {
            // Where Redis draws the numbers, nobody knows which will come.
            Self::Claim { life, first: 0, .. } => life == other.life,
            Self::Claim {
                life,
                first,
                wanted,
            } => life == other.life && (first..first + wanted).contains(&other.number),
            Self::Wait { token, .. } => token == other,
            _ => false,
        }
    }

    /// Whether it is one of the fleet's chores, for whose reply nobody keeps anything in memory.
    #[must_use]
    pub fn is_chore(&self) -> bool {
        matches!(
            self,
            Self::Condemn { .. }
                | Self::Reap { .. }
                | Self::Forget { .. }
                | Self::Unland { .. }
                | Self::Promote { .. }
        )
    }

    /// What tells Redis that a run has come to this end.
    #[must_use]
    pub(crate) fn ending(token: Token, job: Job, run: Run) -> Option<Self> {
        match run {
            Run::Waiting | Run::Running => None,
            Run::Finishing => Some(Self::Finish { token, job }),
            Run::Retrying | Run::Burying => Some(Self::Settle {
                token,
                job,
                buries: run == Run::Burying,
            }),
            Run::Returning => Some(Self::GiveBack { token, job }),
        }
    }
}
