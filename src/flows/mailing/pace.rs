//! No faster than so many a second.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Turns, evenly spread. Time that nobody used is not made up for later.
pub(super) struct Pace {
    gap: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(a_second: u32) -> Self {
        let gap = Duration::from_secs(1) / a_second.max(1);
        Self { gap, next: Mutex::new(Instant::now()) }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(Instant::now());
            *next = at + self.gap;
            at
        };
        sleep_until(at).await;
    }

    /// How long so many turns may take.
    pub(super) fn length_of(&self, turns: usize) -> Duration {
        self.gap.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
    }
}
