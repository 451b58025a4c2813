//! The rule of each top-level key: its type, range and default. Flags, environment and file all read through
//! these, so a value is allowed in all three or in none.

use std::path::PathBuf;
use std::time::Duration;

use gandy::StampFormat;

use super::queue::Queue;
use super::raw::Raw;
use super::secret::Secret;

/// What a key is when nobody sets it.
pub mod default {
    use std::time::Duration;

    /// Redis on this machine.
    pub const REDIS_URL: &str = "redis://127.0.0.1:6379/0";
    /// Jobs at once in the default capsule.
    pub const CONCURRENCY: usize = 10;
    /// The queue that Sidekiq uses when a job names none.
    pub const QUEUE: &str = "default";
    /// Jobs that a crash may touch, those claimed ahead included.
    pub const CRASH_BUDGET: usize = 400;
    /// How long running jobs may go on after TERM. Below the 30 s that Kubernetes and Heroku allow.
    pub const TIMEOUT: Duration = Duration::from_secs(25);
    /// Retries of a job whose `retry` is `true`.
    pub const MAX_RETRIES: u32 = 25;
    /// Entries kept in the dead set.
    pub const DEAD_MAX_JOBS: u64 = 10_000;
    /// How long an entry stays in the dead set: 180 days.
    pub const DEAD_TIMEOUT: Duration = Duration::from_secs(180 * 86_400);
    /// Bytes above which a claimed payload is buried unread: 64 MiB.
    pub const MAX_FETCH_PAYLOAD: usize = 64 * 1024 * 1024;
    /// How long one run of a job may take.
    pub const JOB_TIMEOUT: Duration = Duration::from_secs(600);
}

const DAY: Duration = Duration::from_secs(86_400);

/// `redis_url`. The error repeats no password: the value is not shown by us, and redacted by the library.
pub fn redis_url(raw: Raw<'_>) -> Result<Secret, String> {
    const SCHEMES: [&str; 6] = [
        "redis://",
        "rediss://",
        "unix://",
        "redis+unix://",
        "redis+sentinel://",
        "rediss+sentinel://",
    ];
    const ALLOWED: &str = "must begin with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel:// \
                           (such as redis://:PASSWORD@HOST:6379/0, unix:///run/redis.sock or \
                           redis+sentinel://:PASSWORD@SENTINEL1,SENTINEL2/mymaster/0)";
    let text = match raw {
        Raw::Toml(toml::de::DeValue::String(text)) => text.as_ref(),
        Raw::Text(text) => text,
        Raw::Toml(_) => return Err(ALLOWED.to_owned()),
    };
    // A file of secrets often ends, and a pasted one begins, with white space.
    let text = text.trim();
    if !SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        return Err(ALLOWED.to_owned());
    }
    gandy::Server::new(text).map_err(|error| error.to_string())?;
    Ok(Secret::new(text))
}

/// `redis_url_file`, and every other path.
pub fn path(raw: Raw<'_>) -> Result<PathBuf, String> {
    raw.text().map(PathBuf::from)
}

/// `namespace`, without the colon that will follow it.
pub fn namespace(raw: Raw<'_>) -> Result<String, String> {
    let text = raw.text()?;
    if text.ends_with(':') {
        return Err(format!(
            "must be written without the colon at its end, got \"{text}\": every key begins with NAMESPACE and a colon"
        ));
    }
    gandy::Keys::new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// `concurrency`: jobs at once.
pub fn concurrency(raw: Raw<'_>) -> Result<usize, String> {
    narrow(raw.whole_number(1, 1_000)?)
}

/// `crash_budget`: jobs that a crash may touch, those claimed ahead included.
pub fn crash_budget(raw: Raw<'_>) -> Result<usize, String> {
    narrow(raw.whole_number(0, 10_000)?)
}

/// `queues`.
pub fn queues(raw: Raw<'_>) -> Result<Vec<Queue>, String> {
    Queue::parse_list(&raw.list()?)
}

/// `timeout`: how long running jobs may go on after TERM.
pub fn timeout(raw: Raw<'_>) -> Result<Duration, String> {
    raw.duration(Duration::ZERO, DAY)
}

/// `stamps`: how time stamps are written into payloads.
pub fn stamps(raw: Raw<'_>) -> Result<StampFormat, String> {
    match raw.text() {
        Ok("milliseconds") => Ok(StampFormat::Milliseconds),
        Ok("seconds") => Ok(StampFormat::Seconds),
        _ => Err(format!(
            "must be \"milliseconds\", or \"seconds\" while any Ruby Sidekiq below 8 reads, got {}",
            raw.shown()
        )),
    }
}

/// `max_retries`.
pub fn max_retries(raw: Raw<'_>) -> Result<u32, String> {
    narrow(raw.whole_number(0, 10_000)?)
}

/// `dead_max_jobs`.
pub fn dead_max_jobs(raw: Raw<'_>) -> Result<u64, String> {
    raw.whole_number(1, 100_000_000)
}

/// `dead_timeout`.
pub fn dead_timeout(raw: Raw<'_>) -> Result<Duration, String> {
    raw.duration(Duration::from_secs(1), 3_650 * DAY)
}

/// `max_fetch_payload`, in bytes. Redis itself holds no value above 512 MiB.
pub fn max_fetch_payload(raw: Raw<'_>) -> Result<usize, String> {
    narrow(raw.whole_number(1_024, 512 * 1024 * 1024)?)
}

/// `allow_eviction`, `fail_fast`, `functions` and `memory_guard`.
pub fn boolean(raw: Raw<'_>) -> Result<bool, String> {
    raw.boolean()
}

/// `tag`.
pub fn tag(raw: Raw<'_>) -> Result<String, String> {
    raw.text().map(str::to_owned)
}

/// `labels`.
pub fn labels(raw: Raw<'_>) -> Result<Vec<String>, String> {
    Ok(raw.list()?.into_iter().map(str::to_owned).collect())
}

/// `timeout` of one job.
pub fn job_timeout(raw: Raw<'_>) -> Result<Duration, String> {
    raw.duration(Duration::from_millis(1), 30 * DAY)
}

fn narrow<T: TryFrom<u64>>(number: u64) -> Result<T, String> {
    T::try_from(number).map_err(|_| format!("{number} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_redis_url_is_not_repeated() {
        let error = redis_url(Raw::Text("http://user:S3CR3T@host")).expect_err("wrong scheme");
        assert!(!error.contains("S3CR3T"), "{error}");
        for good in [
            "redis://h",
            "rediss://u:p@h:1/2",
            "unix:///run/r.sock",
            "redis+sentinel://u:p@s1,s2:5000/mymaster/2?sentinel_password=q",
            "rediss+sentinel://s1/mymaster",
        ] {
            assert!(redis_url(Raw::Text(good)).is_ok(), "{good}");
        }
        let error = redis_url(Raw::Text("redis+sentinel://u:S3CR3T@s1,s2")).expect_err("no name");
        assert!(error.contains("name of the master is missing"), "{error}");
        assert!(!error.contains("S3CR3T"), "{error}");
        for bad in ["", "redis://", "localhost:6379", "REDIS://h"] {
            assert!(redis_url(Raw::Text(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_namespace_leaves_its_colon_out() {
        assert_eq!(
            namespace(Raw::Text("{gandy-0}")),
            Ok("{gandy-0}".to_owned())
        );
        assert!(namespace(Raw::Text("app:")).is_err());
        assert!(namespace(Raw::Text("a b")).is_err());
    }

    #[test]
    fn negative_concurrency_says_what_is_allowed() {
        assert_eq!(
            concurrency(Raw::Text("-5")).expect_err("negative"),
            "must be a whole number from 1 to 1000, got \"-5\""
        );
    }
}
