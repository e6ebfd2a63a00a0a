//! Which phase of a sale was told of last, and what is to be told next.
//!
//! Owns the table `sale_phases`.

pub mod store;

use super::{Phase, Sale};
use crate::kernel::clock::Timestamp;

/// The phase that was told of last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The phase.
    pub phase: Phase,
    /// When that was recorded.
    pub at: Timestamp,
}

/// What is to be told of a sale that is in another phase than was told last: the phases it has
/// entered since, with the instants. Nothing is told of a sale that has yet to begin, nor of one
/// that was over before it was imported. A sale that ran while nobody looked has opened and ended.
#[must_use]
pub fn entered(sale: &Sale, told: Option<Told>, now: Timestamp) -> Vec<(Phase, Timestamp)> {
    let last = told.map_or(Phase::Before, |told| told.phase);
    let since = told.map_or(sale.first_imported_at, |told| told.at);
    // a schedule says when, unless it was changed afterwards
    let at = |planned: Timestamp| if planned > since { planned } else { now };
    let (opened, ended) = ((Phase::Open, at(sale.starts_at)), (Phase::Ended, at(sale.ends_at)));
    match (last, sale.phase(now)) {
        (Phase::Before, Phase::Open) => vec![opened],
        (Phase::Before, Phase::Ended) if told.is_none() && sale.ends_at <= since => Vec::new(),
        (Phase::Before, Phase::Ended) if sale.paused => vec![ended],
        (Phase::Before, Phase::Ended) => vec![opened, ended],
        (Phase::Open | Phase::Paused, Phase::Ended) => vec![ended],
        (_, Phase::Before) => Vec::new(),
        (last, phase) if last == phase => Vec::new(),
        (_, phase) => vec![(phase, now)],
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::kernel::{clock::from_millis, ids::SaleId, quantity::Quantity, version::Revision};

    fn sale(paused: bool) -> Sale {
        Sale {
            id: SaleId(1),
            slug: "night-run".parse().unwrap(),
            title: "Night Run".into(),
            accent: None,
            currency: "EUR".parse().unwrap(),
            starts_at: from_millis(1_000),
            ends_at: from_millis(2_000),
            hold: Duration::from_mins(10),
            limit_per_shopper: Quantity::try_from(4).unwrap(),
            paused,
            revision: Revision(1),
            first_imported_at: from_millis(0),
            fixed: false,
        }
    }

    fn told(phase: Phase, at: i64) -> Told {
        Told { phase, at: from_millis(at) }
    }

    fn at(sale: &Sale, told: impl Into<Option<Told>>, now: i64) -> Vec<(Phase, i64)> {
        let entered = entered(sale, told.into(), from_millis(now));
        entered.into_iter().map(|(phase, at)| (phase, at.timestamp_millis())).collect()
    }

    #[test]
    fn a_sale_opens_pauses_and_ends_at_its_instants() {
        let (open, paused) = (sale(false), sale(true));
        assert_eq!(at(&open, None, 999), []);
        assert_eq!(at(&open, told(Phase::Before, 1), 1_200), [(Phase::Open, 1_000)]);
        assert_eq!(at(&open, told(Phase::Open, 1_200), 1_300), []);
        assert_eq!(at(&paused, told(Phase::Open, 1_200), 1_300), [(Phase::Paused, 1_300)]);
        assert_eq!(at(&open, told(Phase::Paused, 1_300), 1_400), [(Phase::Open, 1_400)]);
        assert_eq!(at(&open, told(Phase::Open, 1_400), 2_100), [(Phase::Ended, 2_000)]);
        assert_eq!(at(&paused, told(Phase::Paused, 1_300), 2_100), [(Phase::Ended, 2_000)]);
        assert_eq!(at(&open, told(Phase::Ended, 2_100), 2_200), []);
    }

    #[test]
    fn a_sale_that_ran_while_nobody_looked_has_opened_and_ended() {
        let both = [(Phase::Open, 1_000), (Phase::Ended, 2_000)];
        assert_eq!(at(&sale(false), None, 2_500), both);
        assert_eq!(at(&sale(false), told(Phase::Before, 10), 2_500), both);
        assert_eq!(at(&sale(true), told(Phase::Before, 10), 2_500), [(Phase::Ended, 2_000)]);
        let late = Sale { first_imported_at: from_millis(2_000), ..sale(false) };
        assert_eq!(at(&late, None, 2_500), [], "it was over before it was imported");
    }

    #[test]
    fn a_changed_schedule_takes_effect_when_it_is_seen() {
        // put off after it had opened, then opened again
        assert_eq!(at(&sale(false), told(Phase::Open, 10), 500), []);
        // prolonged after it had ended
        assert_eq!(at(&sale(false), told(Phase::Ended, 1_500), 1_600), [(Phase::Open, 1_600)]);
        // begun earlier than it was planned
        let moved = Sale { first_imported_at: from_millis(1_100), ..sale(false) };
        assert_eq!(at(&moved, None, 1_200), [(Phase::Open, 1_200)]);
    }
}
