//! What became of a sale, gathered in one snapshot of the database.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, PgPool};

use super::Statistics;
use crate::{
    kernel::{
        clock::Timestamp,
        ids::{SaleSlug, Sku},
        money::Money,
    },
    platform::postgres,
    shop::{
        catalog,
        inventory::{self, sums::Sums},
        orders::{OrderStatus, sums},
        sales::{self, Phase, Sale},
        statistics::store,
    },
};

/// What became of a sale.
#[derive(Debug, Clone)]
pub struct Report {
    /// The sale.
    pub sale: Sale,
    /// Its phase when this was gathered.
    pub phase: Phase,
    /// When this was gathered.
    pub at: Timestamp,
    /// Minutes in which something happened, the earliest first.
    pub moments: Vec<Moment>,
    /// Every SKU, in the order of the sale's file; those it no longer has come last.
    pub items: Vec<SkuReport>,
    /// All SKUs together.
    pub stock: Sums,
    /// Orders by outcome.
    pub orders: OrderSums,
    /// Why orders came to nothing, the most frequent reason first.
    pub reasons: Vec<(String, i64)>,
    /// Openings after the first: before each, what Redis had not yet flushed is missing from what
    /// was taken, given back, ran out and was turned away.
    pub reopenings: i64,
}

/// One minute. Amounts are minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "described where they are counted")]
pub struct Moment {
    pub at: Timestamp,
    pub stock: Sums,
    pub orders: i64,
    pub units: i64,
    pub revenue: i64,
    pub declined: i64,
    pub cancelled: i64,
    pub refunds: i64,
    pub refunded: i64,
}

/// Orders of a sale by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderSums {
    /// Paid, refunded ones included.
    pub paid: i64,
    /// Their units.
    pub units: i64,
    /// What they came to, in minor units.
    pub revenue: i64,
    /// What was given back of it.
    pub refunded: i64,
    /// Orders that were wholly given back.
    pub wholly_refunded: i64,
    /// The payment was refused.
    pub declined: i64,
    /// Came to nothing for another reason.
    pub cancelled: i64,
    /// The outcome is not known yet.
    pub pending: i64,
    /// Refunds under way.
    pub refunds_open: i64,
    /// Refunds that the provider refused.
    pub refunds_failed: i64,
}

/// One SKU.
#[derive(Debug, Clone)]
pub struct SkuReport {
    /// Its name.
    pub sku: Sku,
    /// Its product's title; none when the sale no longer has it.
    pub product: Option<String>,
    /// Which of the product's.
    pub label: String,
    /// Units in all.
    pub total: i64,
    /// Taken, given back, run out.
    pub stock: Sums,
    /// Sold.
    pub sold: ItemSums,
    /// When it was sold out for the first time.
    pub sold_out_first: Option<Timestamp>,
    /// Since when it is sold out.
    pub sold_out_since: Option<Timestamp>,
}

/// What was paid of a SKU.
pub type ItemSums = sums::SkuSums;

impl Report {
    /// Minutes in which something was taken, given back or ordered; refunds come much later.
    #[must_use]
    pub fn demand(&self) -> Vec<Moment> {
        let nothing = |moment: &Moment| Moment { refunds: 0, refunded: 0, ..*moment };
        let busy = self.moments.iter().map(nothing);
        busy.filter(|moment| *moment != Moment::new(moment.at)).collect()
    }

    /// An amount of minor units in the sale's currency.
    #[must_use]
    pub fn money(&self, amount: i64) -> Money {
        Money { amount, currency: self.sale.currency }
    }
}

impl Statistics {
    /// Counts a sale once more and says what became of it; `None` when there is no such sale.
    pub async fn report(&self, slug: &SaleSlug, now: Timestamp) -> anyhow::Result<Option<Report>> {
        let Some(sale) = sales::store::by_slug(&self.pool, slug).await? else { return Ok(None) };
        self.recount(sale.id).await?;
        gather(&self.pool, sale, now).await.map(Some)
    }
}

async fn gather(pool: &PgPool, sale: Sale, now: Timestamp) -> anyhow::Result<Report> {
    let mut tx = postgres::snapshot(pool).await?;
    let mut moments: BTreeMap<Timestamp, Moment> = BTreeMap::new();
    for minute in store::minutes(&mut *tx, sale.id).await? {
        let moment = moments.entry(minute.at).or_insert_with(|| Moment::new(minute.at));
        (moment.orders, moment.units, moment.revenue) =
            (minute.orders, minute.units, minute.revenue);
        (moment.declined, moment.cancelled) = (minute.declined, minute.cancelled);
        (moment.refunds, moment.refunded) = (minute.refunds, minute.refunded);
    }
    let mut stock = Sums::default();
    for (at, of_minute) in inventory::sums::by_minute(&mut *tx, sale.id).await? {
        moments.entry(at).or_insert_with(|| Moment::new(at)).stock = of_minute;
        stock = stock + of_minute;
    }
    moments.retain(|at, moment| *moment != Moment::new(*at));

    let items = items(&mut tx, &sale).await?;
    let (refunds_open, refunds_failed) = sums::open_refunds(&mut *tx, sale.id).await?;
    let units = items.iter().map(|item| item.sold.units).sum();
    let mut orders = OrderSums { units, refunds_open, refunds_failed, ..OrderSums::default() };
    for (status, of_status) in sums::by_status(&mut *tx, sale.id).await? {
        orders.add(status, of_status);
    }
    let report = Report {
        phase: sale.phase(now),
        at: now,
        moments: moments.into_values().collect(),
        items,
        stock,
        orders,
        reasons: sums::reasons(&mut *tx, sale.id).await?,
        reopenings: inventory::sums::reopenings(&mut *tx, sale.id).await?,
        sale,
    };
    tx.rollback().await?;
    Ok(report)
}

/// The SKUs of a sale's file, and those that it no longer has but of which something is known.
async fn items(conn: &mut PgConnection, sale: &Sale) -> sqlx::Result<Vec<SkuReport>> {
    let mut stories = inventory::sums::stories(&mut *conn, sale.id).await?;
    let mut sold = sums::by_sku(&mut *conn, sale.id).await?;
    let mut items = Vec::new();
    for product in catalog::store::products(&mut *conn, sale.id, sale.currency).await? {
        for item in product.skus {
            let story = stories.remove(&item.sku).unwrap_or_default();
            items.push(SkuReport {
                product: Some(product.title.clone()),
                label: item.label,
                total: item.total,
                stock: story.sums,
                sold: sold.remove(&item.sku).unwrap_or_default(),
                sold_out_first: story.first_at,
                sold_out_since: story.since,
                sku: item.sku,
            });
        }
    }
    let gone: BTreeSet<Sku> = stories.keys().chain(sold.keys()).cloned().collect();
    for sku in gone {
        let story = stories.remove(&sku).unwrap_or_default();
        let sold = sold.remove(&sku).unwrap_or_default();
        if (story.sums, sold) != Default::default() {
            items.push(SkuReport {
                product: None,
                label: String::new(),
                total: 0,
                stock: story.sums,
                sold,
                sold_out_first: None,
                sold_out_since: None,
                sku,
            });
        }
    }
    Ok(items)
}

impl Moment {
    /// A minute in which nothing happened.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self {
            at,
            stock: Sums::default(),
            orders: 0,
            units: 0,
            revenue: 0,
            declined: 0,
            cancelled: 0,
            refunds: 0,
            refunded: 0,
        }
    }

    /// Adds what happened in another minute.
    pub fn add(&mut self, other: &Self) {
        self.stock = self.stock + other.stock;
        self.orders += other.orders;
        self.units += other.units;
        self.revenue += other.revenue;
        self.declined += other.declined;
        self.cancelled += other.cancelled;
        self.refunds += other.refunds;
        self.refunded += other.refunded;
    }
}

impl OrderSums {
    fn add(&mut self, status: OrderStatus, sums: sums::StatusSums) {
        match status {
            OrderStatus::Pending => self.pending += sums.orders,
            OrderStatus::Declined => self.declined += sums.orders,
            OrderStatus::Cancelled => self.cancelled += sums.orders,
            OrderStatus::Paid | OrderStatus::Refunded => {
                self.paid += sums.orders;
                self.revenue += sums.total;
                self.refunded += sums.refunded;
                if status == OrderStatus::Refunded {
                    self.wholly_refunded += sums.orders;
                }
            }
        }
    }
}
