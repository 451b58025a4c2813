//! The server, and what its user may do there.

use std::time::Duration;

use gandy_store::doctor::{Basis, Replica, Rights, Vitals};

use super::super::exam::{Clock, Exam};
use super::super::{Code, Finding, Role, Severity};

/// Of `maxmemory`, or of the machine's memory.
const USED_PERCENT: u64 = 80;

/// Ruby's workers warn at 50 ms.
const SLOW: Duration = Duration::from_millis(50);
const SLOWISH: Duration = Duration::from_millis(10);

const SKEW_MS: u64 = 1_000;
const SKEW_BAD_MS: u64 = 60_000;

/// Denied requests that are named.
const NAMED: usize = 10;

pub(super) fn judge(exam: &Exam, findings: &mut Vec<Finding>) {
    if let Some(vitals) = &exam.vitals {
        state(vitals, exam.hash_tag, findings);
        disk(vitals, findings);
        memory(vitals, findings);
    }
    if let Some(clock) = exam.clock {
        distance(clock, findings);
    }
    if let Some(rights) = &exam.rights {
        findings.extend(missing(rights, exam.role));
    }
}

fn one(code: Code, severity: Severity) -> Finding {
    let mut finding = Finding::new(code, severity, Vec::new());
    finding.count = 1;
    finding
}

fn state(vitals: &Vitals, hash_tag: bool, findings: &mut Vec<Finding>) {
    let facts = &vitals.facts;
    if !facts.is_supported() {
        let version = format!("it is {} {}", facts.name, facts.version);
        findings.push(one(Code::ServerVersion, Severity::Error).seen(version));
    }
    if facts.cluster && !hash_tag {
        findings.push(one(Code::ClusterWithoutHashTag, Severity::Error));
    }
    if let Some(replica) = vitals.replica {
        let words = match replica {
            Replica { linked: true, .. } => "it is linked to its primary".to_owned(),
            Replica { cut_off, .. } => cut_off.map_or_else(
                || "it has never reached its primary: nobody knows how old its data are".to_owned(),
                |for_so_long| {
                    let seconds = for_so_long.as_secs();
                    format!(
                        "its primary has been out of reach for {seconds} s: its data are that old"
                    )
                },
            ),
        };
        findings.push(one(Code::ReadOnlyReplica, Severity::Error).seen(words));
    }
    if let Some(policy) = facts
        .eviction
        .as_deref()
        .filter(|policy| *policy != "noeviction")
    {
        let words = format!("maxmemory-policy is {policy}");
        findings.push(one(Code::EvictionPolicy, Severity::Error).seen(words));
    }
}

fn disk(vitals: &Vitals, findings: &mut Vec<Finding>) {
    if vitals.facts.append_only == Some(false) {
        findings.push(match vitals.snapshots {
            Some(false) => one(Code::NoPersistence, Severity::Error),
            Some(true) => one(Code::AppendOnlyOff, Severity::Warning),
            None => one(Code::AppendOnlyOff, Severity::Warning)
                .seen("whether it writes snapshots could not be looked at"),
        });
    }
    let failed = [
        (vitals.snapshot_failed, "rdb_last_bgsave_status is err"),
        (vitals.append_failed, "aof_last_write_status is err"),
    ];
    let failed: Vec<&str> = failed
        .into_iter()
        .filter_map(|(failed, words)| failed.then_some(words))
        .collect();
    if !failed.is_empty() {
        findings.push(one(Code::PersistenceFailing, Severity::Error).seen(failed.join(", ")));
    }
}

fn memory(vitals: &Vitals, findings: &mut Vec<Finding>) {
    let (limit, whose) = match vitals.maxmemory {
        0 => (vitals.system_memory, "the machine's memory"),
        limit => (Some(limit), "maxmemory"),
    };
    if vitals.maxmemory == 0 {
        let machine = vitals.system_memory.map_or_else(
            || "the machine's memory is not known".to_owned(),
            |bytes| format!("the machine has {} MB", bytes >> 20),
        );
        let words = format!("{} MB are used, {machine}", vitals.used_memory >> 20);
        findings.push(one(Code::NoMemoryLimit, Severity::Note).seen(words));
    }
    let Some(limit) = limit else { return };
    let percent = vitals.used_memory.saturating_mul(100) / limit.max(1);
    if percent > USED_PERCENT {
        let words = format!("{percent} % of {whose} ({} MB)", limit >> 20);
        findings.push(one(Code::MemoryLow, Severity::Warning).seen(words));
    }
}

fn distance(clock: Clock, findings: &mut Vec<Finding>) {
    let skew = clock.ahead_ms.unsigned_abs();
    if skew > SKEW_MS {
        let grave = skew > SKEW_BAD_MS;
        let direction = if clock.ahead_ms > 0 {
            "ahead"
        } else {
            "behind"
        };
        let words = format!("this host is {:.1} s {direction}", skew as f64 / 1000.0);
        findings.push(one(Code::ClockSkew, severity(grave)).seen(words));
    }
    if clock.round_trip > SLOWISH {
        let words = format!("it takes {:.1} ms", clock.round_trip.as_secs_f64() * 1000.0);
        let grave = clock.round_trip > SLOW;
        findings.push(one(Code::SlowRoundTrip, severity(grave)).seen(words));
    }
}

fn severity(grave: bool) -> Severity {
    if grave {
        Severity::Warning
    } else {
        Severity::Note
    }
}

fn missing(rights: &Rights, role: Option<Role>) -> Option<Finding> {
    let denied = &rights.denied;
    let (role, missing) = match role {
        Some(role) => denied.iter().find(|(other, _)| *other == role)?,
        // The one to which least is missing is probably meant.
        None => denied.iter().min_by_key(|(_, missing)| missing.len())?,
    };
    if missing.is_empty() {
        return None;
    }
    let mut named = missing
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if missing.len() > NAMED {
        named = format!("{named} and {} more", missing.len() - NAMED);
    }
    let basis = match rights.basis {
        Basis::DryRun => "",
        Basis::Commands => " (keys were not looked at)",
    };
    let words = format!("{} as {role} is denied {named}{basis}", rights.user);
    Some(one(Code::MissingRights, Severity::Warning).seen(words))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use gandy_store::ServerFacts;

    use super::*;

    fn healthy() -> Exam {
        Exam {
            vitals: Some(Vitals {
                facts: ServerFacts {
                    name: "Redis",
                    version: "7.0.15".into(),
                    run_id: "r".into(),
                    uptime_secs: 1,
                    eviction: Some("noeviction".into()),
                    append_only: Some(true),
                    cluster: false,
                },
                used_memory: 50 << 20,
                maxmemory: 100 << 20,
                system_memory: Some(1 << 30),
                snapshots: Some(true),
                snapshot_failed: false,
                append_failed: false,
                replica: None,
            }),
            clock: Some(Clock {
                round_trip: Duration::from_micros(200),
                ahead_ms: 0,
            }),
            rights: Some(Rights {
                user: "app".into(),
                basis: Basis::DryRun,
                denied: Role::ALL.map(|role| (role, Vec::new())).to_vec(),
            }),
            ..Exam::default()
        }
    }

    fn codes(exam: &Exam) -> Vec<(Code, Severity)> {
        let mut findings = Vec::new();
        judge(exam, &mut findings);
        findings
            .iter()
            .map(|finding| (finding.code, finding.severity))
            .collect()
    }

    fn with(change: impl FnOnce(&mut Vitals)) -> Vec<(Code, Severity)> {
        let mut exam = healthy();
        change(exam.vitals.as_mut().unwrap());
        codes(&exam)
    }

    #[test]
    fn a_healthy_server_has_no_findings() {
        assert_eq!(codes(&healthy()), []);
        assert_eq!(codes(&Exam::default()), [], "what is unknown is no finding");
    }

    #[test]
    fn each_state_of_the_server_has_its_code() {
        use Severity::{Error, Note, Warning};
        assert_eq!(
            with(|v| v.facts.version = "6.2.14".into()),
            [(Code::ServerVersion, Error)]
        );
        assert_eq!(
            with(|v| v.facts.cluster = true),
            [(Code::ClusterWithoutHashTag, Error)]
        );
        let replica = |v: &mut Vitals| {
            v.replica = Some(Replica {
                linked: true,
                cut_off: None,
            });
        };
        assert_eq!(with(replica), [(Code::ReadOnlyReplica, Error)]);
        assert_eq!(
            with(|v| v.facts.eviction = Some("allkeys-lru".into())),
            [(Code::EvictionPolicy, Error)]
        );
        assert_eq!(
            with(|v| v.snapshot_failed = true),
            [(Code::PersistenceFailing, Error)]
        );
        assert_eq!(
            with(|v| v.facts.append_only = Some(false)),
            [(Code::AppendOnlyOff, Warning)]
        );
        let nothing = |v: &mut Vitals| {
            v.facts.append_only = Some(false);
            v.snapshots = Some(false);
        };
        assert_eq!(with(nothing), [(Code::NoPersistence, Error)]);
        assert_eq!(with(|v| v.used_memory = 80 << 20), []);
        assert_eq!(
            with(|v| v.used_memory = 81 << 20),
            [(Code::MemoryLow, Warning)]
        );
        assert_eq!(with(|v| v.maxmemory = 0), [(Code::NoMemoryLimit, Note)]);
        let huge = |v: &mut Vitals| {
            v.maxmemory = 0;
            v.used_memory = 900 << 20;
        };
        assert_eq!(
            with(huge),
            [(Code::NoMemoryLimit, Note), (Code::MemoryLow, Warning)]
        );
    }

    #[test]
    fn a_cluster_with_a_hash_tag_is_fine() {
        let mut exam = healthy();
        exam.vitals.as_mut().unwrap().facts.cluster = true;
        exam.hash_tag = true;
        assert_eq!(codes(&exam), []);
    }

    #[test]
    fn clocks_and_distance_have_two_steps() {
        let at = |ahead_ms: i64, micros: u64| {
            let mut exam = healthy();
            exam.clock = Some(Clock {
                round_trip: Duration::from_micros(micros),
                ahead_ms,
            });
            codes(&exam)
        };
        assert_eq!(at(1_000, 10_000), []);
        assert_eq!(at(-1_001, 0), [(Code::ClockSkew, Severity::Note)]);
        assert_eq!(at(60_001, 0), [(Code::ClockSkew, Severity::Warning)]);
        assert_eq!(at(0, 10_001), [(Code::SlowRoundTrip, Severity::Note)]);
        assert_eq!(at(0, 50_001), [(Code::SlowRoundTrip, Severity::Warning)]);
    }

    #[test]
    fn a_user_must_fill_the_role_that_was_named_or_any() {
        let mut exam = healthy();
        let rights = exam.rights.as_mut().unwrap();
        rights.denied[1].1 = vec!["HSET gandy:inflight".into()];
        assert_eq!(codes(&exam), [], "it fills another role");
        exam.role = Some(Role::Worker);
        assert_eq!(codes(&exam), [(Code::MissingRights, Severity::Warning)]);
        exam.role = Some(Role::Producer);
        assert_eq!(codes(&exam), []);
        exam.role = None;
        for (_, denied) in &mut exam.rights.as_mut().unwrap().denied {
            denied.push("INFO".into());
        }
        assert_eq!(codes(&exam), [(Code::MissingRights, Severity::Warning)]);
    }
}
