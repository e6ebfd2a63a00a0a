//! The stock: who holds what, and what is left.
//!
//! While a sale runs, Redis owns this state, and only the scripts in `lua/` change it. What always
//! holds, for every SKU: `total = available + held + sold`, where held and sold are what one gets by
//! adding up the claims and the returns.
//!
//! - Units leave the shelf at once, and come back only when paper (stream and Postgres) says so:
//!   what a shopper lowers, releases or lets run out lies in the *returns*, still counted as held,
//!   until [`Inventory::give_back`] after the confirm.
//! - Each line set has a `Version` of its own, and each change of a counter draws a number too:
//!   of two statements about anything here, the higher version is the newer one.
//! - A script runs only under the epoch of the last opening and on the server that was opened; on
//!   any other it answers [`InventoryError::Closed`], and somebody has to open the sale.
//! - Every verb may be repeated.

mod checkout;
mod claim;
mod crossings;
mod feed;
mod holds;
mod journal;
mod model;
mod opening;
mod reading;
mod redis;
mod reply;
pub mod store;
pub mod sums;
mod taking;
mod terms;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::TimeDelta;

pub use self::{
    claim::{Claim, ClaimLine, Frozen},
    crossings::{Crossing, Written, crossings},
    feed::Feed,
    holds::Holds,
    model::{
        BeginOutcome, Built, CartState, CartView, ClaimOutcome, Claimed, Expired, Freeze,
        InventoryError, Opening, OverCommitted, Refusal, RestockOutcome, SettleOutcome, SkuTerms,
        Snapshot, StockView, Terms, TermsOutcome, UnfreezeOutcome, Units, WantedLine,
    },
    opening::Build,
    redis::Scripts,
};
use self::{
    redis::Keys,
    reply::{Fields, Reply, unexpected},
};
use crate::{
    kernel::{
        clock::{Clock, Timestamp},
        ids::Bucket,
    },
    platform::redis::{Call, Lane, Redis},
};

/// The stock of all sales. Cheap to clone.
#[derive(Clone)]
pub struct Inventory(Arc<Inner>);

struct Inner {
    redis: Redis,
    /// Claims, and the checkout's verbs: short scripts that many wait for.
    lane: Lane,
    scripts: Scripts,
    prefix: String,
    clock: Clock,
    /// Redis' clock minus ours in milliseconds, as of the last reply.
    offset: AtomicI64,
}

impl Inventory {
    /// The stock in `redis` under keys that begin with `prefix`.
    #[must_use]
    pub fn new(redis: Redis, prefix: &str, clock: Clock, scripts: Scripts) -> Self {
        let lane = redis.lane();
        let prefix = prefix.to_owned();
        Self(Arc::new(Inner { redis, lane, scripts, prefix, clock, offset: AtomicI64::new(0) }))
    }

    /// Redis' time, from this process' clock and the offset seen at the last reply.
    #[must_use]
    pub fn redis_now(&self) -> Timestamp {
        self.0.clock.now() + TimeDelta::milliseconds(self.0.offset.load(Ordering::Relaxed))
    }

    fn keys(&self, bucket: &Bucket) -> Keys {
        Keys::new(&self.0.prefix, bucket)
    }

    /// Runs a script on the kept connection.
    async fn run(&self, call: Call) -> Result<Reply, InventoryError> {
        let reply = Reply::decode(self.0.lane.run(&call).await?)?;
        self.heard(reply.now);
        Ok(reply)
    }

    /// Runs scripts in one round trip, and answers with the last one's fields. If one refused to
    /// run, that is the answer.
    async fn run_all(&self, calls: &[Call]) -> Result<Fields, InventoryError> {
        let mut last = Err(unexpected(&"empty round trip"));
        for value in self.0.lane.run_all(calls).await? {
            let reply = Reply::decode(value)?;
            self.heard(reply.now);
            last = Ok(reply.done()?);
        }
        last
    }

    fn heard(&self, redis_now: Timestamp) {
        let offset = (redis_now - self.0.clock.now()).num_milliseconds();
        self.0.offset.store(offset, Ordering::Relaxed);
    }
}
