//! The work of each job, free of Gandy: what a handler calls, and what the web application does itself when a worker
//! without Rust code sends it the job over HTTP.

use std::{io, path::Path};

use crate::{
    cksum::cksum,
    count::count,
    results::{Results, record_checksums},
    sources::source_files,
};

/// Counts one file and records it.
///
/// # Errors
/// The file cannot be read ([`is_missing`] tells whether it is there at all), or the result cannot be recorded.
pub async fn count_words(path: &str, results: &Results) -> anyhow::Result<()> {
    let text = tokio::fs::read(path).await?;
    results.record(path, count(&text)).await
}

/// Computes and records the checksums of all source files below `root`. `step` hears how many of how many are done and
/// says whether to go on. Blocks, and keeps a processor busy.
///
/// # Errors
/// Something cannot be read or recorded, or `step` said no.
pub fn manifest(
    root: &str,
    redis: &redis::Client,
    mut step: impl FnMut(usize, usize) -> bool,
) -> anyhow::Result<()> {
    let files = source_files(Path::new(root))?;
    let total = files.len();
    let mut checksums = Vec::with_capacity(total);
    for path in files {
        anyhow::ensure!(step(checksums.len(), total), "told to stop");
        let checksum = cksum(&std::fs::read(&path)?);
        checksums.push((path, checksum));
    }
    record_checksums(redis, &checksums)
}

/// Whether work failed because its file is not there.
#[must_use]
pub fn is_missing(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}
