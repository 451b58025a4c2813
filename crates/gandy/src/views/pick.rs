//! Which classes are looked at: which of all that ran, which of them first, and how many.
//!
//! Not here: what they did (`metrics`).

use std::cmp::Reverse;

use gandy_store::Executed;

/// Which classes [`Inspect::metrics`](crate::Inspect::metrics) tells of one by one. What all that fit did together is told
/// whatever `most` is.
///
/// ```
/// use gandy::views::{ClassOrder, Classes, Pick};
/// let failing = Pick { order: ClassOrder::Failures, ..Pick::busiest(10) };
/// let mailers = Pick { classes: Classes::Containing("mail"), ..failing };
/// # assert_eq!(mailers.most, 10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick<'a> {
    /// Which ones fit.
    pub classes: Classes<'a>,
    /// Which of those come first.
    pub order: ClassOrder,
    /// How many at most. Each costs a reading of its histograms, up to one a minute.
    pub most: usize,
}

/// Which classes fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classes<'a> {
    /// All that ran.
    All,
    /// The one of this name.
    Named(&'a str),
    /// Those with this text somewhere in their name; upper and lower case are the same.
    Containing(&'a str),
}

/// Which classes come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClassOrder {
    /// Those with the most runs.
    #[default]
    Runs,
    /// Those with the most failures; of two with as many, the one that ran less.
    Failures,
}

impl<'a> Pick<'a> {
    /// Of all classes so many, those with the most runs.
    #[must_use]
    pub fn busiest(most: usize) -> Self {
        Self {
            classes: Classes::All,
            order: ClassOrder::Runs,
            most,
        }
    }

    /// This class alone.
    #[must_use]
    pub fn one(class: &'a str) -> Self {
        Self {
            classes: Classes::Named(class),
            ..Self::busiest(1)
        }
    }
}

impl Classes<'_> {
    /// What says of a name whether it fits.
    pub(super) fn test(&self) -> impl Fn(&str) -> bool {
        let wanted = match self {
            Self::Containing(text) => text.to_lowercase(),
            _ => String::new(),
        };
        move |class| match self {
            Self::All => true,
            Self::Named(name) => *name == class,
            Self::Containing(_) => class.to_lowercase().contains(&wanted),
        }
    }
}

impl ClassOrder {
    /// Brings them into this order; by name where nothing else tells them apart.
    pub(super) fn sort(self, classes: &mut [(&str, Executed)]) {
        match self {
            Self::Runs => classes.sort_by_key(|(class, sum)| (Reverse(sum.runs), *class)),
            // Among as many failures the share tells: who always fails comes before who seldom does. Without any it is the
            // order by runs.
            Self::Failures => classes.sort_by_key(|(class, sum)| {
                let seldom = match sum.failures {
                    0 => u64::MAX - sum.runs,
                    _ => sum.runs,
                };
                (Reverse(sum.failures), seldom, *class)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_a_part_whatever_the_case_and_one_alone_as_it_is() {
        let fits = |classes: Classes<'_>, name| classes.test()(name);
        assert!(fits(Classes::All, "A"));
        assert!(fits(Classes::Containing("::pAY"), "Rare::Payment"));
        assert!(fits(Classes::Containing("É"), "été"));
        assert!(!fits(Classes::Containing("pay*"), "Rare::Payment"));
        assert!(fits(Classes::Named("A"), "A"));
        assert!(!fits(Classes::Named("A"), "a") && !fits(Classes::Named("A"), "AA"));
    }

    #[test]
    fn who_fails_comes_first_and_who_always_fails_before_who_seldom_does() {
        let sum = |runs, failures| Executed {
            runs,
            failures,
            millis: 0,
        };
        let all = [
            ("often", sum(1_000, 1)),
            ("always", sum(1, 1)),
            ("most", sum(50, 7)),
            ("well", sum(2_000, 0)),
            ("idle", sum(3, 0)),
            ("also", sum(3, 0)),
        ];
        let sorted = |order: ClassOrder| {
            let mut all = all;
            order.sort(&mut all);
            all.map(|(class, _)| class)
        };
        assert_eq!(
            sorted(ClassOrder::Failures),
            ["most", "always", "often", "well", "also", "idle"]
        );
        assert_eq!(
            sorted(ClassOrder::Runs),
            ["well", "often", "most", "also", "idle", "always"]
        );
    }
}
