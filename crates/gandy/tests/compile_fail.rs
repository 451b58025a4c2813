//! The commonest mistakes with jobs and handlers, and what the compiler says to each: `ui/*.rs` beside `ui/*.stderr`.
//!
//! After a change of the compiler or of serde, look at the difference, and write the files anew with
//! `TRYBUILD=overwrite cargo test -p gandy --test compile_fail`.

#![cfg(feature = "derive")]

/// The compiler whose words the golden files hold; another one says the same in other words.
const GOLDEN: &str = "rustc 1.95.";

#[test]
fn mistakes_get_errors_that_say_what_to_write() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = std::process::Command::new(rustc).arg("--version").output();
    let version = version
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    if !version.starts_with(GOLDEN) {
        println!("SKIPPED: the golden files were written by {GOLDEN}x, this is {version}");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
