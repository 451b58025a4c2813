//! What many programs at once ask of the system.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Open files of one running program on the worker's side: its socket and two pipes, and while it is started
/// their other ends and the system's own pipe.
const FILES_EACH: u64 = 8;

/// Everything else: Redis, HTTP, the runtime.
const FILES_ELSE: u64 = 256;

/// Raises the soft limit of open files to what `concurrency` programs at once need, if it is below. Left as it
/// is otherwise, since programs inherit it and some break above 1,024.
///
/// # Errors
///
/// What to do where the system does not allow it.
pub fn raise_open_files(concurrency: usize) -> Result<(), String> {
    let need = FILES_ELSE + FILES_EACH * concurrency as u64;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| error.to_string())?;
    if soft >= need {
        return Ok(());
    }
    let aim = need.min(hard);
    setrlimit(Resource::RLIMIT_NOFILE, aim, hard).map_err(|error| error.to_string())?;
    if aim < need {
        return Err(format!(
            "{concurrency} jobs at once may need {need} open files and the system allows {hard}: \
             raise the limit (ulimit -n) or lower the concurrency"
        ));
    }
    Ok(())
}
