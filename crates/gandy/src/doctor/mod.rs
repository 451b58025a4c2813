//! The doctor: looks for what is wrong with a Redis and the jobs in it, and repairs what a command can.
//!
//! * `code`: what can be found; `finding`: what a look comes to
//! * `exam`: reads the facts, bounded; `copies`: jobs that are there twice; `judge`: makes findings of facts, without Redis
//! * `repair`: the repairs, each a row of steps on the server that look again
//!
//! Not here: the reads and the steps themselves (`gandy_store::doctor`).

mod code;
mod copies;
mod exam;
mod finding;
mod judge;
mod repair;

pub use code::{CODES, Code, CodeRow};
pub use finding::{Finding, Repair, Report, Severity, Subject, Unknown};
pub use gandy_store::doctor::{Replica, Role};

use gandy_protocol::Keys;
use gandy_store::{Grave, Line, Server};

use crate::Error;

/// Examines and repairs what is under one namespace of one Redis. Connects when first used.
///
/// ```no_run
/// # async fn f() -> Result<(), gandy::Error> {
/// use gandy::{Server, doctor::{Doctor, Question}};
/// let doctor = Doctor::new(Server::from_env()?, "")?;
/// let report = doctor.examine(&Question::default()).await?;
/// for finding in &report.findings {
///     println!("{} {}: {}", finding.severity, finding.code, finding.reason);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Doctor {
    line: Line,
    grave: Grave,
}

/// What an examination is to look at beside the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// The role that the user has to fill; `None`: any.
    pub role: Option<Role>,
    /// Whose rights are looked at; `None`: those of the connection's own user.
    pub user: Option<String>,
}

impl Doctor {
    /// For the Redis at `server`, under `namespace` (empty: none).
    ///
    /// # Errors
    /// A wrong namespace.
    pub fn new(server: Server, namespace: &str) -> Result<Self, Error> {
        let keys = Keys::new(namespace).map_err(|error| Error::config(error.to_string()))?;
        let reply = server.patience().reply;
        Ok(Self {
            line: Line::single(server, keys, reply),
            grave: Grave::default(),
        })
    }

    /// With other limits of the dead set than Sidekiq's.
    #[must_use]
    pub fn with_grave(mut self, grave: Grave) -> Self {
        self.grave = grave;
        self
    }

    /// Looks, and changes nothing. What the user may not look at is in [`Report::unknown`].
    ///
    /// # Errors
    /// Redis cannot be reached.
    pub async fn examine(&self, question: &Question) -> Result<Report, Error> {
        let exam = exam::Exam::take(&self.line, question).await?;
        Ok(judge::report(exam))
    }

    /// Repairs what is found of this kind: what no command can repair is an error that says what to do. May be interrupted
    /// and repeated at any point.
    ///
    /// # Errors
    /// [`Error::Config`] for a code that is not fixable; any of Redis', such as a missing right.
    pub async fn fix(&self, code: Code) -> Result<Repair, Error> {
        if !code.is_fixable() {
            return Err(Error::config(format!(
                "{code} cannot be repaired by a command: {}",
                code.row().remedy
            )));
        }
        Ok(repair::run(&self.line, self.grave, code).await?)
    }
}
