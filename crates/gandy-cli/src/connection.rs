//! Which Redis and which keys the command line and the environment mean.

use gandy::doctor::Doctor;
use gandy::{Client, Inspect, Server, Surveyor, TlsFiles};

use crate::cli::Common;
use crate::failure::Failure;

/// The largest payload that is pushed, as the library has it.
pub(crate) const MAX_PAYLOAD: usize = 1 << 20;

impl Common {
    /// A client that is connected to a server new enough for Gandy.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        let client = Client::builder()
            .server(self.server()?)
            .namespace(self.namespace())
            .max_payload(MAX_PAYLOAD)
            .connect()
            .await?;
        Ok(client)
    }

    /// A view that connects when it is first used.
    pub(crate) fn inspect(&self) -> Result<Inspect, Failure> {
        Ok(Inspect::new(self.server()?, self.namespace())?)
    }

    /// One that sees the fleet as numbers.
    pub(crate) fn surveyor(&self) -> Result<Surveyor, Failure> {
        Ok(Surveyor::new(self.server()?, self.namespace())?)
    }

    /// The same for acts, which run scripts or the functions that are installed.
    pub(crate) fn acts(&self, functions: bool) -> Result<Inspect, Failure> {
        let server = self.server()?.with_functions(functions);
        Ok(Inspect::new(server, self.namespace())?)
    }

    /// One that looks for what is wrong; repairs run scripts, or the functions that are installed.
    pub(crate) fn doctor(&self, functions: bool) -> Result<Doctor, Failure> {
        let server = self.server()?.with_functions(functions);
        Ok(Doctor::new(server, self.namespace())?)
    }

    fn server(&self) -> Result<Server, Failure> {
        let flags = TlsFiles {
            ca: self.tls_ca.clone(),
            cert: self.tls_cert.clone(),
            key: self.tls_key.clone(),
        };
        let files = flags.over(TlsFiles::from_env());
        let server = match &self.redis {
            Some(url) => Server::new(&url.0),
            None => Server::from_env(),
        };
        server
            .and_then(|server| server.with_tls_files(&files))
            .map_err(|error| Failure::from(gandy::Error::from(error)))
    }

    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }
}
