//! Jobs that stand in more than one place, and entries that are no jobs. Pure.

use std::collections::HashMap;

use gandy_protocol::Payload;
use gandy_store::doctor::Shelf;

/// What was read of one shelf.
#[derive(Debug, Clone)]
pub(crate) struct Stock {
    pub(crate) shelf: Shelf,
    pub(crate) entries: Vec<Vec<u8>>,
}

/// Where an entry stands: which stock, which entry.
pub(crate) type At = (usize, usize);

/// Two entries with one jid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) jid: String,
    /// The one that runs first.
    pub(crate) keep: At,
    pub(crate) other: At,
    /// Class and arguments are the same too: it is one job.
    pub(crate) same: bool,
}

/// What was sorted out.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) unparsable: Vec<At>,
}

pub(crate) fn sort(stocks: &[Stock]) -> Sorted {
    let mut sorted = Sorted::default();
    let mut by_jid: HashMap<String, Vec<At>> = HashMap::new();
    for (at, stock) in stocks.iter().enumerate() {
        for (nth, bytes) in stock.entries.iter().enumerate() {
            match Payload::parse(bytes.clone()) {
                Ok(job) => by_jid
                    .entry(job.jid().to_owned())
                    .or_default()
                    .push((at, nth)),
                Err(_) => sorted.unparsable.push((at, nth)),
            }
        }
    }
    by_jid.retain(|_, found| found.len() > 1);
    for (jid, mut found) in by_jid {
        found.sort_by_key(|&(at, nth)| (rank(&stocks[at].shelf), at, nth));
        let work = |(at, nth): At| {
            let job = Payload::parse(stocks[at].entries[nth].clone()).ok()?;
            Some((job.class().to_owned(), job.args().to_owned()))
        };
        let keep = found[0];
        let kept = work(keep);
        for &other in &found[1..] {
            sorted.pairs.push(Pair {
                jid: jid.clone(),
                keep,
                other,
                same: work(other) == kept,
            });
        }
    }
    sorted
        .pairs
        .sort_by(|a, b| (&a.jid, a.other).cmp(&(&b.jid, b.other)));
    sorted
}

/// The order in which jobs of these places run.
fn rank(shelf: &Shelf) -> u8 {
    match shelf {
        Shelf::Landing(_) => 0,
        Shelf::Queue(_) => 1,
        Shelf::Retry => 2,
        Shelf::Schedule => 3,
        Shelf::Dead => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(jid: &str, args: &str) -> Vec<u8> {
        format!(r#"{{"class":"A","args":{args},"jid":"{jid}","queue":"q"}}"#).into_bytes()
    }

    fn stock(shelf: Shelf, entries: &[Vec<u8>]) -> Stock {
        let entries = entries.to_vec();
        Stock { shelf, entries }
    }

    #[test]
    fn the_copy_that_runs_first_is_kept() {
        let stocks = [
            stock(Shelf::Dead, &[job("a", "[1]")]),
            stock(Shelf::Retry, &[job("a", "[1]"), job("b", "[1]")]),
            stock(
                Shelf::Queue("q".into()),
                &[job("c", "[1]"), job("c", "[1]")],
            ),
        ];
        let sorted = sort(&stocks);
        let pairs: Vec<_> = sorted
            .pairs
            .iter()
            .map(|pair| (pair.jid.as_str(), pair.keep, pair.other, pair.same))
            .collect();
        assert_eq!(
            pairs,
            [("a", (1, 0), (0, 0), true), ("c", (2, 0), (2, 1), true)]
        );
    }

    #[test]
    fn another_job_under_the_same_jid_is_no_copy() {
        let queue = Shelf::Queue("q".into());
        let sorted = sort(&[stock(queue, &[job("a", "[1]"), job("a", "[2]")])]);
        assert_eq!(sorted.pairs.len(), 1);
        assert!(!sorted.pairs[0].same);
    }

    #[test]
    fn what_is_no_job_is_told_apart() {
        let sorted = sort(&[stock(Shelf::Retry, &[b"no job".to_vec(), job("a", "[]")])]);
        assert_eq!((sorted.unparsable, sorted.pairs.len()), (vec![(0, 0)], 0));
    }
}
