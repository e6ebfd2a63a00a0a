//! Keeps this process' knowledge of the cart stream fresh: its generation, and how far its writer
//! is behind. While Postgres is away, what was last known stands.

use std::time::Duration;

use crate::{app::App, platform::shutdown::Shutdown};

/// A new generation is heard of this soon; until then carts answer 503.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    while !shutdown.is_requested() {
        match app.intake.state().await {
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
