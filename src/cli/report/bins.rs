//! Minutes put together into as many steps of time as there is room for.

use chrono::TimeDelta;

use crate::{
    flows::statistics::Moment,
    kernel::clock::{Timestamp, from_millis},
};

/// Lengths of a step that people read easily, in minutes.
const STEPS: [i64; 13] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 10_080];
const MINUTE_MS: i64 = 60_000;

/// Time in equal steps, from the first minute in which something happened to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bins {
    /// Length of a step.
    pub(super) step: TimeDelta,
    /// Each step, those in which nothing happened too.
    pub(super) steps: Vec<Moment>,
}

impl Bins {
    /// Steps, at least `fewest` and, but for sales of years, `most`. None when nothing happened.
    pub(super) fn of(moments: &[Moment], fewest: usize, most: usize) -> Self {
        let index = |at: Timestamp, step: i64| at.timestamp_millis().div_euclid(step * MINUTE_MS);
        let (Some(first), Some(last)) = (moments.first(), moments.last()) else {
            return Self { step: TimeDelta::minutes(1), steps: Vec::new() };
        };
        let length = |step| index(last.at, step) - index(first.at, step) + 1;
        let [.., longest] = STEPS;
        let room = i64::try_from(most).unwrap_or(i64::MAX);
        let step = STEPS.into_iter().find(|step| length(*step) <= room).unwrap_or(longest);
        let begin = index(first.at, step);
        let count = usize::try_from(length(step)).unwrap_or(most).max(fewest);
        let mut steps: Vec<Moment> = (begin..)
            .take(count)
            .map(|nth| Moment::new(from_millis(nth * step * MINUTE_MS)))
            .collect();
        for moment in moments {
            let nth = usize::try_from(index(moment.at, step) - begin);
            if let Some(bin) = nth.ok().and_then(|nth| steps.get_mut(nth)) {
                bin.add(moment);
            }
        }
        Self { step: TimeDelta::minutes(step), steps }
    }

    /// The first `count` minutes one by one, if these steps are longer and there is more to tell.
    pub(super) fn first(&self, moments: &[Moment], count: usize) -> Option<Self> {
        let minutes = i64::try_from(count).unwrap_or(i64::MAX);
        let end = moments.first()?.at + TimeDelta::try_minutes(minutes)?;
        let first: Vec<_> = moments.iter().take_while(|moment| moment.at < end).copied().collect();
        let longer = self.step > TimeDelta::minutes(1) && first.len() > 1;
        longer.then(|| Self::of(&first, 1, count))
    }

    /// The largest value of a series.
    pub(super) fn most(&self, of: impl Fn(&Moment) -> i64) -> i64 {
        self.steps.iter().map(of).max().unwrap_or_default()
    }

    /// How a step is called: its time of day, and its date where steps are long.
    pub(super) fn label(&self, at: Timestamp) -> String {
        let days = match (self.steps.first(), self.steps.last()) {
            (Some(first), Some(last)) => last.at.date_naive() != first.at.date_naive(),
            _ => false,
        };
        let format = match (days, self.step >= TimeDelta::days(1)) {
            (_, true) => "%d %b",
            (true, false) => "%d %b %H:%M",
            (false, false) => "%H:%M",
        };
        at.format(format).to_string()
    }

    /// `a minute`, `an hour`, `10 minutes`
    pub(super) fn a_step(&self) -> String {
        let name = self.step_name();
        match &*name {
            "hour" => format!("an {name}"),
            "minute" | "day" | "week" => format!("a {name}"),
            _ => name,
        }
    }

    /// The length of a step in words.
    pub(super) fn step_name(&self) -> String {
        match self.step.num_minutes() {
            1 => "minute".to_owned(),
            60 => "hour".to_owned(),
            1440 => "day".to_owned(),
            10_080 => "week".to_owned(),
            hours if hours % 60 == 0 => format!("{} hours", hours / 60),
            minutes => format!("{minutes} minutes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(minute: i64, orders: i64) -> Moment {
        Moment { orders, ..Moment::new(from_millis(minute * MINUTE_MS)) }
    }

    #[test]
    fn an_hour_is_told_by_the_minute_and_a_month_by_the_day() {
        let step = |last| Bins::of(&[moment(0, 1), moment(last, 1)], 1, 120).step.num_minutes();
        assert_eq!([0, 119, 120, 600, 43_000].map(step), [1, 1, 2, 10, 360]);
        assert!(Bins::of(&[], 12, 120).steps.is_empty());
        assert_eq!(Bins::of(&[moment(5, 1)], 12, 120).steps.len(), 12);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_between_steps(
            minutes in prop::collection::btree_map(0..2_000_000_i64, 0..100_i64, 1..50),
            most in 1..200_usize,
        ) {
            let moments: Vec<_> = minutes.iter().map(|(at, n)| moment(*at, *n)).collect();
            let bins = Bins::of(&moments, 1, most);
            let all: i64 = bins.steps.iter().map(|bin| bin.orders).sum();
            prop_assert_eq!(all, minutes.values().sum::<i64>());
            prop_assert!(bins.steps.len() <= most || bins.step.num_minutes() == 10_080);
            prop_assert!(bins.steps.windows(2).all(|two| two[1].at - two[0].at == bins.step));
        }
    }
}
