//! What may happen in a history.

use proptest::{collection::vec, prelude::*};

use super::support::{GRACE, HOLD};

pub(crate) const SKUS: [&str; 3] = ["A1", "A2", "B"];
pub(crate) const SHOPPERS: usize = 2;
/// Checkouts 0 and 2 are shopper 0's.
pub(crate) const ORDERS: usize = 3;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Shopper, SKU (the last one does not exist), quantity; whether the lines reach paper.
    Claim {
        lines: Vec<(usize, usize, i64)>,
        confirmed: bool,
        late: bool,
    },
    /// Somebody who has not heard of the last opening.
    Forgotten,
    /// What was confirmed goes on the shelf; with versions that mean nothing here.
    GiveBack,
    /// All that the list of holds says.
    Expire {
        confirmed: bool,
    },
    /// Left-over returns: publish, confirm, give back.
    Sweep,
    Restate,
    /// What the saga has to do next.
    Advance {
        order: usize,
    },
    /// Of every saga verb, `attempt` is the difference to the last attempt on paper.
    Begin {
        order: usize,
        changed: bool,
        attempt: i32,
        late: bool,
    },
    Settle {
        order: usize,
        attempt: i32,
    },
    Capture {
        order: usize,
    },
    Pay {
        order: usize,
    },
    Finish {
        order: usize,
        attempt: i32,
    },
    Abort {
        order: usize,
        attempt: i32,
        late: bool,
    },
    /// One more unit of an order comes back in good order; whether the stock is told at once, and
    /// whether it is told what was so before.
    Restock {
        who: usize,
        sku: usize,
        told: bool,
        late: bool,
    },
    Lower {
        sku: usize,
        total: i64,
        stale: bool,
    },
    Terms {
        totals: Vec<i64>,
        limit: i64,
        paused: bool,
        stale: bool,
    },
    Pass {
        millis: i64,
    },
    /// Redis comes back empty, or another server answers.
    Lose {
        wiped: bool,
    },
    Reopen,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let line = (0..SHOPPERS, 0..=SKUS.len(), 0..4_i64);
    let order = 0..ORDERS;
    let attempt = prop_oneof![5 => Just(0), 1 => Just(1), 2 => Just(-1)];
    let claim = (vec(line, 1..5), prop::bool::weighted(0.8), prop::bool::weighted(0.05));
    let (seldom, hardly) = (prop::bool::weighted(0.1), prop::bool::weighted(0.05));
    let begin = (order.clone(), seldom, attempt.clone(), hardly);
    let abort = (order.clone(), attempt.clone(), hardly);
    let terms = (vec(0..6_i64, 2..=3), 0..6_i64, prop::bool::weighted(0.1), any::<bool>());
    prop_oneof![
        30 => claim.prop_map(|(lines, confirmed, late)| Step::Claim { lines, confirmed, late }),
        2 => Just(Step::Forgotten),
        8 => Just(Step::GiveBack),
        8 => prop::bool::weighted(0.7).prop_map(|confirmed| Step::Expire { confirmed }),
        4 => Just(Step::Sweep),
        2 => Just(Step::Restate),
        16 => order.clone().prop_map(|order| Step::Advance { order }),
        12 => begin.prop_map(|(order, changed, attempt, late)| {
            Step::Begin { order, changed, attempt, late }
        }),
        6 => (order.clone(), attempt.clone())
            .prop_map(|(order, attempt)| Step::Settle { order, attempt }),
        3 => order.clone().prop_map(|order| Step::Capture { order }),
        3 => order.clone().prop_map(|order| Step::Pay { order }),
        3 => (order, attempt).prop_map(|(order, attempt)| Step::Finish { order, attempt }),
        6 => abort.prop_map(|(order, attempt, late)| Step::Abort { order, attempt, late }),
        4 => (0..SHOPPERS, 0..SKUS.len(), prop::bool::weighted(0.7), hardly)
            .prop_map(|(who, sku, told, late)| Step::Restock { who, sku, told, late }),
        2 => (0..SKUS.len(), 0..6_i64, any::<bool>())
            .prop_map(|(sku, total, stale)| Step::Lower { sku, total, stale }),
        2 => terms.prop_map(|(totals, limit, paused, stale)| {
            Step::Terms { totals, limit, paused, stale }
        }),
        8 => prop_oneof![1..1000_i64, Just(HOLD / 2), Just(HOLD), Just(HOLD + GRACE)]
            .prop_map(|millis| Step::Pass { millis }),
        3 => any::<bool>().prop_map(|wiped| Step::Lose { wiped }),
        3 => Just(Step::Reopen),
    ]
}
