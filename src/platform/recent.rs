//! Values from a source that may be slow or away: at most so old, and the last known one when there
//! is no newer.
//!
//! Misses of one key are coalesced, so that a crowd costs its source one question. A failure is
//! remembered like a value, for a short while: without that, each request in turn would wait for
//! the timeout of a source that is away.

use std::{fmt, future::Future, hash::Hash, sync::Arc, time::Duration};

use moka::{Expiry, future::Cache};
use thiserror::Error;

/// How old things may get.
#[derive(Debug, Clone, Copy)]
pub struct Ages {
    /// A value that the source gave.
    pub fresh: Duration,
    /// The memory of a failure, during which nobody asks again.
    pub failure: Duration,
    /// How long a load may take before the last known value has to do.
    pub patience: Duration,
    /// How long a load may take when there is none.
    pub first_patience: Duration,
}

/// The source is away and no value is known from before.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Away(Arc<str>);

/// A cache of recent values. Cheap to clone.
pub struct Recent<K, V> {
    fresh: Cache<K, Loaded<V>>,
    last: Cache<K, Arc<V>>,
    ages: Ages,
}

enum Loaded<V> {
    Value(Arc<V>),
    /// A failure, with what was known before.
    Failed(Result<Arc<V>, Away>),
}

impl<K, V> Recent<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// An empty cache. `capacity` bounds the sum of what `weigh` says of each value.
    pub fn new(ages: Ages, capacity: u64, weigh: fn(&V) -> u32) -> Self {
        let fresh = Cache::builder()
            .max_capacity(capacity)
            .weigher(move |_: &K, loaded: &Loaded<V>| loaded.value().map_or(1, weigh))
            .expire_after(Lifetimes(ages))
            .build();
        let last = Cache::builder()
            .max_capacity(capacity)
            .weigher(move |_: &K, value: &Arc<V>| weigh(value))
            .build();
        Self { fresh, last, ages }
    }

    /// The value of `key`: a fresh one, else what `load` gives, else the last known one.
    /// `outdated` says of a fresh one that it is known to be behind.
    pub async fn get<E: fmt::Display>(
        &self,
        key: K,
        outdated: impl Fn(&V) -> bool + Send + Sync,
        load: impl Future<Output = Result<V, E>>,
    ) -> Result<Arc<V>, Away> {
        let behind = move |loaded: &Loaded<V>| match loaded {
            Loaded::Value(value) => outdated(value),
            Loaded::Failed(_) => false,
        };
        let entry =
            self.fresh.entry(key.clone()).or_insert_with_if(self.load(key, load), behind).await;
        match entry.into_value() {
            Loaded::Value(value) => Ok(value),
            Loaded::Failed(before) => before,
        }
    }

    /// Forgets that what is known of `key` is fresh.
    pub async fn invalidate(&self, key: &K) {
        self.fresh.invalidate(key).await;
    }

    async fn load<E: fmt::Display>(
        &self,
        key: K,
        load: impl Future<Output = Result<V, E>>,
    ) -> Loaded<V> {
        let before = self.last.get(&key).await;
        let patience = if before.is_some() { self.ages.patience } else { self.ages.first_patience };
        let failure = match tokio::time::timeout(patience, load).await {
            Ok(Ok(value)) => {
                let value = Arc::new(value);
                self.last.insert(key, value.clone()).await;
                return Loaded::Value(value);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {patience:?}"),
        };
        tracing::warn!(failure, "a load failed; going on with what was known");
        Loaded::Failed(before.ok_or(Away(failure.into())))
    }
}

impl<V> Loaded<V> {
    fn value(&self) -> Option<&V> {
        match self {
            Self::Value(value) | Self::Failed(Ok(value)) => Some(value),
            Self::Failed(Err(_)) => None,
        }
    }
}

struct Lifetimes(Ages);

impl Lifetimes {
    fn of<V>(&self, loaded: &Loaded<V>) -> Duration {
        match loaded {
            Loaded::Value(_) => self.0.fresh,
            Loaded::Failed(_) => self.0.failure,
        }
    }
}

impl<K, V> Expiry<K, Loaded<V>> for Lifetimes {
    fn expire_after_create(
        &self,
        _: &K,
        loaded: &Loaded<V>,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(self.of(loaded))
    }

    fn expire_after_update(
        &self,
        _: &K,
        loaded: &Loaded<V>,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(self.of(loaded))
    }
}

impl<V> Clone for Loaded<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Value(value) => Self::Value(value.clone()),
            Self::Failed(before) => Self::Failed(before.clone()),
        }
    }
}

impl<K, V> Clone for Recent<K, V> {
    fn clone(&self) -> Self {
        Self { fresh: self.fresh.clone(), last: self.last.clone(), ages: self.ages }
    }
}

impl<K, V> fmt::Debug for Recent<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recent")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const AGES: Ages = Ages {
        fresh: Duration::from_millis(50),
        failure: Duration::from_millis(150),
        patience: Duration::from_millis(100),
        first_patience: Duration::from_secs(1),
    };

    fn recent() -> Recent<u8, u32> {
        Recent::new(AGES, 100, |_| 1)
    }

    async fn ask(recent: &Recent<u8, u32>, answer: Result<u32, &str>) -> Result<u32, Away> {
        recent.get(1, |_| false, async { answer }).await.map(|value| *value)
    }

    #[tokio::test]
    async fn a_crowd_asks_once() {
        let (recent, asked) = (recent(), AtomicU32::new(0));
        let load = || async {
            tokio::task::yield_now().await;
            Ok::<_, &str>(asked.fetch_add(1, Ordering::SeqCst))
        };
        let all = (0..100).map(|_| recent.get(1, |_| false, load()));
        futures_util::future::join_all(all).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_source_that_is_away_is_asked_once_a_while_and_the_last_value_stands() {
        let recent = recent();
        assert!(ask(&recent, Err("away")).await.is_err());
        assert!(ask(&recent, Ok(1)).await.is_err(), "the failure is remembered");
        tokio::time::sleep(AGES.failure).await;
        assert_eq!(ask(&recent, Ok(1)).await, Ok(1));
        tokio::time::sleep(AGES.fresh).await;
        let stuck = recent.get(1, |_| false, std::future::pending::<Result<u32, &str>>());
        assert_eq!(stuck.await.map(|v| *v), Ok(1));
        assert_eq!(ask(&recent, Ok(2)).await, Ok(1), "nobody waits again so soon");
        tokio::time::sleep(AGES.failure).await;
        assert_eq!(ask(&recent, Ok(2)).await, Ok(2));
    }

    #[tokio::test]
    async fn an_outdated_value_is_loaded_again_but_a_failure_is_not() {
        let recent = recent();
        let newer = |answer: Result<u32, &'static str>| {
            let recent = recent.clone();
            async move { recent.get(1, |v| *v < 2, async { answer }).await.map(|v| *v) }
        };
        assert_eq!(ask(&recent, Ok(1)).await, Ok(1));
        assert_eq!(newer(Err("away")).await, Ok(1));
        assert_eq!(newer(Ok(2)).await, Ok(1), "the failure is remembered");
        tokio::time::sleep(AGES.failure).await;
        assert_eq!(newer(Ok(2)).await, Ok(2));
    }
}
