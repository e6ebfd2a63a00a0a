//! What must be equal, as pure comparisons.

use std::{collections::BTreeMap, fmt};

use crate::{kernel::ids::Sku, shop::inventory::Units};

/// Units of one SKU, by where they were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SkuSums {
    /// What the sale's file says, in Postgres.
    pub total: i64,
    /// Redis' counters.
    pub counted: Units,
    /// Held, summed over claims.
    pub claimed_held: i64,
    /// Bought or settled, summed over claims.
    pub claimed_sold: i64,
    /// On their way back, summed over returns.
    pub returning: i64,
    /// In paid orders.
    pub paid: i64,
    /// In cart lines in Postgres.
    pub held_on_paper: i64,
}

/// Two figures that should be equal and are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach(String);

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that is wrong with these sums. `quiet`: they are of one instant; `same_terms`: Redis
/// has the totals that Postgres has.
#[must_use]
pub fn breaches(
    skus: &BTreeMap<Sku, SkuSums>,
    open: bool,
    quiet: bool,
    same_terms: bool,
    open_sagas: i64,
) -> Vec<Breach> {
    let mut found = Vec::new();
    for (sku, sums) in skus {
        let mut must = |holds: bool, what: String| {
            if !holds {
                found.push(Breach(format!("{sku}: {what}")));
            }
        };
        let counted = sums.counted;
        must(sums.paid <= sums.total, format!("oversold: {} paid of {}", sums.paid, sums.total));
        if !open {
            continue;
        }
        must(
            counted.total == counted.available + counted.held + counted.sold,
            format!(
                "total {} is not available {} + held {} + sold {}",
                counted.total, counted.available, counted.held, counted.sold
            ),
        );
        must(counted.available >= 0, format!("available is {}", counted.available));
        must(
            !same_terms || counted.total == sums.total,
            format!("total is {} in Redis, {} in Postgres", counted.total, sums.total),
        );
        if !quiet {
            continue;
        }
        let (claimed, returning) = (sums.claimed_held, sums.returning);
        must(
            counted.held == claimed + returning,
            format!("held {} is not {claimed} claimed + {returning} returning", counted.held),
        );
        must(
            counted.sold == sums.claimed_sold,
            format!("sold {} is not {} in claims", counted.sold, sums.claimed_sold),
        );
        if open_sagas == 0 {
            must(
                counted.sold == sums.paid,
                format!("sold {} is not {} in paid orders", counted.sold, sums.paid),
            );
            must(
                claimed == sums.held_on_paper,
                format!("held {claimed} in claims, {} on paper", sums.held_on_paper),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums() -> SkuSums {
        SkuSums {
            total: 10,
            counted: Units { total: 10, available: 4, held: 3, sold: 3, ..Units::default() },
            claimed_held: 2,
            claimed_sold: 3,
            returning: 1,
            paid: 3,
            held_on_paper: 2,
        }
    }

    fn found(sums: SkuSums) -> usize {
        let skus = BTreeMap::from([("A".parse().unwrap(), sums)]);
        breaches(&skus, true, true, true, 0).len()
    }

    #[test]
    fn sums_that_agree_are_no_breach() {
        assert_eq!(found(sums()), 0);
    }

    #[test]
    fn each_unit_astray_is_a_breach() {
        let wrong: [fn(&mut SkuSums); 8] = [
            |s| s.total += 1,
            |s| s.counted.available += 1,
            |s| s.counted.held += 1,
            |s| s.claimed_held += 1,
            |s| s.claimed_sold -= 1,
            |s| s.returning = 0,
            |s| s.paid += 1,
            |s| s.held_on_paper -= 1,
        ];
        for (n, change) in wrong.into_iter().enumerate() {
            let mut sums = sums();
            change(&mut sums);
            assert!(found(sums) > 0, "change {n}");
        }
    }

    #[test]
    fn more_paid_than_there_is_shows_even_when_closed() {
        let skus = BTreeMap::from([("A".parse().unwrap(), SkuSums { paid: 11, ..sums() })]);
        assert_eq!(breaches(&skus, false, true, true, 0).len(), 1);
    }
}
