//! What is needed to write to the buyer of an order. Read when it is written to, and kept nowhere.

use sqlx::PgExecutor;

use crate::kernel::ids::OrderId;

/// The buyer's side of an order. Not for logs.
pub struct Receipt {
    /// Where the receipt goes.
    pub email: String,
    /// The name that the goods go to.
    pub name: String,
    /// The sale's title.
    pub sale_title: String,
    /// What was given back so far.
    pub refunded_minor: i64,
}

/// The buyer's side of an order, if there is such an order.
pub async fn of(db: impl PgExecutor<'_>, order: OrderId) -> sqlx::Result<Option<Receipt>> {
    // The title is joined for the buyer's eyes; the sale's rows are the sales room's.
    sqlx::query_as!(
        Receipt,
        r#"SELECT o.email, COALESCE(o.shipping ->> 'name', '') AS "name!", s.title AS sale_title,
                  o.refunded_minor
           FROM orders o JOIN sales s ON s.id = o.sale_id WHERE o.id = $1"#,
        order.0,
    )
    .fetch_optional(db)
    .await
}
