//! Owning a piece of work for a while.

use std::time::Duration;

use tokio::time::Instant;

/// For how long an owner may count on being the only one. Postgres' clock decides who takes over;
/// this is an owner's own view, which ends sooner, as it was begun before the row was written.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    ends: Instant,
}

impl Lease {
    /// A lease of `length` from now; to be made before the statement that writes it is sent.
    #[must_use]
    pub fn of(length: Duration) -> Self {
        Self { ends: Instant::now() + length }
    }

    /// What is left of it.
    #[must_use]
    pub fn rest(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }
}
