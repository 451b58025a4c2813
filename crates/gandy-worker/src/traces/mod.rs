//! Traces: a span for each run, sent to a collector by OTLP over HTTP, as OpenTelemetry's own variables say.
//!
//! * here: from the variables to a tracer provider, and its end
//! * `settings`: what the variables say
//! * `collector`: how spans get there
//!
//! Not here: the spans themselves (`gandy::otel`).

mod collector;
mod settings;

use std::time::Duration;

use gandy::WorkerBuilder;
use gandy::otel::Traced;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;

use crate::config::environment::Environment;
use collector::Collector;
use settings::Settings;

/// How long the end of the process may wait for a collector: jobs are given back by then, and whoever stops the worker
/// counts on `timeout` and little more.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where spans of this process go; nowhere unless a variable names a collector.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Begins, if a variable names a collector. Batches are sent from `runtime`, whose rustls provider is installed.
    ///
    /// # Errors
    ///
    /// A variable that says something else than it may.
    pub fn start(environment: &Environment, runtime: &Handle) -> Result<Self, String> {
        let Some(settings) = Settings::read(environment)? else {
            return Ok(Self(None));
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(&settings, runtime)?)
            .build()
            // Its words would repeat the address, in which there may be a token.
            .map_err(|_| {
                "environment OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: this is no address of a \
                 collector; write http://HOST:4318"
                    .to_owned()
            })?;
        let mut resource =
            Resource::builder().with_attribute(KeyValue::new("service.version", version()));
        if !settings.names_service {
            resource = resource.with_service_name("gandy-worker");
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        tracing::info!("spans of runs are sent by OTLP");
        Ok(Self(Some(provider)))
    }

    /// A worker whose runs are traced.
    #[must_use]
    pub fn around(&self, builder: WorkerBuilder) -> WorkerBuilder {
        match &self.0 {
            Some(provider) => builder.layer(Traced::with_tracer(provider.tracer("gandy-worker"))),
            None => builder,
        }
    }

    /// Sends what is left. Blocks, so not from within the runtime.
    pub fn end(self) {
        let Some(provider) = self.0 else { return };
        if let Err(error) = provider.shutdown_with_timeout(LAST_WORDS) {
            tracing::warn!("the last spans may be lost: {error}");
        }
    }
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
