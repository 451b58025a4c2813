//! How much may go wrong: each fault of a scene takes one from its budget.

/// What may still happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// A process dies, and all its memory with it (`kill -9`, power).
    pub crashes: u8,
    /// A process stands still and later goes on as if nothing had happened (SIGSTOP, a suspended machine).
    pub freezes: u8,
    /// The lease of a process that lives runs out (a partition, a clock that jumps).
    pub lapses: u8,
    /// A reply does not come. Whether Redis ran the request, or will run it one day, nobody knows.
    pub losses: u8,
    /// Redis fails over to a state of an earlier moment.
    pub failovers: u8,
    /// A script stops half-way: what keeps was written, what removes was not.
    pub halves: u8,
    /// A new process starts where one has gone.
    pub boots: u8,
    /// A process shuts down in good order.
    pub stops: u8,
    /// A run fails and goes to `retry`. No fault of the system, but it must end.
    pub fails: u8,
    /// A run fails and goes to `dead`.
    pub burials: u8,
}

impl Budget {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            crashes: self.crashes + other.crashes,
            freezes: self.freezes + other.freezes,
            lapses: self.lapses + other.lapses,
            losses: self.losses + other.losses,
            failovers: self.failovers + other.failovers,
            halves: self.halves + other.halves,
            boots: self.boots + other.boots,
            stops: self.stops + other.stops,
            fails: self.fails + other.fails,
            burials: self.burials + other.burials,
        }
    }
}
