//! deploy/, docker-compose.yml and docs/operations.md are held to each other and to the code: what parses, which metrics
//! exist, which ports and files are named, what a container may do. Tools that only some machines have (promtool,
//! systemd-analyze, kubectl) look too where they are.
#![allow(clippy::unwrap_used)]

#[path = "deploy/commands.rs"]
mod commands;
#[path = "deploy/expression.rs"]
mod expression;
#[path = "deploy/metrics_used.rs"]
mod metrics_used;
#[path = "deploy/pods.rs"]
mod pods;
#[path = "deploy/tools.rs"]
mod tools;
