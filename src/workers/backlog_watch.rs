//! Shows what waits in Postgres as metrics: events to be published, and dead letters. Processes
//! with any worker do it, and all show the same.

use std::{collections::BTreeSet, time::Duration};

use prometheus::{GaugeVec, IntGauge, IntGaugeVec};

use crate::{
    app::App,
    kernel::clock::Timestamp,
    platform::{
        metrics::{Metrics, MetricsError, seconds},
        outbox,
        shutdown::Shutdown,
    },
    shop::dead_letters,
};

/// Counting reads every row that waits.
const INTERVAL: Duration = Duration::from_secs(5);

struct BacklogMetrics {
    rows: IntGauge,
    oldest: GaugeVec,
    letters: IntGaugeVec,
    oldest_letter: GaugeVec,
    /// Queues that were shown, so that one whose last letter went is shown as empty.
    queues: BTreeSet<String>,
}

impl BacklogMetrics {
    fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            rows: metrics.gauge("stampede_outbox_rows", "Events that wait to be published.")?,
            oldest: metrics.float_gauge_vec(
                "stampede_outbox_oldest_seconds",
                "Age of the oldest event that waits to be published; 0 when none does.",
                &[],
            )?,
            letters: metrics.gauge_vec(
                "stampede_dead_letters",
                "Dead letters that wait to be replayed or dropped, by queue.",
                &["queue"],
            )?,
            oldest_letter: metrics.float_gauge_vec(
                "stampede_dead_letters_oldest_seconds",
                "Age of the oldest dead letter that waits, by queue; 0 when none does.",
                &["queue"],
            )?,
            queues: BTreeSet::new(),
        })
    }

    async fn show(&mut self, app: &App) -> sqlx::Result<()> {
        let now = app.clock.now();
        let age = |at: Timestamp| seconds((now - at).to_std().unwrap_or_default());
        let outbox = outbox::backlog(&app.pool).await?;
        self.rows.set(outbox.rows);
        self.oldest.with_label_values::<&str>(&[]).set(outbox.oldest.map_or(0.0, age));
        let waiting = dead_letters::store::waiting_by_source(&app.pool).await?;
        for queue in &self.queues {
            self.letters.with_label_values(&[queue.as_str()]).set(0);
            self.oldest_letter.with_label_values(&[queue.as_str()]).set(0.0);
        }
        for of_queue in waiting {
            let labels = [of_queue.source.as_str()];
            self.letters.with_label_values(&labels).set(of_queue.letters);
            self.oldest_letter.with_label_values(&labels).set(age(of_queue.oldest));
            self.queues.insert(of_queue.source);
        }
        Ok(())
    }
}

/// Runs until the process leaves. While Postgres is away, what was last known stands.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut metrics = BacklogMetrics::new(&app.metrics)?;
    while !shutdown.is_requested() {
        if let Err(error) = metrics.show(&app).await {
            tracing::debug!(%error, "what waits in Postgres cannot be counted");
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
    Ok(())
}
