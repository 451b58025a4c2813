//! The derived `impl` against the real trait. The macro writes `::gandy::…`, so this crate stands in for gandy: it takes
//! the trait's file itself, and gandy need not be built to test its macro.

#![allow(clippy::unwrap_used)]

extern crate self as gandy;

#[path = "../../gandy/src/job.rs"]
mod job;

use std::time::Duration;

pub use gandy_derive::Job;
use gandy_protocol::args::{from_args, to_args};
use gandy_protocol::{Backtrace, RetrySetting};
pub use job::{Job, JobOptions};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize, Job)]
#[job(
    class = "WelcomeEmail",
    queue = "mailers",
    retry = 5,
    timeout = "30s",
    tags("a", "b")
)]
#[job(retry_for = "2h", retry_queue = "slow", dead = false, backtrace = 10)]
struct Welcome {
    user: u64,
    name: String,
    opt: Option<String>,
}

#[test]
fn every_setting_arrives() {
    assert_eq!(Welcome::CLASS, "WelcomeEmail");
    let expected = JobOptions::default()
        .queue("mailers")
        .retry(5)
        .timeout(Duration::from_secs(30))
        .tags(["a", "b"])
        .retry_for(Duration::from_secs(7_200))
        .retry_queue("slow")
        .dead(false)
        .backtrace(10);
    assert_eq!(Welcome::options(), expected);
}

#[test]
fn a_derived_jobs_fields_are_positional_args() {
    let job = Welcome {
        user: 42,
        name: "hi".into(),
        opt: None,
    };
    let args = to_args(&job).unwrap();
    assert_eq!(args, r#"[42,"hi",null]"#);
    assert_eq!(from_args::<Welcome>(Welcome::CLASS, &args).unwrap(), job);
    assert_eq!(
        from_args::<Welcome>(Welcome::CLASS, "[42]")
            .unwrap_err()
            .to_string(),
        "class WelcomeEmail wants 3 args (user, name, opt), got 1; arg 2 (name) has no default"
    );
}

#[test]
fn all_kinds_of_structs_can_be_jobs() {
    mod inner {
        use super::{Deserialize, Job, Serialize};
        #[derive(Serialize, Deserialize, Job)]
        #[job(class = "Reports::Nightly", retry = false)]
        pub(super) struct Nightly;
        #[derive(Serialize, Deserialize, Job)]
        #[job(retry = true, backtrace = true)]
        pub(super) struct Import(pub(super) Vec<u8>);
        #[derive(Serialize, Deserialize, Job)]
        #[job(retry = 0, timeout = "250ms")]
        pub(super) struct Pair(pub(super) u8, pub(super) Option<u8>);
    }
    use inner::{Import, Nightly, Pair};

    assert_eq!(Nightly::CLASS, "Reports::Nightly");
    assert_eq!(Nightly::options().get_retry(), RetrySetting::Never);
    assert_eq!(to_args(&Nightly).unwrap(), "[]");

    assert_eq!(Import::CLASS, "Import");
    assert_eq!(Import::options().get_retry(), RetrySetting::Always);
    assert_eq!(Import::options().get_backtrace(), Some(Backtrace::All));
    assert_eq!(to_args(&Import(vec![1, 2])).unwrap(), "[[1,2]]");

    assert_eq!(Pair::CLASS, "Pair");
    assert_eq!(Pair::options().get_retry(), RetrySetting::Times(0));
    let timeout = Pair::options().get_timeout();
    assert_eq!(timeout, Some(Duration::from_millis(250)));
    assert_eq!(to_args(&Pair(1, None)).unwrap(), "[1,null]");
}

#[test]
fn without_settings_nothing_is_set() {
    #[derive(Serialize, Deserialize, Job)]
    struct Plain {}
    assert_eq!(Plain::CLASS, "Plain");
    assert_eq!(Plain::options(), JobOptions::default());
    assert_eq!(to_args(&Plain {}).unwrap(), "[]");
}
