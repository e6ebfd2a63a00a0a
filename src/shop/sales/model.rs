//! A sale and what follows from its terms.

use std::time::Duration;

use serde::Serialize;

use crate::kernel::{
    clock::Timestamp,
    colour::Colour,
    ids::{SaleId, SaleSlug},
    money::Currency,
    quantity::Quantity,
    version::Revision,
};

/// A sale's terms as its file states them, without its stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSale {
    /// Its name in URLs.
    pub slug: SaleSlug,
    /// For people to read.
    pub title: String,
    /// Of its buttons and links, if not the shop's own.
    pub accent: Option<Colour>,
    /// Of all its prices.
    pub currency: Currency,
    /// Claims are taken from here on.
    pub starts_at: Timestamp,
    /// The first instant at which no more is taken; always after the start.
    pub ends_at: Timestamp,
    /// How long a cart is kept; whole milliseconds.
    pub hold: Duration,
    /// Units a shopper may hold and buy over the whole sale.
    pub limit_per_shopper: Quantity,
}

/// A sale as Postgres has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// Its row.
    pub id: SaleId,
    /// Its name in URLs.
    pub slug: SaleSlug,
    /// For people to read.
    pub title: String,
    /// Of its buttons and links, if not the shop's own.
    pub accent: Option<Colour>,
    /// Of all its prices.
    pub currency: Currency,
    /// Claims are taken from here on.
    pub starts_at: Timestamp,
    /// The first instant at which no more is taken; always after the start.
    pub ends_at: Timestamp,
    /// How long a cart is kept; whole milliseconds.
    pub hold: Duration,
    /// Units a shopper may hold and buy over the whole sale.
    pub limit_per_shopper: Quantity,
    /// Whether taking is switched off for now.
    pub paused: bool,
    /// Grows with every change of the sale, its products or its stock.
    pub revision: Revision,
    /// Offsets in the sale's file count from here.
    pub first_imported_at: Timestamp,
    /// An import found it open: prices, hold time and currency are fixed for good, even if it was
    /// put off since.
    pub fixed: bool,
}

/// What a sale lets shoppers do at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not yet started: look, don't take.
    Before,
    /// Everything.
    Open,
    /// Nothing more is taken for now; what is held can be released and bought.
    Paused,
    /// Nothing more is taken; what is held can be released and bought.
    Ended,
}

impl Sale {
    /// The phase at `now`. The schedule comes before the switch: what has ended is not paused.
    #[must_use]
    pub fn phase(&self, now: Timestamp) -> Phase {
        if now < self.starts_at {
            Phase::Before
        } else if now >= self.ends_at {
            Phase::Ended
        } else if self.paused {
            Phase::Paused
        } else {
            Phase::Open
        }
    }

    /// Whether prices, hold time and currency are fixed at `now`: it is or was open.
    #[must_use]
    pub fn is_fixed(&self, now: Timestamp) -> bool {
        self.fixed || now >= self.starts_at
    }

    /// The terms alone, to compare with a file's.
    #[must_use]
    pub fn terms(&self) -> NewSale {
        NewSale {
            slug: self.slug.clone(),
            title: self.title.clone(),
            accent: self.accent,
            currency: self.currency,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            hold: self.hold,
            limit_per_shopper: self.limit_per_shopper,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::clock::from_millis;

    fn sale() -> Sale {
        Sale {
            id: SaleId(1),
            slug: "night-run".parse().unwrap(),
            title: "Night Run".into(),
            accent: None,
            currency: "EUR".parse().unwrap(),
            starts_at: from_millis(1_000),
            ends_at: from_millis(2_000),
            hold: Duration::from_mins(10),
            limit_per_shopper: Quantity::try_from(4).unwrap(),
            paused: false,
            revision: Revision(1),
            first_imported_at: from_millis(0),
            fixed: false,
        }
    }

    #[test]
    fn a_sale_is_open_from_its_start_until_just_before_its_end() {
        let sale = sale();
        let phases = [999, 1_000, 1_999, 2_000].map(|at| sale.phase(from_millis(at)));
        assert_eq!(phases, [Phase::Before, Phase::Open, Phase::Open, Phase::Ended]);
    }

    #[test]
    fn a_pause_shows_only_while_the_sale_would_be_open() {
        let sale = Sale { paused: true, ..sale() };
        let phases = [999, 1_000, 2_000].map(|at| sale.phase(from_millis(at)));
        assert_eq!(phases, [Phase::Before, Phase::Paused, Phase::Ended]);
    }

    #[test]
    fn what_was_open_once_stays_fixed() {
        let put_off = Sale { fixed: true, ..sale() };
        assert!(put_off.is_fixed(from_millis(0)));
        assert!(!sale().is_fixed(from_millis(999)));
        assert!(sale().is_fixed(from_millis(1_000)));
    }
}
