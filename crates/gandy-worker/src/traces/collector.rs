//! The way to the collector. OpenTelemetry's SDK sends from a thread of its own, which has no runtime; so each batch is sent
//! by a task of the worker's, by the same client that asks endpoints.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::{Certificate, Client};
use tokio::runtime::Handle;

use super::settings::Settings;
use crate::http::{self, Trust};

/// Failures are told no more often.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer that are kept.
const ANSWER_MAX: usize = 64 * 1024;

/// What batches are sent by.
#[derive(Debug)]
pub(super) struct Collector {
    client: Client,
    timeout: Duration,
    runtime: Handle,
    told: Mutex<Option<Instant>>,
}

impl Collector {
    pub(super) fn new(settings: &Settings, runtime: &Handle) -> Result<Self, String> {
        let trust = match &settings.certificate {
            Some(path) => {
                let wrong =
                    |why: String| format!("the collector's certificate {}: {why}", path.display());
                let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
                let certificates = Certificate::from_pem_bundle(&pem);
                Trust::Only(certificates.map_err(|error| wrong(error.to_string()))?)
            }
            None if settings.https => Trust::System,
            None => Trust::Only(Vec::new()),
        };
        Ok(Self {
            client: http::client(trust)?,
            timeout: settings.timeout,
            runtime: runtime.clone(),
            told: Mutex::new(None),
        })
    }

    /// Says that spans are lost, now and then.
    fn tell(&self, why: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() > PATIENCE) {
            *told = Some(Instant::now());
            tracing::warn!("spans are lost: the collector did not take them: {why}");
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut request = reqwest::Request::try_from(request)?;
        *request.timeout_mut() = Some(self.timeout);
        let sent = self.runtime.spawn(send(self.client.clone(), request));
        let answer = match sent.await {
            Ok(answer) => answer,
            // The runtime is at its end.
            Err(error) => Err(error.into()),
        };
        match &answer {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => self.tell(&format!("HTTP status {}", answer.status())),
            Err(error) => self.tell(&http::chain(error.as_ref())),
        }
        answer
    }
}

async fn send(client: Client, request: reqwest::Request) -> Result<Response<Bytes>, HttpError> {
    // The URL may hold a token.
    let mut response = client
        .execute(request)
        .await
        .map_err(reqwest::Error::without_url)?;
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(reqwest::Error::without_url)?
    {
        let room = ANSWER_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == ANSWER_MAX {
            break;
        }
    }
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}
