//! Taking units and giving them back.

use std::collections::HashMap;

use super::{
    Inventory,
    model::{ClaimOutcome, Claimed, Expired, InventoryError, Refusal, WantedLine},
    reply::{Code, Fields, unexpected},
};
use crate::{
    kernel::{
        clock::{Timestamp, from_millis},
        ids::{Bucket, ShopperId},
        line::CartLine,
        quantity::Quantity,
        version::{Epoch, Seq, Version},
    },
    platform::redis::Call,
};

/// Items of one call of a script that takes a list: its arguments must fit on Lua's stack, and
/// nobody should wait long behind it.
pub(super) const ITEMS_PER_CALL: usize = 1000;

impl Inventory {
    /// Sets lines to quantities, all of one bucket, as if they came one by one, and before that puts
    /// `shelve` on the shelf, in one round trip. At most a few thousand lines.
    ///
    /// Answers `Late` when Redis' clock is past `deadline`: a stalled batch must not revive what its
    /// shoppers have since released.
    pub async fn claim(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        deadline: Timestamp,
        shelve: &[Version],
        wanted: &[WantedLine],
    ) -> Result<Claimed, InventoryError> {
        let mut calls = self.give_back_calls(bucket, epoch, shelve);
        calls.push(self.claim_call(bucket, epoch, deadline, wanted));
        let mut fields = self.run_all(&calls).await?;
        Claimed::decode(epoch, wanted, &mut fields.fields()?, &mut fields.fields()?)
    }

    /// Puts returns on the shelf once their lines are confirmed. Versions of another epoch, and
    /// those that are no longer there, are passed over.
    pub async fn give_back(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        items: &[Version],
    ) -> Result<(), InventoryError> {
        for call in self.give_back_calls(bucket, epoch, items) {
            self.run(call).await?.done()?;
        }
        Ok(())
    }

    /// Moves the carts whose hold is over into the returns.
    pub async fn expire(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        shoppers: &[ShopperId],
    ) -> Result<Expired, InventoryError> {
        let mut expired = Expired::default();
        for some in shoppers.chunks(ITEMS_PER_CALL) {
            let call = self.keys(bucket).call(&self.0.scripts.expire).arg(epoch.0);
            let mut fields = self.run(call.arg(hex_all(some))).await?.done()?;
            read_ran_out(epoch, &mut fields.fields()?, &mut expired.lines)?;
            let mut later = fields.fields()?;
            while !later.is_empty() {
                let shopper = later.shopper()?;
                expired.later.push((from_millis(later.int()?), shopper));
            }
        }
        Ok(expired)
    }

    fn claim_call(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        deadline: Timestamp,
        wanted: &[WantedLine],
    ) -> Call {
        let (mut shoppers, mut skus) = (Places::default(), Places::default());
        let mut lines = Vec::with_capacity(3 * wanted.len());
        for WantedLine { shopper, sku, quantity } in wanted {
            lines.extend([shoppers.of(*shopper), skus.of(sku), quantity.get()]);
        }
        let mut call = self.keys(bucket).call(&self.0.scripts.claim);
        call.push(epoch.0);
        call.push(deadline.timestamp_millis());
        call.push(shoppers.order.len());
        call.push(skus.order.len());
        call.push(hex_all(&shoppers.order));
        for sku in &skus.order {
            call.push(sku.as_str());
        }
        call.push(message_pack(&lines));
        call
    }

    fn give_back_calls(&self, bucket: &Bucket, epoch: Epoch, items: &[Version]) -> Vec<Call> {
        let keys = self.keys(bucket);
        let call = |some: &[Version]| {
            let mut call = keys.call(&self.0.scripts.give_back).arg(epoch.0);
            for item in some {
                call.push((item.epoch.0, item.seq.0));
            }
            call
        };
        items.chunks(ITEMS_PER_CALL).map(call).collect()
    }
}

/// Places from 1, in order of first appearance.
struct Places<T> {
    known: HashMap<T, u32>,
    order: Vec<T>,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { known: HashMap::new(), order: Vec::new() }
    }
}

impl<T: Copy + Eq + std::hash::Hash> Places<T> {
    fn of(&mut self, item: T) -> u32 {
        *self.known.entry(item).or_insert_with(|| {
            self.order.push(item);
            u32::try_from(self.order.len()).unwrap_or(u32::MAX)
        })
    }
}

impl Claimed {
    fn decode(
        epoch: Epoch,
        wanted: &[WantedLine],
        answers: &mut Fields,
        ran_out: &mut Fields,
    ) -> Result<Self, InventoryError> {
        let mut claimed = Self::default();
        read_ran_out(epoch, ran_out, &mut claimed.lines)?;
        claimed.returned.extend(claimed.lines.iter().map(|line| line.version));
        for want in wanted {
            let (code, seq, value) = (answers.code()?, answers.int()?, answers.int()?);
            let version = Version { epoch, seq: Seq(seq) };
            let ends = (value > 0).then(|| from_millis(value));
            claimed.outcomes.push(outcome(code, value, want.quantity, ends)?);
            if code == Code::Lowered {
                claimed.returned.push(version);
            }
            if seq > 0 {
                let expires_at = if want.quantity.is_zero() { None } else { ends };
                let WantedLine { shopper, sku, quantity } = want.clone();
                claimed.lines.push(CartLine { shopper, sku, quantity, expires_at, version });
            }
        }
        claimed.lines.sort_by_key(|line| line.version);
        claimed.returned.sort();
        Ok(claimed)
    }
}

fn outcome(
    code: Code,
    value: i64,
    quantity: Quantity,
    expires_at: Option<Timestamp>,
) -> Result<ClaimOutcome, InventoryError> {
    Ok(match code {
        Code::Created => ClaimOutcome::Created { quantity, expires_at },
        Code::Raised | Code::Lowered => ClaimOutcome::Changed { quantity, expires_at },
        Code::Stood | Code::Nothing => ClaimOutcome::Stood { quantity, expires_at },
        Code::SoldOut => ClaimOutcome::Refused(Refusal::SoldOut { available: value }),
        Code::LimitReached => ClaimOutcome::Refused(Refusal::LimitReached),
        Code::InProgress => ClaimOutcome::Refused(Refusal::CheckoutInProgress),
        Code::NotStarted => ClaimOutcome::Refused(Refusal::NotStarted),
        Code::Ended => ClaimOutcome::Refused(Refusal::Ended),
        Code::Paused => ClaimOutcome::Refused(Refusal::Paused),
        Code::UnknownSku => ClaimOutcome::Refused(Refusal::UnknownSku),
        other => return Err(unexpected(&format!("{other:?}"))),
    })
}

fn read_ran_out(
    epoch: Epoch,
    fields: &mut Fields,
    lines: &mut Vec<CartLine>,
) -> Result<(), InventoryError> {
    while !fields.is_empty() {
        lines.push(CartLine {
            shopper: fields.shopper()?,
            sku: fields.parse()?,
            quantity: Quantity::ZERO,
            version: Version { epoch, seq: Seq(fields.int()?) },
            expires_at: fields.instant()?,
        });
    }
    Ok(())
}

/// Numbers as one `MessagePack` array, each in five bytes.
fn message_pack(numbers: &[u32]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(5 * (numbers.len() + 1));
    packed.push(0xdd);
    packed.extend(u32::try_from(numbers.len()).unwrap_or(u32::MAX).to_be_bytes());
    for number in numbers {
        packed.push(0xce);
        packed.extend(number.to_be_bytes());
    }
    packed
}

pub(super) fn hex(shopper: ShopperId) -> String {
    shopper.0.as_simple().to_string()
}

pub(super) fn hex_all(shoppers: &[ShopperId]) -> Vec<String> {
    shoppers.iter().copied().map(hex).collect()
}
