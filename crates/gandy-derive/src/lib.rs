//! `#[derive(Job)]` for the crate `gandy`, which re-exports it: depend on that one.
//!
//! Belongs here: reading `#[job(…)]` and the struct's header, and saying what is wrong with them at the right place.
//! Does not belong here: what the settings mean (see `gandy::JobOptions`).

mod check;
mod duration;
mod expand;
mod lookalike;
mod settings;
mod value;

use proc_macro::TokenStream;

/// Makes a struct a job: implements `gandy::Job` for it.
///
/// The struct's fields, in their order, are the job's positional arguments. It must be serialisable both ways, so it
/// derives serde's traits too:
///
/// ```text
/// #[derive(Serialize, Deserialize, Job)]
/// #[job(class = "WelcomeEmail", queue = "mailers", retry = 5, timeout = "30s")]
/// struct WelcomeEmail { user_id: u64, template: String }
/// ```
///
/// All settings of `#[job(…)]` may be left out:
///
/// | setting | value | meaning, and what holds without it |
/// |---|---|---|
/// | `class` | `"WelcomeEmail"`, `"Reports::Nightly"` | the name in Redis that connects jobs and handlers. Without it: the struct's own name, so renaming the struct renames the class, and jobs in flight under the old name find no handler. Give it to pin it |
/// | `queue` | `"mailers"` | where it waits; `default` |
/// | `retry` | `5`, `0`, `true`, `false` | retries after failures. `true` (the default): as many as the worker's `max_retries`, 25; `0`: straight to the dead set; `false`: dropped |
/// | `timeout` | `"30s"` | how long one run may take; the worker's own setting |
/// | `retry_for` | `"2h"`, whole seconds | retry until so long after the first failure, whatever `retry` says; by count |
/// | `retry_queue` | `"slow"` | where retries wait; the queue it ran from |
/// | `tags` | `tags("a", "b")` | labels shown in logs and dashboards; none |
/// | `dead` | `false` | whether a job that used up its retries goes to the dead set; `true` |
/// | `backtrace` | `true`, `10` | store all or so many lines of an error's backtrace; none |
///
/// Durations are a whole number and a unit: `ms`, `s`, `m`, `h` or `d`.
///
/// Refused when compiling: enums, unions, generic structs, and the serde attributes that would make positions differ
/// between writing and reading (`flatten`, `tag`, `skip_serializing` or `skip_deserializing` without the other, and
/// `skip_serializing_if` in a tuple struct).
#[proc_macro_derive(Job, attributes(job))]
pub fn derive_job(input: TokenStream) -> TokenStream {
    expand::expand(input.into()).into()
}
