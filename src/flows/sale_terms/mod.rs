//! A sale's totals and terms: set from a file, switched on and off, kept the same in Postgres and
//! Redis.
//!
//! All of a sale's terms are set together, under a revision from a sequence that gives none twice.
//! The order of steps is what keeps a sale from being over-committed, whoever dies in between:
//!
//! 1. What lowers a total is lowered in Redis first, in the epoch that was read and under a revision
//!    of its own. Redis refuses to go below what is held and sold.
//! 2. Postgres commits under a second, higher revision, if epoch and revision are still those that
//!    were read. No lock is held while Redis is asked: checkouts share the epoch's row.
//! 3. Redis is set to all that was committed.
//!
//! Whenever the two revisions differ, something died in between, and [`SaleTerms::reconcile`] does 2
//! and 3 with what Postgres has. A sale that was never opened is changed in Postgres alone.

mod commit;
mod import;
mod plan;
mod reconcile;
mod switch;

pub mod file;

use std::time::Duration;

use sqlx::PgPool;
use thiserror::Error;

pub use import::{Imported, Outcome};
pub use plan::Change;
pub use reconcile::Reconciled;
pub use switch::Switched;

use crate::{
    kernel::clock::Clock,
    shop::{
        inventory::{Inventory, InventoryError},
        sales::Sales,
    },
};
use file::FileErrors;

/// The stock of every sale lies in one bucket.
const BUCKET: u16 = 0;

/// Others change the same sale seldom; whoever loses this often should look why.
const TRIES: usize = 5;

/// Changes the terms of sales. Cheap to clone.
#[derive(Clone)]
pub struct SaleTerms {
    pool: PgPool,
    inventory: Inventory,
    sales: Sales,
    clock: Clock,
    grace: Duration,
}

/// Whether Redis has what was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InRedis {
    /// It has, or has something newer already.
    Set,
    /// The sale's stock was never opened: there is nothing to be set yet.
    NotOpened,
    /// Not yet, for this reason. The keeper does it as soon as it can.
    Later(String),
}

/// Why a sale's terms are as they were.
#[derive(Debug, Error)]
pub enum SaleTermsError {
    /// The file asks for what cannot be.
    #[error(transparent)]
    Invalid(#[from] FileErrors),
    /// No sale of that name.
    #[error("no such sale")]
    NotFound,
    /// A total was to be lowered, and Redis could not be asked. It may have been lowered there; the
    /// keeper raises it again.
    #[error("a total can only be lowered while the sale's stock is open: {0}; try again")]
    StockAway(InventoryError),
    /// Others kept changing the same sale.
    #[error("the sale was changed or opened meanwhile; try again")]
    Contended,
    /// Postgres is away, or refused.
    #[error("postgres: {0}")]
    Postgres(#[from] sqlx::Error),
    /// What should not be.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl SaleTerms {
    /// `grace` is how long a checkout may outlive the hold; Redis has it with the terms. `sales` is
    /// told when something changed, so that this process shows it at once.
    #[must_use]
    pub fn new(
        pool: PgPool,
        inventory: Inventory,
        sales: Sales,
        clock: Clock,
        grace: Duration,
    ) -> Self {
        Self { pool, inventory, sales, clock, grace }
    }
}
