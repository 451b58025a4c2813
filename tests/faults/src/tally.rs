//! What a proxy saw and did, for each command: what tests bound duplicates by.

use std::{collections::BTreeMap, fmt, sync::Arc};

/// Everything since the proxy's start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections taken from clients.
    pub connections: u64,
    /// Connections ended because what came was not Redis' protocol. Anything but 0 spoils a test.
    pub garbled: u64,
    /// All requests, each once.
    pub total: Count,
    commands: BTreeMap<Arc<str>, Count>,
}

/// Requests and what became of their replies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests that came from clients.
    pub requests: u64,
    /// Replies that were handed on whole.
    pub answered: u64,
    /// Replies that a rule kept back: these requests ran.
    pub dropped: u64,
    /// Requests that a rule cut: these did not run.
    pub cut: u64,
}

impl Count {
    /// Requests whose reply did not reach the client, or not yet: those that a rule hit and those that were under way on
    /// a connection when it ended. Each may have run.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.requests - self.answered
    }
}

/// What happened to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Requested,
    Answered,
    Dropped,
    Cut,
}

impl Tally {
    /// What was counted under this name. Commands within `MULTI` are counted with their `EXEC`, which carries their
    /// outcome, under both names.
    #[must_use]
    pub fn of(&self, name: &str) -> Count {
        self.commands.get(name).copied().unwrap_or_default()
    }

    /// All names with what was counted under them.
    pub fn commands(&self) -> impl Iterator<Item = (&str, Count)> {
        self.commands.iter().map(|(name, count)| (&**name, *count))
    }

    pub(crate) fn note(&mut self, names: &[Arc<str>], event: Event) {
        let add = |count: &mut Count| match event {
            Event::Requested => count.requests += 1,
            Event::Answered => count.answered += 1,
            Event::Dropped => count.dropped += 1,
            Event::Cut => count.cut += 1,
        };
        add(&mut self.total);
        for name in names {
            match self.commands.get_mut(name) {
                Some(count) => add(count),
                None => add(self.commands.entry(Arc::clone(name)).or_default()),
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = ("(all)", self.total);
        writeln!(
            f,
            "{:<18}{:>9}{:>9}{:>8}{:>6}{:>12}",
            "command", "requests", "answered", "dropped", "cut", "unanswered"
        )?;
        for (name, count) in self.commands().chain([all]) {
            writeln!(
                f,
                "{name:<18}{:>9}{:>9}{:>8}{:>6}{:>12}",
                count.requests,
                count.answered,
                count.dropped,
                count.cut,
                count.unanswered()
            )?;
        }
        write!(
            f,
            "{} connections, {} garbled",
            self.connections, self.garbled
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_answered_is_in_doubt() {
        let names: [Arc<str>; 2] = ["EXEC".into(), "INCRBY".into()];
        let mut tally = Tally::default();
        for _ in 0..3 {
            tally.note(&names, Event::Requested);
        }
        tally.note(&names, Event::Answered);
        tally.note(&names[..1], Event::Dropped);
        assert_eq!(
            (tally.of("INCRBY").unanswered(), tally.total.requests),
            (2, 3)
        );
        assert_eq!(
            (tally.of("EXEC").dropped, tally.of("INCRBY").dropped),
            (1, 0)
        );
        assert_eq!(tally.of("GET"), Count::default());
        assert!(tally.to_string().contains("INCRBY"));
    }
}
