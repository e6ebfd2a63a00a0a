//! When what has failed is tried once more.
//!
//! Delays grow, so that whoever is in trouble is not pushed while he is, and each is a little off,
//! so that what failed together does not come back together. How far it is off is drawn from the
//! thing's own id: the same thing always gets the same delays.

use std::time::Duration;

use uuid::Uuid;

/// The pause after a try that came to nothing: what passes has mostly passed by then.
pub const MOMENT: Duration = Duration::from_secs(1);
/// Tries a moment apart, before the pauses of somebody who is waited for grow.
const QUICK_TRIES: i32 = 10;

/// Delays after the first failure, the second, and so on: 26 hours in all, which is a night and a
/// working day to mend what is broken.
const DELAYS: [Duration; 8] = [
    Duration::from_secs(5),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(8),
    Duration::from_hours(10),
];

/// A delay is up to this part of itself shorter or longer, in thousandths.
const SPREAD: u32 = 100;

/// How long to wait after the `attempt`-th failure (from 1) of `id`; `None` when it is given up.
#[must_use]
pub fn delay(id: Uuid, attempt: i32) -> Option<Duration> {
    let nth = usize::try_from(attempt.checked_sub(1)?).ok()?;
    let delay = DELAYS.get(nth)?;
    let [.., low, last] = *id.as_bytes();
    // neighbours differ in their last bytes, and attempts of one differ by the other
    let drawn = u32::from(last ^ low.rotate_left(u32::try_from(nth).ok()?));
    Some(*delay / 1000 * (1000 - SPREAD + drawn * 2 * SPREAD / u32::from(u8::MAX)))
}

/// How long to leave alone what somebody waits for, and what came to nothing `tries` times before: a
/// moment at first, then twice as long each time, up to `longest`.
#[must_use]
pub fn pause(tries: i32, longest: Duration) -> Duration {
    let doublings = u32::try_from((tries - QUICK_TRIES).max(0)).unwrap_or_default();
    MOMENT.saturating_mul(2_u32.saturating_pow(doublings)).min(longest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_thing_is_tried_for_about_a_day() {
        let all: Duration = (1..).map_while(|nth| delay(Uuid::nil(), nth)).sum();
        assert!(all > Duration::from_hours(22) && all < Duration::from_hours(30), "{all:?}");
        assert_eq!(delay(Uuid::nil(), 9), None);
        assert_eq!(delay(Uuid::nil(), 0), None);
        assert_eq!(delay(Uuid::nil(), i32::MIN), None);
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let longest = Duration::from_mins(5);
        assert_eq!(pause(0, longest), MOMENT);
        assert_eq!(pause(10, longest), MOMENT);
        assert_eq!(pause(12, longest), MOMENT * 4);
        assert_eq!(pause(100, longest), longest);
        assert_eq!(pause(i32::MAX, longest), longest);
    }

    proptest! {
        #[test]
        fn delays_grow_and_stay_near_their_mean(bytes: [u8; 16]) {
            let id = Uuid::from_bytes(bytes);
            let mut before = Duration::ZERO;
            for (nth, mean) in (1..).zip(DELAYS) {
                let found = delay(id, nth).unwrap();
                prop_assert!(found > before && found >= mean / 10 * 9 && found <= mean / 10 * 11);
                before = found;
            }
        }
    }
}
