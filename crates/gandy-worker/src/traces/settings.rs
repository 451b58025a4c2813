//! What OpenTelemetry's variables say. Most of them (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`,
//! `OTEL_RESOURCE_ATTRIBUTES`) its SDK reads by itself; here are those that decide whether and how to connect, because what
//! the SDK does with a wrong one is to go on with a default.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::environment::Environment;

/// The specification's.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A collector is named.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Whether it is asked by TLS.
    pub(super) https: bool,
    /// Authorities to trust instead of the system's.
    pub(super) certificate: Option<PathBuf>,
    /// How long a batch may take to be taken.
    pub(super) timeout: Duration,
    /// Whether the variables say what the service is called.
    pub(super) names_service: bool,
}

impl Settings {
    /// `None` when spans go nowhere.
    pub(super) fn read(environment: &Environment) -> Result<Option<Self>, String> {
        let value = |name: &str| match environment.text(name) {
            None | Some(Ok("")) => Ok(None),
            Some(Ok(text)) => Ok(Some(text.to_owned())),
            Some(Err(())) => Err(format!("environment {name}: is not UTF-8")),
        };
        // What is said of traces alone comes before what is said of all signals.
        let either = |end: &str| -> Result<Option<(String, String)>, String> {
            for name in [
                format!("OTEL_EXPORTER_OTLP_TRACES_{end}"),
                format!("OTEL_EXPORTER_OTLP_{end}"),
            ] {
                if let Some(text) = value(&name)? {
                    return Ok(Some((name, text)));
                }
            }
            Ok(None)
        };
        let disabled = value("OTEL_SDK_DISABLED")?.is_some_and(|text| text == "true");
        let Some((name, endpoint)) = either("ENDPOINT")?.filter(|_| !disabled) else {
            return Ok(None);
        };
        match value("OTEL_TRACES_EXPORTER")?.as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => {
                return Err(format!(
                    "environment OTEL_TRACES_EXPORTER: must be \"otlp\" or \"none\", got {other:?}"
                ));
            }
        }
        // The URL itself is not shown: it may hold a token.
        let https = endpoint.starts_with("https://");
        if !https && !endpoint.starts_with("http://") {
            return Err(format!(
                "environment {name}: must begin with http:// or https://, such as http://collector:4318"
            ));
        }
        match either("PROTOCOL")? {
            Some((name, protocol)) if protocol != "http/protobuf" => {
                return Err(format!(
                    "environment {name}: must be \"http/protobuf\", got {protocol:?}; the collector's port for it is \
                     4318 by default"
                ));
            }
            _ => {}
        }
        let timeout = match either("TIMEOUT")? {
            None => TIMEOUT,
            Some((name, text)) => Duration::from_millis(text.parse().map_err(|_| {
                format!("environment {name}: must be a number of milliseconds, got {text:?}")
            })?),
        };
        let attributes = value("OTEL_RESOURCE_ATTRIBUTES")?.unwrap_or_default();
        let named = |pair: &str| pair.trim_start().starts_with("service.name=");
        Ok(Some(Self {
            https,
            certificate: either("CERTIFICATE")?.map(|(_, path)| path.into()),
            timeout,
            names_service: value("OTEL_SERVICE_NAME")?.is_some()
                || attributes.split(',').any(named),
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NAMED: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        Settings::read(&Environment::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn without_a_collector_there_are_no_traces() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[(NAMED.0, "")]), Ok(None));
        assert_eq!(read(&[NAMED, ("OTEL_SDK_DISABLED", "true")]), Ok(None));
        assert_eq!(read(&[NAMED, ("OTEL_TRACES_EXPORTER", "none")]), Ok(None));
    }

    #[test]
    fn what_is_said_of_traces_alone_wins() {
        let settings = read(&[
            NAMED,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://other/v1/x"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=mail"),
        ]);
        let settings = settings.unwrap().unwrap();
        assert!(settings.https && settings.names_service);
        assert_eq!(settings.timeout, Duration::from_millis(1500));
        let settings = read(&[NAMED]).unwrap().unwrap();
        assert!(!settings.https && !settings.names_service);
        assert_eq!(settings.timeout, TIMEOUT);
    }

    #[test]
    fn a_wrong_variable_is_named_and_a_token_is_not_shown() {
        for (name, wrong) in [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "token:S3CR3T@host"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ] {
            let error = read(&[NAMED, (name, wrong)]).unwrap_err();
            assert!(
                error.starts_with(&format!("environment {name}: must")),
                "{error}"
            );
            assert!(!error.contains("S3CR3T"), "{error}");
        }
    }
}
