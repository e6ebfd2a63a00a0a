//! Orders: what a shopper bought or tried to buy, and the keys under which he asked.
//!
//! An order is made `pending`, with its lines, titles and prices as they were shown, and becomes
//! final once: `paid`, `declined` or `cancelled`. Only the checkout changes it; this room keeps
//! the rows and reads them to their owner.

pub mod export;
mod key;
mod model;
pub mod rebuild;
pub mod receipt;
pub mod store;
pub mod sums;

use sqlx::PgPool;
use thiserror::Error;

pub use key::{BoundKey, IdempotencyKey, InvalidKey, RequestHash};
pub use model::{Email, InvalidField, NewOrder, Order, OrderLine, OrderStatus, Shipping};

use crate::kernel::ids::{OrderId, ShopperId};

/// Orders shown to a shopper at once, newest first: more than anybody makes in a flash sale.
const LISTED: i64 = 200;

/// Why orders cannot be shown.
#[derive(Debug, Error)]
pub enum OrdersError {
    /// There is no such order, or it is another shopper's, which is the same to the asker.
    #[error("there is no such order")]
    NotFound,
    /// Postgres is away or too slow.
    #[error("orders cannot be read at the moment")]
    Unavailable(#[source] sqlx::Error),
}

/// A shopper's own orders, read only. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Orders {
    pool: PgPool,
}

impl Orders {
    /// Reads from `pool`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The shopper's orders of all sales, newest first, the newest 200.
    pub async fn of_shopper(&self, shopper: ShopperId) -> Result<Vec<Order>, OrdersError> {
        let read = async {
            let mut conn = self.pool.acquire().await?;
            store::of_shopper(&mut conn, shopper, LISTED).await
        };
        read.await.map_err(OrdersError::Unavailable)
    }

    /// One order of the shopper's own.
    pub async fn get(&self, shopper: ShopperId, order: OrderId) -> Result<Order, OrdersError> {
        let read = async {
            let mut conn = self.pool.acquire().await?;
            store::by_id(&mut conn, order).await
        };
        read.await
            .map_err(OrdersError::Unavailable)?
            .filter(|order| order.shopper == shopper)
            .ok_or(OrdersError::NotFound)
    }
}
