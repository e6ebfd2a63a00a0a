//! Goes on with checkouts and refunds that were left on the way.

use std::time::Duration;

use tokio::time::Instant;

use crate::{app::App, platform::shutdown::Shutdown, workers::Trouble};

/// Checkouts carried at once: each takes a connection of Postgres now and then, and as many as one
/// process has are left to the shoppers.
const AT_ONCE: u16 = 16;
/// How often keys are forgotten whose time is over; they are kept for a month.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let resumed = app.metrics.counter(
        "stampede_resumed_checkouts_total",
        "Checkouts taken over from an owner who died or could not go on.",
    )?;
    let resumed_refunds = app.metrics.counter(
        "stampede_resumed_refunds_total",
        "Refunds taken over from an owner who died or could not go on.",
    )?;
    let mut forget_at = Instant::now();
    let mut trouble = Trouble::default();
    while !shutdown.is_requested() {
        match app.checkout.resume_due(AT_ONCE).await {
            Ok(taken) => {
                trouble.is_over("the checkout resumer");
                resumed.inc_by(taken.try_into().unwrap_or(u64::MAX));
                if taken >= usize::from(AT_ONCE) {
                    continue;
                }
            }
            Err(error) => trouble.is("the checkout resumer", &error),
        }
        match app.refunding.resume_due(AT_ONCE).await {
            Ok(taken) => resumed_refunds.inc_by(taken.try_into().unwrap_or(u64::MAX)),
            Err(error) => trouble.is("the checkout resumer", &error),
        }
        if Instant::now() >= forget_at {
            match app.checkout.forget_keys().await {
                Ok(keys) => tracing::debug!(keys, "forgot keys"),
                Err(error) => tracing::warn!(%error, "keys wait to be forgotten"),
            }
            forget_at = Instant::now() + FORGET_EVERY;
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(app.config.checkout.resume_interval) => {}
        }
    }
    Ok(())
}
