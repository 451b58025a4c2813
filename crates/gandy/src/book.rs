//! Tests the examples of README.md and of the book: they are this crate's doc tests. Nothing else belongs here.

#[doc = include_str!("../../../README.md")]
struct Readme;

#[doc = include_str!("../../../docs/handlers.md")]
struct Handlers;

#[doc = include_str!("../../../docs/deploy.md")]
struct Deploy;

#[doc = include_str!("../../../docs/producers.md")]
struct Producers;

#[doc = include_str!("../../../docs/sidekiq.md")]
struct Sidekiq;
