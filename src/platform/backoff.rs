//! When what has failed is tried once more.
//!
//! Delays grow, so that whoever is in trouble is not pushed while he is, and each is a little off,
//! so that what failed together does not come back together. How far it is off is drawn from the
//! thing's own id: the same thing always gets the same delays.

use std::time::Duration;

use uuid::Uuid;

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
