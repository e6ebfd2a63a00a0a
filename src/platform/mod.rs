//! The outside world: configuration, servers, processes. No word of the shop, except that the
//! configuration lists every room's settings in one place.

pub mod backoff;
pub mod batcher;
pub mod config;
pub mod lease;
pub mod mailer;
pub mod metrics;
pub mod outbox;
pub mod outgoing;
pub mod postgres;
pub mod rabbit;
pub mod recent;
pub mod redis;
pub mod secret;
pub mod shutdown;
pub mod supervisor;
pub mod telemetry;
pub mod tls;
