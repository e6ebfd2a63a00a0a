//! Totals, terms, and a look at everything.

use std::time::Duration;

use super::{
    Inventory,
    model::{InventoryError, Snapshot, Terms, TermsOutcome, Units},
    reply::{Code, Fields, Reply, parse, unexpected},
};
use crate::{
    kernel::{
        ids::{Bucket, Sku},
        quantity::Quantity,
        version::{Epoch, Revision, Seq},
    },
    platform::redis::Call,
};

impl Inventory {
    /// Lowers totals, never below what is held and sold, and never raises one. A repeated call is
    /// `Stale`; draw another revision.
    pub async fn lower_totals(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        revision: Revision,
        totals: &[(Sku, Quantity)],
    ) -> Result<TermsOutcome, InventoryError> {
        let mut call = self.keys(bucket).call(&self.0.scripts.set_totals);
        call.push((epoch.0, revision.0));
        for (sku, total) in totals {
            call.push((sku.as_str(), total.get()));
        }
        self.change(call).await
    }

    /// Sets everything that the stock knows of a sale; SKUs that are not named are dropped. A
    /// repeated call is `Stale`; a snapshot tells which revision is set.
    pub async fn set_terms(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        revision: Revision,
        terms: &Terms,
    ) -> Result<TermsOutcome, InventoryError> {
        let mut call = self.keys(bucket).call(&self.0.scripts.set_terms);
        call.push((epoch.0, revision.0));
        for (_, value) in terms.fields() {
            call.push(value);
        }
        for sku in &terms.skus {
            call.push((sku.sku.as_str(), sku.product.as_str()));
            call.push((sku.product_limit.get(), sku.total.get()));
        }
        self.change(call).await
    }

    async fn change(&self, call: Call) -> Result<TermsOutcome, InventoryError> {
        let (code, mut fields) = self.run(call).await?.open()?;
        Ok(match code {
            Code::Done => TermsOutcome::Done,
            Code::Stale => TermsOutcome::Stale,
            Code::BelowCommitted => {
                TermsOutcome::BelowCommitted { sku: fields.parse()?, committed: fields.int()? }
            }
            other => return Err(unexpected(&format!("{other:?}"))),
        })
    }

    /// One moment of the stock, whatever its epoch; `None` when it is closed on this server.
    pub async fn snapshot(&self, bucket: &Bucket) -> Result<Option<Snapshot>, InventoryError> {
        let call = self.keys(bucket).call(&self.0.scripts.snapshot);
        let reply = Reply::decode(self.0.redis.run(&call).await?)?;
        self.heard(reply.now);
        let now = reply.now;
        let mut rest = match reply.done() {
            Err(InventoryError::Closed) => return Ok(None),
            other => other?,
        };
        let mut snapshot = Snapshot { now, ..Snapshot::decode(&mut rest.fields()?)? };
        snapshot.returns = rest.int()?.unsigned_abs();
        snapshot.claims = rest.int()?.unsigned_abs();
        snapshot.journal_id = rest.text()?;
        Ok(Some(snapshot))
    }
}

impl Terms {
    /// The sale's fields of `:stock`, in the order of `set_terms`.
    pub(super) fn fields(&self) -> [(&'static str, i64); 6] {
        [
            ("paused", i64::from(self.paused)),
            ("starts", self.starts_at.timestamp_millis()),
            ("ends", self.ends_at.timestamp_millis()),
            ("hold", millis(self.hold)),
            ("grace", millis(self.grace)),
            ("limit", i64::from(self.limit)),
        ]
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Snapshot {
    fn decode(fields: &mut Fields) -> Result<Self, InventoryError> {
        let mut snapshot = Self::default();
        while !fields.is_empty() {
            let (name, value) = (fields.text()?, fields.text()?);
            match (name.as_str(), name.strip_prefix("u:")) {
                (_, Some(sku)) => {
                    snapshot.units.insert(parse(sku)?, Units::parse(&value)?);
                }
                ("epoch", _) => snapshot.epoch = Epoch(parse(&value)?),
                ("rev", _) => snapshot.revision = Revision(parse(&value)?),
                ("seq", _) => snapshot.seq = Seq(parse(&value)?),
                ("paused", _) => snapshot.paused = value == "1",
                _ => {}
            }
        }
        Ok(snapshot)
    }
}

impl Units {
    /// Reads "total available held sold taken given expired lines refused"; the last two may be
    /// missing.
    pub(super) fn parse(packed: &str) -> Result<Self, InventoryError> {
        let mut numbers = packed.split(' ');
        let mut next =
            || numbers.next().map_or(Err(unexpected(&format!("counters {packed:?}"))), parse);
        Ok(Self {
            total: next()?,
            available: next()?,
            held: next()?,
            sold: next()?,
            taken: next()?,
            given: next()?,
            expired: next()?,
            // counters that an earlier version made have none
            lines: numbers.next().map_or(Ok(0), parse)?,
            refused: numbers.next().map_or(Ok(0), parse)?,
        })
    }

    pub(super) fn pack(&self) -> String {
        let Self { total, available, held, sold, taken, given, expired, lines, refused } = self;
        format!("{total} {available} {held} {sold} {taken} {given} {expired} {lines} {refused}")
    }
}
