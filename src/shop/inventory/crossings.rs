//! SKUs that sold out, or came back, between two flushes of their counts.

use std::collections::BTreeMap;

use super::{Units, store::CountsVersion};
use crate::kernel::{
    ids::Sku,
    version::{Epoch, Seq},
};

/// The counts of a SKU in one bucket, as they were written last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The bucket.
    pub bucket: u16,
    /// What was counted.
    pub units: Units,
    /// The version of that.
    pub version: (Epoch, Seq),
}

/// A SKU of which the last unit went, or of which one came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// The SKU.
    pub sku: Sku,
    /// Its units now, buckets added up.
    pub units: Units,
}

impl Crossing {
    /// Whether nothing of it is available any more; otherwise something is again.
    #[must_use]
    pub fn sold_out(&self) -> bool {
        self.units.available <= 0
    }
}

/// What becomes of `written` by writing `counts` as of `version`. Counts that are older than what
/// was written cross nothing, for they will not be written.
#[must_use]
pub fn crossings(
    written: &BTreeMap<Sku, Vec<Written>>,
    version: CountsVersion,
    counts: &[(Sku, Units)],
) -> Vec<Crossing> {
    let mut found = Vec::new();
    for (sku, units) in counts {
        let buckets = written.get(sku).map(Vec::as_slice).unwrap_or_default();
        let (mine, others): (Vec<_>, Vec<_>) =
            buckets.iter().partition(|written| written.bucket == version.bucket);
        let Some(before) = mine.first() else { continue };
        if before.version >= (version.epoch, version.seq) {
            continue;
        }
        let elsewhere = others.iter().fold(Units::default(), |sum, other| add(sum, other.units));
        let (before, now) = (add(elsewhere, before.units), add(elsewhere, *units));
        if (before.available > 0) != (now.available > 0) {
            found.push(Crossing { sku: sku.clone(), units: now });
        }
    }
    found
}

fn add(sum: Units, units: Units) -> Units {
    Units {
        total: sum.total + units.total,
        available: sum.available + units.available,
        held: sum.held + units.held,
        sold: sum.sold + units.sold,
        ..sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{clock::from_millis, ids::SaleId};

    fn units(available: i64) -> Units {
        Units { total: 9, available, held: 9 - available, ..Units::default() }
    }

    fn version(seq: i64) -> CountsVersion {
        let (sale, epoch, at) = (SaleId(1), Epoch(1), from_millis(0));
        CountsVersion { sale, bucket: 0, epoch, seq: Seq(seq), at }
    }

    fn crossed(buckets: &[(u16, i64)], seq: i64, available: i64) -> Option<bool> {
        let sku: Sku = "CAP".parse().unwrap();
        let written = buckets.iter().map(|(bucket, available)| Written {
            bucket: *bucket,
            units: units(*available),
            version: (Epoch(1), Seq(5)),
        });
        let written = BTreeMap::from([(sku.clone(), written.collect())]);
        let found = crossings(&written, version(seq), &[(sku, units(available))]);
        found.first().map(Crossing::sold_out)
    }

    #[test]
    fn only_the_way_to_nothing_and_back_is_told() {
        assert_eq!(crossed(&[(0, 2)], 6, 1), None);
        assert_eq!(crossed(&[(0, 2)], 6, 0), Some(true));
        assert_eq!(crossed(&[(0, 0)], 6, 0), None);
        assert_eq!(crossed(&[(0, 0)], 6, 3), Some(false));
    }

    #[test]
    fn counts_that_are_not_newer_cross_nothing() {
        assert_eq!(crossed(&[(0, 2)], 5, 0), None);
        assert_eq!(crossed(&[(0, 2)], 4, 0), None);
    }

    #[test]
    fn a_sku_is_sold_out_when_every_bucket_is() {
        assert_eq!(crossed(&[(0, 2), (1, 1)], 6, 0), None);
        assert_eq!(crossed(&[(0, 2), (1, 0)], 6, 0), Some(true));
    }
}
