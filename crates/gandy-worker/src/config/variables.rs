//! Settings from environment variables. An empty variable counts as not set: compose files write
//! `REDIS_URL: ${REDIS_URL}` and mean that.

use std::collections::BTreeMap;

use super::environment::{Environment, variable};
use super::layer::{CapsuleLayer, Layer, Rule, Source};
use super::problem::{Place, Problem};
use super::raw::Raw;
use super::suggest;

const CAPSULE: &str = "GANDY_CAPSULES_";

/// The folder of control groups where it is not `/sys/fs/cgroup`.
pub const CGROUP: &str = "GANDY_CGROUP";

/// Variables of ours that are no keys.
const OTHERS: [&str; 4] = ["GANDY_CONFIG", "GANDY_LOG", "GANDY_LOG_FORMAT", CGROUP];

/// Reads every key that is set in the environment. `capsules` are the names that the file knows, so that
/// `GANDY_CAPSULES_MAIL_EU_CONCURRENCY` finds `[capsules.mail-eu]`.
pub fn read<'a>(
    environment: &Environment,
    capsules: impl IntoIterator<Item = &'a str>,
    problems: &mut Vec<Problem>,
) -> Layer {
    let mut layer = Layer::read(&mut Variables {
        environment,
        prefix: None,
        problems,
    });
    let known: BTreeMap<String, &str> = capsules
        .into_iter()
        .map(|name| (capitals(name), name))
        .collect();
    let mut stems: Vec<&str> = environment
        .names()
        .filter_map(|name| name.strip_prefix(CAPSULE))
        .filter_map(|rest| {
            rest.strip_suffix("_QUEUES")
                .or_else(|| rest.strip_suffix("_CONCURRENCY"))
        })
        .filter(|stem| !stem.is_empty())
        .collect();
    stems.dedup();
    for stem in stems {
        let capsule = CapsuleLayer::read(&mut Variables {
            environment,
            prefix: Some(stem),
            problems,
        });
        let name = known
            .get(stem)
            .map_or_else(|| stem.to_ascii_lowercase(), |name| (*name).to_owned());
        layer.capsules.insert(name, capsule);
    }
    layer
}

/// Variables that look like a mistyped key. Only a warning: Kubernetes sets `GANDY_SERVICE_HOST` and such
/// by itself in the pods beside a service named `gandy`.
pub fn suspects(environment: &Environment) -> Vec<String> {
    let known: Vec<String> = Layer::KEYS.iter().map(|key| variable(key)).collect();
    environment
        .names()
        .filter(|name| name.starts_with("GANDY_") && !name.starts_with(CAPSULE))
        .filter(|name| !OTHERS.contains(name) && !known.iter().any(|key| key == name))
        .filter_map(|name| {
            suggest::nearest(name, known.iter().map(String::as_str)).map(|key| {
                format!("environment {name} is not a key of gandy-worker; did you mean {key}?")
            })
        })
        .collect()
}

fn capitals(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

struct Variables<'a> {
    environment: &'a Environment,
    /// The capsule's name in capitals; `None` for the top level.
    prefix: Option<&'a str>,
    problems: &'a mut Vec<Problem>,
}

impl Variables<'_> {
    fn name(&self, key: &str) -> String {
        match self.prefix {
            None => variable(key),
            Some(capsule) => format!("{CAPSULE}{capsule}_{}", key.to_ascii_uppercase()),
        }
    }
}

impl Source for Variables<'_> {
    fn read<T>(&mut self, key: &'static str, rule: Rule<T>) -> Option<T> {
        let name = self.name(key);
        let result = match self.environment.text(&name)? {
            Ok("") => return None,
            Ok(text) => rule(Raw::Text(text)),
            Err(()) => Err("is not UTF-8".to_owned()),
        };
        result.map_err(|message| self.note(key, message)).ok()
    }

    fn note(&mut self, key: &'static str, message: String) {
        let place = Place::Environment(self.name(key));
        self.problems.push(Problem::new(place, key, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read_pairs(pairs: &[(&str, &str)]) -> (Layer, Vec<String>) {
        let mut problems = Vec::new();
        let environment = Environment::from_pairs(pairs.iter().copied());
        let layer = read(&environment, ["mail-eu"], &mut problems);
        (layer, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_key_can_be_set_by_environment() {
        let (layer, problems) = read_pairs(&[
            ("REDIS_URL", "redis://h"),
            ("REDIS_TLS_CA", "ca.pem"),
            ("REDIS_TLS_CERT", "cert.pem"),
            ("REDIS_TLS_KEY", "key.pem"),
            ("GANDY_NAMESPACE", "app"),
            ("GANDY_CONCURRENCY", "7"),
            ("GANDY_QUEUES", "critical,3 default"),
            ("GANDY_TIMEOUT", "10"),
            ("GANDY_STAMPS", "seconds"),
            ("GANDY_CRASH_BUDGET", "0"),
            ("GANDY_MAX_RETRIES", "3"),
            ("GANDY_DEAD_MAX_JOBS", "50"),
            ("GANDY_DEAD_TIMEOUT", "30d"),
            ("GANDY_MAX_FETCH_PAYLOAD", "2048"),
            ("GANDY_ALLOW_EVICTION", "1"),
            ("GANDY_FAIL_FAST", "true"),
            ("GANDY_FUNCTIONS", "true"),
            ("GANDY_PROBES", "off"),
            ("GANDY_MEMORY_GUARD", "false"),
            ("GANDY_TAG", "blue"),
            ("GANDY_LABELS", "a b"),
            ("GANDY_CAPSULES_MAIL_EU_CONCURRENCY", "2"),
            ("GANDY_CAPSULES_SINGLE_QUEUES", "single"),
            ("GANDY_CAPSULES_SINGLE_CONCURRENCY", "1"),
        ]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(layer.timeout, Some(Duration::from_secs(10)));
        assert_eq!(layer.queues.as_ref().map(Vec::len), Some(2));
        assert_eq!(layer.capsules["mail-eu"].concurrency, Some(2));
        assert_eq!(layer.capsules["single"].concurrency, Some(1));
        // A key added to the file but forgotten here would leave a `None`.
        assert!(
            !format!("{layer:?}")
                .replace("weight: None", "")
                .replace("queues: None", "")
                .contains("None")
        );
    }

    #[test]
    fn a_wrong_value_names_its_variable() {
        let (_, problems) = read_pairs(&[
            ("GANDY_CONCURRENCY", "many"),
            ("REDIS_URL", "redis://h"),
            ("REDIS_URL_FILE", "/run/secrets/redis"),
        ]);
        assert_eq!(
            problems,
            [
                "environment REDIS_URL_FILE: redis_url_file: is given beside redis_url: give only one of the two",
                "environment GANDY_CONCURRENCY: concurrency: must be a whole number from 1 to 1000, got \"many\"",
            ]
        );
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let (layer, problems) = read_pairs(&[("REDIS_URL", ""), ("GANDY_CONCURRENCY", "")]);
        assert_eq!((layer, problems), (Layer::default(), Vec::new()));
    }

    #[test]
    fn a_mistyped_variable_is_a_warning_and_a_foreign_one_is_not() {
        let environment = Environment::from_pairs([
            ("GANDY_CONCURENCY", "5"),
            ("GANDY_SERVICE_HOST", "10.0.0.1"),
            ("GANDY_LOG", "debug"),
        ]);
        assert_eq!(
            suspects(&environment),
            [
                "environment GANDY_CONCURENCY is not a key of gandy-worker; did you mean GANDY_CONCURRENCY?"
            ]
        );
    }
}
