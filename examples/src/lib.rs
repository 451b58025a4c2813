//! The example application: it counts the words of every source file below a folder.
//!
//! * [`jobs`]: what is enqueued. The web application (`src/bin/web.rs`) and the worker (`src/bin/worker.rs`) share these
//!   types and nothing else of Gandy's: a job does not know who runs it.
//! * [`sources`]: which files are source files.
//! * [`count`], [`cksum`]: counting, pure; [`work`]: a whole job.
//! * [`results`]: where results are kept.
//!
//! `scripts/demo` runs it and checks every number against what the file system says.

pub mod cksum;
pub mod count;
pub mod jobs;
pub mod results;
pub mod sources;
pub mod work;
