//! What providers tell us by themselves: it wakes whoever can ask them how things stand.

use std::time::Duration;

use chrono::Days;

use super::{Checkout, CheckoutError, store};
use crate::{
    platform::backoff::pause,
    shop::{
        dead_letters::{self, Failure},
        orders,
        payments::{
            notices::{self, Stored},
            stripe::notice::HEEDED,
        },
        refunds,
    },
};

/// Where parked notices stand among the dead letters.
pub const PARKED_NOTICES: &str = "payment-notices";
/// A notice for an order that is not there is looked at again after pauses that grow to this.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Looks for an order that is not there: about ten minutes. An order is on record before its
/// payment, so this takes a database that was restored, or another shop on the same account.
const MOST_TRIES: i32 = 20;
/// For how long handled notices are kept; Stripe repeats one for three days.
const KEPT_DAYS: Days = Days::new(30);
/// Notices forgotten in one statement.
const FORGOTTEN: i64 = 1_000;

/// What came of notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Handled {
    /// Whoever waits for the payment was woken.
    pub heeded: u64,
    /// They were of another kind, or of no order of ours.
    pub ignored: u64,
    /// Their order is not there yet.
    pub put_off: u64,
    /// Their order never came.
    pub parked: u64,
}

impl Checkout {
    /// Handles notices that are due, `limit` at most, in one transaction.
    pub async fn handle_notices(&self, limit: i64) -> Result<Handled, CheckoutError> {
        let mut handled = Handled::default();
        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        for notice in notices::store::due(&mut *tx, now, limit).await? {
            let Some(order) = notice.order.filter(|_| HEEDED.contains(&&*notice.kind)) else {
                tracing::debug!(kind = notice.kind, "a notice is not acted on");
                notices::store::handled(&mut *tx, &notice, now).await?;
                handled.ignored += 1;
                continue;
            };
            if orders::store::by_id(&mut tx, order).await?.is_some() {
                store::wake(&mut *tx, order).await?;
                refunds::store::wake(&mut *tx, order).await?;
                notices::store::handled(&mut *tx, &notice, now).await?;
                handled.heeded += 1;
            } else if notice.tries < MOST_TRIES {
                let pause = pause(notice.tries, LONGEST_PAUSE);
                notices::store::put_off(&mut *tx, &notice, pause).await?;
                handled.put_off += 1;
            } else {
                let (position, subject) = (position(&notice), order.to_string());
                let why = "there is no such order";
                let failure = Failure::new(PARKED_NOTICES, &position, why, &notice.body)
                    .about(Some(&subject))
                    .tried(i64::from(notice.tries) + 1);
                dead_letters::store::insert(&mut *tx, failure, now).await?;
                notices::store::handled(&mut *tx, &notice, now).await?;
                handled.parked += 1;
            }
        }
        tx.commit().await?;
        Ok(handled)
    }

    /// Forgets notices that were handled long ago; says how many.
    pub async fn forget_notices(&self) -> Result<u64, CheckoutError> {
        let now = self.clock.now();
        let since = now.checked_sub_days(KEPT_DAYS).unwrap_or(now);
        Ok(notices::store::forget(&self.pool, since, FORGOTTEN).await?)
    }
}

fn position(notice: &Stored) -> String {
    format!("{} {}", notice.provider, notice.id)
}
