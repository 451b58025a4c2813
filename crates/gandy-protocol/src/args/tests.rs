//! What the table of [`super`] promises, case by case.

#![allow(clippy::unwrap_used)]

mod errors;
mod numbers;
mod optional;
mod round_trip;
mod shapes;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{from_args, to_args};

/// `value` is written as `json`, and `json` is read as `value`.
#[track_caller]
fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, json: &str) {
    assert_eq!(to_args(value).unwrap(), json);
    assert_eq!(&from_args::<T>("Any", json).unwrap(), value);
}

/// The sentence for reading `json` as `T`.
#[track_caller]
fn sentence<T: DeserializeOwned + Debug>(json: &str) -> String {
    from_args::<T>("WelcomeEmail", json)
        .unwrap_err()
        .to_string()
}
