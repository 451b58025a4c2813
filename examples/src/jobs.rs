//! What is enqueued. Here: the jobs' arguments and settings. Not here: who runs them (`src/bin/worker.rs`).

use gandy::Job;
use serde::{Deserialize, Serialize};

/// Counts the words, lines and bytes of one file. In Redis: `{"class":"CountWords","args":["/a/b.rs"],…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(class = "CountWords", timeout = "30s")]
pub struct CountWords {
    /// The file, as the worker sees it.
    pub path: String,
}

/// Computes the checksum of every source file below a folder, as `cksum` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(class = "Manifest", retry = 3, timeout = "5m")]
pub struct Manifest {
    /// The folder, as the worker sees it.
    pub root: String,
}
