//! Who works here, who is dead, and what they hold.

use gandy_store::doctor::Shown;
use serde::Deserialize;

use super::super::exam::{Exam, Holder};
use super::super::{Code, Finding, Severity, Subject};
use super::subject;

pub(super) fn judge(exam: &Exam, findings: &mut Vec<Finding>) {
    let mut find = |code, severity, subjects: Vec<Subject>| {
        if !subjects.is_empty() {
            findings.push(Finding::new(code, severity, subjects));
        }
    };
    let held = |holders: &[Holder]| -> Vec<Subject> {
        let subjects = holders.iter();
        subjects
            .map(|holder| subject(holder.identity.as_str(), holder.jobs))
            .collect()
    };
    let misshapen = exam.misshapen.iter();
    let misshapen = misshapen.map(|(key, kind)| subject(format!("{key} should be a {kind}"), 1));
    find(Code::WrongType, Severity::Error, misshapen.collect());
    find(Code::OrphanedInFlight, Severity::Error, held(&exam.orphans));
    let nameless = exam
        .nameless
        .iter()
        .map(|name| subject(format!("gandy:inflight:{name}"), 1));
    find(Code::NamelessInFlight, Severity::Error, nameless.collect());
    if exam.blind {
        return;
    }
    // Where one lives, it reaps within seconds: what is seen of it is on its way.
    if !exam.is_anybody_alive() {
        let dead = [held(&exam.leaseless), held(&exam.dying)].concat();
        find(Code::UnreapedWorker, Severity::Error, dead);
        let landed = exam.queues.iter().filter(|queue| queue.landed > 0);
        let landed =
            landed.map(|queue| subject(format!("gandy:landing:{}", queue.name), queue.landed));
        find(Code::LandedJobs, Severity::Warning, landed.collect());
    }
    let silent = silent(exam).map(|identity| subject(identity, 1));
    find(Code::SilentProcess, Severity::Warning, silent.collect());
    let ruby = rubies(exam).map(|shown| subject(shown.identity.as_str(), 1));
    find(Code::RubyMemory, Severity::Note, ruby.collect());
}

/// Those who are listed and show nothing. One whose lease holds lives: its heartbeat is late.
pub(in crate::doctor) fn silent(exam: &Exam) -> impl Iterator<Item = &str> {
    let listed = exam.processes.iter();
    let lives = |identity: &str| {
        let mut living = exam.members.iter().filter(|member| member.leased);
        living.any(|member| member.identity.as_str() == identity)
    };
    listed
        .filter(move |shown| shown.info == Ok(None) && !lives(&shown.identity))
        .map(|shown| shown.identity.as_str())
}

/// Living processes that are none of Gandy's.
fn rubies(exam: &Exam) -> impl Iterator<Item = &Shown> {
    exam.processes.iter().filter(|shown| {
        let is = |identity: &str| identity == shown.identity;
        matches!(shown.info, Ok(Some(_)))
            && !exam
                .members
                .iter()
                .any(|member| is(member.identity.as_str()))
            && !exam.dying.iter().any(|holder| is(holder.identity.as_str()))
    })
}

/// The queues that somebody living listens to.
pub(super) fn served(exam: &Exam) -> Vec<String> {
    #[derive(Deserialize)]
    struct Listens {
        #[serde(default)]
        queues: Vec<String>,
    }
    let living = exam.members.iter().filter(|member| member.leased);
    let living = living.map(|member| member.published.as_str());
    let rubies = rubies(exam).filter_map(|shown| shown.info.as_ref().ok()?.as_deref());
    let queues = living.chain(rubies);
    queues
        .filter_map(|json| serde_json::from_str::<Listens>(json).ok())
        .flat_map(|listens| listens.queues)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use gandy_store::doctor::Member;

    use super::super::super::exam::Queue;
    use super::*;

    const SOMEBODY: &str = "host:1:a4dc4b6ef2be";
    const ANOTHER: &str = "host:2:a4dc4b6ef2be";

    fn member(identity: &str, leased: bool) -> Member {
        Member {
            identity: identity.parse().unwrap(),
            published: r#"{"queues":["default"]}"#.into(),
            leased,
        }
    }

    fn holder(identity: &str, jobs: u64) -> Holder {
        Holder {
            identity: identity.parse().unwrap(),
            jobs,
        }
    }

    fn shown(identity: &str, info: Option<&str>) -> Shown {
        Shown {
            identity: identity.into(),
            info: Ok(info.map(str::to_owned)),
        }
    }

    fn codes(exam: &Exam) -> Vec<Code> {
        let mut findings = Vec::new();
        judge(exam, &mut findings);
        findings.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn what_a_living_worker_repairs_is_no_finding() {
        let mut exam = Exam {
            members: vec![member(SOMEBODY, false)],
            leaseless: vec![holder(SOMEBODY, 2)],
            dying: vec![holder(ANOTHER, 0)],
            queues: vec![Queue {
                name: "q".into(),
                listed: true,
                waiting: 0,
                landed: 1,
            }],
            ..Exam::default()
        };
        assert_eq!(codes(&exam), [Code::UnreapedWorker, Code::LandedJobs]);
        exam.members.push(member("host:3:a4dc4b6ef2be", true));
        assert_eq!(codes(&exam), []);
    }

    #[test]
    fn a_process_without_heartbeat_is_silent_unless_its_lease_holds() {
        let mut exam = Exam {
            processes: vec![shown(SOMEBODY, None)],
            ..Exam::default()
        };
        assert_eq!(codes(&exam), [Code::SilentProcess]);
        exam.members.push(member(SOMEBODY, true));
        assert_eq!(codes(&exam), []);
        exam.processes[0].info = Err("NOPERM".into());
        exam.members.clear();
        assert_eq!(codes(&exam), [], "what may not be read is not judged");
    }

    #[test]
    fn without_a_look_at_the_fleet_nobody_is_called_dead() {
        let exam = Exam {
            blind: true,
            dying: vec![holder(SOMEBODY, 1)],
            processes: vec![shown(SOMEBODY, None)],
            ..Exam::default()
        };
        assert_eq!(codes(&exam), []);
    }

    #[test]
    fn ruby_is_who_shows_himself_and_is_none_of_the_fleet() {
        let mut exam = Exam {
            processes: vec![
                shown(SOMEBODY, Some(r#"{"queues":["low"]}"#)),
                shown(ANOTHER, Some("{}")),
            ],
            members: vec![member(ANOTHER, true)],
            ..Exam::default()
        };
        assert_eq!(codes(&exam), [Code::RubyMemory]);
        assert_eq!(served(&exam), ["default", "low"]);
        exam.dying.push(holder(SOMEBODY, 0));
        assert_eq!(served(&exam), ["default"]);
    }
}
