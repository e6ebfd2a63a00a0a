//! A cart line as one version set it: what travels from Redis over the stream to Postgres.

use super::{
    clock::Timestamp,
    ids::{ShopperId, Sku},
    quantity::Quantity,
    version::Version,
};

/// The whole wanted state of one line, never a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartLine {
    /// Whose line it is.
    pub shopper: ShopperId,
    /// What is set aside.
    pub sku: Sku,
    /// How many units are held; bought units are in orders.
    pub quantity: Quantity,
    /// When the hold ends. A zero line keeps the end at which it ran out; a zero line that was
    /// released or bought has none.
    pub expires_at: Option<Timestamp>,
    /// Of two statements about a line, the higher version wins.
    pub version: Version,
}
