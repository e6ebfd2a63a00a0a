//! Sends deliveries that are due to merchants' endpoints.

use std::time::Duration;

use tokio::time::Instant;

use crate::{app::App, platform::shutdown::Shutdown, workers::Trouble};

/// How often what waits is counted.
const MEASURE_EVERY: Duration = Duration::from_secs(15);
/// How often deliveries of long ago are forgotten.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// Runs until the process leaves, and waits a while for the requests that are under way then.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let (mut measure_at, mut forget_at) = (Instant::now(), Instant::now());
    let mut trouble = Trouble::default();
    while !shutdown.is_requested() {
        match app.webhook_delivery.send_due().await {
            Ok(_) => trouble.is_over("the webhook sender"),
            Err(error) => trouble.is("the webhook sender", &error),
        }
        if Instant::now() >= measure_at {
            if let Err(error) = app.webhook_delivery.measure().await {
                tracing::debug!(%error, "waiting deliveries cannot be counted");
            }
            measure_at = Instant::now() + MEASURE_EVERY;
        }
        if Instant::now() >= forget_at {
            match app.webhook_delivery.forget().await {
                Ok(deliveries) => tracing::debug!(deliveries, "forgot deliveries"),
                Err(error) => tracing::warn!(%error, "deliveries wait to be forgotten"),
            }
            forget_at = Instant::now() + FORGET_EVERY;
        }
        tokio::select! {
            () = shutdown.requested() => {}
            // there is room for the next
            () = app.webhook_delivery.one_ended() => {}
            () = tokio::time::sleep(app.config.webhooks.interval) => {}
        }
    }
    // what is cut off is sent once more, under the same id
    let grace = app.config.shutdown.timeout / 2;
    let _ = tokio::time::timeout(grace, app.webhook_delivery.close()).await;
    Ok(())
}
