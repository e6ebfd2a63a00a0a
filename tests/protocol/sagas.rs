//! Checkouts that meet openings, the end of their hold and their own successor, step by step.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use stampede::{
    flows::{
        cart_lines::CartLineError,
        checkout::{Checkout, CheckoutError, Moment, Placed, Purchase, Settings, Step},
        opening,
    },
    kernel::{
        clock::{Clock, from_millis},
        ids::ShopperId,
    },
    platform::metrics::Metrics,
    shop::{
        inventory::Freeze,
        orders::{self, Email, Shipping},
        payments::{
            Payments,
            sandbox::{Card, Sandbox},
        },
    },
};

use crate::harness::until;

use super::stage::{CAP, GRACE, HOLD, PAIR, Rule, Stage, nothing};

impl Stage {
    fn checkout(&self) -> Checkout {
        let (app, clock) = (&self.app, Clock::system());
        let sandbox = Sandbox::new(app.pool.clone(), Duration::from_secs(3));
        let payments = Payments::new(Arc::new(sandbox), Vec::new());
        Checkout::new(
            app.pool.clone(),
            self.inventory.clone(),
            app.catalog.clone(),
            payments,
            (clock, app.ids.clone()),
            Settings { lease: Duration::from_mins(1), grace: Duration::from_mins(5) },
            &Metrics::new().unwrap(),
        )
        .unwrap()
    }

    /// An owner who ends, as if killed, at the first moment of which `happens` says so.
    fn owner<F>(&self, happens: impl Fn(Self, Moment) -> F + Send + Sync + 'static) -> Checkout
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let stage = self.clone();
        self.checkout()
            .with_schedule(Arc::new(move |moment| happens(stage.clone(), moment).boxed()))
    }

    async fn buy(&self, with: &Checkout, shopper: ShopperId) -> Result<Placed, CheckoutError> {
        with.place(Purchase {
            sale: &self.sale,
            shopper,
            key: "key".parse().unwrap(),
            email: Email::parse("ada@example.org").unwrap(),
            shipping: Shipping::parse("Ada", "1 Way", "London", "N1", "GB").unwrap(),
            method: Card::Ok.into(),
            cart_version: None,
        })
        .await
    }

    /// Whoever owned a checkout is dead, and others finish it.
    async fn resume(&self) {
        for _ in 0..10 {
            self.write("UPDATE checkouts SET lease_until = now() - interval '1 s'").await;
            if self.checkout().resume_due(16).await.unwrap() == 0 {
                return;
            }
        }
        panic!("a checkout does not end");
    }

    /// Holds end, and so does the grace.
    async fn holds_end(&self) {
        self.pass(HOLD + GRACE).await;
        self.expire().await;
    }

    async fn until_all_is_final(&self) {
        let open = "SELECT COUNT(*) FROM checkouts WHERE step <> 'done'";
        until("checkouts end", async || self.number(open).await == 0).await;
    }

    /// Units of the last pair in paid orders.
    async fn paid(&self) -> i64 {
        let paid = orders::rebuild::paid_units(&self.app.pool, self.kept.sale).await.unwrap();
        paid.get(PAIR).copied().unwrap_or_default()
    }
}

/// True the first time only.
fn once() -> impl Fn() -> bool + Clone {
    let first = Arc::new(AtomicBool::new(true));
    move || first.swap(false, Ordering::SeqCst)
}

/// A's settle takes place in epoch 1; Redis restarts, the hold ends, B buys the unit in epoch 2;
/// A's saga goes on and buys it too.
#[tokio::test]
async fn epoch_checked_when_an_outcome_is_recorded() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let ([a, b], first) = (stage.shoppers(), once());
        let epochs = Arc::new(std::sync::Mutex::new([stage.epoch().await; 2]));
        stage.set(a, PAIR, 1).await;
        let slow = stage.owner(move |stage, moment| {
            let (epochs, first) = (epochs.clone(), first.clone());
            async move {
                if moment == Moment::Happened(Step::Settle) && first() {
                    stage.lose_redis().await;
                    stage.open_again().await;
                    stage.holds_end().await;
                    stage.set(b, PAIR, 1).await;
                    let bought = stage.buy(&stage.checkout(), b).await;
                    assert!(matches!(bought, Ok(Placed::Paid(_))), "{bought:?}");
                    let present = stage.epoch().await;
                    epochs.lock().unwrap()[1] = present;
                    if rule.is_left_out() {
                        let old = epochs.lock().unwrap()[0];
                        stage.pretend_epoch(old).await;
                    }
                }
                if moment == Moment::Recorded(Step::Capture) && rule.is_left_out() {
                    let present = epochs.lock().unwrap()[1];
                    stage.pretend_epoch(present).await;
                }
                true
            }
        });
        // how long he waits for it does not matter here
        let _ = stage.buy(&slow, a).await;
        stage.until_all_is_final().await;
        assert_eq!(stage.paid().await, if rule.is_left_out() { 2 } else { 1 });
        stage.end(rule).await;
    }
}

/// The grace gives A's unit back, B takes it, Redis is lost, A's open saga revives it.
#[tokio::test]
async fn held_from_lines_alone() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let [a, b] = stage.shoppers();
        stage.set(a, PAIR, 1).await;
        let dies =
            stage.owner(|_, moment| std::future::ready(moment != Moment::Recorded(Step::Settle)));
        let bought = stage.buy(&dies, a).await;
        assert!(matches!(bought, Ok(Placed::Pending(_))), "{bought:?}");
        stage.holds_end().await;
        stage.set(b, PAIR, 1).await;
        stage.take_over().await;
        stage.lose_redis().await;

        let keeper = stage.keeper(move |stage, step| async move {
            if rule.is_left_out() && step == opening::Step::Rebuild {
                // what the order wants is held, whatever its line says
                stage
                    .write(
                        "UPDATE cart_lines l SET quantity = o.quantity,
                             expires_at = now() + interval '1 day'
                         FROM order_lines o JOIN checkouts c USING (order_id)
                         WHERE l.shopper_id = c.shopper_id AND l.sku = o.sku",
                    )
                    .await;
            }
            Ok(())
        });
        stage.tend(&keeper).await.unwrap();
        let kept = i64::from(!rule.is_left_out());
        assert_eq!(stage.in_cart(b, PAIR).await, kept, "he was told yes");
        stage.resume().await;
        assert_eq!(stage.paid().await, 1 - kept);
        stage.end(rule).await;
    }
}

/// The grace frees a unit that is just being charged.
#[tokio::test]
async fn capture_rebuilt_as_sold() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let [a, b] = stage.shoppers();
        stage.set(a, PAIR, 1).await;
        let slow = stage.owner(move |stage, moment| async move {
            if moment == Moment::Recorded(Step::Capture) {
                stage.lose_redis().await;
                let keeper = stage.keeper(move |stage, step| async move {
                    let step_seen = match step {
                        opening::Step::Rebuild => "UPDATE checkouts SET step = 'settle'",
                        opening::Step::Swap => "UPDATE checkouts SET step = 'capture'",
                        _ => return Ok(()),
                    };
                    if rule.is_left_out() {
                        stage.write(step_seen).await;
                    }
                    Ok(())
                });
                stage.tend(&keeper).await.unwrap();
                stage.holds_end().await;
                let told = stage.put(b, PAIR, 1).await;
                if rule.is_left_out() {
                    told.unwrap();
                } else {
                    let sold_out = matches!(told, Err(CartLineError::SoldOut { available: 0 }));
                    assert!(sold_out, "{told:?}");
                }
            }
            true
        });
        let _ = stage.buy(&slow, a).await;
        stage.until_all_is_final().await;
        if rule.is_left_out() {
            let bought = stage.buy(&stage.checkout(), b).await;
            assert!(matches!(bought, Ok(Placed::Paid(_))), "{bought:?}");
        }
        assert_eq!(stage.paid().await, if rule.is_left_out() { 2 } else { 1 });
        stage.end(rule).await;
    }
}

/// A resumer voids, the first owner's authorise arrives: money stays blocked.
#[tokio::test]
async fn void_cancels_the_key() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let [a] = stage.shoppers();
        stage.set(a, PAIR, 1).await;
        let slow = stage.owner(move |stage, moment| async move {
            if moment == Moment::Recorded(Step::Authorise) {
                stage.holds_end().await;
                stage.resume().await;
                if rule.is_left_out() {
                    // what was set aside is released, and that is all
                    stage.write("DELETE FROM sandbox_payments").await;
                }
            }
            true
        });
        let _ = stage.buy(&slow, a).await;
        let charged = "SELECT COUNT(*) FROM sandbox_payments";
        until("the charge arrives", async || stage.number(charged).await == 1).await;
        let blocked = stage.app.auditor.payments(from_millis(0)).await.unwrap();
        assert_eq!(blocked.is_empty(), !rule.is_left_out(), "{blocked:?}");
        assert_eq!(stage.paid().await, 0);
        stage.end(rule).await;
    }
}

/// A late begin freezes a claim for an order long dead.
#[tokio::test]
async fn deadline_of_saga_verbs() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let ([a], epoch) = (stage.shoppers(), stage.epoch().await);
        stage.set(a, PAIR, 1).await;
        // his begin is on its way, and does not arrive; his successor finds the order dead
        let deadline = stage.soon();
        let dies =
            stage.owner(|_, moment| std::future::ready(moment != Moment::Recorded(Step::Begin)));
        let Ok(Placed::Pending(order)) = stage.buy(&dies, a).await else { panic!("not pending") };
        stage.set(a, PAIR, 0).await;
        stage.resume().await;
        stage.set(a, PAIR, 1).await;
        stage.pass(Duration::from_secs(3)).await;

        let inventory = if rule.is_left_out() {
            stage.inventory_without("prelude", "now > tonumber(deadline)", "false")
        } else {
            stage.inventory.clone()
        };
        let late = Freeze { shopper: a, order: order.id, attempt: 1 };
        let lines = [(PAIR.parse().unwrap(), 1.try_into().unwrap())];
        let _ = inventory.begin(&stage.bucket, epoch, deadline, &late, &lines).await;
        // frozen for an order that is long dead, the cart can be neither changed nor bought
        let changed = stage.put(a, PAIR, 0).await;
        let frozen = matches!(changed, Err(CartLineError::CheckoutInProgress));
        assert_eq!(frozen, rule.is_left_out(), "{changed:?}");
        stage.end(rule).await;
    }
}

/// A keeper opens while checkouts stand at each of their steps.
#[tokio::test]
async fn an_opening_finds_every_checkout_where_it_was() {
    use Step::{Authorise, Begin, Capture, Finish, Settle};
    let stage = Stage::open().await;
    let steps = [Begin, Authorise, Settle, Capture, Finish];
    for step in steps {
        for moment in [Moment::Recorded(step), Moment::Happened(step)] {
            let [shopper] = stage.shoppers();
            stage.set(shopper, CAP, 1).await;
            let dies = stage.owner(move |_, now| std::future::ready(now != moment));
            stage.buy(&dies, shopper).await.unwrap();
        }
    }
    stage.lose_redis().await;
    stage.tend(&stage.keeper(nothing)).await.unwrap();
    stage.resume().await;
    let units = stage.units(CAP).await;
    assert_eq!((units.held, units.sold), (0, 10));
    stage.end(Rule::Kept).await;
}
