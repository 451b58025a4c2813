//! What strangers could try with the dashboard: texts that are markup, parameters that are nonsense, requests from other
//! sites, and no credentials.
#![allow(clippy::unwrap_used)]

mod support;

#[path = "web_security/auth.rs"]
mod auth;
#[path = "web_security/csrf.rs"]
mod csrf;
#[path = "support/data.rs"]
mod data;
#[path = "web_security/params.rs"]
mod params;
#[path = "support/routes.rs"]
mod routes;
#[path = "web_security/xss.rs"]
mod xss;
