//! Looking at claims and returns, and saying lines again.

use std::collections::BTreeMap;

use super::{
    Inventory,
    claim::Claim,
    model::{CartView, InventoryError},
    reply::{Fields, Reply, parse, quantity, shopper, unexpected},
    taking::{ITEMS_PER_CALL, hex, hex_all},
};
use crate::kernel::{
    clock::from_millis,
    ids::{Bucket, ShopperId, Sku},
    line::CartLine,
    version::{Epoch, Seq, Version},
};

/// About how many entries a scan reads at a time.
const SCAN_PAGE: usize = 500;

impl Inventory {
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
