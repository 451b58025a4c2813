//! Whose connection was gone when the fleet was looked at, and since when. Pure.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use gandy_protocol::Identity;
use gandy_store::Trace;

/// A worker whose connection was cut opens another within a fraction of this.
pub(crate) const APART: Duration = Duration::from_secs(1);

/// What the last look found missing.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    since: HashMap<Identity, (Trace, Instant)>,
}

impl Missing {
    /// Notes who is missing `now`; who came back meanwhile is forgotten. Those who have been missing for [`APART`].
    pub(crate) fn look(
        &mut self,
        missing: Vec<(Identity, Trace)>,
        now: Instant,
    ) -> Vec<(Identity, Trace)> {
        let before = std::mem::take(&mut self.since);
        for (identity, trace) in missing {
            let since = match before.get(&identity) {
                Some((same, since)) if *same == trace => *since,
                _ => now,
            };
            self.since.insert(identity, (trace, since));
        }
        let long = |since: &Instant| now.saturating_duration_since(*since) >= APART;
        self.since
            .iter()
            .filter(|(_, (_, since))| long(since))
            .map(|(identity, (trace, _))| (identity.clone(), trace.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(id: u64) -> (Identity, Trace) {
        let name = "host:1:010101010101".to_owned();
        let run = "4f3c".to_owned();
        (Identity::new("host", 1, [1; 6]), Trace { id, name, run })
    }

    #[test]
    fn i8_who_is_missing_twice_a_second_apart_is_suspect() {
        let (mut looks, begin) = (Missing::default(), Instant::now());
        assert!(looks.look(vec![missing(7)], begin).is_empty());
        let soon = begin + APART / 2;
        assert!(looks.look(vec![missing(7)], soon).is_empty());
        assert_eq!(looks.look(vec![missing(7)], begin + APART), [missing(7)]);
    }

    #[test]
    fn i8_who_comes_back_or_by_another_connection_is_looked_at_anew() {
        let (mut looks, begin) = (Missing::default(), Instant::now());
        looks.look(vec![missing(7)], begin);
        looks.look(Vec::new(), begin + APART);
        let later = begin + 2 * APART;
        assert!(looks.look(vec![missing(7)], later).is_empty(), "was there");
        let other = looks.look(vec![missing(8)], later + APART);
        assert!(other.is_empty(), "another connection");
    }
}
