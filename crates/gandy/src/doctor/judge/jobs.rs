//! Queues, and the jobs that wait.

use std::collections::HashSet;

use gandy_store::doctor::Shelf;

use super::super::copies::At;
use super::super::exam::{Exam, Queue};
use super::super::{Code, Finding, Severity, Subject};
use super::{fleet, subject};

pub(super) fn judge(exam: &Exam, findings: &mut Vec<Finding>) {
    let mut find = |code, severity, subjects: Vec<Subject>| {
        if !subjects.is_empty() {
            findings.push(Finding::new(code, severity, subjects));
        }
    };
    let waiting = |queue: &Queue| queue.waiting + queue.landed;
    let full = || exam.queues.iter().filter(|queue| waiting(queue) > 0);
    let named = |queue: &Queue| subject(queue.name.as_str(), waiting(queue));
    let unlisted = full().filter(|queue| !queue.listed).map(named);
    find(Code::UnlistedQueue, Severity::Warning, unlisted.collect());
    if !exam.blind && !exam.unread {
        let served: HashSet<String> = fleet::served(exam).into_iter().collect();
        let unserved = full()
            .filter(|queue| !served.contains(&queue.name))
            .map(named);
        find(Code::UnservedQueue, Severity::Warning, unserved.collect());
    }
    let private = exam
        .private
        .iter()
        .map(|(name, jobs)| subject(format!("queue:{name}"), *jobs));
    find(Code::SuperFetchList, Severity::Warning, private.collect());

    let place = |at: At| name(exam.at(at).0);
    let copies = |same: bool| -> Vec<Subject> {
        let pairs = exam.pairs.iter().filter(|pair| pair.same == same);
        pairs
            .map(|pair| {
                let places = format!(
                    "{} in {} and {}",
                    pair.jid,
                    place(pair.keep),
                    place(pair.other)
                );
                subject(places, 1)
            })
            .collect()
    };
    find(Code::DuplicateJob, Severity::Warning, copies(true));
    find(Code::SharedJid, Severity::Note, copies(false));
    let unparsable = |dead: bool| -> Vec<Subject> {
        let mut subjects: Vec<Subject> = Vec::new();
        for &at in &exam.unparsable {
            if (*exam.at(at).0 == Shelf::Dead) != dead {
                continue;
            }
            let place = place(at);
            match subjects.last_mut() {
                Some(last) if last.name == place => last.count += 1,
                _ => subjects.push(subject(place, 1)),
            }
        }
        subjects
    };
    find(Code::UnparsableJob, Severity::Warning, unparsable(false));
    find(Code::UnparsableDead, Severity::Note, unparsable(true));
}

/// As people write it.
fn name(shelf: &Shelf) -> String {
    match shelf {
        Shelf::Queue(name) => format!("queue:{name}"),
        Shelf::Landing(name) => format!("gandy:landing:{name}"),
        Shelf::Retry => "retry".to_owned(),
        Shelf::Schedule => "schedule".to_owned(),
        Shelf::Dead => "dead".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::copies::{Pair, Stock};
    use super::*;

    fn codes(exam: &Exam) -> Vec<(Code, u64)> {
        let mut findings = Vec::new();
        judge(exam, &mut findings);
        let shown = findings.iter();
        shown
            .map(|finding| (finding.code, finding.subjects[0].count))
            .collect()
    }

    fn queue(name: &str, listed: bool, waiting: u64) -> Queue {
        Queue {
            name: name.into(),
            listed,
            waiting,
            landed: 0,
        }
    }

    #[test]
    fn an_empty_queue_is_nobodys_business() {
        let queues = vec![queue("a", true, 0), queue("b", false, 0)];
        assert_eq!(
            codes(&Exam {
                queues,
                ..Exam::default()
            }),
            []
        );
    }

    #[test]
    fn a_queue_with_jobs_wants_a_listener_and_a_name_in_queues() {
        let queues = vec![queue("a", true, 3), queue("b", false, 2)];
        let found = codes(&Exam {
            queues,
            ..Exam::default()
        });
        assert_eq!(found, [(Code::UnlistedQueue, 2), (Code::UnservedQueue, 3)]);
    }

    #[test]
    fn a_queue_may_be_served_by_those_who_cannot_be_seen() {
        for (blind, unread) in [(true, false), (false, true)] {
            let exam = Exam {
                queues: vec![queue("a", true, 3)],
                blind,
                unread,
                ..Exam::default()
            };
            assert_eq!(codes(&exam), []);
        }
    }

    #[test]
    fn copies_and_shared_ids_are_two_things_and_so_are_unparsable_jobs_and_dead_ones() {
        let stocks = vec![
            Stock {
                shelf: Shelf::Retry,
                entries: vec![b"x".to_vec(), b"y".to_vec()],
            },
            Stock {
                shelf: Shelf::Dead,
                entries: vec![b"x".to_vec()],
            },
        ];
        let pair = |same| Pair {
            jid: "j".into(),
            keep: (0, 0),
            other: (1, 0),
            same,
        };
        let exam = Exam {
            stocks,
            pairs: vec![pair(true), pair(false)],
            unparsable: vec![(0, 0), (0, 1), (1, 0)],
            ..Exam::default()
        };
        let found = codes(&exam);
        assert_eq!(
            found,
            [
                (Code::DuplicateJob, 1),
                (Code::SharedJid, 1),
                (Code::UnparsableJob, 2),
                (Code::UnparsableDead, 1)
            ]
        );
    }
}
