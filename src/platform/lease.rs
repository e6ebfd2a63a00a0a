//! Owning a piece of work for a while, and leaving it for another while.

use std::time::Duration;

use tokio::time::Instant;

/// The pause after a try that came to nothing: what passes has mostly passed by then.
pub const MOMENT: Duration = Duration::from_secs(1);
/// Tries a moment apart, before the pauses grow.
const QUICK_TRIES: i32 = 10;

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

/// How long to leave alone what came to nothing `tries` times before: a moment at first, then twice
/// as long each time, up to `longest`.
#[must_use]
pub fn pause(tries: i32, longest: Duration) -> Duration {
    let doublings = u32::try_from((tries - QUICK_TRIES).max(0)).unwrap_or_default();
    MOMENT.saturating_mul(2_u32.saturating_pow(doublings)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let longest = Duration::from_mins(5);
        assert_eq!(pause(0, longest), MOMENT);
        assert_eq!(pause(10, longest), MOMENT);
        assert_eq!(pause(12, longest), MOMENT * 4);
        assert_eq!(pause(100, longest), longest);
        assert_eq!(pause(i32::MAX, longest), longest);
    }
}
