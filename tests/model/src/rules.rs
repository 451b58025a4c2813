//! The rules that can be left out, to see what breaks.

/// Which rules of the protocol are kept. The first seven are the six that the design calls necessary: one
/// of them stands in two scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Fail, give back and reap act only while the token is in flight (I3).
    pub fence: bool,
    /// A claim is refused, in the same step, once its identity is not in the fleet (I3).
    pub life_check: bool,
    /// What Redis says is held is compared with memory again and again, not once after an error (I7).
    pub adoption: bool,
    /// A process draws its tokens from a counter of its own, never from Redis (I4).
    pub own_tokens: bool,
    /// Condemning looks at the lease again (I8).
    pub look_again: bool,
    /// Each step of reaping looks again whether the process is among the dying (I8).
    pub reap_guard: bool,
    /// A landing list belongs to its queue and not to a process.
    pub ownerless_landing: bool,
    /// In every step the write that keeps comes before the one that removes (I2).
    pub keep_first: bool,
    /// Who has no lease claims nothing and takes nothing in (I9). The process knows by its own clock: it counts from the
    /// sending of the last renewal, so its lease seems over to it before Redis lets it run out.
    pub lease_gate: bool,
    /// What goes back is remembered until the reply to that has come, so that it is not taken in meanwhile (P3).
    pub remembers: bool,
}

impl Rules {
    /// All of them: the protocol as it is.
    pub const ALL: Self = Self {
        fence: true,
        life_check: true,
        adoption: true,
        own_tokens: true,
        look_again: true,
        reap_guard: true,
        ownerless_landing: true,
        keep_first: true,
        lease_gate: true,
        remembers: true,
    };

    /// Whether tokens and identities that are gone stay gone, so that a request about them can be forgotten.
    pub(crate) fn settle(&self) -> bool {
        self.fence
            && self.life_check
            && self.own_tokens
            && self.look_again
            && self.ownerless_landing
    }
}
