//! Refunds: what is to be given back of a paid order, and how far that has come.
//!
//! Owns the table `refunds`. A refund is on record with its id, its units and its amount before the
//! provider hears of it.

pub mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kernel::{
    clock::Timestamp,
    ids::{OrderId, RefundId, Sku},
    quantity::Quantity,
};

/// Units of one SKU that are given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundLine {
    /// How many.
    pub quantity: Quantity,
    /// Whether they go on sale again; damaged ones do not.
    pub restock: bool,
}

/// Units by SKU.
pub type RefundLines = BTreeMap<Sku, RefundLine>;

/// What is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Give the money back.
    Refund,
    /// Put the units on sale again.
    Restock,
    /// Nothing is left to do.
    Done,
    /// The provider refused, and nothing was given back.
    Failed,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 4] = [Self::Refund, Self::Restock, Self::Done, Self::Failed];

    /// Its name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::Restock => "restock",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == name)
    }
}

/// A refund, as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Its id.
    pub id: RefundId,
    /// What it is of.
    pub order: OrderId,
    /// How much, in minor units of the order's currency.
    pub amount: i64,
    /// What.
    pub lines: RefundLines,
    /// Why.
    pub reason: Option<String>,
    /// What is about to be done.
    pub step: Step,
    /// Why the provider refused it.
    pub failure: Option<String>,
    /// Who owns it: every owner has an attempt of his own.
    pub attempt: i32,
    /// In a row at this step, that came to nothing.
    pub tries: i32,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When the money was given back.
    pub refunded_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_read_back_from_their_names() {
        for step in Step::ALL {
            assert_eq!(Step::parse(step.as_str()), Some(step));
        }
    }
}
