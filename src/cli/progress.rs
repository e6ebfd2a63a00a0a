//! Something to look at while a command takes its time.

use std::{future::Future, pin::pin, time::Duration};

use indicatif::ProgressBar;

/// Sooner, it would only flicker.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits for `work`; after two seconds with a spinner on standard error, if that is a terminal.
pub(super) async fn shown<T>(what: &'static str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    let done = work.await;
    bar.finish_and_clear();
    done
}
