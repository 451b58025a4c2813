//! The dashboard: what Redis holds as web pages, live, for people; mountable in any axum application.
//!
//! ```no_run
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! use gandy_web::{Access, Dashboard};
//! let dashboard = Dashboard::builder(gandy::Server::from_env()?)
//!     .access(Access::by(|parts| parts.extensions.get::<gandy_web::Role>().copied()))
//!     .build()?;
//! let app: axum::Router = axum::Router::new().nest("/jobs", dashboard.router());
//! # Ok(()) }
//! ```
//!
//! # Layout
//! * `dashboard`: the public face; `state`: what all requests share; `router`: which path is answered by what.
//! * `guard`: what every request passes: credentials, same origin, headers; `access`: who may do what.
//! * `page/`: one file for each page; `templates/` beside `src`: what they look like; `frame`: what is around each.
//! * `api/`: the same data and acts as JSON, under `/api/v1`; `fate`: acts on one job, for both.
//! * `kept`, `watch`: what is read from Redis for all open pages at once; `past`: how it moved; `live`: what they are sent.
//! * `spot`: the address of one entry; `runs`: acts on all jobs that fit.
//! * `problem`: answers that are not what was asked for; `param`: words of a request, read into bounded types.
//! * `redact`, `json`: what of a job is shown, and how; `words`: times and sizes for people; `plot`: drawings.
//! * `audit`: a line for each act; `notice`: what an act came to, for the next page.
//! * `assets`: style, script and pictures; `serve`: the HTTP server of `gandy web`.
//!
//! All work on Redis is done by [`gandy`]; nothing here knows a key.

mod access;
mod api;
mod assets;
mod audit;
mod dashboard;
mod fate;
mod frame;
mod gate;
mod guard;
mod json;
mod kept;
mod live;
mod notice;
mod page;
mod param;
mod past;
mod plot;
mod problem;
mod redact;
mod router;
mod runs;
mod serve;
mod spot;
mod state;
mod watch;
mod words;

/// The examples of the book's page are this crate's doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/dashboard.md")]
mod book {}

pub use access::{Access, Credentials, CredentialsError, Role};
pub use dashboard::{Dashboard, DashboardBuilder};
pub use redact::{Redaction, RedactionError};
pub use serve::serve;
