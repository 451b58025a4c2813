#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_795_398_164_364;

fn payload(fields: &str) -> Payload {
    let comma = if fields.is_empty() { "" } else { "," };
    let raw = format!(r#"{{"class":"A","args":[],"jid":"1"{comma}{fields}}}"#);
    Payload::parse(raw.into_bytes()).unwrap()
}

/// The verdict without jitter, delay in seconds.
fn verdict(fields: &str, handler: RetrySetting) -> Verdict {
    decide(
        &payload(fields),
        handler,
        &RetryRules::default(),
        NOW,
        None,
        0.0,
    )
}

fn retry(count: u32) -> Verdict {
    Verdict::Retry {
        delay_ms: (u64::from(count).pow(4) + 15) * 1_000,
        count,
    }
}

#[test]
fn retry_true_means_max_retries() {
    let absent = RetrySetting::Absent;
    assert_eq!(verdict(r#""retry":true"#, absent), retry(0));
    assert_eq!(verdict(r#""retry":true,"retry_count":0"#, absent), retry(1));
    assert_eq!(
        verdict(r#""retry":true,"retry_count":23"#, absent),
        retry(24)
    );
    assert_eq!(
        verdict(r#""retry":true,"retry_count":24"#, absent),
        Verdict::Dead
    );
    let rules = RetryRules { max_retries: 2 };
    let third = payload(r#""retry":true,"retry_count":1"#);
    assert_eq!(
        decide(&third, absent, &rules, NOW, None, 0.0),
        Verdict::Dead
    );
}

#[test]
fn the_default_25_retries_wait_for_20_days() {
    let total: u64 = (0..25).map(|count| delay_ms(count, None, 0.0)).sum();
    assert_eq!(total, 1_763_395_000);
}

#[test]
fn retry_number_counts_retries_and_zero_goes_straight_to_dead() {
    let absent = RetrySetting::Absent;
    assert_eq!(verdict(r#""retry":0"#, absent), Verdict::Dead);
    assert_eq!(verdict(r#""retry":-1"#, absent), Verdict::Dead);
    assert_eq!(verdict(r#""retry":2"#, absent), retry(0));
    assert_eq!(verdict(r#""retry":2,"retry_count":0"#, absent), retry(1));
    assert_eq!(
        verdict(r#""retry":2,"retry_count":1"#, absent),
        Verdict::Dead
    );
    assert_eq!(
        verdict(r#""retry":99999999999999999999,"retry_count":30"#, absent),
        retry(31)
    );
}

#[test]
fn retry_false_drops_without_an_entry_in_dead() {
    for fields in [
        r#""retry":false"#,
        r#""retry":false,"retry_for":3600"#,
        r#""retry":false,"dead":true,"retry_count":3"#,
    ] {
        assert_eq!(
            verdict(fields, RetrySetting::Always),
            Verdict::Drop,
            "{fields}"
        );
    }
}

#[test]
fn absent_null_and_wrong_typed_retry_mean_the_handlers_setting_then_true() {
    for fields in [
        "",
        r#""retry":null"#,
        r#""retry":"x""#,
        r#""retry":[1]"#,
        r#""retry":2.5"#,
    ] {
        assert_eq!(verdict(fields, RetrySetting::Absent), retry(0), "{fields}");
        assert_eq!(
            verdict(fields, RetrySetting::Never),
            Verdict::Drop,
            "{fields}"
        );
        assert_eq!(
            verdict(fields, RetrySetting::Times(0)),
            Verdict::Dead,
            "{fields}"
        );
    }
    assert_eq!(verdict(r#""retry":true"#, RetrySetting::Never), retry(0));
    assert_eq!(verdict(r#""retry":1"#, RetrySetting::Never), retry(0));
}

#[test]
fn dead_false_drops_when_retries_are_used_up() {
    let absent = RetrySetting::Absent;
    assert_eq!(verdict(r#""retry":0,"dead":false"#, absent), Verdict::Drop);
    assert_eq!(verdict(r#""retry":1,"dead":false"#, absent), retry(0));
    for keeps in ["true", "null", "0", "\"false\""] {
        assert_eq!(
            verdict(&format!(r#""retry":0,"dead":{keeps}"#), absent),
            Verdict::Dead
        );
    }
}

#[test]
fn retry_for_is_a_window_from_the_first_failure_and_replaces_the_count() {
    let absent = RetrySetting::Absent;
    let failed = |seconds_ago: i64, rest: &str| {
        format!(
            r#""retry_count":40,"failed_at":{},{rest}"#,
            NOW - seconds_ago * 1_000
        )
    };
    assert_eq!(
        verdict(&failed(3_600, r#""retry_for":3600"#), absent),
        retry(41)
    );
    assert_eq!(
        verdict(&failed(3_601, r#""retry_for":3600"#), absent),
        Verdict::Dead
    );
    assert_eq!(
        verdict(&failed(3_601, r#""retry_for":3600,"dead":false"#), absent),
        Verdict::Drop
    );
    assert_eq!(
        verdict(&failed(60, r#""retry_for":3600,"retry":0"#), absent),
        retry(41)
    );
    assert_eq!(
        verdict(&failed(61, r#""retry_for":60.5"#), absent),
        Verdict::Dead
    );
    assert_eq!(verdict(r#""retry_for":0"#, absent), retry(0));
    // A Sidekiq below 8 writes seconds.
    assert_eq!(
        verdict(
            r#""retry_for":60,"retry_count":0,"failed_at":1795398064.364"#,
            absent
        ),
        Verdict::Dead
    );
}

#[test]
fn retry_for_over_a_billion_or_of_another_type_is_ignored() {
    let absent = RetrySetting::Absent;
    for window in ["1000000001", "1e10", "null", "\"3600\"", "true", "[3600]"] {
        let fields = format!(r#""retry_for":{window},"retry":1,"retry_count":0,"failed_at":{NOW}"#);
        assert_eq!(verdict(&fields, absent), Verdict::Dead, "{window}");
    }
    let fields = format!(r#""retry_for":1000000000,"retry":1,"retry_count":0,"failed_at":{NOW}"#);
    assert_eq!(verdict(&fields, absent), retry(1));
}

#[test]
fn retry_for_starts_anew_for_a_job_without_failures() {
    // Somebody pushed a copy of a failed job without its count.
    let fields = r#""retry_for":60,"failed_at":1000"#;
    assert_eq!(verdict(fields, RetrySetting::Absent), retry(0));
}

#[test]
fn a_count_below_zero_from_a_manual_retry_is_the_first_again() {
    let failed_once = payload(r#""retry_count":0"#);
    assert_eq!(count_after_manual_retry(&failed_once), Some(-1));
    assert_eq!(
        verdict(r#""retry_count":-1"#, RetrySetting::Absent),
        retry(0)
    );
    assert_eq!(
        count_after_manual_retry(&payload(r#""retry_count":7"#)),
        Some(6)
    );
    assert_eq!(count_after_manual_retry(&payload("")), None);
}

#[test]
fn a_custom_delay_replaces_the_base_and_keeps_the_jitter() {
    let third = payload(r#""retry_count":1"#);
    let rules = RetryRules::default();
    let delay = |base: Option<Duration>, random| match decide(
        &third,
        RetrySetting::Absent,
        &rules,
        NOW,
        base,
        random,
    ) {
        Verdict::Retry { delay_ms, count: 2 } => delay_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(delay(Some(Duration::from_millis(1_500)), 0.0), 1_500);
    assert_eq!(delay(Some(Duration::from_secs(60)), 0.5), 75_000);
    assert_eq!(delay(Some(Duration::ZERO), 0.0), 31_000);
    assert_eq!(delay(Some(Duration::MAX), 0.5), LONGEST_DELAY_MS);
}

proptest! {
    #[test]
    fn jitter_stays_below_ten_seconds_for_each_failure(count in 0u32..100, random in 0.0..1.0f64) {
        let least = delay_ms(count, None, 0.0);
        let delay = delay_ms(count, None, random);
        prop_assert!(delay >= least);
        prop_assert!(delay < least + 10_000 * (u64::from(count) + 1));
    }

    #[test]
    fn no_count_and_no_random_number_breaks_the_delay(count in any::<u32>(), random in any::<f64>(), base in any::<Option<u64>>()) {
        let delay = delay_ms(count, base.map(Duration::from_millis), random);
        prop_assert!(delay <= LONGEST_DELAY_MS);
    }
}
