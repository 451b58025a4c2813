//! Of which command which reply is lost. Pure: what chance decides is drawn from a seed.

use std::{collections::HashMap, sync::Arc};

/// Something done to some of the requests of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// `None`: of every command.
    name: Option<Arc<str>>,
    when: When,
    deed: Deed,
}

/// To which requests of a command, counted from the moment at which the rule came into force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// The one with this number; the first is 1.
    Nth(u64),
    /// This share of them, 0 to 1.
    Share(f64),
    /// All.
    Always,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// The server runs it, its reply is lost, and the connection ends, both sides. What a cut line looks like.
    Lose,
    /// The server runs it; its reply and everything behind it never come, and the connection stays open. What a host looks
    /// like that vanished. Only a deadline of the client ends it.
    Mute,
    /// Its reply alone is left out, so that the next reply seems to answer it. TCP does not do that; only for a
    /// connection on which nothing else is under way, or to see what a client makes of it.
    Swallow,
    /// The server gets only so many bytes of it, and the connection ends. Nothing of it runs, unless it is shorter.
    Cut(usize),
}

impl Rule {
    /// A rule for the requests of this name: a command in capitals (`LPUSH`), with its part (`SCRIPT LOAD`), or a script's
    /// name (see [`crate::Names`]).
    ///
    /// Within `MULTI` a command is answered twice: by `QUEUED`, which is a name of its own, and by its outcome within the
    /// reply to `EXEC`. A command's name speaks of the latter.
    pub fn of(name: impl Into<Arc<str>>, when: When, deed: Deed) -> Self {
        let name = Some(name.into());
        Self { name, when, deed }
    }

    /// A rule for every request. Each command is counted for itself.
    #[must_use]
    pub fn of_all(when: When, deed: Deed) -> Self {
        let name = None;
        Self { name, when, deed }
    }

    /// Under which of its names a request is this rule's.
    fn matches<'a>(&self, names: &'a [Arc<str>]) -> Option<&'a Arc<str>> {
        match &self.name {
            None => names.first(),
            Some(name) => names.iter().find(|other| *other == name),
        }
    }
}

/// Judges requests by the rules in force.
#[derive(Debug)]
pub(crate) struct Umpire {
    seed: u64,
    rules: Vec<Rule>,
    /// How many requests of a name each rule has seen.
    seen: HashMap<(usize, Arc<str>), u64>,
}

impl Umpire {
    pub(crate) fn new(seed: u64, rules: Vec<Rule>) -> Self {
        let seen = HashMap::new();
        Self { seed, rules, seen }
    }

    /// What is to be done to the next request of these names: by the first rule that fires. All of them count it, so that
    /// what one rule does is not changed by another.
    pub(crate) fn judge(&mut self, names: &[Arc<str>]) -> Option<Deed> {
        let mut verdict = None;
        for (place, rule) in self.rules.iter().enumerate() {
            let Some(name) = rule.matches(names) else {
                continue;
            };
            let number = self.seen.entry((place, Arc::clone(name))).or_default();
            *number += 1;
            let fires = match rule.when {
                When::Nth(wanted) => *number == wanted,
                When::Share(share) => dice(self.seed, place, name, *number) < share,
                When::Always => true,
            };
            if fires && verdict.is_none() {
                verdict = Some(rule.deed);
            }
        }
        verdict
    }
}

/// A number from 0 to 1 that depends on these and nothing else.
fn dice(seed: u64, place: usize, name: &str, number: u64) -> f64 {
    // FNV-1a, as fastrand wants one number for a seed.
    let mut hash = seed ^ 0xcbf2_9ce4_8422_2325;
    let place = place.to_le_bytes();
    let number = number.to_le_bytes();
    for &byte in place.iter().chain(name.as_bytes()).chain(&number) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    fastrand::Rng::with_seed(hash).f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn the_nth_is_the_nth_of_its_name() {
        let rules = vec![Rule::of("LPUSH", When::Nth(2), Deed::Lose)];
        let mut umpire = Umpire::new(1, rules);
        let (push, get) = (names(&["LPUSH"]), names(&["GET"]));
        let verdicts = [&push, &get, &push, &push].map(|names| umpire.judge(names));
        assert_eq!(verdicts, [None, None, Some(Deed::Lose), None]);
    }

    #[test]
    fn a_share_is_a_share_of_each_command_and_the_same_again_for_the_same_seed() {
        let hits = |seed: u64, others: usize| -> Vec<usize> {
            let rules = vec![Rule::of_all(When::Share(0.05), Deed::Lose)];
            let mut umpire = Umpire::new(seed, rules);
            let (push, other) = (names(&["LPUSH"]), names(&["PING"]));
            let mut found = Vec::new();
            for number in 0..10_000 {
                for _ in 0..others {
                    umpire.judge(&other);
                }
                if umpire.judge(&push).is_some() {
                    found.push(number);
                }
            }
            found
        };
        let first = hits(7, 0);
        assert!((400..600).contains(&first.len()), "{}", first.len());
        assert_eq!(first, hits(7, 3), "what others do changes nothing");
        assert_ne!(first, hits(8, 0));
    }

    #[test]
    fn the_first_rule_that_fires_decides_and_all_of_them_count() {
        let rules = vec![
            Rule::of("GET", When::Nth(1), Deed::Mute),
            Rule::of("GET", When::Nth(2), Deed::Swallow),
            Rule::of_all(When::Always, Deed::Cut(3)),
        ];
        let mut umpire = Umpire::new(1, rules);
        let get = names(&["GET"]);
        let verdicts = [&get, &get, &get].map(|names| umpire.judge(names));
        let deeds = [Deed::Mute, Deed::Swallow, Deed::Cut(3)];
        assert_eq!(verdicts, deeds.map(Some));
    }

    #[test]
    fn the_outcome_of_what_was_queued_comes_with_exec() {
        let rules = vec![Rule::of("INCRBY", When::Always, Deed::Lose)];
        let mut umpire = Umpire::new(1, rules);
        assert_eq!(umpire.judge(&names(&["QUEUED"])), None);
        let exec = names(&["EXEC", "HSET", "INCRBY", "INCRBY"]);
        assert_eq!(umpire.judge(&exec), Some(Deed::Lose));
    }
}
