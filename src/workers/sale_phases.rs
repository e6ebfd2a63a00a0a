//! Tells when sales open, pause and end.

use std::time::Duration;

use crate::{
    app::App, flows::sale_phases::SalePhases, platform::shutdown::Shutdown, workers::Trouble,
};

/// How often the sales are looked at: how late the news of an opening may be.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let phases =
        SalePhases::new(app.pool.clone(), app.clock.clone(), app.ids.clone(), app.outbox.clone());
    let mut trouble = Trouble::default();
    while !shutdown.is_requested() {
        match phases.look().await {
            Ok(_) => trouble.is_over("the recorder of phases"),
            Err(error) => trouble.is("the recorder of phases", &error),
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
    Ok(())
}
