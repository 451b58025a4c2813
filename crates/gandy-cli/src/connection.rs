//! Which Redis and which keys the command line and the environment mean.

use std::collections::HashMap;

use gandy::doctor::Doctor;
use gandy::{Client, Inspect, Server, Surveyor, TlsFiles};

use crate::cli::Common;
use crate::failure::Failure;
use crate::printable::printable;
use crate::settings::{self, Redis};
use crate::writing::{self, Raw, Writing};

/// The largest payload that is pushed, as the library has it.
pub(crate) const MAX_PAYLOAD: usize = 1 << 20;

/// Where Redis is when nobody says.
const DEFAULT: &str = "redis://127.0.0.1:6379/0";

impl Common {
    /// A client that is connected to a server new enough for Gandy.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        let client = Client::builder()
            .server(self.server()?)
            .namespace(self.namespace())
            .max_payload(MAX_PAYLOAD)
            .stamps(self.settings.writing.stamps())
            .connect()
            .await?;
        Ok(client)
    }

    /// A view that connects when it is first used.
    pub(crate) fn inspect(&self) -> Result<Inspect, Failure> {
        self.view(self.server()?)
    }

    /// One that sees the fleet as numbers.
    pub(crate) fn surveyor(&self) -> Result<Surveyor, Failure> {
        Ok(Surveyor::new(self.server()?, self.namespace())?)
    }

    /// The same for acts, which run scripts or the functions that are installed.
    pub(crate) fn acts(&self, functions: bool) -> Result<Inspect, Failure> {
        self.view(self.server()?.with_functions(functions))
    }

    fn view(&self, server: Server) -> Result<Inspect, Failure> {
        let writing = self.settings.writing;
        Ok(Inspect::new(server, self.namespace())?
            .with_grave(writing.grave())
            .with_stamps(writing.stamps()))
    }

    /// One that looks for what is wrong; repairs run scripts, or the functions that are installed.
    pub(crate) fn doctor(&self, functions: bool) -> Result<Doctor, Failure> {
        let server = self.server()?.with_functions(functions);
        Ok(Doctor::new(server, self.namespace())?)
    }

    /// Reads what flags leave open: the environment's namespace and way of writing, and the file. An empty variable counts as not set, as
    /// for gandy-worker.
    pub(crate) fn settle(&mut self) -> Result<(), Failure> {
        self.settings = settings::load(self.config.as_deref())?;
        if let Some(text) = variable("GANDY_NAMESPACE")? {
            let namespace = settings::namespace(&text).map_err(|why| {
                Failure::usage(printable(&format!("environment GANDY_NAMESPACE: {why}")))
            })?;
            self.settings.namespace = Some(namespace);
        }
        self.settings.writing = environment()?.over(self.settings.writing);
        Ok(())
    }

    pub(crate) fn server(&self) -> Result<Server, Failure> {
        let flags = TlsFiles {
            ca: self.tls_ca.clone(),
            cert: self.tls_cert.clone(),
            key: self.tls_key.clone(),
        };
        let files = flags
            .over(TlsFiles::from_env())
            .over(self.settings.tls.clone());
        let server = match (&self.redis, variable("REDIS_URL")?) {
            (Some(url), _) => Server::new(&url.0),
            (None, Some(url)) => Server::new(&url),
            (None, None) => match (variable("REDIS_URL_FILE")?, &self.settings.redis) {
                (Some(path), _) => Server::from_file(path),
                (None, Some(Redis::Here(url))) => Server::new(&url.0),
                (None, Some(Redis::InFile(path))) => Server::from_file(path),
                (None, None) => Server::new(DEFAULT),
            },
        };
        server
            .and_then(|server| server.with_tls_files(&files))
            .map_err(|error| Failure::from(gandy::Error::from(error)))
    }

    /// Empty: none.
    pub(crate) fn namespace(&self) -> &str {
        let namespace = self.namespace.as_ref().or(self.settings.namespace.as_ref());
        namespace.map_or("", String::as_str)
    }
}

/// How to write, as the environment says it.
fn environment() -> Result<Writing, Failure> {
    let name = |key: &str| format!("GANDY_{}", key.to_ascii_uppercase());
    let mut texts = HashMap::new();
    for key in writing::KEYS {
        if let Some(text) = variable(&name(key))? {
            texts.insert(key, text);
        }
    }
    let mut problems = Vec::new();
    let writing = Writing::read(
        |key| texts.get(key).map(|text| Raw::Text(text)),
        |key, why| problems.push(printable(&format!("environment {}: {why}", name(key)))),
    );
    match problems.is_empty() {
        true => Ok(writing),
        false => Err(Failure::usage(problems.join("\n"))),
    }
}

/// A variable that is set to something.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var_os(name).filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => match value.into_string() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Failure::usage(format!("environment {name}: is not UTF-8"))),
        },
    }
}
