//! The commonest mistakes with jobs, and what the compiler says to each: `ui/*.rs` beside `ui/*.stderr`.
//!
//! After a change of the compiler or of serde, look at the difference, and write the files anew with
//! `TRYBUILD=overwrite cargo test -p gandy --test compile_fail`.

#![cfg(feature = "derive")]

#[test]
fn mistakes_get_errors_that_say_what_to_write() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
