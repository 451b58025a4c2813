//! Which queues a capsule fetches from, and in which order it looks at them.
//!
//! Belongs here: specs, weights, drawing an order. Does not belong here: fetching, and pausing.

use std::str::FromStr;

use crate::queue_name::{QueueName, QueueNameError};

/// A queue as a user names it: `default`, or with a weight, `critical,3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpec {
    /// The queue's name.
    pub name: String,
    /// Its weight, 1 to 1000, if one was given.
    pub weight: Option<u32>,
}

/// What is wrong with a list of queues.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// No queue at all.
    #[error("no queues given; name at least one, such as `default`")]
    None,
    /// The same queue twice. Sidekiq adds such weights up; here a slip is likelier than a plan.
    #[error("queue {0:?} is given twice; to look at it more often give it a weight, as in `{0},3`")]
    Twice(String),
    /// The weight is not a number from 1 to 1000.
    #[error(
        "queue {spec:?} has a bad weight; write NAME or NAME,WEIGHT with a weight from 1 to 1000, as in `critical,3`"
    )]
    Weight {
        /// The spec as given.
        spec: String,
    },
    /// The name cannot be a queue's.
    #[error("queue {spec:?}: {source}")]
    Name {
        /// The spec as given.
        spec: String,
        /// What is wrong with the name.
        source: QueueNameError,
    },
}

const HEAVIEST: u32 = 1_000;

impl FromStr for QueueSpec {
    type Err = QueueError;

    fn from_str(spec: &str) -> Result<QueueSpec, QueueError> {
        let (name, weight) = match spec.rsplit_once(',') {
            None => (spec.trim(), None),
            Some((name, weight)) => {
                let weight = weight.trim().parse().ok();
                let weight = weight.filter(|weight| (1..=HEAVIEST).contains(weight));
                let bad = || QueueError::Weight {
                    spec: spec.to_owned(),
                };
                (name.trim(), Some(weight.ok_or_else(bad)?))
            }
        };
        let spec = QueueSpec {
            name: name.to_owned(),
            weight,
        };
        spec.check()?;
        Ok(spec)
    }
}

impl QueueSpec {
    /// Parses `NAME` or `NAME,WEIGHT`; the same as `str::parse`.
    ///
    /// # Errors
    ///
    /// A weight that is no number from 1 to 1000, or a name that no queue may have.
    pub fn parse(spec: &str) -> Result<QueueSpec, QueueError> {
        spec.parse()
    }

    fn check(&self) -> Result<(), QueueError> {
        let spec = || match self.weight {
            Some(weight) => format!("{},{weight}", self.name),
            None => self.name.clone(),
        };
        if self
            .weight
            .is_some_and(|weight| !(1..=HEAVIEST).contains(&weight))
        {
            return Err(QueueError::Weight { spec: spec() });
        }
        QueueName::check(&self.name).map_err(|source| QueueError::Name {
            spec: spec(),
            source,
        })
    }
}

/// The queues of a capsule and the rule by which it looks at them: in the order given (strict) when no weights were
/// given, else at random, a queue of weight 3 coming first three times as often as one of weight 1.
///
/// ```
/// use gandy_protocol::{QueueOrder, QueueSpec};
/// let specs = [QueueSpec::parse("critical,3")?, QueueSpec::parse("default")?];
/// let order = QueueOrder::new(&specs)?;
/// assert_eq!(order.mode(), "weighted");
/// let mut out = Vec::new();
/// order.order(&mut |bound| bound - 1, &mut out); // the caller's random number below `bound`
/// assert_eq!(out, [1, 0]);
/// # Ok::<(), gandy_protocol::QueueError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueOrder {
    names: Vec<String>,
    weights: Vec<u32>,
    /// The sum of the weights; 0 means strict.
    total: u32,
}

impl QueueOrder {
    /// The order for a list of queues. Where any has a weight, those without have weight 1.
    ///
    /// # Errors
    ///
    /// The list is empty or names a queue twice, or one of the specs breaks the rules of [`QueueSpec`].
    pub fn new(specs: &[QueueSpec]) -> Result<QueueOrder, QueueError> {
        if specs.is_empty() {
            return Err(QueueError::None);
        }
        for (place, spec) in specs.iter().enumerate() {
            spec.check()?;
            if specs[..place].iter().any(|other| other.name == spec.name) {
                return Err(QueueError::Twice(spec.name.clone()));
            }
        }
        let strict = specs.iter().all(|spec| spec.weight.is_none());
        let weight = |spec: &QueueSpec| if strict { 0 } else { spec.weight.unwrap_or(1) };
        let weights: Vec<u32> = specs.iter().map(weight).collect();
        Ok(QueueOrder {
            names: specs.iter().map(|spec| spec.name.clone()).collect(),
            total: weights
                .iter()
                .fold(0, |sum, weight| weight.saturating_add(sum)),
            weights,
        })
    }

    /// The queues' names in the order given; [`QueueOrder::order`] yields places in this list.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Names with weights as the heartbeat shows them: 0 where the order is strict.
    pub fn weights(&self) -> impl Iterator<Item = (&str, u32)> {
        let names = self.names.iter().map(String::as_str);
        names.zip(self.weights.iter().copied())
    }

    /// Sidekiq's word for the rule: `strict`, `weighted`, or `random` (all weights are 1).
    pub fn mode(&self) -> &'static str {
        if self.total == 0 {
            "strict"
        } else if self.weights.iter().all(|weight| *weight == 1) {
            "random"
        } else {
            "weighted"
        }
    }

    /// Puts the next order into `out` as places in [`QueueOrder::names`]. `rng` gives a uniform number below its argument.
    ///
    /// Weighted orders have the distribution that Sidekiq gets by repeating each name as often as its weight says,
    /// shuffling, and keeping first occurrences: that is drawing without replacement in proportion to the weights,
    /// which is done here without the repetition. Allocates nothing when `out` has room.
    pub fn order(&self, rng: &mut impl FnMut(u32) -> u32, out: &mut Vec<usize>) {
        out.clear();
        out.extend(0..self.names.len());
        let mut left = self.total;
        if left == 0 {
            return;
        }
        for place in 0..out.len().saturating_sub(1) {
            let mut ticket = rng(left);
            let mut drawn = place;
            while drawn + 1 < out.len() && ticket >= self.weights[out[drawn]] {
                ticket -= self.weights[out[drawn]];
                drawn += 1;
            }
            left = left.saturating_sub(self.weights[out[drawn]]);
            out.swap(place, drawn);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn order(specs: &[&str]) -> QueueOrder {
        let specs: Vec<QueueSpec> = specs.iter().map(|spec| spec.parse().unwrap()).collect();
        QueueOrder::new(&specs).unwrap()
    }

    /// A small generator, so that the test is the same on every run.
    fn generator(mut state: u64) -> impl FnMut(u32) -> u32 {
        move |bound| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (((state >> 32) * u64::from(bound)) >> 32) as u32
        }
    }

    #[test]
    fn specs_are_read() {
        let spec = |text: &str| QueueSpec::parse(text).map(|spec| (spec.name, spec.weight));
        assert_eq!(spec("default"), Ok(("default".to_owned(), None)));
        assert_eq!(spec("critical,3"), Ok(("critical".to_owned(), Some(3))));
        assert_eq!(spec(" a:b.c , 1000 "), Ok(("a:b.c".to_owned(), Some(1000))));
        assert_eq!(spec("a,b,2"), Ok(("a,b".to_owned(), Some(2))));
    }

    #[test]
    fn bad_specs_say_how_to_write_it() {
        for bad in [
            "a,0",
            "a,1001",
            "a,-1",
            "a,",
            "a,x",
            "a,1.5",
            "a,99999999999",
        ] {
            let error = QueueSpec::parse(bad).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")), "{error}");
            assert!(
                error.contains("from 1 to 1000, as in `critical,3`"),
                "{error}"
            );
        }
        assert_eq!(
            QueueSpec::parse(",3").unwrap_err().to_string(),
            "queue \",3\": a queue needs a name; the usual one is `default`"
        );
        assert_eq!(QueueOrder::new(&[]), Err(QueueError::None));
        let spec = |name: &str, weight| QueueSpec {
            name: name.to_owned(),
            weight,
        };
        assert_eq!(
            QueueOrder::new(&[spec("a", None), spec("a", Some(2))]),
            Err(QueueError::Twice("a".to_owned()))
        );
        assert!(QueueOrder::new(&[spec("a", Some(0))]).is_err());
    }

    #[test]
    fn modes_are_sidekiqs() {
        assert_eq!(order(&["a", "b"]).mode(), "strict");
        assert_eq!(order(&["a,2", "b"]).mode(), "weighted");
        assert_eq!(order(&["a,1", "b"]).mode(), "random");
        let weights = |specs| {
            order(specs)
                .weights()
                .map(|(_, weight)| weight)
                .collect::<Vec<_>>()
        };
        assert_eq!(weights(&["a", "b"]), [0, 0]);
        assert_eq!(weights(&["a,3", "b"]), [3, 1]);
    }

    #[test]
    fn strict_order_is_the_order_given_and_draws_nothing() {
        let mut out = vec![9; 3];
        order(&["c", "a", "b"]).order(&mut |_| unreachable!(), &mut out);
        assert_eq!(out, [0, 1, 2]);
    }

    /// What Sidekiq does, as the measure: repeat, shuffle, keep first occurrences. Returned as exact probabilities.
    fn probabilities(weights: &[u32]) -> HashMap<Vec<usize>, f64> {
        let copies: Vec<usize> = (0..weights.len())
            .flat_map(|queue| vec![queue; weights[queue] as usize])
            .collect();
        let mut counts = HashMap::new();
        let mut total = 0.0;
        permutations(&mut copies.clone(), 0, &mut |shuffled| {
            let mut order = Vec::new();
            for queue in shuffled {
                if !order.contains(queue) {
                    order.push(*queue);
                }
            }
            *counts.entry(order).or_insert(0.0) += 1.0;
            total += 1.0;
        });
        counts.values_mut().for_each(|count| *count /= total);
        counts
    }

    fn permutations(items: &mut [usize], from: usize, each: &mut impl FnMut(&[usize])) {
        if from == items.len() {
            return each(items);
        }
        for place in from..items.len() {
            items.swap(from, place);
            permutations(items, from + 1, each);
            items.swap(from, place);
        }
    }

    #[test]
    fn weighted_orders_have_the_distribution_of_repeat_shuffle_dedupe() {
        for (specs, weights) in [
            (&["a,3", "b,2", "c,1"][..], &[3, 2, 1][..]),
            (&["a,1", "b,1", "c,1"], &[1, 1, 1]),
            (&["a,1", "b,6"], &[1, 6]),
            (&["a,1", "b,2", "c,3", "d,1"], &[1, 2, 3, 1]),
        ] {
            let order = order(specs);
            let mut rng = generator(7);
            let mut out = Vec::with_capacity(4);
            let mut seen: HashMap<Vec<usize>, u32> = HashMap::new();
            let draws = 60_000;
            for _ in 0..draws {
                order.order(&mut rng, &mut out);
                *seen.entry(out.clone()).or_default() += 1;
            }
            for (order, probability) in probabilities(weights) {
                let share = f64::from(seen.remove(&order).unwrap_or(0)) / f64::from(draws);
                // Five standard deviations: the generator is fixed, so this cannot flicker.
                let allowed = 5.0 * (probability * (1.0 - probability) / f64::from(draws)).sqrt();
                assert!(
                    (share - probability).abs() < allowed,
                    "{specs:?} {order:?}: {share} for {probability}"
                );
            }
            assert!(seen.is_empty());
        }
    }

    #[test]
    fn drawing_allocates_nothing_when_there_is_room() {
        let order = order(&["a,3", "b,2", "c,1"]);
        let mut out = Vec::with_capacity(3);
        let place = out.as_ptr();
        let mut rng = generator(1);
        for _ in 0..100 {
            order.order(&mut rng, &mut out);
        }
        assert_eq!((out.as_ptr(), out.capacity()), (place, 3));
    }

    proptest! {
        #[test]
        fn every_order_has_each_queue_once_whatever_the_generator_says(
            weights in prop::collection::vec(1u32..=1000, 1..20),
            numbers in prop::collection::vec(any::<u32>(), 20),
        ) {
            let specs: Vec<QueueSpec> = weights
                .iter()
                .enumerate()
                .map(|(n, weight)| QueueSpec { name: format!("q{n}"), weight: Some(*weight) })
                .collect();
            let order = QueueOrder::new(&specs).unwrap();
            let mut numbers = numbers.into_iter().cycle();
            let mut out = Vec::new();
            order.order(&mut |_| numbers.next().unwrap(), &mut out);
            out.sort_unstable();
            prop_assert_eq!(out, (0..weights.len()).collect::<Vec<_>>());
        }

        #[test]
        fn no_spec_panics(text in any::<String>()) {
            let _ = QueueSpec::parse(&text);
        }
    }
}
