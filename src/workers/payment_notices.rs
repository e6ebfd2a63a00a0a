//! Handles what payment providers told us by themselves.

use std::time::Duration;

use tokio::time::Instant;

use crate::{app::App, flows::checkout::Handled, platform::shutdown::Shutdown, workers::Trouble};

/// How often it looks: a shopper who is back from his bank is waiting.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Notices handled in one transaction.
const AT_ONCE: i64 = 100;
/// How often old notices are forgotten.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let notices = app.metrics.counter_vec(
        "stampede_payment_notices_total",
        "Notices of payment providers, by what came of them: heeded, ignored, put_off or parked.",
        &["outcome"],
    )?;
    let mut forget_at = Instant::now();
    let mut trouble = Trouble::default();
    while !shutdown.is_requested() {
        match app.checkout.handle_notices(AT_ONCE).await {
            Ok(Handled { heeded, ignored, put_off, parked }) => {
                trouble.is_over("the handler of payment notices");
                for (outcome, count) in [
                    ("heeded", heeded),
                    ("ignored", ignored),
                    ("put_off", put_off),
                    ("parked", parked),
                ] {
                    notices.with_label_values(&[outcome]).inc_by(count);
                }
                if heeded + ignored + put_off + parked >= AT_ONCE.unsigned_abs() {
                    continue;
                }
            }
            Err(error) => trouble.is("the handler of payment notices", &error),
        }
        if Instant::now() >= forget_at {
            if let Err(error) = app.checkout.forget_notices().await {
                tracing::warn!(%error, "notices wait to be forgotten");
            }
            forget_at = Instant::now() + FORGET_EVERY;
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    Ok(())
}
