//! The names of the cart stream in the broker.
//!
//! Exchange and stream carry a generation, kept in Postgres. The exchange is made last, so its
//! absence tells that the broker has lost what it was told, while a stream's absence may only mean
//! that the broker is still starting.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::kernel::{ids::Bucket, version::Epoch};

/// The one stream there is by default; a second would share the work by bucket.
pub const STREAM: i16 = 0;

/// The cart stream as this process knows it. Cheap to clone; clones share the generation.
#[derive(Debug, Clone)]
pub struct CartStream {
    prefix: Arc<str>,
    generation: Arc<AtomicI64>,
}

impl CartStream {
    /// A stream whose generation is not known yet (0).
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into(), generation: Arc::new(AtomicI64::new(0)) }
    }

    /// The generation last seen in Postgres.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Takes note of the generation in Postgres.
    pub fn set_generation(&self, generation: i64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// The exchange of the present generation.
    #[must_use]
    pub fn exchange(&self) -> String {
        self.exchange_of(self.generation())
    }

    /// The exchange of a generation.
    #[must_use]
    pub fn exchange_of(&self, generation: i64) -> String {
        format!("{}.cart.{generation}", self.prefix)
    }

    /// The stream of a generation.
    #[must_use]
    pub fn queue_of(&self, generation: i64) -> String {
        format!("{}.cart.{generation}.{STREAM}", self.prefix)
    }
}

/// The key under which an epoch's messages are routed; without its binding they come back.
#[must_use]
pub fn routing_key(bucket: &Bucket, epoch: Epoch) -> String {
    format!("{bucket}:{}", epoch.0)
}
