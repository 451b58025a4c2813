#![allow(clippy::unwrap_used)]

use super::*;

/// Every key that `Keys` can build, in the table's order.
fn all(keys: &Keys) -> Vec<String> {
    let id: Identity = "vm:22564:a4dc4b6ef2be".parse().unwrap();
    let minute = Minute::from_millis(1_795_398_104_597);
    let date = minute.date();
    vec![
        keys.queues(),
        keys.queue("low"),
        keys.schedule(),
        keys.retry(),
        keys.dead(),
        keys.paused(),
        keys.processes(),
        keys.process(&id),
        keys.work(&id),
        keys.workers(&id),
        keys.signals(&id),
        keys.process_cleanup(),
        keys.stat_processed(),
        keys.stat_failed(),
        keys.stat_processed_day(&date),
        keys.stat_failed_day(&date),
        keys.metrics_minute(minute),
        keys.metrics_ten_minutes(minute),
        keys.metrics_histogram("OkJob", minute),
        keys.marks(minute),
        keys.mark_lock("v1"),
        keys.fleet(),
        keys.dying(),
        keys.lease(&id),
        keys.watch(),
        keys.inflight(&id),
        keys.landing("low"),
        keys.recovered("b5de70b63090decd6440fd9e"),
        keys.pushed("invoice:7"),
        keys.outcome("b5de70b63090decd6440fd9e"),
        keys.cancelled("b5de70b63090decd6440fd9e"),
        keys.reasons(),
        keys.promoter(),
    ]
}

#[test]
fn every_key_has_its_row_in_order() {
    let filled: Vec<String> = TABLE
        .iter()
        .map(|row| {
            row.name
                .replace("<identity>", "vm:22564:a4dc4b6ef2be")
                .replace("<queue>", "low")
                .replace("<class>", "OkJob")
                .replace("<jid>", "b5de70b63090decd6440fd9e")
                .replace("<key>", "invoice:7")
                .replace("YYYY-MM-DD", "2026-11-23")
                .replace("j|YYMMDD|H:MM", "j|261123|1:41")
                .replace("j|YYMMDD|H:M", "j|261123|1:4")
                .replace("D-H:M", "23-1:41")
                .replace("YYYYMMDD", "20261123")
                .replace("<label>", "v1")
        })
        .collect();
    assert_eq!(all(&Keys::default()), filled);
}

#[test]
fn everything_lies_under_the_prefix() {
    let plain = all(&Keys::default());
    for (namespace, prefix) in [
        ("shop", "shop:"),
        ("{gandy-0}", "{gandy-0}:"),
        ("a:b", "a:b:"),
    ] {
        let keys = Keys::new(namespace).unwrap();
        assert_eq!(keys.prefix(), prefix);
        for (with, without) in all(&keys).iter().zip(&plain) {
            assert_eq!(*with, format!("{prefix}{without}"));
        }
    }
    assert_eq!(Keys::new("").unwrap(), Keys::default());
}

#[test]
fn gandys_own_keys_share_one_acl_pattern() {
    for row in TABLE {
        assert_eq!(
            row.owner == GANDY,
            row.name.starts_with("gandy:"),
            "{row:?}"
        );
    }
}

#[test]
fn bad_namespaces_are_refused() {
    for bad in ["a b", "a\n", "\u{0}", "a\u{3000}b"] {
        assert_eq!(Keys::new(bad), Err(KeyError::Character(bad.to_owned())));
    }
    for bad in ["{", "a{b", "{}", "a{}b"] {
        let error = Keys::new(bad).unwrap_err();
        assert_eq!(error, KeyError::HashTag(bad.to_owned()));
        assert!(error.to_string().ends_with("as in `{gandy-0}`"));
    }
    assert_eq!(Keys::new(&"n".repeat(129)), Err(KeyError::Long(129)));
}

#[test]
fn scans_find_only_this_prefix() {
    let keys = Keys::new("a*[b]").unwrap();
    assert_eq!(keys.inflight_pattern(), r"a\*\[b\]:gandy:inflight:*");
    assert_eq!(keys.landing_pattern(), r"a\*\[b\]:gandy:landing:*");
    let id: Identity = "vm:1:a4dc4b6ef2be".parse().unwrap();
    assert_eq!(
        keys.identity_of_inflight(&keys.inflight(&id)),
        Some(id.as_str())
    );
    assert_eq!(keys.queue_of_landing(&keys.landing("a:b")), Some("a:b"));
    assert_eq!(keys.queue_of_landing("gandy:landing:x"), None);
    assert_eq!(keys.queue_pattern(), r"a\*\[b\]:queue:*");
    assert_eq!(keys.name_of_queue(&keys.queue("a:b")), Some("a:b"));
    assert_eq!(keys.name_of_queue("queue:x"), None);
}
