//! Brings back what was not paid in time, and what somebody left on its way back.

use crate::{
    app::App, flows::cart_lines::Expiry, platform::shutdown::Shutdown, shop::sales,
    workers::Trouble,
};

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
    let mut trouble = Trouble::default();
    while !shutdown.is_requested() {
        let now = app.clock.now();
        let mut failed: Option<anyhow::Error> = None;
        match sales::store::to_keep(&app.pool, now - sales::KEEP_AFTER_END).await {
            Ok(sales) => {
                for sale in sales {
                    match expiry.look(&sale).await {
                        Ok(looked) => {
                            lines.with_label_values(&["expired"]).inc_by(count(looked.expired));
                            lines.with_label_values(&["swept"]).inc_by(count(looked.swept));
                        }
                        Err(error) => {
                            failed = Some(error.context(format!("sale {}", sale.slug)));
                        }
                    }
                }
            }
            Err(error) => failed = Some(error.into()),
        }
        match failed {
            Some(error) => trouble.is("the hold expirer", &error),
            None => trouble.is_over("the hold expirer"),
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(app.config.stock.expirer_interval) => {}
        }
    }
    Ok(())
}
