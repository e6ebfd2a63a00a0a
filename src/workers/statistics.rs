//! Counts the minutes of sales in which something happened to an order.

use std::time::Duration;

use crate::{app::App, platform::shutdown::Shutdown, workers::Trouble};

/// Between two looks. A minute in which much is paid is counted once a look, however many orders it
/// has, and whoever looks at the numbers does not need them sooner.
const INTERVAL: Duration = Duration::from_secs(2);

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut trouble = Trouble::default();
    while !shutdown.is_requested() {
        match app.statistics.count_due().await {
            Ok(minutes) => {
                trouble.is_over("the statistics");
                tracing::debug!(minutes, "counted");
            }
            Err(error) => trouble.is("the statistics", &error),
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
    Ok(())
}
