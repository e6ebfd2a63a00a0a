//! Statistics: what became of a sale's orders, minute by minute.
//!
//! Owns the table `sale_minutes`. What always holds: a minute is counted from the orders and refunds
//! themselves, whole, and never by adding to what was counted before. So an event that comes twice,
//! or after a newer one, changes nothing. An event only makes its minutes *due*, which costs the
//! same in a busy minute as in a quiet one; [`store::count`] counts what is due, busy minutes once
//! for many events.
//!
//! **Why nothing is missed.** An event is published after its order was committed. Whoever makes a
//! minute due locks its row, and so does whoever counts it, before he looks at the orders. So either
//! the count began after the minute was made due, and sees the order, or the minute is due once more.

pub mod store;

use crate::kernel::{clock::Timestamp, ids::SaleId};

/// One minute of one sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute {
    /// The sale.
    pub sale: SaleId,
    /// When the minute began.
    pub at: Timestamp,
}

/// What became of orders in one minute. Amounts are minor units of the sale's currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderMinute {
    /// When the minute began.
    pub at: Timestamp,
    /// Orders paid in it, whether refunded later or not.
    pub orders: i64,
    /// Their units.
    pub units: i64,
    /// What they came to.
    pub revenue: i64,
    /// Orders whose payment was refused.
    pub declined: i64,
    /// Orders that came to nothing for another reason.
    pub cancelled: i64,
    /// Refunds made.
    pub refunds: i64,
    /// What they gave back.
    pub refunded: i64,
}
