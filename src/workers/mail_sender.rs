//! Sends mails that are due.

use std::time::Duration;

use tokio::time::Instant;

use crate::{app::App, platform::shutdown::Shutdown, workers::Trouble};

/// While the SMTP server is away it is asked again after a second, then after two, and so on, but at
/// least this often.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often what waits is counted.
const MEASURE_EVERY: Duration = Duration::from_secs(15);
/// How often mails sent long ago are forgotten.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let (at_once, grace) = (app.config.mail.connections, app.config.shutdown.timeout / 2);
    let (mut measure_at, mut forget_at) = (Instant::now(), Instant::now());
    let mut trouble = Trouble::default();
    let mut pause = Duration::from_secs(1);
    while !shutdown.is_requested() {
        let outcome = tokio::select! {
            outcome = app.mailing.send_due(at_once) => outcome,
            // what is cut off is sent once more, as the same letter
            () = shutdown.requested_for(grace) => return Ok(()),
        };
        let wait = match outcome {
            Ok(round) => {
                trouble.is_over("the mail sender");
                pause = Duration::from_secs(1);
                if round.taken >= at_once { Duration::ZERO } else { app.config.mail.interval }
            }
            Err(error) => {
                trouble.is("the mail sender", &error);
                pause = (pause * 2).min(LONGEST_PAUSE);
                pause / 2
            }
        };
        if Instant::now() >= measure_at {
            if let Err(error) = app.mailing.measure().await {
                tracing::debug!(%error, "waiting mails cannot be counted");
            }
            measure_at = Instant::now() + MEASURE_EVERY;
        }
        if Instant::now() >= forget_at {
            match app.mailing.forget().await {
                Ok(mails) => tracing::debug!(mails, "forgot mails"),
                Err(error) => tracing::warn!(%error, "mails wait to be forgotten"),
            }
            forget_at = Instant::now() + FORGET_EVERY;
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    Ok(())
}
