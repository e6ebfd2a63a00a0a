//! Statistics of sales: events make minutes due, and what is due is counted from the orders.

mod report;

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool};

pub use report::{ItemSums, Moment, OrderSums, Report, SkuReport};

use crate::{
    kernel::ids::SaleId,
    shop::{
        events::{Consumer, Event, Fact, Fault},
        statistics::store,
    },
};

/// Minutes counted in one transaction: few enough that events of busy ones do not wait long for their
/// locks, enough that the quiet ones of a month are counted soon.
const AT_ONCE: i64 = 10;

/// Counts what happened to orders, minute by minute. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Statistics {
    pool: PgPool,
}

impl Statistics {
    /// Over the orders in this database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Counts what is due, of all sales; says how many minutes that were.
    pub async fn count_due(&self) -> sqlx::Result<usize> {
        self.count(None).await
    }

    /// Counts a whole sale once more, whatever the events said: those that wait, or failed, too.
    pub async fn recount(&self, sale: SaleId) -> sqlx::Result<()> {
        let mut tx = self.pool.begin().await?;
        store::take_time(&mut tx).await?;
        store::make_all_due(&mut *tx, sale).await?;
        tx.commit().await?;
        self.count(Some(sale)).await.map(drop)
    }

    async fn count(&self, sale: Option<SaleId>) -> sqlx::Result<usize> {
        let mut counted = 0;
        loop {
            let mut tx = self.pool.begin().await?;
            store::take_time(&mut tx).await?;
            let due = match sale {
                None => store::lock_due(&mut tx, AT_ONCE).await?,
                Some(sale) => store::lock_due_of(&mut tx, sale, AT_ONCE).await?,
            };
            if due.is_empty() {
                return Ok(counted);
            }
            store::count(&mut tx, &due).await?;
            tx.commit().await?;
            counted += due.len();
            // a minute in which much happens is due again at once: that is for the next look
            if due.len() < usize::try_from(AT_ONCE).unwrap_or_default() {
                return Ok(counted);
            }
        }
    }
}

#[async_trait]
impl Consumer for Statistics {
    fn name(&self) -> &'static str {
        "statistics"
    }

    fn keys(&self) -> &'static [&'static str] {
        &["order.*.v1"]
    }

    async fn take(&self, tx: &mut PgConnection, event: &Event) -> Result<(), Fault> {
        let order = match &event.fact {
            Fact::OrderPaid(fact) | Fact::OrderDeclined(fact) | Fact::OrderCancelled(fact) => {
                fact.order
            }
            Fact::OrderRefunded(fact) => fact.order.order,
            // its queue may still be bound by a key that it no longer has
            _ => return Ok(()),
        };
        if store::make_due(tx, order).await? {
            Ok(())
        } else {
            Err(Fault::Park(format!("there is no order {order}")))
        }
    }
}
