//! How the fleet writes: the form of time stamps, and the limits of the dead set. A command that moved and buried by other
//! rules than the workers would delete what they keep, or write what an old Ruby misreads.
//!
//! Not here: where Redis is (`settings`).

use std::time::Duration;

use gandy::{Grave, StampFormat, span};
use toml::de::DeValue;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is read.
pub(crate) const KEYS: [&str; 3] = ["stamps", "dead_max_jobs", "dead_timeout"];

/// A value as it was written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Raw<'a> {
    Toml(&'a DeValue<'a>),
    /// The text of an environment variable.
    Text(&'a str),
}

/// What is said of it; what is not has Sidekiq's defaults.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Writing {
    stamps: Option<StampFormat>,
    dead_max_jobs: Option<u64>,
    dead_timeout: Option<Duration>,
}

impl Writing {
    /// Reads each key by its rule; tells of each that is wrong.
    pub(crate) fn read<'a>(
        source: impl Fn(&'static str) -> Option<Raw<'a>>,
        mut wrong: impl FnMut(&'static str, &str),
    ) -> Self {
        let mut tell = |key, why: String| wrong(key, &why);
        let stamps = source("stamps").and_then(|raw| {
            let read = raw.stamps();
            read.map_err(|why| tell("stamps", why)).ok()
        });
        let dead_max_jobs = source("dead_max_jobs").and_then(|raw| {
            let read = raw.whole_number(1, 100_000_000);
            read.map_err(|why| tell("dead_max_jobs", why)).ok()
        });
        let dead_timeout = source("dead_timeout").and_then(|raw| {
            let read = raw.duration(Duration::from_secs(1), 3_650 * DAY);
            read.map_err(|why| tell("dead_timeout", why)).ok()
        });
        Writing {
            stamps,
            dead_max_jobs,
            dead_timeout,
        }
    }

    /// What is not said here as it is said below.
    pub(crate) fn over(self, below: Writing) -> Self {
        Writing {
            stamps: self.stamps.or(below.stamps),
            dead_max_jobs: self.dead_max_jobs.or(below.dead_max_jobs),
            dead_timeout: self.dead_timeout.or(below.dead_timeout),
        }
    }

    pub(crate) fn stamps(&self) -> StampFormat {
        self.stamps.unwrap_or_default()
    }

    pub(crate) fn grave(&self) -> Grave {
        let usual = Grave::default();
        Grave {
            jobs_max: self.dead_max_jobs.unwrap_or(usual.jobs_max),
            timeout: self.dead_timeout.unwrap_or(usual.timeout),
        }
    }
}

impl Raw<'_> {
    fn shown(self) -> String {
        match self {
            Raw::Text(text) => format!("\"{text}\""),
            Raw::Toml(value) => shown(value),
        }
    }

    fn stamps(self) -> Result<StampFormat, String> {
        let text = match self {
            Raw::Text(text) => text,
            Raw::Toml(DeValue::String(text)) => text,
            Raw::Toml(_) => "",
        };
        match text {
            "milliseconds" => Ok(StampFormat::Milliseconds),
            "seconds" => Ok(StampFormat::Seconds),
            _ => Err(format!(
                "must be \"milliseconds\", or \"seconds\" while any Ruby Sidekiq below 8 reads, got {}",
                self.shown()
            )),
        }
    }

    fn whole_number(self, min: u64, max: u64) -> Result<u64, String> {
        let parsed = match self {
            Raw::Toml(DeValue::Integer(number)) => {
                u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
            }
            Raw::Text(text) => text.trim().parse().ok(),
            Raw::Toml(_) => None,
        };
        let within = parsed.filter(|number| (min..=max).contains(number));
        within.ok_or_else(|| {
            format!(
                "must be a whole number from {min} to {max}, got {}",
                self.shown()
            )
        })
    }

    fn duration(self, min: Duration, max: Duration) -> Result<Duration, String> {
        let parsed = match self {
            Raw::Toml(DeValue::Integer(number)) => {
                u64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
                    .ok()
                    .map(Duration::from_secs)
            }
            Raw::Toml(DeValue::String(text)) => span::parse(text),
            Raw::Text(text) => span::parse(text.trim()),
            Raw::Toml(_) => None,
        };
        let within = parsed.filter(|span| (min..=max).contains(span));
        within.ok_or_else(|| {
            format!(
                "must be a number of seconds or a span like \"30s\", \"5m\", \"1h30m\", from {} to {}, got {}",
                span::show(min),
                span::show(max),
                self.shown()
            )
        })
    }
}

/// A value of the file, for the end of an error message.
pub(crate) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string \"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
