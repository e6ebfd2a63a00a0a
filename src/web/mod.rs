//! The doors that are reached by HTTP: the JSON API and the pages, over the same
//! verbs, and the operators' listener.
//!
//! - [`routes`]: every URL in one table.
//! - [`server`]: the listener and its limits.
//! - [`observe`]: what every request has around it.
//! - [`extract`]: what handlers take out of requests.
//! - [`error`]: errors as callers see them; the only place that knows their status codes.
//! - `cookie`: what makes a browser a shopper's.
//! - [`cache`]: replies that are the same for everyone.
//! - [`purchase`], [`countries`]: what a checkout asks for.
//! - [`shown`]: what the API and the pages show alike.
//! - [`api`], [`pages`], [`openapi`], [`event_schemas`]: the replies themselves.
//! - `notices`: what the payment provider tells us by itself.
//! - `noop`: what the benchmark measures beside.
//! - [`ops`]: the operators' listener.

pub mod api;
pub mod cache;
mod cookie;
pub mod countries;
pub mod error;
pub mod event_schemas;
pub mod extract;
mod noop;
mod notices;
pub mod observe;
pub mod openapi;
pub mod ops;
pub mod pages;
pub mod purchase;
pub mod routes;
pub mod server;
pub mod shown;
