//! Carts that ran out, and what somebody left on its way back: into the returns, published,
//! confirmed, on the shelf again. The same road as a release by the shopper.

use std::collections::HashMap;

use anyhow::Context;

use crate::{
    kernel::{
        clock::Clock,
        ids::{Bucket, SaleId},
        line::CartLine,
        version::{Epoch, Seq, Version},
    },
    platform::rabbit::Publisher,
    shop::{
        cart::{message::CartMessage, stream, stream::CartStream},
        inventory::{Holds, Inventory, InventoryError},
        sales::store::Kept,
    },
};

/// Carts, or returns, in one bite: a bite is one script call and one message.
const BITE: usize = 500;
/// Bites in one look, so that one sale cannot keep the others waiting.
const BITES: usize = 40;

/// Expires carts and sweeps returns, one sale at a time.
pub struct Expiry {
    inventory: Inventory,
    publisher: Publisher,
    stream: CartStream,
    clock: Clock,
    sales: HashMap<SaleId, Followed>,
}

/// What is known of a sale between two looks.
struct Followed {
    holds: Holds,
    /// Where the stock stood at the last look: what was on its way back then and still is, was left
    /// lying by whoever took it.
    last_look: Option<(Epoch, Seq)>,
}

/// What a look did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looked {
    /// Lines of carts that ran out.
    pub expired: usize,
    /// Returns that were left lying.
    pub swept: usize,
}

impl Expiry {
    /// Knows of no sale yet.
    #[must_use]
    pub fn new(
        inventory: Inventory,
        publisher: Publisher,
        stream: CartStream,
        clock: Clock,
    ) -> Self {
        Self { inventory, publisher, stream, clock, sales: HashMap::new() }
    }

    /// Looks after one sale. A closed one is left alone: its keeper opens it.
    pub async fn look(&mut self, sale: &Kept) -> anyhow::Result<Looked> {
        let bucket = sale.bucket();
        let Some(snapshot) = self.inventory.snapshot(&bucket).await? else {
            return Ok(Looked::default());
        };
        let epoch = snapshot.epoch;
        let inventory = self.inventory.clone();
        let followed = self.sales.entry(sale.sale).or_insert_with(|| Followed {
            holds: Holds::new(inventory, bucket.clone()),
            last_look: None,
        });
        let left_lying = followed
            .last_look
            .replace((epoch, snapshot.seq))
            .filter(|(last_epoch, _)| *last_epoch == epoch && snapshot.returns > 0)
            .map(|(_, seq)| seq);
        let mut looked = Looked::default();
        match self.expire(sale, &bucket, epoch).await {
            Ok(expired) => looked.expired = expired,
            Err(error) if is_closed(&error) => return Ok(looked),
            Err(error) => return Err(error),
        }
        if let Some(up_to) = left_lying {
            looked.swept = self.sweep(sale, &bucket, epoch, up_to).await?;
        }
        Ok(looked)
    }

    async fn expire(
        &mut self,
        sale: &Kept,
        bucket: &Bucket,
        epoch: Epoch,
    ) -> anyhow::Result<usize> {
        let Some(followed) = self.sales.get_mut(&sale.sale) else { return Ok(0) };
        followed.holds.catch_up().await?;
        let mut expired = 0;
        for _ in 0..BITES {
            let Some(followed) = self.sales.get_mut(&sale.sale) else { break };
            let due = followed.holds.due(self.inventory.redis_now(), BITE);
            if due.is_empty() {
                break;
            }
            let found = match self.inventory.expire(bucket, epoch, &due).await {
                Ok(found) => found,
                Err(error) => {
                    // they are due still; a closed sale's list is read anew anyway
                    let now = self.inventory.redis_now();
                    for shopper in due {
                        followed.holds.later(now, shopper);
                    }
                    return Err(error.into());
                }
            };
            for (at, shopper) in found.later {
                followed.holds.later(at, shopper);
            }
            expired += found.lines.len();
            self.bring_back(sale, bucket, epoch, found.lines).await?;
        }
        Ok(expired)
    }

    async fn sweep(
        &self,
        sale: &Kept,
        bucket: &Bucket,
        epoch: Epoch,
        up_to: Seq,
    ) -> anyhow::Result<usize> {
        let mut swept = 0;
        for _ in 0..BITES {
            let lines = self.inventory.returns(bucket, epoch, up_to, BITE).await?;
            if lines.is_empty() {
                break;
            }
            swept += lines.len();
            self.bring_back(sale, bucket, epoch, lines).await?;
        }
        Ok(swept)
    }

    /// Paper first, then the shelf.
    async fn bring_back(
        &self,
        sale: &Kept,
        bucket: &Bucket,
        epoch: Epoch,
        lines: Vec<CartLine>,
    ) -> anyhow::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let items: Vec<Version> = lines.iter().map(|line| line.version).collect();
        let message = CartMessage::Lines { sale: sale.sale, sent: self.clock.now(), lines };
        let bytes = message.encode().context("lines that cannot be encoded")?;
        let key = stream::routing_key(bucket, epoch);
        self.publisher.publish(&self.stream.exchange(), &key, &bytes).await?;
        self.inventory.give_back(bucket, epoch, &items).await?;
        Ok(())
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(InventoryError::Closed))
}
