//! Publishes the outbox, whenever it is woken and now and then by itself.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge};
use sqlx::postgres::PgListener;

use crate::{
    app::App,
    flows::event_relay::{EventRelay, Relayed},
    kernel::clock::Clock,
    platform::{
        metrics::{Metrics, MetricsError, SECONDS, seconds},
        outbox,
        rabbit::Rabbit,
        shutdown::Shutdown,
    },
    workers::Trouble,
};

/// Between two tries while a server is away.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a relay may hang before another takes over. A broker that does not confirm is given up
/// within a few seconds.
const HANGS: Duration = Duration::from_secs(30);

struct RelayMetrics {
    leads: IntGauge,
    published: IntCounter,
    delay: Histogram,
}

impl RelayMetrics {
    fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            leads: metrics.gauge(
                "stampede_outbox_relay_leads",
                "Whether this process is the one that publishes the outbox.",
            )?,
            published: metrics.counter(
                "stampede_outbox_published_total",
                "Events that the broker has confirmed.",
            )?,
            delay: metrics.histogram(
                "stampede_outbox_delay_seconds",
                "Time from writing an event to the broker's confirm.",
                SECONDS,
            )?,
        })
    }

    fn count(&self, relayed: &Relayed, clock: &Clock) {
        let now = clock.now();
        for written in &relayed.written_at {
            self.delay.observe(seconds((now - *written).to_std().unwrap_or_default()));
        }
        self.published.inc_by(u64::try_from(relayed.written_at.len()).unwrap_or(u64::MAX));
    }
}

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let metrics = RelayMetrics::new(&app.metrics)?;
    // not the one that carts are published on: ten thousand events that waited would go before them
    let rabbit = Rabbit::start(&app.config.rabbit)?;
    let mut relay = EventRelay::new(
        app.pool.clone(),
        rabbit.clone(),
        app.events.clone(),
        app.consumers.clone(),
        app.config.events.bite,
        HANGS.max(app.config.events.poll_interval * 3),
    );
    let mut trouble = Trouble::default();
    while !shutdown.is_requested() {
        let pause =
            match relay_while_leading(&app, &mut relay, &metrics, &mut trouble, &shutdown).await {
                Ok(()) => app.config.events.poll_interval,
                Err(error) => {
                    trouble.is("the outbox relay", &error);
                    PAUSE
                }
            };
        app.outbox.set_relaying(false);
        metrics.leads.set(0);
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    relay.resign();
    rabbit.close().await;
    Ok(())
}

/// Returns at once when another process relays, and else when this one leaves or cannot go on.
async fn relay_while_leading(
    app: &App,
    relay: &mut EventRelay,
    metrics: &RelayMetrics,
    trouble: &mut Trouble,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    if !relay.lead().await? {
        trouble.is_over("the outbox relay");
        return Ok(());
    }
    metrics.leads.set(1);
    let mut listener = PgListener::connect_with(&app.pool).await?;
    listener.listen(outbox::CHANNEL).await?;
    app.outbox.set_relaying(true);
    while !shutdown.is_requested() {
        let relayed = relay.round().await?;
        metrics.count(&relayed, &app.clock);
        trouble.is_over("the outbox relay");
        if relayed.more {
            continue;
        }
        tokio::select! {
            () = app.outbox.woken() => {}
            heard = listener.recv() => drop(heard?),
            () = tokio::time::sleep(app.config.events.poll_interval) => {}
            () = shutdown.requested() => {}
        }
    }
    Ok(())
}
