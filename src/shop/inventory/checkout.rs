//! The checkout's verbs. Each carries order, attempt and a deadline in Redis' time, so that what
//! arrives late from an owner of yesterday does nothing.

use super::{
    Inventory,
    model::{BeginOutcome, Freeze, InventoryError, RestockOutcome, SettleOutcome, UnfreezeOutcome},
    reply::{Code, unexpected},
    taking::hex,
};
use crate::{
    kernel::{
        clock::Timestamp,
        ids::{Bucket, ShopperId, Sku},
        line::CartLine,
        quantity::Quantity,
        version::{Epoch, Seq, Version},
    },
    platform::redis::{Call, Script},
};

impl Inventory {
    /// Freezes the cart for an order, if it holds just `lines`, each SKU once and none of them zero.
    pub async fn begin(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        deadline: Timestamp,
        freeze: &Freeze,
        lines: &[(Sku, Quantity)],
    ) -> Result<BeginOutcome, InventoryError> {
        let call = self.saga(&self.0.scripts.begin, bucket, epoch, deadline, freeze, lines);
        let (code, mut fields) = self.run(call).await?.open()?;
        Ok(match code {
            Code::Done => BeginOutcome::Frozen {
                expires_at: fields.instant()?.ok_or_else(|| unexpected(&"hold without end"))?,
            },
            Code::CartChanged => BeginOutcome::CartChanged,
            Code::CartEmpty => BeginOutcome::CartEmpty,
            Code::HoldExpired => BeginOutcome::HoldExpired,
            Code::InProgress => BeginOutcome::InProgress,
            Code::Stale => BeginOutcome::Stale,
            other => return Err(unexpected(&format!("{other:?}"))),
        })
    }

    /// Counts the lines of the frozen cart as sold. They stay in the claim until `finish` makes them
    /// bought or `abort` moves them into the returns.
    pub async fn settle(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        deadline: Timestamp,
        freeze: &Freeze,
        lines: &[(Sku, Quantity)],
    ) -> Result<SettleOutcome, InventoryError> {
        let call = self.saga(&self.0.scripts.settle, bucket, epoch, deadline, freeze, lines);
        let (code, mut fields) = self.run(call).await?.open()?;
        match code {
            Code::Done => {}
            Code::Gone => return Ok(SettleOutcome::Gone),
            Code::Stale => return Ok(SettleOutcome::Stale),
            other => return Err(unexpected(&format!("{other:?}"))),
        }
        let (mut zero, mut settled) = (fields.fields()?, Vec::new());
        while !zero.is_empty() {
            settled.push(CartLine {
                shopper: freeze.shopper,
                sku: zero.parse()?,
                quantity: Quantity::ZERO,
                expires_at: None,
                version: Version { epoch, seq: Seq(zero.int()?) },
            });
        }
        Ok(SettleOutcome::Settled(settled))
    }

    /// Unfreezes the cart of a paid order: what it held is bought, even if `settle` was lost.
    pub async fn finish(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        deadline: Timestamp,
        freeze: &Freeze,
    ) -> Result<UnfreezeOutcome, InventoryError> {
        self.unfreeze(&self.0.scripts.finish, bucket, epoch, deadline, freeze).await
    }

    /// Unfreezes the cart of an order that came to nothing. What was settled, or whose hold is over,
    /// goes into the returns, where the sweeper finds it; else the hold stays the shopper's.
    pub async fn abort(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        deadline: Timestamp,
        freeze: &Freeze,
    ) -> Result<UnfreezeOutcome, InventoryError> {
        self.unfreeze(&self.0.scripts.abort, bucket, epoch, deadline, freeze).await
    }

    /// Puts units that were bought on sale again. `back` says how many of each SKU came back from
    /// this shopper in all, so it may be repeated.
    pub async fn restock(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        deadline: Timestamp,
        shopper: ShopperId,
        back: &[(Sku, Quantity)],
    ) -> Result<RestockOutcome, InventoryError> {
        let mut call = self.keys(bucket).call(&self.0.scripts.restock);
        call.push((epoch.0, deadline.timestamp_millis(), hex(shopper)));
        for (sku, quantity) in back {
            call.push((sku.as_str(), quantity.get()));
        }
        match self.run(call).await?.open()? {
            (Code::Done, _) => Ok(RestockOutcome::Done),
            (Code::InProgress, _) => Ok(RestockOutcome::NotYet),
            (other, _) => Err(unexpected(&format!("{other:?}"))),
        }
    }

    async fn unfreeze(
        &self,
        script: &Script,
        bucket: &Bucket,
        epoch: Epoch,
        deadline: Timestamp,
        freeze: &Freeze,
    ) -> Result<UnfreezeOutcome, InventoryError> {
        let call = self.saga(script, bucket, epoch, deadline, freeze, &[]);
        match self.run(call).await?.open()? {
            (Code::Done, _) => Ok(UnfreezeOutcome::Done),
            (Code::Stale, _) => Ok(UnfreezeOutcome::Stale),
            (other, _) => Err(unexpected(&format!("{other:?}"))),
        }
    }

    fn saga(
        &self,
        script: &Script,
        bucket: &Bucket,
        epoch: Epoch,
        deadline: Timestamp,
        freeze: &Freeze,
        lines: &[(Sku, Quantity)],
    ) -> Call {
        let mut call = self.keys(bucket).call(script);
        call.push((epoch.0, deadline.timestamp_millis(), hex(freeze.shopper)));
        call.push((freeze.order.0.as_simple().to_string(), freeze.attempt));
        for (sku, quantity) in lines {
            call.push((sku.as_str(), quantity.get()));
        }
        call
    }
}
