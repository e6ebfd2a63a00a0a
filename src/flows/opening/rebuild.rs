//! Builds the stock from paper: held units from cart lines alone, sold units from paid orders and
//! from checkouts that are being charged.

use std::collections::HashMap;

use anyhow::Context;
use futures_util::TryStreamExt;
use sqlx::PgConnection;

use super::Opening;
use crate::{
    flows::stock_terms,
    kernel::{
        ids::{Bucket, ShopperId},
        line::CartLine,
        quantity::Quantity,
        version::{Epoch, Revision, Seq, Version},
    },
    platform::postgres,
    shop::{
        cart, catalog,
        inventory::{Built, Claim, OverCommitted, Terms},
        orders::rebuild::{self as orders, Bought, Frozen},
        sales::{self, store::Kept},
    },
};

/// What orders say of the shoppers of a sale.
struct OnOrder {
    bought: HashMap<ShopperId, Vec<Bought>>,
    frozen: HashMap<ShopperId, Frozen>,
}

impl Opening {
    /// Builds the claims beside the old ones and returns how many there are. What is over-committed
    /// (which takes the loss of broker and Redis together) comes off paper first.
    pub(super) async fn rebuild(
        &self,
        sale: &Kept,
        bucket: &Bucket,
        epoch: Epoch,
    ) -> anyhow::Result<u64> {
        for _ in 0..2 {
            match self.build(sale, bucket, epoch).await? {
                Built::Ready { claims } => return Ok(claims),
                Built::OverCommitted(skus) => self.take_off(sale, bucket, epoch, &skus).await?,
            }
        }
        anyhow::bail!("more is sold than there is")
    }

    async fn build(&self, sale: &Kept, bucket: &Bucket, epoch: Epoch) -> anyhow::Result<Built> {
        // lines, orders and totals of one instant
        let mut paper = postgres::snapshot(&self.pool).await?;
        let (revision, terms) = self.terms(&mut paper, sale).await?;
        let mut next = self.inventory.build(bucket, epoch, revision, &terms).await?;
        let mut on_order = OnOrder::read(&mut paper, sale).await?;

        let mut lines = std::pin::pin!(cart::store::lines_of_sale(&mut *paper, sale.sale));
        let mut of_shopper: Vec<CartLine> = Vec::new();
        while let Some(line) = lines.try_next().await? {
            if let Some(shopper) = of_shopper.first().map(|first| first.shopper)
                && shopper != line.shopper
            {
                next.push(shopper, &on_order.claim(shopper, &of_shopper)).await?;
                of_shopper.clear();
            }
            of_shopper.push(line);
        }
        if let Some(shopper) = of_shopper.first().map(|first| first.shopper) {
            next.push(shopper, &on_order.claim(shopper, &of_shopper)).await?;
        }
        for shopper in on_order.shoppers() {
            next.push(shopper, &on_order.claim(shopper, &[])).await?;
        }
        Ok(next.finish().await?)
    }

    async fn terms(
        &self,
        paper: &mut PgConnection,
        sale: &Kept,
    ) -> anyhow::Result<(Revision, Terms)> {
        let sale = sales::store::by_slug(&mut *paper, &sale.slug).await?.context("no such sale")?;
        let products = catalog::store::products(paper, sale.id, sale.currency).await?;
        Ok((sale.revision, stock_terms(&sale, &products, self.patience.grace)?))
    }

    /// Takes unpaid lines off paper, newest first, until no more is committed than there is.
    async fn take_off(
        &self,
        sale: &Kept,
        bucket: &Bucket,
        epoch: Epoch,
        skus: &[OverCommitted],
    ) -> anyhow::Result<()> {
        let mut tx = self.pool.begin().await?;
        let present = sales::store::epoch_for_share(&mut tx, sale.sale, bucket.number).await?;
        anyhow::ensure!(present == epoch, "another keeper is opening the sale");
        let mut zeros = Vec::new();
        for over in skus {
            let mut units = over.committed - over.total;
            let mut newest =
                std::pin::pin!(cart::store::newest_held(&mut *tx, sale.sale, &over.sku));
            while units > 0 {
                let Some(line) = newest.try_next().await? else { break };
                units -= i64::from(line.quantity);
                tracing::warn!(sale = %sale.slug, sku = %over.sku, units = line.quantity.get(),
                    "taking a held line off paper: broker and Redis were lost together");
                zeros.push(CartLine {
                    quantity: Quantity::ZERO,
                    expires_at: None,
                    // above all older epochs, below all that this one will set
                    version: Version { epoch, seq: Seq(0) },
                    ..line
                });
            }
        }
        cart::store::upsert(&mut tx, sale.sale, &zeros).await?;
        Ok(tx.commit().await?)
    }
}

impl OnOrder {
    async fn read(paper: &mut PgConnection, sale: &Kept) -> sqlx::Result<Self> {
        let mut bought: HashMap<ShopperId, Vec<Bought>> = HashMap::new();
        {
            let mut rows = std::pin::pin!(orders::bought(&mut *paper, sale.sale));
            while let Some(row) = rows.try_next().await? {
                bought.entry(row.shopper).or_default().push(row);
            }
        }
        let frozen = orders::frozen(paper, sale.sale).await?;
        let frozen = frozen.into_iter().map(|frozen| (frozen.shopper, frozen)).collect();
        Ok(Self { bought, frozen })
    }

    /// Shoppers that have orders and no line that was met yet.
    fn shoppers(&self) -> Vec<ShopperId> {
        let mut shoppers: Vec<_> = self.bought.keys().chain(self.frozen.keys()).copied().collect();
        shoppers.sort_unstable();
        shoppers.dedup();
        shoppers
    }

    /// The claim of a shopper. A checkout that is being charged brings its own lines; one that
    /// has begun freezes what is held, if anything is.
    fn claim(&mut self, shopper: ShopperId, lines: &[CartLine]) -> Claim {
        let mut claim = Claim::from_lines(lines);
        match self.frozen.remove(&shopper) {
            None => {}
            Some(frozen) if frozen.settled.is_empty() => {
                claim.freeze(frozen.order, frozen.attempt);
            }
            Some(frozen) => claim.settle(frozen.order, frozen.attempt, &frozen.settled),
        }
        for bought in self.bought.remove(&shopper).unwrap_or_default() {
            claim.add_bought(&bought.sku, bought.units, bought.restocked);
        }
        claim
    }
}
