//! Taking units and giving them back.

use std::collections::{BTreeMap, HashMap};

use super::{
    Inventory,
    claim::Claim,
    model::{CartView, ClaimOutcome, Claimed, Expired, InventoryError, Refusal, WantedLine},
    reply::{Code, Fields, Reply, parse, shopper, unexpected},
};
use crate::{
    kernel::{
        clock::{Timestamp, from_millis},
        ids::{Bucket, ShopperId, Sku},
        line::CartLine,
        quantity::Quantity,
        version::{Epoch, Seq, Version},
    },
    platform::redis::Call,
};

/// Items of one call of a script that takes a list: its arguments must fit on Lua's stack, and
/// nobody should wait long behind it.
const ITEMS_PER_CALL: usize = 1000;
/// About how many entries a scan reads at a time.
const SCAN_PAGE: usize = 500;

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

    /// Lines on their way back, as their versions set them: those numbered `up_to` or lower, by
    /// rising version, about `limit` of them. To be published, and given back after the confirm.
    pub async fn returns(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        up_to: Seq,
        limit: usize,
    ) -> Result<Vec<CartLine>, InventoryError> {
        let (mut cursor, mut found) = (0, Vec::new());
        loop {
            let (next, mut page) = self.scan(bucket, epoch, "returns", cursor).await?;
            while !page.is_empty() {
                let seq = Seq(page.int()?);
                let line = read_return(Version { epoch, seq }, &page.text()?)?;
                if seq <= up_to {
                    found.push(line);
                }
            }
            cursor = next;
            if cursor == 0 || found.len() >= limit {
                break;
            }
        }
        found.sort_by_key(|line| line.version);
        found.dedup_by_key(|line| line.version);
        Ok(found)
    }

    /// Units on their way back, per SKU; they still count as held. For audits: it reads all.
    pub async fn returning_units(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
    ) -> Result<BTreeMap<Sku, i64>, InventoryError> {
        let (mut cursor, mut returns) = (0, BTreeMap::new());
        loop {
            let (next, mut page) = self.scan(bucket, epoch, "returns", cursor).await?;
            while !page.is_empty() {
                let seq = page.int()?;
                // a scan may meet an entry twice
                returns.insert(seq, page.text()?);
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let mut units = BTreeMap::new();
        for packed in returns.values() {
            let (sku, returned) = read_returned(packed)?;
            *units.entry(sku).or_default() += returned;
        }
        Ok(units)
    }

    /// Says every line of these shoppers again under new versions, zero lines included, by rising
    /// version. Lines of a settled order are left out: its payment writes their end.
    pub async fn restate(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        shoppers: &[ShopperId],
    ) -> Result<Vec<CartLine>, InventoryError> {
        let mut lines = Vec::new();
        for some in shoppers.chunks(ITEMS_PER_CALL) {
            let call = self.keys(bucket).call(&self.0.scripts.restate).arg(epoch.0);
            let mut said = self.run(call.arg(hex_all(some))).await?.done()?.fields()?;
            while !said.is_empty() {
                lines.push(CartLine {
                    shopper: said.shopper()?,
                    sku: said.parse()?,
                    quantity: quantity(said.int()?)?,
                    version: Version { epoch, seq: Seq(said.int()?) },
                    expires_at: said.instant()?,
                });
            }
        }
        Ok(lines)
    }

    /// What the shopper's cart holds. One whose hold is over reads as run out, even before the
    /// expirer came by.
    pub async fn cart(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        shopper: ShopperId,
    ) -> Result<CartView, InventoryError> {
        let call = self.keys(bucket).call(&self.0.scripts.cart).arg(epoch.0).arg(hex(shopper));
        let reply = self.run(call).await?;
        let now = reply.now;
        let mut fields = reply.done()?;
        let packed = fields.text()?;
        let claim = if packed.is_empty() { Claim::default() } else { Claim::parse(&packed)? };
        Ok(claim.view(now, fields.int()?))
    }

    /// A page of the claims: the next cursor and some shoppers. Begin with 0 and go on until it is
    /// 0 again; a claim that is there all the time occurs at least once.
    pub async fn scan_claims(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        cursor: u64,
    ) -> Result<(u64, Vec<(ShopperId, Claim)>), InventoryError> {
        let (next, mut page) = self.scan(bucket, epoch, "claims", cursor).await?;
        let mut claims = Vec::new();
        while !page.is_empty() {
            claims.push((page.shopper()?, Claim::parse(&page.text()?)?));
        }
        Ok((next, claims))
    }

    async fn scan(
        &self,
        bucket: &Bucket,
        epoch: Epoch,
        of: &str,
        cursor: u64,
    ) -> Result<(u64, Fields), InventoryError> {
        let call = self.keys(bucket).call(&self.0.scripts.scan).arg(epoch.0).arg(of);
        let call = call.arg(cursor).arg(SCAN_PAGE);
        let mut fields = Reply::decode(self.0.redis.run(&call).await?)?.done()?;
        Ok((fields.parse()?, fields.fields()?))
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

/// A return is `shopper;SKU;units;quantity;expires`: the units on their way back, and the line.
fn read_return(version: Version, packed: &str) -> Result<CartLine, InventoryError> {
    let parts: Vec<_> = packed.split(';').collect();
    let [who, sku, _units, wanted, expires] = parts.as_slice() else {
        return Err(unexpected(&format!("return {packed:?}")));
    };
    let expires: i64 = parse(expires)?;
    Ok(CartLine {
        shopper: shopper(who)?,
        sku: parse::<Sku>(sku)?,
        quantity: quantity(parse(wanted)?)?,
        expires_at: (expires > 0).then(|| from_millis(expires)),
        version,
    })
}

/// The SKU of a return and the units that are on their way back.
fn read_returned(packed: &str) -> Result<(Sku, i64), InventoryError> {
    match packed.split(';').collect::<Vec<_>>().as_slice() {
        [_who, sku, units, _wanted, _expires] => Ok((parse(sku)?, parse(units)?)),
        _ => Err(unexpected(&format!("return {packed:?}"))),
    }
}

fn quantity(count: i64) -> Result<Quantity, InventoryError> {
    Quantity::try_from(count).map_err(|_| unexpected(&format!("quantity {count}")))
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

fn hex_all(shoppers: &[ShopperId]) -> Vec<String> {
    shoppers.iter().copied().map(hex).collect()
}
