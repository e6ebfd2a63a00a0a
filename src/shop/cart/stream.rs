//! The names of the cart stream in the broker.
//!
//! Exchange and stream carry a generation, kept in Postgres. The exchange is made last, so its
//! absence tells that the broker has lost what it was told, while a stream's absence may only mean
//! that the broker is still starting.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::kernel::{clock::Timestamp, ids::Bucket, version::Epoch};

/// The one stream there is by default; a second would share the work by bucket.
pub const STREAM: i16 = 0;

/// The cart stream as this process knows it. Cheap to clone; clones share what is known.
#[derive(Debug, Clone)]
pub struct CartStream {
    prefix: Arc<str>,
    known: Arc<Known>,
}

#[derive(Debug)]
struct Known {
    generation: AtomicI64,
    /// Unix milliseconds; 0 when it was never heard.
    caught_up_at: AtomicI64,
    /// Bytes that this process has published since then.
    unread_bytes: AtomicU64,
}

impl CartStream {
    /// A stream whose generation is not known yet (0).
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        let known = Known {
            generation: AtomicI64::new(0),
            caught_up_at: AtomicI64::new(0),
            unread_bytes: AtomicU64::new(0),
        };
        Self { prefix: prefix.into(), known: Arc::new(known) }
    }

    /// The generation last seen in Postgres.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.known.generation.load(Ordering::Relaxed)
    }

    /// Takes note of the generation in Postgres.
    pub fn set_generation(&self, generation: i64) {
        self.known.generation.store(generation, Ordering::Relaxed);
    }

    /// Takes note of when the writer had last taken over all there was.
    pub fn caught_up(&self, at: Timestamp) {
        let millis = at.timestamp_millis();
        if self.known.caught_up_at.fetch_max(millis, Ordering::Relaxed) < millis {
            self.known.unread_bytes.store(0, Ordering::Relaxed);
        }
    }

    /// Takes note of a published message.
    pub fn published(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.known.unread_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether the writer is so far behind that no more should be published: a stream forgets its
    /// oldest part whether it was read or not, so carts pause at half of the way there.
    #[must_use]
    pub fn is_backed_up(&self, now: Timestamp, max_age: Duration, max_bytes: u64) -> bool {
        let heard = self.known.caught_up_at.load(Ordering::Relaxed);
        let behind = now.timestamp_millis().saturating_sub(heard);
        let too_old = i64::try_from(max_age.as_millis() / 2).is_ok_and(|limit| behind > limit);
        (heard > 0 && too_old) || self.known.unread_bytes.load(Ordering::Relaxed) > max_bytes / 2
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock::from_millis;

    #[test]
    fn carts_pause_at_half_of_what_the_stream_keeps() {
        let stream = CartStream::new("test");
        let behind = |now| stream.is_backed_up(from_millis(now), Duration::from_secs(1), 100);
        assert!(!behind(1_000_000), "nothing was heard yet");
        stream.caught_up(from_millis(1_000));
        assert!(!behind(1_500));
        assert!(behind(1_501));
        stream.caught_up(from_millis(2_000));
        stream.published(51);
        assert!(behind(2_000));
        stream.caught_up(from_millis(1_999));
        assert!(behind(2_000), "an older word changes nothing");
        stream.caught_up(from_millis(2_001));
        assert!(!behind(2_001));
    }
}
