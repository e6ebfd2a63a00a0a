//! Keeps this process' knowledge of the cart stream fresh: its generation, and how far its writer
//! is behind. While Postgres is away, what was last known stands.
//!
//! It comes by often enough to show the pools as metrics too: how long one waits for a connection
//! is how long it waited itself.

use std::time::Duration;

use prometheus::{Histogram, IntGaugeVec};
use tokio::time::Instant;

use crate::{
    app::App,
    platform::{
        metrics::{Metrics, MetricsError, SECONDS, seconds},
        shutdown::Shutdown,
    },
};

/// A new generation is heard of this soon; until then carts answer 503.
const INTERVAL: Duration = Duration::from_millis(500);

struct PoolMetrics {
    wait: Histogram,
    postgres: IntGaugeVec,
    redis: IntGaugeVec,
}

impl PoolMetrics {
    fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            wait: metrics.histogram(
                "stampede_postgres_pool_wait_seconds",
                "Time until the pool gave a connection, tried twice a second.",
                SECONDS,
            )?,
            postgres: metrics.gauge_vec(
                "stampede_postgres_pool_connections",
                "Connections of the pool, by state.",
                &["state"],
            )?,
            redis: metrics.gauge_vec(
                "stampede_redis_pool_connections",
                "Connections of the pool by state, and callers waiting for one.",
                &["state"],
            )?,
        })
    }

    fn show(&self, app: &App) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let idle = app.pool.num_idle();
        let all = usize::try_from(app.pool.size()).unwrap_or(usize::MAX);
        self.postgres.with_label_values(&["idle"]).set(count(idle));
        self.postgres.with_label_values(&["in_use"]).set(count(all.saturating_sub(idle)));
        let (in_use, idle, waiting) = app.redis.pool_status();
        self.redis.with_label_values(&["in_use"]).set(count(in_use));
        self.redis.with_label_values(&["idle"]).set(count(idle));
        self.redis.with_label_values(&["waiting"]).set(count(waiting));
    }
}

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let metrics = PoolMetrics::new(&app.metrics)?;
    while !shutdown.is_requested() {
        metrics.show(&app);
        let began = Instant::now();
        // given back at once, and taken again by the question that follows
        let waited = app.pool.acquire().await.map(drop);
        metrics.wait.observe(seconds(began.elapsed()));
        match waited.and(app.intake.state().await) {
            Ok(state) => {
                app.stream.set_generation(state.generation);
                app.stream.caught_up(state.caught_up_at);
            }
            Err(error) => tracing::debug!(%error, "the stream's state cannot be read"),
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
    Ok(())
}
