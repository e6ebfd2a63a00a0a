//! What the stock is asked and what it answers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use thiserror::Error;

use crate::{
    kernel::{
        clock::Timestamp,
        ids::{OrderId, ProductSlug, ShopperId, Sku},
        line::CartLine,
        quantity::Quantity,
        version::{Epoch, Revision, Seq, Version},
    },
    platform::redis::RedisError,
};

/// Why a verb did not run, or may not have run.
#[derive(Debug, Error)]
pub enum InventoryError {
    /// The sale is not open under this epoch on this server: nothing was done.
    #[error("the stock is closed under this epoch")]
    Closed,
    /// The deadline had passed when the script ran: nothing was done.
    #[error("the deadline had passed")]
    Late,
    /// Redis could not be asked, or its answer was lost: the outcome is unknown. Every verb may
    /// be repeated.
    #[error("redis is unavailable")]
    Unavailable(#[from] RedisError),
    /// An answer or a stored value that this version cannot read.
    #[error("unexpected {0}")]
    Unexpected(String),
}

/// "This shopper wants this line to be so many units."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedLine {
    /// Whose line.
    pub shopper: ShopperId,
    /// Of what.
    pub sku: Sku,
    /// Units the line should hold; zero releases it.
    pub quantity: Quantity,
}

/// How one wanted line fared. `expires_at` is the end of the whole cart's hold, `None` when the
/// cart holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The line held nothing before and now holds `quantity`.
    Created {
        /// Units held.
        quantity: Quantity,
        /// When the cart runs out.
        expires_at: Option<Timestamp>,
    },
    /// The line held another quantity before.
    Changed {
        /// Units held.
        quantity: Quantity,
        /// When the cart runs out.
        expires_at: Option<Timestamp>,
    },
    /// The line held `quantity` already.
    Stood {
        /// Units held.
        quantity: Quantity,
        /// When the cart runs out.
        expires_at: Option<Timestamp>,
    },
    /// Nothing of this line was changed.
    Refused(Refusal),
}

/// Why a line was not set as wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Fewer units are on the shelf than are missing to the wanted quantity.
    SoldOut {
        /// Units on the shelf at that moment.
        available: i64,
    },
    /// More than a shopper may hold and have bought, of the sale or of the product.
    LimitReached,
    /// The cart is frozen by a checkout.
    CheckoutInProgress,
    /// The sale has not started.
    NotStarted,
    /// The sale is over.
    Ended,
    /// The sale is paused.
    Paused,
    /// The sale has no such SKU.
    UnknownSku,
}

/// The answer to a batch of wanted lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claimed {
    /// One for each wanted line, by position.
    pub outcomes: Vec<ClaimOutcome>,
    /// To be published before anybody is told yes, by rising version: lines that changed or stood,
    /// and zero lines of carts that were found to have run out.
    pub lines: Vec<CartLine>,
    /// To be given back once `lines` are confirmed.
    pub returned: Vec<Version>,
}

/// What became of carts whose hold may be over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expired {
    /// Zero lines to be published; their versions are to be given back after the confirm. What is
    /// left lying is found again by `returns`.
    pub lines: Vec<CartLine>,
    /// Carts that are not due yet, and when they will be: a checkout keeps them for its grace, or
    /// they are new ones. Carts that hold nothing, or are bought, are not mentioned.
    pub later: Vec<(Timestamp, ShopperId)>,
}

/// What a shopper's cart holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartView {
    /// Lines with their units held, by SKU; none of them zero.
    pub lines: Vec<(Sku, Quantity)>,
    /// When the cart runs out; the past end of one that ran out.
    pub expires_at: Option<Timestamp>,
    /// Whether it may be changed.
    pub state: CartState,
}

/// Whether a cart may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CartState {
    /// It may.
    Open,
    /// Its hold is over, and nothing was put in since.
    RanOut,
    /// A checkout is under way; what it settled is still among the lines.
    Frozen(OrderId),
}

/// Which owner of which checkout speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freeze {
    /// Whose cart.
    pub shopper: ShopperId,
    /// The order that the checkout makes.
    pub order: OrderId,
    /// Grows with every owner of the checkout; a lower one than was seen is refused.
    pub attempt: i32,
}

/// The answer to `begin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeginOutcome {
    /// The cart is frozen for this order, now or since an earlier call.
    Frozen {
        /// End of the hold; the checkout may outlive it by the grace.
        expires_at: Timestamp,
    },
    /// It holds other lines than the wanted ones.
    CartChanged,
    /// It holds nothing.
    CartEmpty,
    /// Its hold is over.
    HoldExpired,
    /// Another order has frozen it.
    InProgress,
    /// A later attempt of this order was here.
    Stale,
}

/// The answer to `settle`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettleOutcome {
    /// The wanted lines count as sold, now or since an earlier call. The zero lines are what the
    /// cart holds once the order is paid; a repeated call gives them newer versions.
    Settled(Vec<CartLine>),
    /// The hold and its grace are over, or the cart is not frozen by this order, or does not hold
    /// its lines.
    Gone,
    /// A later attempt of this order was here.
    Stale,
}

/// The answer to `finish` and `abort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnfreezeOutcome {
    /// The cart is not frozen by this order, now or since earlier.
    Done,
    /// A later attempt of this order was here: nothing was done.
    Stale,
}

/// The answer to `restock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestockOutcome {
    /// The units are on sale again, now or since earlier.
    Done,
    /// The order's checkout has to finish first.
    NotYet,
}

/// Whether a keeper may go on opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The mark stands, or the stock is swapped in.
    Done,
    /// Another keeper has a higher epoch, or this server has not (or no longer) this keeper's
    /// mark: begin again with a new epoch.
    Overtaken,
}

/// What became of a build beside the old keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Built {
    /// Ready for `swap_in`.
    Ready {
        /// Claims written.
        claims: u64,
    },
    /// More is claimed than there is; nothing to be swapped in.
    OverCommitted(Vec<OverCommitted>),
}

/// A SKU of which more is claimed than there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverCommitted {
    /// The SKU; its total counts as 0 when the sale does not have it.
    pub sku: Sku,
    /// Units in all.
    pub total: i64,
    /// Units held and sold.
    pub committed: i64,
}

/// What the stock must know of a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whether nobody may take more for now.
    pub paused: bool,
    /// From when units may be taken.
    pub starts_at: Timestamp,
    /// Until when units may be taken.
    pub ends_at: Timestamp,
    /// How long a cart is kept.
    pub hold: Duration,
    /// How long a checkout may outlive the hold.
    pub grace: Duration,
    /// Units a shopper may hold and have bought; zero for no limit.
    pub limit: Quantity,
    /// Every SKU of the sale.
    pub skus: Vec<SkuTerms>,
}

/// What the stock must know of a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuTerms {
    /// Its name.
    pub sku: Sku,
    /// The product it belongs to.
    pub product: ProductSlug,
    /// Units of the product that a shopper may hold and have bought; zero for no limit.
    pub product_limit: Quantity,
    /// Units in this bucket.
    pub total: Quantity,
}

/// The answer to a change of totals or terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TermsOutcome {
    /// They are as wanted.
    Done,
    /// The revision is not above the one that is set.
    Stale,
    /// The total would fall below what is held and sold. Nothing was changed.
    BelowCommitted {
        /// Of which SKU.
        sku: Sku,
        /// Units held and sold, returns on their way included.
        committed: i64,
    },
}

/// Counters of one SKU, in units. `total = available + held + sold`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Units {
    /// In all.
    pub total: i64,
    /// On the shelf.
    pub available: i64,
    /// In carts, and on their way back.
    pub held: i64,
    /// Bought, or settled by a checkout.
    pub sold: i64,
    /// Running sum of units taken from the shelf since the opening.
    pub taken: i64,
    /// Running sum of units put back on the shelf since the opening.
    pub given: i64,
    /// Running sum of units that ran out since the opening.
    pub expired: i64,
    /// Running count of the times a line was set to more since the opening.
    pub lines: i64,
    /// Running count of the times more was asked for than was available, since the opening. It alone
    /// changes without a number being drawn, and the journal tells of it with the next change.
    pub refused: i64,
}

/// One moment of a bucket's stock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The epoch it is open under.
    pub epoch: Epoch,
    /// The revision of its totals and terms.
    pub revision: Revision,
    /// The last number drawn. Counters of units change only together with it.
    pub seq: Seq,
    /// Redis' time.
    pub now: Timestamp,
    /// The journal's last entry: what comes later is not in this snapshot.
    pub journal_id: String,
    /// Whether nobody may take more for now.
    pub paused: bool,
    /// Counters of every SKU.
    pub units: BTreeMap<Sku, Units>,
    /// Lines on their way back to the shelf.
    pub returns: u64,
    /// Shoppers with a claim, empty ones included.
    pub claims: u64,
}

/// A bucket's stock as the feed last heard of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockView {
    /// The epoch.
    pub epoch: Epoch,
    /// The last number drawn. Counters of units change only together with it.
    pub seq: Seq,
    /// Counters of every SKU.
    pub units: Arc<BTreeMap<Sku, Units>>,
    /// When this was certainly so, by this process' clock; it grows while nothing changes.
    pub as_of: Timestamp,
}
