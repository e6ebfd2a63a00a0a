//! Brings back what was not paid in time, and what somebody left on its way back.

use crate::{app::App, flows::cart_lines::Expiry, platform::shutdown::Shutdown, shop::sales};

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let lines = app.metrics.counter_vec(
        "stampede_returned_lines_total",
        "Cart lines brought back to the shelf by the expirer, by why.",
        &["why"],
    )?;
    let mut expiry = Expiry::new(
        app.inventory.clone(),
        app.rabbit.publisher(),
        app.stream.clone(),
        app.clock.clone(),
    );
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    while !shutdown.is_requested() {
        let now = app.clock.now();
        match sales::store::to_keep(&app.pool, now - sales::KEEP_AFTER_END).await {
            Ok(sales) => {
                for sale in sales {
                    match expiry.look(&sale).await {
                        Ok(looked) => {
                            lines.with_label_values(&["expired"]).inc_by(count(looked.expired));
                            lines.with_label_values(&["swept"]).inc_by(count(looked.swept));
                        }
                        Err(error) => {
                            let error = format!("{error:#}");
                            tracing::warn!(sale = %sale.slug, error, "the expirer waits");
                        }
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the expirer waits for Postgres"),
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(app.config.stock.expirer_interval) => {}
        }
    }
    Ok(())
}
